package main

import (
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"usbhsm7/scripts/lab/usbfs"
)

// usbtestRequest is USBTEST_REQUEST_64, a request to the kernel's module usbtest
// (drivers/usb/misc/usbtest.c).
const usbtestRequest = 0xc0285564

// usbtestCase is struct usbtest_param_64.
type usbtestCase struct {
	number, iterations, length, vary, queue uint32

	seconds, microseconds int64 // how long it took
}

// usbtest runs one case of the module usbtest, which must be the driver of
// interface 0, and prints how long it took. The kernel does not return before
// the case has ended, whatever signal is sent.
func usbtest(device *usbfs.Device, args []string) error {
	var c usbtestCase
	for i, field := range []*uint32{&c.number, &c.iterations, &c.length, &c.vary, &c.queue} {
		n, err := strconv.ParseUint(args[i], 0, 32)
		if err != nil {
			return err
		}
		*field = uint32(n)
	}
	if err := device.Driver(0, usbtestRequest, unsafe.Pointer(&c)); err != nil {
		return fmt.Errorf("usbtest case %d: %w", c.number, err)
	}
	fmt.Println(time.Duration(c.seconds)*time.Second + time.Duration(c.microseconds)*time.Microsecond)
	return nil
}
