// Package usbfs talks to a USB device through Linux's usbfs alone, without any
// library, so that tests see the kernel's own answers and measurements hold
// nothing but the kernel.
//
//	d, err := usbfs.Open("/dev/bus/usb/001/002")
//	err = d.Claim(0)
//	err = d.Submit(usbfs.NewURB(usbfs.Bulk, 0x81, make([]byte, 512)))
//	u, err := d.Reap()
//
// A [Device] is for one goroutine at a time.
package usbfs

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of usbfs on 64-bit Linux: include/uapi/linux/usbdevice_fs.h.
const (
	requestControl = 0xc0185500 // USBDEVFS_CONTROL
	requestSubmit  = 0x8038550a // USBDEVFS_SUBMITURB
	requestReap    = 0x4008550c // USBDEVFS_REAPURB
	requestReapNow = 0x4008550d // USBDEVFS_REAPURBNDELAY
	requestClaim   = 0x8004550f // USBDEVFS_CLAIMINTERFACE
	requestDriver  = 0xc0105512 // USBDEVFS_IOCTL
)

// Device is an open device.
type Device struct {
	fd      int
	pending map[*URB]bool // what the kernel writes to must stay reachable
}

// Open opens a device by its node, a path like /dev/bus/usb/001/002.
func Open(node string) (*Device, error) {
	fd, err := unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", node, err)
	}
	return &Device{fd: fd, pending: map[*URB]bool{}}, nil
}

// Close closes the device. The kernel cancels what is pending.
func (d *Device) Close() error { return unix.Close(d.fd) }

// Setup is the packet that begins a control transfer (USB 2.0 section 9.3).
type Setup struct {
	RequestType, Request uint8
	Value, Index, Length uint16
}

const controlTimeout = 5000 // milliseconds

// Control carries out a control request on the default pipe, with data of
// s.Length bytes, and returns how many were transferred. It waits for at most
// 5 seconds.
func (d *Device) Control(s Setup, data []byte) (int, error) {
	transfer := struct { // struct usbdevfs_ctrltransfer
		Setup
		timeout uint32
		data    *byte
	}{s, controlTimeout, unsafe.SliceData(data)}
	if len(data) < int(s.Length) {
		return 0, fmt.Errorf("control request: %d bytes for a data stage of %d", len(data), s.Length)
	}
	n, err := d.ioctl(requestControl, unsafe.Pointer(&transfer))
	if err != nil {
		return 0, fmt.Errorf("control request: %w", err)
	}
	return n, nil
}

// Claim makes the caller the driver of an interface, which must have none.
func (d *Device) Claim(number uint32) error {
	if _, err := d.ioctl(requestClaim, unsafe.Pointer(&number)); err != nil {
		return fmt.Errorf("claim interface %d: %w", number, err)
	}
	return nil
}

// Driver sends a request of its own to the driver of an interface. data is what
// the request's code says.
func (d *Device) Driver(number int32, code uint32, data unsafe.Pointer) error {
	request := struct { // struct usbdevfs_ioctl
		number int32
		code   uint32
		data   unsafe.Pointer
	}{number, code, data}
	_, err := d.ioctl(requestDriver, unsafe.Pointer(&request))
	return err
}

func (d *Device) ioctl(request uintptr, argument unsafe.Pointer) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.fd), request, uintptr(argument))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// quick is ioctl as a raw system call, of which Go's scheduler knows nothing:
// what it does when a call takes long would be measured, too. It costs that
// other goroutines may have to wait.
func (d *Device) quick(request uintptr, argument unsafe.Pointer) error {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(d.fd), request, uintptr(argument))
		switch errno {
		case 0:
			return nil
		case unix.EINTR: // by a signal of Go's scheduler
		default:
			return errno
		}
	}
}
