package replay

import (
	"usbhsm7/usbip/capture"
)

// Rule says what in the data of a protocol may differ from one run to the next:
// random numbers, for example. A Device calls it under its lock, in the order of
// the transfers.
type Rule interface {
	// Out compares a transfer of the host with the recorded one and returns the
	// index of the first byte that differs and must not, or -1. Endpoint 0 is the
	// data of control transfers.
	Out(endpoint uint8, recorded, sent []byte) int

	// In returns the answer to give in the place of a recorded one.
	In(endpoint uint8, recorded []byte) []byte
}

// Exact is the Rule under which nothing may differ.
type Exact struct {
	// Redacted makes a recorded asterisk match any byte: it stands for one that
	// was blanked. See Record.Redacted.
	Redacted bool
}

// Out implements Rule.
func (e Exact) Out(_ uint8, recorded, sent []byte) int {
	for i := range min(len(recorded), len(sent)) {
		if recorded[i] != sent[i] && !(e.Redacted && recorded[i] == capture.Blank) {
			return i
		}
	}
	if len(recorded) != len(sent) {
		return min(len(recorded), len(sent))
	}
	return -1
}

// In implements Rule.
func (e Exact) In(_ uint8, recorded []byte) []byte { return recorded }
