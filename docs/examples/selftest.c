/* Checks frame.c against the vectors of the protocol:
 *
 *     selftest headers.txt transfers.txt
 *
 * Of a vector with faults it checks all up to the first: there a host gives
 * the link up. */
#include "frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 16384 };

static const char *const type_names[] = {"", "REQUEST", "RESPONSE", "CANCEL", "EVENT", "HELLO"};
static int vectors, failures;
static char name[64]; /* of the vector at hand */

static void check(int good, const char *what)
{
    if (good)
        return;
    failures++;
    printf("%s: %s\n", name, what);
}

/* Turns "48534D" into bytes; "-" stands for none. */
static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;
    while (sscanf(hex + 2 * n, "%2x", &byte) == 1)
        out[n++] = (uint8_t)byte;
    return n;
}

/* Splits "key   value\n" in place; returns the value. */
static char *split(char *line)
{
    line[strcspn(line, "\n")] = 0;
    char *value = line + strcspn(line, " ");
    if (*value != 0)
        *value++ = 0;
    return value + strspn(value, " ");
}

static void check_header(const char *key, const char *value, const uint8_t *p, size_t n)
{
    static const char *const verdicts[] = {"ok", "short", "magic", "check"};
    struct header h;
    char text[LINE];
    uint8_t again[FRAME_HEADER];
    enum header_error verdict = header_read(&h, p, n);
    if (strcmp(key, "refused") == 0) {
        check(strcmp(verdicts[verdict], value) == 0, "refused for another reason, or taken");
        return;
    }
    check(verdict == HEADER_OK, "refused");
    if (verdict != HEADER_OK)
        return;
    snprintf(text, sizeof text, "version=%u type=%u flags=%u tag=%u session=%u code=%u length=%u total=%u", h.version,
             h.type, h.flags, h.tag, h.session, h.code, h.length, h.total);
    check(strcmp(text, value) == 0, text);
    header_write(&h, again);
    check(memcmp(again, p, sizeof again) == 0, "written in another way");
}

static void test_headers(FILE *file)
{
    static char line[LINE];
    static uint8_t bytes[LINE];
    size_t n = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char *value = split(line);
        if (strcmp(line, "vector") == 0) {
            vectors++;
            snprintf(name, sizeof name, "%s", value);
        } else if (strcmp(line, "bytes") == 0) {
            n = unhex(value, bytes);
        } else if (strcmp(line, "fields") == 0 || strcmp(line, "refused") == 0) {
            check_header(line, value, bytes, n);
        }
    }
}

/* What receiver_feed made of a transfer, in the words of the vectors. */
struct results {
    char text[64][256];
    int count, next;
};

static void note(void *context, const struct message *m)
{
    struct results *r = context;
    char *out = r->text[r->count++];
    int n = snprintf(out, 256, "%s tag=%u session=%u code=%u payload=", type_names[m->type], m->tag, m->session, m->code);
    if (m->length == 0)
        snprintf(out + n, 256 - (size_t)n, "-");
    for (size_t i = 0; i < m->length && n < 250; i++)
        n += snprintf(out + n, 256 - (size_t)n, "%02x", m->payload[i]);
}

static void test_transfers(FILE *file)
{
    static char line[LINE];
    static uint8_t bytes[LINE];
    static struct receiver receiver;
    static struct results got;
    int fault = 0, given_up = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char *value = split(line);
        int is_transfer = strcmp(line, "transfer") == 0, is_vector = strcmp(line, "vector") == 0;
        if (!given_up && (is_transfer || is_vector))
            check(got.next == got.count && !fault, "a message or a fault too many");
        if (is_vector) {
            vectors++;
            snprintf(name, sizeof name, "%s", value);
            receiver_reset(&receiver);
            given_up = fault = got.count = got.next = 0;
        } else if (is_transfer && !given_up) {
            size_t n = unhex(value, bytes);
            got.count = got.next = 0;
            fault = receiver_feed(&receiver, bytes, n, note, &got) != 0;
        } else if (strcmp(line, "message") == 0 && !given_up) {
            check(got.next < got.count && strcmp(got.text[got.next], value) == 0, "another message, or none");
            got.next++;
        } else if (strcmp(line, "fault") == 0 && !given_up) {
            check(fault && got.next == got.count, "no fault where there is one");
            given_up = 1;
        }
    }
    receiver_reset(&receiver);
}

int main(int argc, char **argv)
{
    void (*const tests[])(FILE *) = {test_headers, test_transfers};
    if (argc != 3) {
        fprintf(stderr, "usage: selftest headers.txt transfers.txt\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(argv[i + 1], "r");
        if (file == NULL) {
            perror(argv[i + 1]);
            return 2;
        }
        tests[i](file);
        fclose(file);
    }
    printf("%d vectors, %d failures\n", vectors, failures);
    return failures > 0 || vectors == 0;
}
