package client

import (
	"fmt"
	"io"
	"slices"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// readIsoResult reads the end of the reply to an isochronous URB. The data comes
// before the packets, and without the gaps between them, so it waits aside until
// the packets tell where it belongs. There is a place for each byte: the packets
// lie within the buffer, and what they moved is what was read. Packets that the
// reply does not mention moved nothing.
func (d *Device) readIsoResult(u *usb.URB, r *proto.SubmitReply) error {
	data, err := d.readStream(u, int(r.Actual))
	if err != nil {
		return disconnected(err)
	}
	size := int(r.Packets) * proto.IsoPacketSize
	b, err := d.in.Peek(size)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return disconnected(err)
	}
	if err := proto.ParseIsoResults(b, u.Packets, len(u.Buffer), int(r.Actual)); err != nil {
		return fmt.Errorf("reply to SUBMIT %d: %w", r.Seq, err)
	}
	d.in.Discard(size) // what was peeked at is there
	if u.In() {
		for _, p := range u.Packets[:r.Packets] {
			copy(u.Buffer[p.Offset:], data[:p.Actual])
			data = data[p.Actual:]
		}
	}
	u.StartFrame = r.StartFrame
	return nil
}

// readStream reads the data of an IN reply.
func (d *Device) readStream(u *usb.URB, n int) ([]byte, error) {
	if !u.In() {
		return nil, nil
	}
	data := slices.Grow(d.stream[:0], n)[:n]
	if d.stream = data; cap(data) > spareSize {
		d.stream = nil
	}
	_, err := io.ReadFull(d.in, data)
	return data, err
}
