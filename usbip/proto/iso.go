package proto

import (
	"encoding/binary"
	"fmt"

	"usbhsm7/usbip/usb"
)

// IsoPacketSize is the size of the descriptor of one isochronous packet.
const IsoPacketSize = 16

// AppendIsoPackets appends the descriptors of packets: offset, length, actual
// length and status of each.
func AppendIsoPackets(b []byte, packets []usb.IsoPacket) []byte {
	for i := range packets {
		p := &packets[i]
		b = appendWords(b, uint32(p.Offset), uint32(p.Length), uint32(p.Actual), uint32(p.Status))
	}
	return b
}

// ParseIsoPackets decodes the descriptors of a SUBMIT into packets; b has
// IsoPacketSize bytes for each, and length is that of the URB's buffer. Hosts
// leave anything in the fields for the result, so these are set as
// usb.URB.Prepare does. The error wraps ErrMalformed, and usb.ErrPackets where
// the packets are not laid out within the buffer.
func ParseIsoPackets(b []byte, packets []usb.IsoPacket, length int) error {
	if len(b) != len(packets)*IsoPacketSize {
		return malformed("%d bytes for %d isochronous packets", len(b), len(packets))
	}
	for i := range packets {
		packets[i] = parseIsoPacket(b[i*IsoPacketSize:])
		packets[i].Actual, packets[i].Status = 0, usb.EXDEV
	}
	if err := usb.CheckPackets(packets, length); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// ParseIsoResults decodes the descriptors of a reply, as many as b holds, into the
// results of packets, which are those of the SUBMIT; room is the length of the
// URB's buffer and total the length that the header of the reply claims. The error
// wraps ErrMalformed if there are more descriptors than packets, if a packet moved
// more than its length or is said to have moved it outside the buffer, or if the
// packets together do not make the total. Then packets are left as they were.
//
// Linux's vhci driver demands as much. It does not mind descriptors that are
// missing, nor another offset or length; a packet stays where it was asked for.
func ParseIsoResults(b []byte, packets []usb.IsoPacket, room, total int) error {
	count := len(b) / IsoPacketSize
	if len(b)%IsoPacketSize != 0 || count > len(packets) {
		return malformed("%d bytes for the results of %d isochronous packets", len(b), len(packets))
	}
	sum := 0
	for i := range count {
		result := parseIsoPacket(b[i*IsoPacketSize:])
		if result.Actual > packets[i].Length || result.Offset+result.Actual > room {
			return malformed("isochronous packet %d with %d bytes at offset %d, asked for %d; the buffer has %d",
				i, result.Actual, result.Offset, packets[i].Length, room)
		}
		sum += result.Actual
	}
	if count > 0 && sum != total {
		return malformed("isochronous packets moved %d bytes, the reply says %d", sum, total)
	}
	for i := range count {
		result := parseIsoPacket(b[i*IsoPacketSize:])
		packets[i].Actual, packets[i].Status = result.Actual, result.Status
	}
	return nil
}

func parseIsoPacket(b []byte) usb.IsoPacket {
	return usb.IsoPacket{
		Offset: int(binary.BigEndian.Uint32(b)),
		Length: int(binary.BigEndian.Uint32(b[4:])),
		Actual: int(binary.BigEndian.Uint32(b[8:])),
		Status: usb.Status(binary.BigEndian.Uint32(b[12:])),
	}
}
