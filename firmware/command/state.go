package command

import (
	"fmt"
	"strings"
)

// TamperCause is what a sensor of the device can find.
type TamperCause uint8

// Causes.
const (
	TamperOverVoltage      TamperCause = 1
	TamperUnderVoltage     TamperCause = 2
	TamperOverTemperature  TamperCause = 3
	TamperUnderTemperature TamperCause = 4
	TamperBatteryLost      TamperCause = 5
	TamperChassisOpened    TamperCause = 6
)

// TamperInfo is one row of the table of causes.
type TamperInfo struct {
	Cause TamperCause
	Name  string
	// Message is the number of the message that the HSM logs, as in Thales'
	// pycryptoki (MSG_*).
	Message uint8
	Restart bool // the device must restart after the cause is cleared
}

// TamperTable has a row for each cause, in the order of the numbers.
var TamperTable = []TamperInfo{
	{TamperOverVoltage, "over-voltage", 1, true},
	{TamperUnderVoltage, "under-voltage", 1, true},
	{TamperOverTemperature, "over-temperature", 1, false},
	{TamperUnderTemperature, "under-temperature", 1, false},
	{TamperBatteryLost, "battery-lost", 17, false},
	{TamperChassisOpened, "chassis-opened", 14, true},
}

// Info returns the row of c, and whether there is one.
func (c TamperCause) Info() (TamperInfo, bool) {
	if c == 0 || int(c) > len(TamperTable) {
		return TamperInfo{}, false
	}
	return TamperTable[c-1], true
}

// String returns the name of the cause.
func (c TamperCause) String() string {
	if info, ok := c.Info(); ok {
		return info.Name
	}
	return fmt.Sprintf("cause %d", uint8(c))
}

// ParseTamperCause returns the cause of a name.
func ParseTamperCause(s string) (TamperCause, error) {
	for _, info := range TamperTable {
		if info.Name == s {
			return info.Cause, nil
		}
	}
	return 0, StatusArgumentsBad.Withf("no cause %q: use over-voltage, under-voltage, over-temperature, under-temperature, battery-lost or chassis-opened", s)
}

// Halt says why only a few commands work, as a set of bits; 0: all do.
type Halt uint8

// Bits of a Halt.
const (
	HaltTamper     Halt = 1 << iota // until the tamper event is cleared
	HaltRestart                     // until the device restarts
	HaltTransport                   // until the HSM has left Secure Transport Mode
	HaltConversion                  // until the data are converted for the firmware that runs
	HaltRecovery                    // until an update takes the place of firmware that has decayed

	HaltAny = HaltTamper | HaltRestart | HaltTransport | HaltConversion | HaltRecovery
)

// String returns the halt for people; it is empty if all commands work.
func (h Halt) String() string {
	var list []string
	for i, text := range []string{"tampered with", "must restart", "in Secure Transport Mode", "converting its data", "waiting for an update: its firmware has decayed"} {
		if h>>i&1 == 1 {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

// TamperEvent is what a sensor found, when last.
type TamperEvent struct {
	Cause   TamperCause `cbor:"1,keyasint" json:"cause"`
	Time    int64       `cbor:"2,keyasint" json:"time"`    // of the device's clock: seconds since 1970, UTC
	Message uint8       `cbor:"3,keyasint" json:"message"` // number of the message that the HSM logs
}

// TamperShowResponse tells what the sensors have found.
type TamperShowResponse struct {
	Events  []TamperEvent `cbor:"1,keyasint" json:"events"`  // not cleared yet, one for each cause, in the order of their numbers
	Latched bool          `cbor:"2,keyasint" json:"latched"` // the HSM is locked until tamper-clear
	Login   bool          `cbor:"3,keyasint" json:"login"`   // tamper-clear wants the HSM SO
	Restart bool          `cbor:"4,keyasint" json:"restart"` // cleared, and locked until the device restarts
}

// STMStrings are what tells whether an HSM was touched on its way: the sender
// passes them on by another way than the HSM itself. Each has four groups of
// four letters, digits or slashes, with hyphens between them.
type STMStrings struct {
	Random       string `cbor:"1,keyasint" json:"random_user_string"`
	Verification string `cbor:"2,keyasint" json:"verification_string"`
}

// STMRecoverRequest asks for the verification string of a random user string,
// and with Proceed to leave Secure Transport Mode.
type STMRecoverRequest struct {
	Random  string `cbor:"1,keyasint"`
	Proceed bool   `cbor:"2,keyasint"`
}

// STMRecoverResponse has the string to compare with that of the sender.
type STMRecoverResponse struct {
	Verification string `cbor:"1,keyasint" json:"verification_string"`
}

// STMShowResponse tells whether the HSM is in Secure Transport Mode.
type STMShowResponse struct {
	Active bool `cbor:"1,keyasint" json:"active"`
}
