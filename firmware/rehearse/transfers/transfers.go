package transfers

import (
	"context"
	"errors"
	"fmt"

	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/parallel"
)

// Options say what is tried.
type Options struct {
	// Subject has the file, and the device's firmware. The HSM on it is initialised
	// anew, since nobody gives a rehearsal the passwords of the real one.
	Subject sweep.Subject
	Every   int     // one in so many cases is tried; 0 means all
	Defect  *Defect // planted; nil = none
	Workers int     // 0 = as many as there are processors

	// Progress is called now and then with how much is done, of how much. May be nil.
	Progress func(done, total int)
}

// Result is what came of it.
type Result struct {
	Transfers int       `json:"transfers"` // of the update, without a fault
	Tried     int       `json:"tried"`
	Faults    []Count   `json:"faults"`
	Failures  []Failure `json:"failures"`
}

// Count is how often a fault was tried.
type Count struct {
	Name  string `json:"name"`
	Tried int    `json:"tried"`
}

// Failure is a case in which something was not as it must be.
type Failure struct {
	Case   string `json:"case"` // for Replay
	Fault  string `json:"fault"`
	Detail string `json:"detail"`
}

// ErrCase reports a text that names no case.
var ErrCase = errors.New("there is no such case")

// one is a case: a fault at a transfer, counted from 1.
type one struct {
	fault Fault
	at    int
}

func (c one) String() string { return fmt.Sprintf("%d:%s", c.at, c.fault.Name) }

// Run tries all cases. The error tells that the update does not even work without a
// fault, or is that of ctx.
func Run(ctx context.Context, o Options) (*Result, error) {
	kinds, err := count(ctx, o)
	if err != nil {
		return nil, err
	}
	r := &Result{Transfers: len(kinds), Failures: []Failure{}}
	var cases []one
	for _, f := range Faults() {
		n := len(cases)
		for i, in := range kinds {
			if in && f.in || !in && f.out {
				cases = append(cases, one{f, i + 1})
			}
		}
		cases = append(cases[:n], thin(cases[n:], o.Every)...)
		r.Faults = append(r.Faults, Count{f.Name, len(cases) - n})
	}
	r.Tried = len(cases)
	for i, err := range tryAll(ctx, o, cases) {
		if err != nil {
			r.Failures = append(r.Failures, Failure{cases[i].String(), cases[i].fault.Name, err.Error()})
		}
	}
	return r, ctx.Err()
}

// thin leaves one in so many.
func thin(cases []one, every int) []one {
	var left []one
	for i := range cases {
		if i%max(1, every) == 0 {
			left = append(left, cases[i])
		}
	}
	return left
}

// count plays the update without a fault, and returns of each transfer whether it is IN.
func count(ctx context.Context, o Options) ([]bool, error) {
	var kinds []bool
	err := try(ctx, o, nil, 0, func(b *bus) { kinds = b.kinds })
	if err != nil {
		err = fmt.Errorf("without a fault: %w", err)
	}
	return kinds, err
}

// tryAll returns what is wrong with each case.
func tryAll(ctx context.Context, o Options, cases []one) []error {
	found := make([]error, len(cases))
	parallel.For(len(cases), o.Workers, func(i int) {
		if ctx.Err() == nil {
			found[i] = try(ctx, o, &cases[i].fault, cases[i].at, nil)
		}
	}, func(done int) {
		if o.Progress != nil {
			o.Progress(done, len(cases))
		}
	})
	return found
}

// try plays the update once.
func try(ctx context.Context, o Options, f *Fault, at int, look func(*bus)) (err error) {
	u, err := newUnit(ctx, o.Subject, o.Defect)
	if err != nil {
		return err
	}
	defer func() {
		if off := u.off(); err == nil {
			err = off
		}
	}()
	b := &bus{unit: u, fault: f, at: at}
	p, err := newPlay(&o.Subject, b)
	if err != nil {
		return err
	}
	if err := p.prepare(); err != nil {
		return err
	}
	err = p.run()
	if look != nil {
		look(b)
	}
	return err
}

// Replay tries one case again, and returns what is wrong, empty if nothing is. The host
// and the fault are the same each time; whether the device has acted on the last command
// when a host comes back is not, so that what a race brought about may need several tries.
// The
// error carries ErrCase if there is no such case.
func Replay(ctx context.Context, o Options, name string) (string, error) {
	var at int
	for _, f := range Faults() {
		if n, _ := fmt.Sscanf(name, "%d:", &at); n == 1 && at > 0 && name == (one{f, at}).String() {
			if err := try(ctx, o, &f, at, nil); err != nil {
				return err.Error(), nil
			}
			return "", nil
		}
	}
	return "", fmt.Errorf("%w: %q", ErrCase, name)
}
