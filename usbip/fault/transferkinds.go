package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"usbhsm7/usbip/usb"
)

// NAK keeps a transfer from the device, as an endpoint does that is never ready.
// It stays pending until the host cancels it, and later transfers of the
// endpoint wait behind it.
type NAK struct {
	For time.Duration // then the device gets it; 0 means never
}

// Stall answers STALL. A stalled control transfer is only that one (USB 2.0
// section 8.5.3.4); any other endpoint is really halted: later transfers stall
// too until the host clears the halt.
type Stall struct {
	Once bool // this transfer only
}

// Short ends a transfer early by a short packet. Of an IN transfer the host gets
// the beginning, and the rest is lost; of an OUT transfer the device gets the
// beginning, and the host is told so.
type Short struct {
	Bytes int // that arrive; 0 means a zero-length packet
}

// ZeroLength puts an empty transfer before this one, on the same endpoint: the
// URB of the host ends empty and the device's data waits for the next one, or the
// device receives an empty transfer before that of the host. Nothing is lost. A
// control transfer loses its data instead.
type ZeroLength struct{}

// Error ends a transfer with a status.
type Error struct {
	Status usb.Status // EPROTO, EILSEQ, ETIME or EOVERFLOW
	After  int        // bytes moved before, rounded down to whole packets
}

// Corrupt flips bits of the data, which a real bus would notice by its CRC: it is
// a defect of the device.
type Corrupt struct {
	Bits        int
	First, Last int // only bytes First to Last, counted from 0; both 0 means anywhere
}

// Disconnect unplugs the device in the middle of a transfer.
type Disconnect struct {
	After int           // bytes moved before, rounded down to whole packets
	Plug  time.Duration // until the device is plugged in again; 0 means when the faults are cleared
}

// Reset resets the port just before a transfer: pending transfers end with
// ESHUTDOWN, and the device drops what it had of a message. The configuration
// stays in force.
type Reset struct{}

// Reorder holds the result of a transfer until transfers of other endpoints have
// overtaken it.
type Reorder struct {
	Behind int           // how many
	Within time.Duration // wait no longer; 0 means 100 ms
}

func (NAK) place() place        { return onTransfers }
func (Stall) place() place      { return onTransfers }
func (Short) place() place      { return onTransfers }
func (ZeroLength) place() place { return onTransfers }
func (Error) place() place      { return onTransfers }
func (Corrupt) place() place    { return onTransfers }
func (Disconnect) place() place { return onTransfers }
func (Reset) place() place      { return onTransfers }
func (Reorder) place() place    { return onTransfers }

// String returns the fault as a script spells it.
func (f NAK) String() string {
	if f.For > 0 {
		return "nak for " + f.For.String()
	}
	return "nak"
}

// String returns the fault as a script spells it.
func (f Stall) String() string {
	if f.Once {
		return "stall once"
	}
	return "stall"
}

// String returns the fault as a script spells it.
func (f Short) String() string { return "short " + size(f.Bytes) }

// String returns the fault as a script spells it.
func (ZeroLength) String() string { return "zero-length" }

// statusNames are the statuses that a transfer can end with without breaking a rule.
var statusNames = map[string]usb.Status{
	"EPROTO": usb.EPROTO, "EILSEQ": usb.EILSEQ, "ETIME": usb.ETIME, "EOVERFLOW": usb.EOVERFLOW,
}

// String returns the fault as a script spells it.
func (f Error) String() string {
	for name, status := range statusNames {
		if status == f.Status {
			return "error " + name + after(f.After)
		}
	}
	return fmt.Sprintf("error %d", int32(f.Status))
}

// String returns the fault as a script spells it.
func (f Corrupt) String() string {
	text := "corrupt " + strconv.Itoa(f.Bits) + " bits"
	if f.First != 0 || f.Last != 0 {
		text += fmt.Sprintf(" within %d..%d", f.First, f.Last)
	}
	return text
}

// String returns the fault as a script spells it.
func (f Disconnect) String() string {
	text := "disconnect" + after(f.After)
	if f.Plug > 0 {
		text += ", plug after " + f.Plug.String()
	}
	return text
}

// String returns the fault as a script spells it.
func (Reset) String() string { return "reset" }

// String returns the fault as a script spells it.
func (f Reorder) String() string {
	text := "reorder behind " + strconv.Itoa(f.Behind)
	if f.Within > 0 {
		text += " within " + f.Within.String()
	}
	return text
}

func after(n int) string {
	if n == 0 {
		return ""
	}
	return " after " + size(n)
}

// checkFault finds values that make no sense.
func checkFault(f Fault) error {
	if c, ok := f.(interface{ check() error }); ok {
		return c.check()
	}
	return nil
}

func (f NAK) check() error        { return checkTime(f.For) }
func (f Short) check() error      { return checkSize(f.Bytes, 0) }
func (f Disconnect) check() error { return errors.Join(checkTime(f.Plug), checkSize(f.After, 0)) }
func (f Reorder) check() error    { return errors.Join(checkTime(f.Within), checkSize(f.Behind, 1)) }

func (f Error) check() error {
	for _, known := range statusNames {
		if f.Status == known {
			return checkSize(f.After, 0)
		}
	}
	return fmt.Errorf("a transfer fails with EPROTO, EILSEQ, ETIME or EOVERFLOW, not with %v", f.Status)
}

func (f Corrupt) check() error {
	if f.Last < f.First || f.First < 0 {
		return fmt.Errorf("bytes %d to %d are none", f.First, f.Last)
	}
	if f.Bits < 1 || f.Bits > maxBits {
		return fmt.Errorf("1 to %d bits can be flipped", maxBits)
	}
	return checkSize(f.Last, 0)
}

func checkTime(d time.Duration) error {
	if d < 0 || d > longest {
		return fmt.Errorf("a time is 0 to %v", longest)
	}
	return nil
}

// largest bounds the numbers of a fault: far more than a transfer holds.
const largest = 1 << 30

func checkSize(n, least int) error {
	if n < least || n > largest {
		return fmt.Errorf("a number here is %d to %d", least, largest)
	}
	return nil
}

// maxBits bounds how many bits are flipped in one transfer.
const maxBits = 4096

// flip flips bits of data, different ones, at places that seed decides.
func (f Corrupt) flip(data []byte, seed uint64) {
	if f.First != 0 || f.Last != 0 {
		data = data[min(f.First, len(data)):min(f.Last+1, len(data))]
	}
	r := rand.New(rand.NewPCG(seed, 0))
	flipped := map[int]bool{}
	for len(flipped) < min(f.Bits, len(data)*8) {
		if bit := r.IntN(len(data) * 8); !flipped[bit] {
			flipped[bit] = true
			data[bit/8] ^= 1 << (bit % 8)
		}
	}
}
