/* CBOR: see cbor.h. */
#include "cbor.h"

enum { NESTING = 8 };

struct reader {
    const uint8_t *p, *end;
};

size_t cbor_head(uint8_t *out, int type, uint64_t value)
{
    uint8_t major = (uint8_t)(type << 5);
    int bytes = value < 24 ? 0 : value <= 0xFF ? 1 : value <= 0xFFFF ? 2 : value <= 0xFFFFFFFF ? 4 : 8;
    if (bytes == 0) {
        out[0] = major | (uint8_t)value;
        return 1;
    }
    out[0] = major | (uint8_t)(bytes == 1 ? 24 : bytes == 2 ? 25 : bytes == 4 ? 26 : 27);
    for (int i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return 1 + (size_t)bytes;
}

static int read_head(struct reader *r, struct cbor_item *item)
{
    if (r->p == r->end)
        return -1;
    int info = *r->p & 31;
    item->type = *r->p++ >> 5;
    item->value = (uint64_t)info;
    if (info < 24)
        return 0;
    if (info > 27 || r->end - r->p < 1 << (info - 24))
        return -1;
    item->value = 0;
    for (int i = 0; i < 1 << (info - 24); i++)
        item->value = item->value << 8 | *r->p++;
    return 0;
}

/* Reads one item and steps over what it holds. */
static int read_item(struct reader *r, struct cbor_item *item, int depth)
{
    if (depth > NESTING || read_head(r, item) != 0)
        return -1;
    item->data = r->p;
    if (item->type == CBOR_BYTES || item->type == CBOR_TEXT) {
        if (item->value > (uint64_t)(r->end - r->p))
            return -1;
        r->p += item->value;
    }
    if (item->type != CBOR_ARRAY && item->type != CBOR_MAP)
        return 0;
    int each = item->type == CBOR_MAP ? 2 : 1;
    for (uint64_t i = 0; i < item->value; i++)
        for (int j = 0; j < each; j++) {
            struct cbor_item inner;
            if (read_item(r, &inner, depth + 1) != 0)
                return -1;
        }
    return 0;
}

int cbor_find(const uint8_t *p, size_t n, uint64_t key, struct cbor_item *value)
{
    struct reader r = {p, p + n};
    struct cbor_item map, at;
    if (read_head(&r, &map) != 0 || map.type != CBOR_MAP)
        return -1;
    for (uint64_t i = 0; i < map.value; i++) {
        if (read_item(&r, &at, 1) != 0 || read_item(&r, value, 1) != 0)
            return -1;
        if (at.type == CBOR_UINT && at.value == key)
            return 0;
    }
    return -1;
}
