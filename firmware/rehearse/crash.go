package rehearse

import (
	"fmt"
	"sync/atomic"

	"usbhsm7/firmware/flash"
)

// recorder notes how a chip is changed, so that it can be told afterwards what
// a power cut would have left at any moment.
type recorder struct {
	*flash.Tap
	points   []point
	armed    bool
	answered atomic.Bool // the host has its answer
}

// point is an operation that the power may be cut at.
type point struct {
	before    *flash.Memory
	operation flash.Operation
	answered  bool // before the operation
}

// record returns a chip that notes what is done to it while it is armed.
func record(chip *flash.Memory) *recorder {
	r := &recorder{}
	r.Tap = flash.NewTap(chip, func(o flash.Operation) error {
		if r.armed {
			o.Data = append([]byte(nil), o.Data...)
			r.points = append(r.points, point{chip.Clone(), o, r.answered.Load()})
		}
		return nil
	})
	return r
}

// crash is what a power cut left.
type crash struct {
	chip     *flash.Memory
	answered bool   // the host had its answer
	where    string // for people
}

// crashes calls visit with every state that a cut at one of the points can leave,
// each on a chip of its own: before the operation, and torn in so many ways of
// each kind. Just done is before the next one, or the end of the recording.
func crashes(points []point, tears int, seed uint64, visit func(crash) error) error {
	for i, p := range points {
		for _, how := range outcomes(p.operation, tears, seed+uint64(i)<<16) {
			c := crash{p.before.Clone(), p.answered, fmt.Sprintf("power cut at operation %d (%v), %v", i+1, p.operation, how.Mode)}
			if err := p.operation.Perform(c.chip, how); err != nil {
				return err
			}
			if err := visit(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// outcomes lists how far an operation can come. A sync of a chip in memory does
// nothing, so that it cannot be torn.
func outcomes(o flash.Operation, tears int, seed uint64) []flash.Outcome {
	list := []flash.Outcome{{Mode: flash.Before}}
	if o.Kind == flash.SyncDevice {
		return list
	}
	for i := range uint64(tears) {
		list = append(list, flash.Outcome{Mode: flash.TornPrefix, Seed: seed + i}, flash.Outcome{Mode: flash.TornBits, Seed: seed + i})
		if o.Kind == flash.EraseBlock {
			list = append(list, flash.Outcome{Mode: flash.TornUnsteady, Seed: seed + i})
		}
	}
	return list
}
