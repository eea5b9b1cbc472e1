package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue/person"
)

// Place is a device in the state in which a ceremony begins, and a host.
type Place struct {
	Simulator *control.Client
	Host      Host
	Leave     func() error // when the ceremony is over
}

// Rehearse holds the ceremony without people and has things go wrong: what the
// file lists under faults, and in each step that people attend to that they walk
// away, that somebody cancels, and that the power fails. A step that failed is done
// again as the file says. Only one fault of a step can end well, because then the
// step is done; for another one the ceremony is begun anew at another place.
func (r *Runner) Rehearse(ctx context.Context, record *Record, start func(context.Context) (Place, error)) error {
	record.Mode = Rehearsal
	faults := slices.DeleteFunc(slices.Concat(r.Ceremony.usualFaults(), r.Ceremony.Faults), func(f Fault) bool { return !strings.Contains(f.Title, r.Only) })
	if len(faults) == 0 {
		return fmt.Errorf("%w: %q", ErrNoFault, r.Only)
	}
	for i, pass := range passes(faults) {
		r.pass = i + 1
		if err := r.rehearsePass(ctx, record, pass, start); err != nil {
			return err
		}
	}
	record.Outcome, record.Finished = fmt.Sprintf("every step went as the file says, and each of %d faults ended as it should", len(faults)), true
	return nil
}

// ErrNoFault says that there is nothing to rehearse.
var ErrNoFault = errors.New("the ceremony has no such fault")

// passes divides faults so that of each step at most one in a pass ends well.
func passes(faults []Fault) [][]Fault {
	all := [][]Fault{nil}
	well := map[string]int{} // faults of a step that end well
	for _, f := range faults {
		at := 0
		if f.Fails == nil {
			at = well[f.At]
			well[f.At]++
		}
		if at == len(all) {
			all = append(all, nil)
		}
		all[at] = append(all[at], f)
	}
	return all
}

func (r *Runner) rehearsePass(ctx context.Context, record *Record, faults []Fault, start func(context.Context) (Place, error)) (err error) {
	place, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if leaving := place.Leave(); err == nil {
			err = leaving
		}
	}()
	r.Simulator, r.Host, r.state = place.Simulator, place.Host, ""
	if err := r.begin(ctx, record); err != nil {
		return err
	}
	for i, s := range r.Ceremony.Steps {
		if err := r.rehearseStep(ctx, i, of(s, faults)); err != nil {
			record.Outcome = fmt.Sprintf("stopped at step %d, %s: %v", i+1, s.Title, err)
			return err
		}
	}
	return nil
}

// of returns the faults of a step: those that make it fail, then the one that
// does not.
func of(s Step, faults []Fault) (all []Fault) {
	for _, well := range []bool{false, true} {
		for _, f := range faults {
			if f.At == s.ID && (f.Fails == nil) == well {
				all = append(all, f)
			}
		}
	}
	return all
}

// rehearseStep has a step go wrong in each way, and then right unless it did so in
// spite of a fault.
func (r *Runner) rehearseStep(ctx context.Context, i int, faults []Fault) error {
	for n, f := range faults {
		if err := r.goWrong(ctx, i, f, n > 0); err != nil {
			return fmt.Errorf("%s: %w", f.Title, err)
		}
		if f.Fails == nil {
			return nil
		}
	}
	return r.plan(ctx, i, len(faults) > 0)
}

// goWrong carries out a step with a fault, and mends what the fault has broken.
func (r *Runner) goWrong(ctx context.Context, i int, f Fault, repeated bool) error {
	s := r.Ceremony.Steps[i]
	people, err := r.Ceremony.script(s, &f)
	if err != nil {
		return err
	}
	if repeated {
		people.Rules = append(people.Rules, again)
	}
	before, err := acts(f.Before)
	if err != nil {
		return err
	}
	for _, act := range before {
		if err := r.hands.Mishap(ctx, person.Seen{}, act); err != nil {
			return err
		}
	}
	expect := s.Expect
	if f.Fails != nil {
		expect = *f.Fails
	}
	if err := r.step(ctx, i, people, expect, f.Title); err != nil {
		return err
	}
	return r.mend(ctx, people, before)
}

// mend switches the device on and finds the iKeys that were lost.
func (r *Runner) mend(ctx context.Context, people script, before []person.Act) error {
	if _, err := r.Simulator.PowerOn(ctx); err != nil {
		return err
	}
	r.state = ""
	all := slices.Clone(before)
	for _, rule := range people.Rules {
		all = append(all, rule.Do...)
	}
	found := false
	for _, act := range all {
		if act.Verb != person.Lose {
			continue
		}
		if err := r.Simulator.ChangeIKey(ctx, act.Text, control.IKeyChange{Lost: &found}); err != nil {
			return err
		}
	}
	return nil
}

// usualFaults are those of any step that people attend to.
func (c *Ceremony) usualFaults() (faults []Fault) {
	for _, s := range c.Steps {
		people, err := c.script(s, nil)
		if err != nil || people.planned == 0 {
			continue // of a file that is checked: nobody attends to the step
		}
		for _, u := range usual {
			rule := people.Rules[u.at(people.planned)]
			faults = append(faults, Fault{
				Title: u.title, At: s.ID, line: s.line, Fails: &Expectation{Exit: u.exit, Says: u.says},
				People: []string{once(rule, u.does)},
			})
		}
	}
	return faults
}

// usual lists what may go wrong in any step: of how many planned rules which one,
// and what happens instead.
var usual = []struct {
	title string
	at    func(planned int) int
	does  person.Verb
	exit  int // of hsm7
	says  []string
}{
	{"everybody walks away", func(int) int { return 0 }, person.Leave, exitRefused, []string{"LUNA_RET_TIMEOUT"}},
	{"somebody cancels half-way", func(planned int) int { return planned / 2 }, person.Cancel, exitRefused, []string{"LUNA_RET_FUNCTION_CANCELED"}},
	{"the power fails near the end", func(planned int) int { return planned - 1 }, person.PowerOff, exitGone, nil},
}

// Exit statuses of hsm7.
const (
	exitRefused = 5 // the device refused the command
	exitGone    = 6 // the device went away
)

// once writes a rule that holds once, for the screen of another one.
func once(r person.Rule, does person.Verb) string {
	line := "once " + r.Screen
	for _, says := range r.Says {
		line += fmt.Sprintf(" %q", says)
	}
	return line + ": " + string(does)
}
