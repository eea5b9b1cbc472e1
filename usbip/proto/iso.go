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

// ParseIsoResults decodes the descriptors of a reply into the results of packets,
// which are those of the SUBMIT; total is the length that the header of the reply
// claims. The error wraps ErrMalformed if a descriptor is not that of its packet,
// if a packet moved more than its length or has a positive status, or if the
// packets together do not make the total. Then packets are left as they were.
func ParseIsoResults(b []byte, packets []usb.IsoPacket, total int) error {
	if len(b) != len(packets)*IsoPacketSize {
		return malformed("%d bytes for %d isochronous packets", len(b), len(packets))
	}
	sum := 0
	for i := range packets {
		result := parseIsoPacket(b[i*IsoPacketSize:])
		if err := checkIsoResult(&result, &packets[i]); err != nil {
			return fmt.Errorf("isochronous packet %d: %w", i, err)
		}
		sum += result.Actual
	}
	if sum != total {
		return malformed("isochronous packets moved %d bytes, the reply says %d", sum, total)
	}
	for i := range packets {
		packets[i] = parseIsoPacket(b[i*IsoPacketSize:])
	}
	return nil
}

func checkIsoResult(result, asked *usb.IsoPacket) error {
	switch {
	case result.Offset != asked.Offset || result.Length != asked.Length:
		return malformed("offset %d and length %d, asked for %d and %d",
			result.Offset, result.Length, asked.Offset, asked.Length)
	case result.Actual < 0 || result.Actual > asked.Length:
		return malformed("%d bytes moved of %d", result.Actual, asked.Length)
	case result.Status > 0:
		return malformed("status %d", int32(result.Status))
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
