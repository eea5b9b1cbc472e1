package main

import (
	"fmt"
	"strconv"
	"time"
	"unsafe"
)

// Requests of usbfs and of the kernel's module usbtest, which is reached through
// it: include/uapi/linux/usbdevice_fs.h, drivers/usb/misc/usbtest.c.
const (
	usbfsDriver    = 0xc0105512 // USBDEVFS_IOCTL
	usbtestRequest = 0xc0285564 // USBTEST_REQUEST_64
)

// driverRequest is struct usbdevfs_ioctl: a request to the driver of an interface.
type driverRequest struct {
	number, code int32
	data         unsafe.Pointer
}

// usbtestCase is struct usbtest_param_64.
type usbtestCase struct {
	number, iterations, length, vary, queue uint32

	seconds, microseconds int64 // how long it took
}

// usbtest runs one case of the module usbtest, which must be the driver of
// interface 0, and prints how long it took. The kernel does not return before
// the case has ended, whatever signal is sent.
func usbtest(fd uintptr, args []string) error {
	var c usbtestCase
	for i, field := range []*uint32{&c.number, &c.iterations, &c.length, &c.vary, &c.queue} {
		n, err := strconv.ParseUint(args[i], 0, 32)
		if err != nil {
			return err
		}
		*field = uint32(n)
	}
	code := uint32(usbtestRequest)
	request := driverRequest{code: int32(code), data: unsafe.Pointer(&c)}
	if _, err := ioctl(fd, usbfsDriver, unsafe.Pointer(&request)); err != nil {
		return fmt.Errorf("usbtest case %d: %w", c.number, err)
	}
	fmt.Println(time.Duration(c.seconds)*time.Second + time.Duration(c.microseconds)*time.Microsecond)
	return nil
}
