package proto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"usbhsm7/usbip/usb"
)

// Version is the only protocol version, 1.1.1, as it stands in every handshake
// message. It has nothing to do with the version of the usbip package.
const Version = 0x0111

// Sizes of handshake messages and their parts, in bytes.
const (
	OpSize        = 8   // version, code, status
	BusIDSize     = 32  // NUL-padded
	DeviceSize    = 312 // one device, without its interfaces
	InterfaceSize = 4   // class, subclass, protocol, padding
	pathSize      = 256
)

// OpCode names a handshake message.
type OpCode uint16

// Handshake messages. Replies are requests without bit 15.
const (
	OpRequestImport  OpCode = 0x8003
	OpReplyImport    OpCode = 0x0003
	OpRequestDevices OpCode = 0x8005
	OpReplyDevices   OpCode = 0x0005
)

// OpStatus is the result in a handshake reply. It is an error unless OpOK.
type OpStatus uint32

// Results, with the numbers of the Linux tools (libsrc/usbip_common.h).
const (
	OpOK          OpStatus = 0
	OpNotAllowed  OpStatus = 1 // request failed
	OpBusy        OpStatus = 2 // device is in use
	OpDeviceError OpStatus = 3 // device is in an error state
	OpNoDevice    OpStatus = 4 // no device with this bus ID
	OpError       OpStatus = 5 // unexpected response
)

// Error says what s means.
func (s OpStatus) Error() string {
	names := [...]string{
		"success", "request refused", "device is in use", "device is in an error state",
		"no such device", "server failed",
	}
	if int64(s) < int64(len(names)) {
		return "USB/IP: " + names[s]
	}
	return fmt.Sprintf("USB/IP: status %d", uint32(s))
}

// Op is the beginning of every handshake message.
type Op struct {
	Code   OpCode
	Status OpStatus // 0 in requests
}

// Append appends the eight bytes of o.
func (o Op) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, Version)
	b = binary.BigEndian.AppendUint16(b, uint16(o.Code))
	return binary.BigEndian.AppendUint32(b, uint32(o.Status))
}

// ParseOp decodes the beginning of a handshake message. The error wraps
// ErrVersion if it is of another version.
func ParseOp(b *[OpSize]byte) (Op, error) {
	if v := binary.BigEndian.Uint16(b[:]); v != Version {
		return Op{}, fmt.Errorf("%w: %04x, want %04x", ErrVersion, v, Version)
	}
	return Op{
		Code:   OpCode(binary.BigEndian.Uint16(b[2:])),
		Status: OpStatus(binary.BigEndian.Uint32(b[4:])),
	}, nil
}

// ReadOp reads the beginning of a handshake message.
func ReadOp(r io.Reader) (Op, error) {
	var b [OpSize]byte
	if err := readFull(r, b[:]); err != nil {
		return Op{}, err
	}
	return ParseOp(&b)
}

// AppendImport appends a request to import the device called busID, which has 1
// to 31 bytes; anything longer is cut.
func AppendImport(b []byte, busID string) []byte {
	return appendText(Op{Code: OpRequestImport}.Append(b), busID, BusIDSize)
}

// ReadBusID reads the bus ID of an import request.
func ReadBusID(r io.Reader) (string, error) {
	var b [BusIDSize]byte
	if err := readFull(r, b[:]); err != nil {
		return "", err
	}
	return parseText(b[:])
}

// Device is a device as handshake replies describe it.
type Device struct {
	Path   string // up to 255 bytes, for people to read
	BusID  string // 1 to 31 bytes: the name under which it is imported
	Bus    uint32 // 1 to 255; larger numbers do not survive the Linux tools
	Number uint32 // on the bus, 1 to 255
	usb.Identity
}

// DevID is the number that stands for the device in the headers of URBs.
func (d *Device) DevID() uint32 { return d.Bus<<16 | d.Number }

// Append appends the 312 bytes of d. AppendInterfaces is separate, because only
// the list of devices has interfaces.
func (d *Device) Append(b []byte) []byte {
	b = appendText(b, d.Path, pathSize)
	b = appendText(b, d.BusID, BusIDSize)
	b = binary.BigEndian.AppendUint32(b, d.Bus)
	b = binary.BigEndian.AppendUint32(b, d.Number)
	b = binary.BigEndian.AppendUint32(b, uint32(d.Speed))
	b = binary.BigEndian.AppendUint16(b, d.Vendor)
	b = binary.BigEndian.AppendUint16(b, d.Product)
	b = binary.BigEndian.AppendUint16(b, d.Release)
	return append(b, d.Class, d.SubClass, d.Protocol, d.Configuration, d.Configurations,
		uint8(min(len(d.Interfaces), 255)))
}

// AppendInterfaces appends the classes of d's interfaces, four bytes each.
func (d *Device) AppendInterfaces(b []byte) []byte {
	for _, i := range d.Interfaces[:min(len(d.Interfaces), 255)] {
		b = append(b, i.Class, i.SubClass, i.Protocol, 0)
	}
	return b
}

// ParseDevice decodes a device. It returns beside it how many interfaces the
// device has; whether their list follows depends on the message.
func ParseDevice(b *[DeviceSize]byte) (d Device, interfaces int, err error) {
	if d.Path, err = parseText(b[:pathSize]); err != nil {
		return Device{}, 0, err
	}
	if d.BusID, err = parseText(b[256:288]); err != nil {
		return Device{}, 0, err
	}
	speed := binary.BigEndian.Uint32(b[296:])
	if speed > uint32(usb.SpeedSuperPlus) {
		return Device{}, 0, fmt.Errorf("%w: speed %d", ErrMalformed, speed)
	}
	d.Bus = binary.BigEndian.Uint32(b[288:])
	d.Number = binary.BigEndian.Uint32(b[292:])
	d.Speed = usb.Speed(speed)
	d.Vendor = binary.BigEndian.Uint16(b[300:])
	d.Product = binary.BigEndian.Uint16(b[302:])
	d.Release = binary.BigEndian.Uint16(b[304:])
	d.Class, d.SubClass, d.Protocol = b[306], b[307], b[308]
	d.Configuration, d.Configurations = b[309], b[310]
	return d, int(b[311]), nil
}

// ReadDevice reads a device, and with list set the interfaces that follow it.
func ReadDevice(r io.Reader, list bool) (Device, error) {
	var b [DeviceSize]byte
	if err := readFull(r, b[:]); err != nil {
		return Device{}, err
	}
	d, n, err := ParseDevice(&b)
	if err != nil || !list {
		return d, err
	}
	for range n {
		var i [InterfaceSize]byte
		if err := readFull(r, i[:]); err != nil {
			return Device{}, err
		}
		d.Interfaces = append(d.Interfaces, usb.InterfaceClass{Class: i[0], SubClass: i[1], Protocol: i[2]})
	}
	return d, nil
}

// AppendDevices appends the whole answer to a request for the list of devices.
func AppendDevices(b []byte, devices []Device) []byte {
	b = Op{Code: OpReplyDevices}.Append(b)
	b = binary.BigEndian.AppendUint32(b, uint32(len(devices)))
	for i := range devices {
		b = devices[i].AppendInterfaces(devices[i].Append(b))
	}
	return b
}

// ReadDevices reads what follows the Op in the answer to a request for the list
// of devices: their number and the devices, of which there are at most MaxDevices.
func ReadDevices(r io.Reader) ([]Device, error) {
	var b [4]byte
	if err := readFull(r, b[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > MaxDevices {
		return nil, fmt.Errorf("%w: list of %d devices, limit %d", ErrMalformed, n, MaxDevices)
	}
	var devices []Device
	for range n {
		d, err := ReadDevice(r, true)
		if err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// appendText appends s in size bytes, cut or padded with NUL so that at least
// one NUL ends it.
func appendText(b []byte, s string, size int) []byte {
	s = s[:min(len(s), size-1)]
	b = append(b, s...)
	return append(b, make([]byte, size-len(s))...)
}

func parseText(b []byte) (string, error) {
	text, _, ended := bytes.Cut(b, []byte{0})
	if !ended {
		return "", fmt.Errorf("%w: text of %d bytes without an end", ErrMalformed, len(b))
	}
	return string(text), nil
}

// readFull fills b. The end of the stream in its middle, or where a message
// should begin, is io.ErrUnexpectedEOF with words around it.
func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("reading a USB/IP handshake: %w", err)
	}
	return nil
}
