package gadgetzero

import (
	"bytes"
	"errors"
	"slices"

	"usbhsm7/usbip/usb"
)

// Pattern is the data that sources send and sinks expect. Each packet has it
// anew, so it does not matter where a transfer begins. It goes by the parameter
// "pattern" of usbtest.
type Pattern uint8

// Patterns.
const (
	Zeros Pattern = 0 // every byte is 0
	Mod63 Pattern = 1 // byte i of a packet is i modulo 63
)

var errPattern = errors.New("the data is not the pattern")

// packet is what the largest packet holds; a shorter one holds its beginning.
type packet []byte

const largestPacket = 1024 // wMaxPacketSize of any endpoint, in bytes

func (p Pattern) packet() packet {
	data := make(packet, largestPacket)
	if p == Mod63 {
		for i := range data {
			data[i] = byte(i % 63)
		}
	}
	return data
}

func (p packet) fill(room []byte) { copy(room, p) }

func (p packet) check(received []byte) error {
	if !bytes.Equal(received, p[:len(received)]) {
		return errPattern
	}
	return nil
}

// interval returns the function of an isochronous source: full packets in every
// interval.
func (p packet) interval(e usb.Endpoint) func(room int) []byte {
	data := make([]byte, e.BytesPerInterval())
	for room := range slices.Chunk(data, int(e.MaxPacketSize)) {
		p.fill(room)
	}
	return func(room int) []byte { return data[:room] }
}
