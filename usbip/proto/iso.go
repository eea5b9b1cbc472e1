package proto

import (
	"encoding/binary"

	"usbhsm7/usbip/usb"
)

// IsoPacketSize is the size of the descriptor of one isochronous packet.
const IsoPacketSize = 16

// AppendIsoPackets appends the descriptors of packets: offset, length, actual
// length and status of each.
func AppendIsoPackets(b []byte, packets []usb.IsoPacket) []byte {
	for _, p := range packets {
		b = appendWords(b, uint32(p.Offset), uint32(p.Length), uint32(p.Actual), uint32(p.Status))
	}
	return b
}

// ParseIsoPackets decodes descriptors into packets; b has IsoPacketSize bytes
// for each, and length is that of the URB's buffer. Every packet lies within the
// buffer and holds no more than its length, and no status is positive, or the
// error wraps ErrMalformed.
func ParseIsoPackets(b []byte, packets []usb.IsoPacket, length int) error {
	if len(b) != len(packets)*IsoPacketSize {
		return malformed("%d bytes for %d isochronous packets", len(b), len(packets))
	}
	for i := range packets {
		d := b[i*IsoPacketSize:]
		offset, size := binary.BigEndian.Uint32(d), binary.BigEndian.Uint32(d[4:])
		actual, status := binary.BigEndian.Uint32(d[8:]), usb.Status(binary.BigEndian.Uint32(d[12:]))
		if uint64(offset)+uint64(size) > uint64(length) || actual > size || status > 0 {
			return malformed("isochronous packet %d: offset %d, length %d, actual %d, status %d in %d bytes",
				i, offset, size, actual, int32(status), length)
		}
		packets[i] = usb.IsoPacket{Offset: int(offset), Length: int(size), Actual: int(actual), Status: status}
	}
	return nil
}
