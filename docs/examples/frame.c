/* Frames of the usbhsm7 protocol: see frame.h. */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t magic[4] = {'H', 'S', 'M', '7'};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* CRC-32C, bit by bit: 28 bytes at a time need no table. */
static uint32_t crc32c(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xFFFFFFFF;
    while (n-- > 0) {
        crc ^= *p++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    }
    return ~crc;
}

void header_write(const struct header *h, uint8_t *out)
{
    memcpy(out, magic, sizeof magic);
    out[4] = h->version;
    out[5] = h->type;
    out[6] = (uint8_t)h->flags;
    out[7] = (uint8_t)(h->flags >> 8);
    put32(out + 8, h->tag);
    put32(out + 12, h->session);
    put32(out + 16, h->code);
    put32(out + 20, h->length);
    put32(out + 24, h->total);
    put32(out + 28, crc32c(out, 28));
}

enum header_error header_read(struct header *h, const uint8_t *p, size_t n)
{
    if (n < FRAME_HEADER)
        return HEADER_SHORT;
    if (memcmp(p, magic, sizeof magic) != 0)
        return HEADER_MAGIC;
    if (get32(p + 28) != crc32c(p, 28))
        return HEADER_CHECK;
    h->version = p[4];
    h->type = p[5];
    h->flags = (uint16_t)(p[6] | p[7] << 8);
    h->tag = get32(p + 8);
    h->session = get32(p + 12);
    h->code = get32(p + 16);
    h->length = get32(p + 20);
    h->total = get32(p + 24);
    return HEADER_OK;
}

/* What the table of "Receiving" says of a header on its own. */
static int header_makes_sense(const struct header *h)
{
    int whole = h->flags == (FIRST | LAST);
    int fragments = h->type == REQUEST || h->type == RESPONSE;
    if (h->version != 1 || h->type < REQUEST || h->type > HELLO || h->flags > (FIRST | LAST))
        return 0;
    if (!fragments && !whole)
        return 0;
    if (h->type == CANCEL && h->total != 0)
        return 0;
    if (h->type == EVENT ? h->tag != 0 : h->type != RESPONSE && h->tag == 0)
        return 0;
    return h->total <= FRAME_MESSAGE && (!whole || h->length == h->total);
}

static struct partial *find(struct receiver *r, uint32_t tag)
{
    for (int i = 0; i < r->count; i++)
        if (r->open[i].head.tag == tag)
            return &r->open[i];
    return NULL;
}

static struct partial *begin(struct receiver *r, const struct header *h)
{
    if (r->count == FRAME_UNFINISHED || r->announced + h->total > 2 * (uint64_t)FRAME_MESSAGE)
        return NULL;
    struct partial *m = &r->open[r->count++];
    memset(m, 0, sizeof *m);
    m->head = *h;
    r->announced += h->total;
    return m;
}

/* Adds a fragment. The buffer grows as bytes come, never ahead of them. */
static int append(struct partial *m, const uint8_t *p, size_t n)
{
    if (m->length + n > m->room) {
        size_t room = 2 * m->length + n;
        uint8_t *grown = realloc(m->data, room);
        if (grown == NULL)
            return -1;
        m->data = grown;
        m->room = room;
    }
    if (n > 0)
        memcpy(m->data + m->length, p, n);
    m->length += n;
    return 0;
}

static void end(struct receiver *r, struct partial *m)
{
    r->announced -= m->head.total;
    free(m->data);
    *m = r->open[--r->count];
}

static void deliver(const struct header *h, const uint8_t *payload, message_handler *handle, void *context)
{
    struct message m = {h->type, h->tag, h->session, h->code, payload, h->total};
    handle(context, &m);
}

/* Takes one frame of a message that has several. */
static int fragment(struct receiver *r, const struct header *h, const uint8_t *p, message_handler *handle, void *context)
{
    struct partial *m = find(r, h->tag);
    int first = h->flags & FIRST, last = h->flags & LAST;
    if ((m != NULL) == (first != 0)) /* begun twice, or not at all */
        return -1;
    if (m == NULL && (m = begin(r, h)) == NULL)
        return -1;
    const struct header *head = &m->head;
    if (h->type != head->type || h->session != head->session || h->code != head->code || h->total != head->total)
        return -1;
    if (h->length > h->total - m->length || (last && m->length + h->length < h->total))
        return -1;
    if (append(m, p, h->length) != 0)
        return -1;
    if (last) {
        deliver(h, m->data, handle, context);
        end(r, m);
    }
    return 0;
}

int receiver_feed(struct receiver *r, const uint8_t *p, size_t n, message_handler *handle, void *context)
{
    while (n > 0) {
        struct header h;
        if (header_read(&h, p, n) != HEADER_OK || h.length > n - FRAME_HEADER || !header_makes_sense(&h))
            return -1;
        p += FRAME_HEADER;
        if (h.type == HELLO)
            receiver_reset(r);
        if (h.flags == (FIRST | LAST) && (h.type == EVENT || find(r, h.tag) == NULL))
            deliver(&h, p, handle, context);
        else if (fragment(r, &h, p, handle, context) != 0)
            return -1;
        p += h.length;
        n -= FRAME_HEADER + h.length;
    }
    return 0;
}

void receiver_reset(struct receiver *r)
{
    while (r->count > 0)
        end(r, &r->open[0]);
}
