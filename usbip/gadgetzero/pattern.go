package gadgetzero

import (
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

// at returns byte i of a packet.
func (p Pattern) at(i int) byte {
	if p == Mod63 {
		return byte(i % 63)
	}
	return 0
}

func (p Pattern) fill(packet []byte) {
	for i := range packet {
		packet[i] = p.at(i)
	}
}

func (p Pattern) check(packet []byte) error {
	for i, b := range packet {
		if b != p.at(i) {
			return errPattern
		}
	}
	return nil
}

// interval returns the function of an isochronous source: full packets in every
// interval.
func (p Pattern) interval(e usb.Endpoint) func(room int) []byte {
	data := make([]byte, e.BytesPerInterval())
	for packet := range slices.Chunk(data, int(e.MaxPacketSize)) {
		p.fill(packet)
	}
	return func(room int) []byte { return data[:room] }
}
