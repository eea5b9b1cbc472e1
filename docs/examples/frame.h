/* Frames of the usbhsm7 protocol, version 1, for the host's side: see
 * "Frames", "Messages" and "Receiving" in protocol.md. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 32,        /* bytes */
    FRAME_TRANSFER = 65024,   /* bytes of a bulk transfer, at most */
    FRAME_MESSAGE = 16777216, /* bytes of payload in a message, at most */
    FRAME_UNFINISHED = 64     /* messages begun and not ended, at most */
};

enum { REQUEST = 1, RESPONSE = 2, CANCEL = 3, EVENT = 4, HELLO = 5 };
enum { FIRST = 1, LAST = 2 };

struct header {
    uint8_t version, type;
    uint16_t flags;
    uint32_t tag, session, code, length, total;
};

/* One message. The payload is valid until the next call of the receiver. */
struct message {
    uint8_t type;
    uint32_t tag, session, code;
    const uint8_t *payload;
    size_t length;
};

/* Writes the 32 bytes of h. */
void header_write(const struct header *h, uint8_t *out);

enum header_error { HEADER_OK, HEADER_SHORT, HEADER_MAGIC, HEADER_CHECK };

/* Reads a header from the n bytes at p. */
enum header_error header_read(struct header *h, const uint8_t *p, size_t n);

/* A message of which some fragments have come. */
struct partial {
    struct header head;
    uint8_t *data;
    size_t length, room;
};

/* Joins fragments. All zero at first. */
struct receiver {
    struct partial open[FRAME_UNFINISHED];
    int count;
    uint64_t announced; /* sum of the totals of open */
};

typedef void message_handler(void *context, const struct message *m);

/* Takes one transfer apart and calls handle for each message that is complete.
 * Returns 0, or -1 at the first fault: a host then opens the link anew. */
int receiver_feed(struct receiver *r, const uint8_t *p, size_t n, message_handler *handle, void *context);

/* Forgets every unfinished message. */
void receiver_reset(struct receiver *r);

#endif
