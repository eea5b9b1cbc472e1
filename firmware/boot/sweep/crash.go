package sweep

import (
	"usbhsm7/firmware/flash"
)

// Plan says how much is cut.
type Plan struct {
	Tears    int  // ways in which an operation is torn, of each kind
	Erasures int  // more ways in which an erasure is torn
	Second   bool // cut a second time, at every operation of every recovery
	Every    int  // of the first cuts that are cut a second time, one in so many; 0 means each
	Join     bool // a recovery is over, and not cut any more, where it is back on the way without a cut
	Memoless bool // prove every state anew, however often it comes up
}

// Plans.
var (
	Single = Plan{Tears: 2}
	Fast   = Plan{Tears: 1, Second: true}
)

// Outcomes lists how far an operation can come when the power is cut. A sync of
// a chip in memory does nothing, and what is after an operation is before the next
// one. The tear depends on the seed and the operation alone, so that the same
// operation in another play leaves the same state.
func (p Plan) Outcomes(o flash.Operation, seed uint64) []flash.Outcome {
	list := []flash.Outcome{{Mode: flash.Before}}
	if o.Kind == flash.SyncDevice {
		return list
	}
	modes, tears := []flash.Mode{flash.TornWord, flash.TornBits}, p.Tears
	if o.Kind == flash.EraseBlock {
		tears += p.Erasures
		modes = []flash.Mode{flash.TornBits, flash.TornUnsteady}
	}
	for i := range uint64(tears) {
		for _, mode := range modes {
			list = append(list, flash.Outcome{Mode: mode, Seed: seed<<32 ^ uint64(o.Addr)<<3 ^ i})
		}
	}
	return list
}

// Stride returns the least number, at least n, by which a sample of cuts may be taken:
// operations come with two, three or five outcomes each, and a stride that has a factor
// in common with these would try some of the outcomes nowhere.
func Stride(n int) int {
	for n = max(1, n); n > 1 && (n%2 == 0 || n%3 == 0 || n%5 == 0); n++ {
	}
	return n
}

// record plays a scenario and returns every point of it, each with a clone of the
// chip. Pause is as of play.
func (p *player) record(s *scenario, chip *flash.Memory, f *facts, pause func() bool) ([]point, error) {
	var points []point
	err := p.play(s, chip, f, func(at point) error {
		at.operation.Data = append([]byte(nil), at.operation.Data...)
		at.before = chip.Clone()
		points = append(points, at)
		return nil
	}, pause)
	return points, err
}

// crash returns the chip that a cut at a point leaves.
func (at *point) crash(how flash.Outcome) (*flash.Memory, error) {
	chip := at.before.Clone()
	return chip, at.operation.Perform(chip, how)
}
