package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Distribution is how the length of a delay is drawn.
type Distribution uint8

// Distributions.
const (
	Fixed       Distribution = iota // always A
	Uniform                         // between A and B
	Normal                          // mean A, standard deviation B; what falls below 0 is 0
	Exponential                     // mean A
	Spikes                          // A with probability Chance, otherwise none
)

// longest bounds every delay, drawn or given.
const longest = 24 * time.Hour

// Delay holds data on its way: that of an OUT transfer before the device sees
// it, that of an IN transfer before the host does. Transfers of one endpoint stay
// in order.
type Delay struct {
	Distribution Distribution
	A, B         time.Duration
	Chance       Percent // of Spikes
}

// String returns the fault as a script spells it.
func (d Delay) String() string {
	switch d.Distribution {
	case Uniform:
		return fmt.Sprintf("delay %v..%v", d.A, d.B)
	case Normal:
		return fmt.Sprintf("delay normal %v %v", d.A, d.B)
	case Exponential:
		return fmt.Sprintf("delay exponential %v", d.A)
	case Spikes:
		return fmt.Sprintf("delay spikes %v %v", d.Chance, d.A)
	}
	return fmt.Sprintf("delay %v", d.A)
}

func (Delay) place() place { return onTransfers }

func (d Delay) check() error {
	switch {
	case d.A < 0 || d.B < 0 || d.A > longest || d.B > longest:
		return fmt.Errorf("a delay is 0 to %v", longest)
	case d.Distribution == Uniform && d.B < d.A:
		return errors.New("the first limit is the smaller one")
	case d.Distribution > Spikes:
		return errors.New("unknown distribution")
	case d.Distribution == Spikes && (d.Chance <= 0 || d.Chance > 100 || d.Chance != d.Chance):
		return fmt.Errorf("a probability is above 0%% and at most 100%%, not %v", d.Chance)
	}
	return nil
}

// draw returns one delay.
func (d Delay) draw(r *rand.Rand) time.Duration {
	out := float64(d.A)
	switch d.Distribution {
	case Uniform:
		out += r.Float64() * float64(d.B-d.A)
	case Normal:
		out += r.NormFloat64() * float64(d.B)
	case Exponential:
		out *= r.ExpFloat64()
	case Spikes:
		if !hits(r, d.Chance) {
			return 0
		}
	}
	return time.Duration(min(max(out, 0), float64(longest)))
}

// hits draws with probability p.
func hits(r *rand.Rand, p Percent) bool { return r.Float64()*100 < float64(p) }
