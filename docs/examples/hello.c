/* A small driver for the usbhsm7 protocol, written from protocol.md.
 *
 *     cc -o hello hello.c frame.c cbor.c $(pkg-config --cflags --libs libusb-1.0)
 *     ./hello [vendor:product]        (default 1209:0001)
 *
 * Opens the device, says HELLO, prints what the device tells of itself, and
 * fetches sixteen random bytes through a session. It has one request under way
 * at a time. The exit code is 0 only if everything worked. */
#include "cbor.h"
#include "frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libusb.h>

enum { INFO = 0x0001, SESSION_OPEN = 0x0301, SESSION_CLOSE = 0x0302, GET_RANDOM = 0x0531 };
enum { BUFFER = 65536, HELLO_TIMEOUT = 1000, HELLO_ATTEMPTS = 5, TIMEOUT = 60000 }; /* bytes; ms */

/* A claimed device. The endpoints come from its descriptors. */
struct device {
    libusb_device_handle *usb;
    int interface;
    unsigned char out, in;
    int out_packet; /* bytes */
    uint32_t tag;   /* of the latest request */
    struct receiver receiver;
    uint8_t buffer[BUFFER];
};

/* What the host waits for: the message of a type and tag. */
struct wait {
    uint8_t type;
    uint32_t tag, code;
    int answered;
    uint8_t payload[1024]; /* answers of the commands used here are shorter */
    size_t length;
};

static int fail(const char *what, int error)
{
    fprintf(stderr, "hello: %s: %s\n", what, libusb_strerror(error));
    return -1;
}

static int complain(const char *what)
{
    fprintf(stderr, "hello: %s\n", what);
    return -1;
}

/* ---- USB ---- */

/* Notes the endpoints of an interface; returns whether it is an HSM's. */
static int is_hsm(struct device *d, const struct libusb_interface_descriptor *interface)
{
    int out = 0, in = 0, events = 0;
    if (interface->bInterfaceClass != LIBUSB_CLASS_VENDOR_SPEC)
        return 0;
    for (int i = 0; i < interface->bNumEndpoints; i++) {
        const struct libusb_endpoint_descriptor *e = &interface->endpoint[i];
        int type = e->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK;
        int to_host = (e->bEndpointAddress & LIBUSB_ENDPOINT_IN) != 0;
        if (type == LIBUSB_TRANSFER_TYPE_BULK && to_host) {
            d->in = e->bEndpointAddress;
            in++;
        } else if (type == LIBUSB_TRANSFER_TYPE_BULK) {
            d->out = e->bEndpointAddress;
            d->out_packet = e->wMaxPacketSize & 0x7FF;
            out++;
        } else if (type == LIBUSB_TRANSFER_TYPE_INTERRUPT && to_host) {
            events++;
        }
    }
    d->interface = interface->bInterfaceNumber;
    return out == 1 && in == 1 && events == 1 && d->out_packet > 0;
}

static int find_interface(struct device *d)
{
    struct libusb_config_descriptor *config;
    int found = 0;
    int error = libusb_get_active_config_descriptor(libusb_get_device(d->usb), &config);
    if (error != 0)
        return fail("read the descriptors", error);
    for (int i = 0; i < config->bNumInterfaces && !found; i++)
        found = config->interface[i].num_altsetting > 0 && is_hsm(d, &config->interface[i].altsetting[0]);
    libusb_free_config_descriptor(config);
    return found ? 0 : complain("the device has no HSM interface");
}

static int open_device(struct device *d, uint16_t vendor, uint16_t product)
{
    d->usb = libusb_open_device_with_vid_pid(NULL, vendor, product);
    if (d->usb == NULL)
        return complain("no such device, or no permission to open it");
    if (find_interface(d) != 0)
        return -1;
    int error = libusb_claim_interface(d->usb, d->interface);
    return error == 0 ? 0 : fail("claim the interface", error);
}

/* Sends one transfer, with a zero-length packet where its end needs one. */
static int write_transfer(struct device *d, uint8_t *p, size_t n, unsigned timeout)
{
    int sent = 0;
    int error = libusb_bulk_transfer(d->usb, d->out, p, (int)n, &sent, timeout);
    if (error == 0 && n % (size_t)d->out_packet == 0)
        error = libusb_bulk_transfer(d->usb, d->out, p, 0, &sent, timeout);
    return error;
}

/* ---- the protocol ---- */

static void keep(void *context, const struct message *m)
{
    struct wait *w = context;
    if (w->answered || m->type != w->type || m->tag != w->tag)
        return;
    w->answered = 1;
    w->code = m->code;
    w->length = m->length;
    if (m->length > 0 && m->length <= sizeof w->payload)
        memcpy(w->payload, m->payload, m->length);
}

/* Reads one transfer. Returns 0, a libusb error, or 1 if the host cannot make
 * sense of it. */
static int read_transfer(struct device *d, struct wait *w, unsigned timeout)
{
    int n = 0;
    int error = libusb_bulk_transfer(d->usb, d->in, d->buffer, sizeof d->buffer, &n, timeout);
    if (error != 0)
        return error;
    return receiver_feed(&d->receiver, d->buffer, (size_t)n, keep, w) == 0 ? 0 : 1;
}

static size_t make_frame(uint8_t *out, uint8_t type, uint32_t tag, uint32_t session, uint32_t code,
                         const uint8_t *payload, size_t length)
{
    struct header h = {1, type, FIRST | LAST, tag, session, code, (uint32_t)length, (uint32_t)length};
    header_write(&h, out);
    if (length > 0)
        memcpy(out + FRAME_HEADER, payload, length);
    return FRAME_HEADER + length;
}

static int random_tag(uint32_t *tag)
{
    FILE *f = fopen("/dev/urandom", "rb");
    size_t n = f == NULL ? 0 : fread(tag, sizeof *tag, 1, f);
    if (f != NULL)
        fclose(f);
    *tag |= 1; /* never 0 */
    return n == 1 ? 0 : complain("no random numbers");
}

static void print_text(const char *name, const struct wait *w, uint64_t key)
{
    struct cbor_item v;
    if (cbor_find(w->payload, w->length, key, &v) != 0)
        return;
    if (v.type == CBOR_TEXT)
        printf("%-16s %.*s\n", name, (int)v.value, (const char *)v.data);
    else if (v.type == CBOR_UINT)
        printf("%-16s %" PRIu64 "\n", name, v.value);
}

/* Turns an answer into success or a message on standard error. */
static int judge(const char *what, const struct wait *w)
{
    struct cbor_item cause;
    if (w->code != 0) {
        fprintf(stderr, "hello: %s: status %08" PRIX32, what, w->code);
        if (cbor_find(w->payload, w->length, 1, &cause) == 0 && cause.type == CBOR_TEXT)
            fprintf(stderr, ": %.*s", (int)cause.value, (const char *)cause.data);
        fprintf(stderr, "\n");
        return -1;
    }
    return w->length <= sizeof w->payload ? 0 : complain("the answer is longer than expected");
}

/* Sends HELLO and drops everything up to its answer. A device whose answers
 * nobody reads may not take HELLO, so each attempt reads too. HELLO is one
 * packet: it is sent whole or not at all. */
static int hello(struct device *d)
{
    static const uint8_t payload[] = {0xA3, 1, 1, 2, 1, 3, 0x67, 'h', 'e', 'l', 'l', 'o', '.', 'c'};
    struct wait w = {.type = HELLO};
    struct cbor_item version;
    uint8_t frame[FRAME_HEADER + sizeof payload];
    for (int attempt = 0; attempt < HELLO_ATTEMPTS && !w.answered; attempt++) {
        if (random_tag(&w.tag) != 0)
            return -1;
        size_t n = make_frame(frame, HELLO, w.tag, 0, 0, payload, sizeof payload);
        int error = write_transfer(d, frame, n, HELLO_TIMEOUT);
        if (error != 0 && error != LIBUSB_ERROR_TIMEOUT)
            return fail("send HELLO", error);
        while (!w.answered && (error = read_transfer(d, &w, HELLO_TIMEOUT)) != LIBUSB_ERROR_TIMEOUT) {
            if (error < 0 && error != LIBUSB_ERROR_OVERFLOW)
                return fail("wait for the answer to HELLO", error);
            if (error != 0)
                receiver_reset(&d->receiver);
        }
    }
    if (!w.answered)
        return complain("the device does not answer HELLO");
    if (judge("HELLO", &w) != 0)
        return -1;
    if (cbor_find(w.payload, w.length, 1, &version) != 0 || version.value != 1)
        return complain("the device speaks another version of the protocol");
    d->tag = w.tag;
    return 0;
}

/* Runs one command. The payload has at most 64 bytes. */
static int call(struct device *d, const char *what, uint32_t session, uint32_t code, const uint8_t *payload,
                size_t length, struct wait *w)
{
    uint8_t frame[FRAME_HEADER + 64];
    if (++d->tag == 0)
        d->tag = 1;
    memset(w, 0, sizeof *w);
    w->type = RESPONSE;
    w->tag = d->tag;
    int error = write_transfer(d, frame, make_frame(frame, REQUEST, d->tag, session, code, payload, length), TIMEOUT);
    while (error == 0 && !w->answered)
        error = read_transfer(d, w, TIMEOUT);
    if (error < 0)
        return fail(what, error);
    if (error > 0)
        return complain("the device sent what is no frame");
    return judge(what, w);
}

/* ---- what this program does ---- */

static int print_info(struct device *d)
{
    static const char *const names[] = {"",      "model",     "serial",          "firmware", "label",
                                        "state", "partition", "partition label", "objects"};
    struct wait w;
    if (call(d, "info", 0, INFO, NULL, 0, &w) != 0)
        return -1;
    for (uint64_t key = 1; key < sizeof names / sizeof *names; key++)
        print_text(names[key], &w, key);
    return 0;
}

static int print_random(struct device *d, uint32_t session)
{
    static const uint8_t sixteen[] = {0xA1, 1, 16};
    struct cbor_item data;
    struct wait w;
    if (call(d, "random", session, GET_RANDOM, sixteen, sizeof sixteen, &w) != 0)
        return -1;
    if (cbor_find(w.payload, w.length, 1, &data) != 0 || data.type != CBOR_BYTES || data.value != 16)
        return complain("random: not the answer that the protocol promises");
    printf("%-16s ", "random");
    for (int i = 0; i < 16; i++)
        printf("%02x", data.data[i]);
    printf("\n");
    return 0;
}

static int run(struct device *d)
{
    static const uint8_t slot_admin[] = {0xA1, 1, 1};
    struct cbor_item session;
    struct wait w;
    if (hello(d) != 0 || print_info(d) != 0)
        return -1;
    if (call(d, "session-open", 0, SESSION_OPEN, slot_admin, sizeof slot_admin, &w) != 0)
        return -1;
    if (cbor_find(w.payload, w.length, 1, &session) != 0 || session.type != CBOR_UINT)
        return complain("session-open: not the answer that the protocol promises");
    int error = print_random(d, (uint32_t)session.value);
    if (call(d, "session-close", (uint32_t)session.value, SESSION_CLOSE, NULL, 0, &w) != 0)
        return -1;
    return error;
}

int main(int argc, char **argv)
{
    static struct device d;
    unsigned vendor = 0x1209, product = 0x0001;
    if (argc > 2 || (argc == 2 && sscanf(argv[1], "%4x:%4x", &vendor, &product) != 2)) {
        fprintf(stderr, "usage: hello [vendor:product]\n");
        return 2;
    }
    int error = libusb_init(NULL);
    if (error != 0) {
        fail("start libusb", error);
        return 1;
    }
    int result = open_device(&d, (uint16_t)vendor, (uint16_t)product);
    if (result == 0)
        result = run(&d);
    receiver_reset(&d.receiver);
    if (d.usb != NULL)
        libusb_close(d.usb); /* releases the interface too */
    libusb_exit(NULL);
    return result == 0 ? 0 : 1;
}
