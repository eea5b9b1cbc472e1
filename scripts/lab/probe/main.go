// Command probe talks to a USB device through Linux's usbfs alone, without any
// library, so that the lab sees the kernel's own answers.
//
//	probe control NODE TYPE REQUEST VALUE INDEX LENGTH   print the data of an IN control request, in hex
//	probe read NODE ENDPOINT                             wait for a transfer on an IN endpoint of interface 0
//	probe usbtest NODE CASE ITERATIONS LENGTH VARY QUEUE have the module usbtest run a case, print how long it took
//
// NODE is a path like /dev/bus/usb/001/002; numbers may be decimal or 0x
// hexadecimal. read prints "waiting" once the kernel has the transfer, and then
// the status it ends with.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of usbfs on 64-bit Linux: include/uapi/linux/usbdevice_fs.h.
const (
	usbfsControl        = 0xc0185500 // USBDEVFS_CONTROL
	usbfsSubmit         = 0x8038550a // USBDEVFS_SUBMITURB
	usbfsReap           = 0x4008550c // USBDEVFS_REAPURB
	usbfsClaimInterface = 0x8004550f // USBDEVFS_CLAIMINTERFACE
)

const controlTimeout = 5000 // milliseconds

// control is struct usbdevfs_ctrltransfer.
type control struct {
	requestType, request uint8
	value, index, length uint16
	timeout              uint32
	data                 *byte
}

// bulk is the kind of an URB that suits bulk and interrupt endpoints alike.
const bulk = 3

// urb is struct usbdevfs_urb.
type urb struct {
	kind, endpoint uint8
	status         int32
	flags          uint32
	buffer         *byte
	length, actual int32
	start, packets int32
	errors, signal int32
	context        uintptr
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("no request: probe control, read or usbtest, and the node of a device")
	}
	device, err := os.OpenFile(args[1], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	if args[0] == "usbtest" && len(args) == 7 {
		return usbtest(device.Fd(), args[2:])
	}
	numbers, err := parse(args[2:])
	if err != nil {
		return err
	}
	switch {
	case args[0] == "control" && len(numbers) == 5:
		return sendControl(device.Fd(), control{
			requestType: uint8(numbers[0]), request: uint8(numbers[1]),
			value: numbers[2], index: numbers[3], length: numbers[4], timeout: controlTimeout,
		})
	case args[0] == "read" && len(numbers) == 1:
		return read(device.Fd(), uint8(numbers[0]))
	}
	return fmt.Errorf("%s with %d numbers", args[0], len(numbers))
}

func parse(args []string) ([]uint16, error) {
	var numbers []uint16
	for _, a := range args {
		n, err := strconv.ParseUint(a, 0, 16)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, uint16(n))
	}
	return numbers, nil
}

func sendControl(fd uintptr, c control) error {
	data := make([]byte, max(1, c.length))
	c.data = &data[0]
	n, err := ioctl(fd, usbfsControl, unsafe.Pointer(&c))
	if err != nil {
		return fmt.Errorf("control request: %w", err)
	}
	fmt.Printf("%x\n", data[:n])
	return nil
}

func read(fd uintptr, endpoint uint8) error {
	number := uint32(0)
	if _, err := ioctl(fd, usbfsClaimInterface, unsafe.Pointer(&number)); err != nil {
		return fmt.Errorf("claim interface 0: %w", err)
	}
	buffer := make([]byte, 512)
	u := &urb{kind: bulk, endpoint: endpoint, buffer: &buffer[0], length: int32(len(buffer))}
	if _, err := ioctl(fd, usbfsSubmit, unsafe.Pointer(u)); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	fmt.Println("waiting")
	var done *urb
	if _, err := ioctl(fd, usbfsReap, unsafe.Pointer(&done)); err != nil {
		return fmt.Errorf("reap: %w", err)
	}
	fmt.Printf("status %v\n", unix.Errno(-u.status))
	runtime.KeepAlive(u) // the kernel wrote to it
	return nil
}

func ioctl(fd, request uintptr, argument unsafe.Pointer) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(argument))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
