/* As much CBOR as a host of the usbhsm7 protocol needs: see "Payloads" in
 * protocol.md. */
#ifndef CBOR_H
#define CBOR_H

#include <stddef.h>
#include <stdint.h>

enum { CBOR_UINT = 0, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4, CBOR_MAP = 5, CBOR_SIMPLE = 7 };
enum { CBOR_FALSE = 20, CBOR_TRUE = 21 };

/* One item: for bytes and text, value is their length and data where they are. */
struct cbor_item {
    int type;
    uint64_t value;
    const uint8_t *data;
};

/* Writes the head of an item in its shortest form; returns its 1 to 9 bytes. */
size_t cbor_head(uint8_t *out, int type, uint64_t value);

/* Finds the value of a key in the map of n bytes at p. Returns 0, or -1 if the
 * key is absent or the bytes are no such map. */
int cbor_find(const uint8_t *p, size_t n, uint64_t key, struct cbor_item *value);

#endif
