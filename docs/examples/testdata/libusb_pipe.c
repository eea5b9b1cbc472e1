/* Stands in for libusb in the test of hello.c: the one device hangs on two
 * pipes. File descriptor 3 takes OUT transfers, 4 gives IN transfers, each
 * behind its length in four bytes, little-endian. */
#include <libusb.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { TO_DEVICE = 3, FROM_DEVICE = 4 };

static const struct libusb_endpoint_descriptor endpoints[] = {
    {.bEndpointAddress = 0x83, .bmAttributes = LIBUSB_TRANSFER_TYPE_INTERRUPT, .wMaxPacketSize = 512},
    {.bEndpointAddress = 0x04, .bmAttributes = LIBUSB_TRANSFER_TYPE_BULK, .wMaxPacketSize = 512},
    {.bEndpointAddress = 0x85, .bmAttributes = LIBUSB_TRANSFER_TYPE_BULK, .wMaxPacketSize = 512},
};

/* Another function comes first, and numbers are not those of the simulator. */
static const struct libusb_interface_descriptor settings[] = {
    {.bInterfaceNumber = 0, .bInterfaceClass = LIBUSB_CLASS_HID},
    {.bInterfaceNumber = 2, .bInterfaceClass = LIBUSB_CLASS_VENDOR_SPEC, .bNumEndpoints = 3, .endpoint = endpoints},
};
static const struct libusb_interface interfaces[] = {{&settings[0], 1}, {&settings[1], 1}};
static struct libusb_config_descriptor config = {.bNumInterfaces = 2, .interface = interfaces};

static char device[1]; /* only its address matters */
static int claimed;

int libusb_init(libusb_context **context)
{
    (void)context;
    return 0;
}

void libusb_exit(libusb_context *context)
{
    (void)context;
}

libusb_device_handle *libusb_open_device_with_vid_pid(libusb_context *context, uint16_t vendor, uint16_t product)
{
    (void)context;
    return vendor == 0x1209 && product == 0x0001 ? (libusb_device_handle *)device : NULL;
}

libusb_device *libusb_get_device(libusb_device_handle *handle)
{
    return (libusb_device *)handle;
}

int libusb_get_active_config_descriptor(libusb_device *d, struct libusb_config_descriptor **out)
{
    (void)d;
    *out = &config;
    return 0;
}

void libusb_free_config_descriptor(struct libusb_config_descriptor *c)
{
    (void)c;
}

int libusb_claim_interface(libusb_device_handle *handle, int number)
{
    (void)handle;
    claimed = number == 2;
    return claimed ? 0 : LIBUSB_ERROR_NOT_FOUND;
}

void libusb_close(libusb_device_handle *handle)
{
    (void)handle;
}

const char *libusb_strerror(int error)
{
    return error == LIBUSB_ERROR_TIMEOUT ? "timeout" : "error";
}

static int all(ssize_t (*move)(int, unsigned char *, size_t), int fd, unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t moved = move(fd, p, n);
        if (moved <= 0)
            return LIBUSB_ERROR_NO_DEVICE;
        p += moved;
        n -= (size_t)moved;
    }
    return 0;
}

static ssize_t read_some(int fd, unsigned char *p, size_t n)
{
    return read(fd, p, n);
}

static ssize_t write_some(int fd, unsigned char *p, size_t n)
{
    return write(fd, p, n);
}

static int in(unsigned char *p, int room, int *moved, unsigned timeout)
{
    struct pollfd ready = {.fd = FROM_DEVICE, .events = POLLIN};
    unsigned char head[4];
    if (poll(&ready, 1, (int)timeout) == 0)
        return LIBUSB_ERROR_TIMEOUT;
    if (all(read_some, FROM_DEVICE, head, sizeof head) != 0)
        return LIBUSB_ERROR_NO_DEVICE;
    *moved = head[0] | head[1] << 8 | head[2] << 16;
    if (*moved > room)
        return LIBUSB_ERROR_OVERFLOW;
    return all(read_some, FROM_DEVICE, p, (size_t)*moved);
}

int libusb_bulk_transfer(libusb_device_handle *handle, unsigned char endpoint, unsigned char *p, int n, int *moved,
                         unsigned timeout)
{
    (void)handle;
    if (!claimed || (endpoint != 0x04 && endpoint != 0x85))
        return LIBUSB_ERROR_NOT_FOUND;
    if (endpoint == 0x85)
        return in(p, n, moved, timeout);
    unsigned char head[4] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16), 0};
    if (all(write_some, TO_DEVICE, head, sizeof head) != 0)
        return LIBUSB_ERROR_NO_DEVICE;
    *moved = n;
    return all(write_some, TO_DEVICE, p, (size_t)n);
}
