package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"usbhsm7/usbip/usb"
)

// Event says what a packet tells of a URB.
type Event uint8

// The events of usbmon.
const (
	Submission Event = 'S' // the host hands the URB over
	Completion Event = 'C' // the host gets it back
	Failure    Event = 'E' // the URB could not be submitted
)

// InProgress is the status of a submission: EINPROGRESS, as in usbmon.
const InProgress usb.Status = -115

// Packet is one event of one URB.
type Packet struct {
	Number   int // of the packet in its file, from 1; set by Reader
	Time     time.Time
	ID       uint64 // of the URB: the same in its submission and its end
	Event    Event
	Type     usb.EndpointType
	Endpoint uint8  // bEndpointAddress; for control transfers bit 7 is the direction of the data
	Bus      uint16 // where the device is
	Device   uint8  // and its number there
	Status   usb.Status
	Setup    *usb.Setup        // submissions of control transfers only
	Flags    usb.TransferFlags // submissions only
	Length   int               // bytes: asked for or to be sent; in the end, transferred
	Interval int32
	Frame    int32           // start frame of an isochronous transfer
	Errors   int             // packets of it that failed
	Packets  []usb.IsoPacket // isochronous transfers only
	Data     []byte          // what was transferred; nil if the packet carries none
	Cut      int             // bytes at the end, of descriptors and data, that were not kept; set by Reader
	Comments []string
}

// In reports whether the data of the URB goes to the host.
func (p *Packet) In() bool { return p.Endpoint&usb.DirIn != 0 }

// Sizes in bytes.
const (
	headerSize       = 64 // struct mon_bin_hdr, as read through a mapped buffer
	shortHeaderSize  = 48 // the same, as read by read(2): link type 189
	descriptorSize   = 16 // struct mon_bin_isodesc
	maxDescriptors   = 1024
	maxData          = 64 << 20
	maxPacketBytes   = headerSize + maxDescriptors*descriptorSize + maxData
	setupPresent     = 0
	nothingPresent   = '-'
	dataToCome       = '<' // of an IN transfer, in its completion
	dataInSubmission = '>'
	dataOfFailure    = 'E'
)

// Numbers of transfer types in usbmon, by usb.EndpointType.
var monTypes = [...]uint8{usb.Control: 2, usb.Isochronous: 0, usb.Bulk: 3, usb.Interrupt: 1}

// size returns how many bytes append appends.
func (p *Packet) size(snap int) int {
	return min(headerSize+min(len(p.Packets), maxDescriptors)*descriptorSize+len(p.Data), snap)
}

// append appends the packet as it stands behind a packet block's header. At most
// snap bytes of it are kept, and full tells how many there would have been.
func (p *Packet) append(dst []byte, snap int) (packet []byte, full int) {
	descriptors := p.Packets[:min(len(p.Packets), maxDescriptors)]
	extra := len(descriptors)*descriptorSize + len(p.Data)
	full = headerSize + extra + p.Cut
	kept := min(extra, max(snap-headerSize, 0))
	start := len(dst)
	dst = p.appendHeader(dst, len(descriptors), kept)
	for _, d := range descriptors {
		dst = p.appendDescriptor(dst, d)
	}
	dst = append(dst, p.Data...)
	return dst[:start+headerSize+kept], full
}

// appendHeader appends the header of a packet with n descriptors, behind which
// captured bytes follow.
func (p *Packet) appendHeader(dst []byte, n, captured int) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, p.ID)
	dst = append(dst, uint8(p.Event), monTypes[p.Type&3], p.Endpoint, p.Device)
	dst = le.AppendUint16(dst, p.Bus)
	dst = append(dst, p.setupFlag(), p.dataFlag())
	dst = le.AppendUint64(dst, uint64(p.Time.Unix()))
	dst = le.AppendUint32(dst, uint32(p.Time.Nanosecond()/1000))
	dst = le.AppendUint32(dst, uint32(p.Status))
	dst = le.AppendUint32(dst, uint32(p.Length))
	dst = le.AppendUint32(dst, uint32(captured))
	dst = p.appendSetup(dst)
	dst = le.AppendUint32(dst, uint32(p.Interval))
	dst = le.AppendUint32(dst, uint32(p.Frame))
	dst = le.AppendUint32(dst, uint32(p.Flags))
	return le.AppendUint32(dst, uint32(n))
}

// appendSetup appends the eight bytes whose meaning depends on the transfer.
func (p *Packet) appendSetup(dst []byte) []byte {
	switch {
	case p.Setup != nil:
		setup := p.Setup.Bytes()
		return append(dst, setup[:]...)
	case p.Type == usb.Isochronous:
		dst = binary.LittleEndian.AppendUint32(dst, uint32(p.Errors))
		return binary.LittleEndian.AppendUint32(dst, uint32(len(p.Packets)))
	}
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
}

// appendDescriptor appends the descriptor of one isochronous packet.
func (p *Packet) appendDescriptor(dst []byte, d usb.IsoPacket) []byte {
	length, status := d.Length, usb.EXDEV // what usbmon says of packets to come
	if p.Event != Submission {
		length, status = d.Actual, d.Status
	}
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, uint32(status))
	dst = le.AppendUint32(dst, uint32(d.Offset))
	dst = le.AppendUint32(dst, uint32(length))
	return le.AppendUint32(dst, 0)
}

func (p *Packet) setupFlag() uint8 {
	if p.Setup != nil {
		return setupPresent
	}
	return nothingPresent
}

func (p *Packet) dataFlag() uint8 {
	switch {
	case p.Event == Failure:
		return dataOfFailure
	case p.Event == Submission && p.In():
		return dataToCome
	case p.Event == Completion && !p.In():
		return dataInSubmission
	}
	return 0
}

// ErrPacket says that a packet of a file is not one of usbmon.
var ErrPacket = errors.New("not a packet of usbmon")

// parse decodes a packet whose header has size bytes. What it returns aliases b.
func parse(b []byte, size int) (*Packet, error) {
	if len(b) < size {
		return nil, fmt.Errorf("%w: %d bytes, a header has %d", ErrPacket, len(b), size)
	}
	le := binary.LittleEndian
	p := &Packet{
		ID: le.Uint64(b), Event: Event(b[8]), Endpoint: b[10], Device: b[11], Bus: le.Uint16(b[12:]),
		Time:   time.Unix(int64(le.Uint64(b[16:])), int64(le.Uint32(b[24:]))*1000).UTC(),
		Status: usb.Status(le.Uint32(b[28:])), Length: int(le.Uint32(b[32:])),
	}
	if p.Event != Submission && p.Event != Completion && p.Event != Failure {
		return nil, fmt.Errorf("%w: event %#02x", ErrPacket, b[8])
	}
	if p.Length > maxData {
		return nil, fmt.Errorf("%w: a URB of %d bytes", ErrPacket, p.Length)
	}
	var err error
	if p.Type, err = typeOf(b[9]); err != nil {
		return nil, err
	}
	if b[14] == setupPresent && p.Type == usb.Control && p.Event == Submission {
		setup := usb.ParseSetup([8]byte(b[40:48]))
		p.Setup = &setup
	}
	rest := b[size:min(len(b), size+int(min(le.Uint32(b[36:]), maxPacketBytes)))]
	if size == headerSize {
		p.Interval, p.Frame = int32(le.Uint32(b[48:])), int32(le.Uint32(b[52:]))
		p.Flags = usb.TransferFlags(le.Uint32(b[56:]))
		if rest, err = p.parseDescriptors(rest, le.Uint32(b[60:])); err != nil {
			return nil, err
		}
	}
	if p.Type == usb.Isochronous {
		p.Errors = int(le.Uint32(b[40:]))
	}
	if p.dataFlag() == 0 {
		p.Data = rest
	}
	return p, nil
}

// typeOf translates usbmon's number of a transfer type.
func typeOf(mon uint8) (usb.EndpointType, error) {
	for t, number := range monTypes {
		if number == mon {
			return usb.EndpointType(t), nil
		}
	}
	return 0, fmt.Errorf("%w: transfer type %d", ErrPacket, mon)
}

// parseDescriptors takes n isochronous descriptors off b, or as many as were
// kept, and returns the rest.
func (p *Packet) parseDescriptors(b []byte, n uint32) (rest []byte, err error) {
	if n > maxDescriptors {
		return nil, fmt.Errorf("%w: %d isochronous descriptors", ErrPacket, n)
	}
	if whole := len(b) / descriptorSize; int(n) > whole {
		n, b = uint32(whole), b[:whole*descriptorSize]
	}
	for range n {
		le := binary.LittleEndian
		d := usb.IsoPacket{
			Status: usb.Status(le.Uint32(b)), Offset: int(le.Uint32(b[4:])), Length: int(le.Uint32(b[8:])),
		}
		if p.Event != Submission {
			d.Actual = d.Length
		}
		p.Packets = append(p.Packets, d)
		b = b[descriptorSize:]
	}
	return b, nil
}
