package usbfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kind is the transfer type of a URB (USBDEVFS_URB_TYPE).
type Kind uint8

// Kinds. Bulk suits interrupt endpoints as well.
const (
	Control Kind = 2
	Bulk    Kind = 3
)

// URB is a request to one endpoint. From Submit until Reap it belongs to the
// kernel; afterwards it may be submitted again.
type URB struct {
	raw    urb // first, so that the kernel's pointer to it is one to the URB
	buffer []byte
}

// urb is struct usbdevfs_urb.
type urb struct {
	kind           Kind
	endpoint       uint8
	status         int32
	flags          uint32
	buffer         *byte
	length, actual int32
	start, packets int32
	errors, signal int32
	context        uintptr
}

// NewURB returns a URB for the endpoint: bit 7 is set to read into buffer, clear
// to write it.
func NewURB(kind Kind, endpoint uint8, buffer []byte) *URB {
	u := &URB{buffer: buffer}
	u.raw = urb{kind: kind, endpoint: endpoint, buffer: unsafe.SliceData(buffer), length: int32(len(buffer))}
	return u
}

const setupSize = 8

// NewControl returns a URB for the default pipe. Its data stage of s.Length
// bytes has room behind the setup packet.
func NewControl(s Setup) *URB {
	b := make([]byte, setupSize, setupSize+int(s.Length))
	b[0], b[1] = s.RequestType, s.Request
	binary.LittleEndian.PutUint16(b[2:], s.Value)
	binary.LittleEndian.PutUint16(b[4:], s.Index)
	binary.LittleEndian.PutUint16(b[6:], s.Length)
	return NewURB(Control, 0, b[:cap(b)])
}

// Actual returns how many bytes were transferred, without a setup packet.
func (u *URB) Actual() int { return int(u.raw.actual) }

// Err returns nil after success, otherwise the error of the transfer.
func (u *URB) Err() error {
	if u.raw.status == 0 {
		return nil
	}
	return unix.Errno(-u.raw.status)
}

// Submit starts u.
func (d *Device) Submit(u *URB) error {
	if err := d.quick(requestSubmit, unsafe.Pointer(&u.raw)); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	d.pending[u] = true
	return nil
}

// Reap waits for a URB to end and returns it.
func (d *Device) Reap() (*URB, error) {
	u, err := d.reap(requestReap)
	if err != nil {
		return nil, fmt.Errorf("reap: %w", err)
	}
	return u, nil
}

// ReapNow returns a URB that has ended, or nil if none has.
func (d *Device) ReapNow() (*URB, error) {
	u, err := d.reap(requestReapNow)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reap: %w", err)
	}
	return u, nil
}

func (d *Device) reap(request uintptr) (*URB, error) {
	var u *URB
	if err := d.quick(request, unsafe.Pointer(&u)); err != nil {
		return nil, err
	}
	delete(d.pending, u)
	return u, nil
}
