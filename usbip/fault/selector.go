package fault

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"usbhsm7/usbip/usb"
)

// Selector says which transfers, or which connections, a rule is for. Zero
// fields choose everything.
//
// Those that the fields up to Until choose are counted, from 1. The fields
// below choose among them by number.
type Selector struct {
	Connections bool // connections of the server instead of transfers; only what follows Until applies

	Type      Type
	Direction Direction
	Endpoint  uint8   // bEndpointAddress with the direction in bit 7; the control pipe is a Type
	Command   string  // OUT transfers that carry this command of the device's protocol
	Setup     []Field // control transfers whose setup packet has these values

	Since, Until time.Duration // after the script was loaded; Until 0 means without end

	From, To uint64  // numbers, both included; 0 means without limit
	Every    uint64  // numbers that are a multiple
	Chance   Percent // fire with this probability
	Times    uint64  // fire at most this often
}

// Type is a type of transfer.
type Type uint8

// Types of transfers (USB 2.0 section 5.4).
const (
	AnyType Type = iota
	Control
	Isochronous
	Bulk
	Interrupt
)

var typeNames = [...]string{AnyType: "any", Control: "control", Isochronous: "isochronous", Bulk: "bulk", Interrupt: "interrupt"}

// Direction is that of the data of a transfer.
type Direction uint8

// Directions. A control transfer without data goes out.
const (
	BothWays Direction = iota
	In                 // to the host
	Out
)

var directionNames = [...]string{BothWays: "", In: "in", Out: "out"}

// Percent is a probability, above 0 to 100; 0 means that it was not given.
type Percent float64

// String returns for example "2.5%".
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'g', -1, 64) + "%" }

// Field is one field of a setup packet and its value.
type Field struct {
	Name  string // one of setupFields
	Value uint16
}

// setupFields are the names of the fields of a setup packet, in its order.
var setupFields = []struct {
	name string
	of   func(usb.Setup) uint16
}{
	{"type", func(s usb.Setup) uint16 { return uint16(s.RequestType) }},
	{"request", func(s usb.Setup) uint16 { return uint16(s.Request) }},
	{"value", func(s usb.Setup) uint16 { return s.Value }},
	{"index", func(s usb.Setup) uint16 { return s.Index }},
	{"length", func(s usb.Setup) uint16 { return s.Length }},
}

func (f Field) matches(s usb.Setup) bool {
	for _, known := range setupFields {
		if known.name == f.Name {
			return known.of(s) == f.Value
		}
	}
	return false
}

// String returns the selector as a script spells it.
func (s Selector) String() string {
	words := s.place()
	if s.Since > 0 {
		words = append(words, "since", s.Since.String())
	}
	if s.Until > 0 {
		words = append(words, "until", s.Until.String())
	}
	words = append(words, s.numbers()...)
	if s.Connections {
		return strings.Join(append([]string{"connection"}, words...), " ")
	}
	if len(words) == 0 {
		words = []string{typeNames[AnyType]}
	}
	return "on " + strings.Join(words, " ")
}

// place returns the words for type, direction, endpoint, command and setup.
func (s Selector) place() (words []string) {
	switch {
	case s.Type != AnyType && s.Direction != BothWays:
		words = append(words, typeNames[s.Type]+"-"+directionNames[s.Direction])
	case s.Type != AnyType:
		words = append(words, typeNames[s.Type])
	case s.Direction != BothWays:
		words = append(words, directionNames[s.Direction])
	}
	if s.Endpoint != 0 {
		words = append(words, "endpoint", fmt.Sprintf("%02x", s.Endpoint))
	}
	if s.Command != "" {
		words = append(words, "command", s.Command)
	}
	if len(s.Setup) > 0 {
		words = append(words, "setup")
	}
	for _, f := range s.Setup {
		words = append(words, fmt.Sprintf("%s=%02x", f.Name, f.Value))
	}
	return words
}

// numbers returns the words for the fields that choose by number.
func (s Selector) numbers() (words []string) {
	number := func(word string, n uint64) {
		if n > 0 {
			words = append(words, word, strconv.FormatUint(n, 10))
		}
	}
	switch {
	case s.From > 0 && s.From == s.To:
		number("nth", s.From)
	case s.To > 0:
		words = append(words, "from", strconv.FormatUint(max(s.From, 1), 10), "to", strconv.FormatUint(s.To, 10))
	case s.From > 1:
		number("after", s.From-1)
	}
	number("every", s.Every)
	if s.Chance > 0 {
		words = append(words, "chance", s.Chance.String())
	}
	number("times", s.Times)
	return words
}

// check finds contradictions.
func (s Selector) check() error {
	control := s.Type == Control || s.Type == AnyType
	switch {
	case s.Connections && (len(s.place()) > 0 || s.Since > 0 || s.Until > 0):
		return errors.New("a connection is chosen by its number only: nth, every, after, from ... to, times, chance")
	case s.Endpoint != 0 && s.Endpoint&0x0f == 0 || s.Endpoint&0x70 != 0:
		return fmt.Errorf("there is no endpoint %02x: 01 to 0f are OUT, 81 to 8f are IN; the control pipe is chosen by \"control\"", s.Endpoint)
	case s.Endpoint != 0 && s.Direction != BothWays && (s.Direction == In) != (s.Endpoint&usb.DirIn != 0):
		return fmt.Errorf("endpoint %02x goes the other way", s.Endpoint)
	case s.Endpoint != 0 && s.Type == Control:
		return errors.New("a control transfer has no endpoint of its own")
	case len(s.Setup) > 0 && (!control || s.Endpoint != 0):
		return errors.New("only a control transfer has a setup packet")
	case s.Command != "" && (s.Direction == In || s.Endpoint&usb.DirIn != 0 || s.Type == Control):
		return errors.New("a command travels OUT, on a bulk endpoint")
	case s.To > 0 && s.From > s.To:
		return fmt.Errorf("from %d to %d is empty", s.From, s.To)
	case s.Until > 0 && s.Since >= s.Until:
		return fmt.Errorf("since %v until %v is empty", s.Since, s.Until)
	case s.Chance < 0 || s.Chance > 100 || s.Chance != s.Chance:
		return fmt.Errorf("a probability is above 0%% and at most 100%%, not %v", s.Chance)
	}
	return nil
}

// transferInfo is what a selector looks at.
type transferInfo struct {
	kind    Type
	address uint8 // the control pipe is 0 or 80, by the direction of its data
	setup   usb.Setup
	data    []byte // of an OUT transfer
}

func (i *transferInfo) direction() Direction {
	if i.address&usb.DirIn != 0 {
		return In
	}
	return Out
}

// matches reports whether s counts the transfer, which comes elapsed after the
// script was loaded. inCommand recognises the selector's command.
func (s *Selector) matches(i *transferInfo, elapsed time.Duration, inCommand func([]byte) bool) bool {
	switch {
	case s.Connections,
		s.Type != AnyType && s.Type != i.kind,
		s.Direction != BothWays && s.Direction != i.direction(),
		s.Endpoint != 0 && s.Endpoint != i.address,
		s.Command != "" && (i.direction() == In || i.kind == Control || inCommand == nil || !inCommand(i.data)),
		elapsed < s.Since,
		s.Until > 0 && elapsed >= s.Until,
		len(s.Setup) > 0 && i.kind != Control:
		return false
	}
	for _, f := range s.Setup {
		if !f.matches(i.setup) {
			return false
		}
	}
	return true
}

// chooses reports whether s chooses the n-th of those that it counts, leaving
// chance aside.
func (s *Selector) chooses(n, fired uint64) bool {
	return n >= s.From && (s.To == 0 || n <= s.To) &&
		(s.Every == 0 || n%s.Every == 0) && (s.Times == 0 || fired < s.Times)
}
