package fm

import (
	"errors"
	"time"

	"usbhsm7/firmware/command"
)

// MaxCode is the size of the largest module, bytes.
const MaxCode = 1 << 20

// Limits bound what one call of a module may use.
type Limits struct {
	Pages  uint32        // of memory, 64 KiB each
	Depth  int           // of functions that call each other
	Output int           // bytes
	Asks   int           // calls of the device
	Log    int           // bytes that it has recorded, in all lines
	Time   time.Duration // from beginning to end
}

// Standard returns the limits of the device.
func Standard() Limits {
	return Limits{Pages: 64, Depth: 256, Output: 1 << 20, Asks: 4096, Log: 1024, Time: 2 * time.Second}
}

// What a module may declare, so that no stack of Depth functions takes more than some
// 64 MiB and no module more than that much to be made.
const (
	maxBody      = 64 << 10 // bytes of one function
	maxBulk      = 512      // bytes FC in one function: see bulk
	maxLocals    = 1024     // variables of one function
	maxValues    = 64       // parameters of one function, and results
	maxTable     = 4096     // functions that can be called by number
	maxTypes     = 1024
	maxFunctions = 8192
	maxSegments  = 1024
)

// excess is a limit that a call ran into.
type excess struct{ refusal *command.Error }

func (e *excess) Error() string { return e.refusal.Error() }
func (e *excess) Unwrap() error { return e.refusal }

func exceeded(s command.Status, cause, hint string) error { return &excess{s.With(cause, hint)} }

// errOutside is what a module fails with that hands the device an address which is
// not in its memory.
var errOutside = errors.New("out of bounds memory access")
