package sweep

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/parallel"
)

// Options say what is swept.
type Options struct {
	Plan      Plan
	Seed      uint64         // the same seed gives the same crash states
	Scenarios *regexp.Regexp // which ones; nil = all
	Defect    *Defect        // planted in the bootloader; nil = none
	Workers   int            // 0 = as many as there are processors
	Enough    int            // faults by the defect's rule that are enough, so that the scenario ends; 0 = no number

	// Progress is called now and then with how many of a scenario's first cuts are
	// done; an error ends the sweep. May be nil.
	Progress func(scenario string, done, cuts int) error
}

// Report is what a sweep found. It follows from the options, but for the number of
// workers.
type Report struct {
	Seed        uint64           `json:"seed"`
	Scenarios   []ScenarioReport `json:"scenarios"`
	CrashStates int              `json:"crash_states"`
	Distinct    int              `json:"distinct_states"` // with different contents of the flash
	Refusals    int              `json:"refusals"`        // files that were refused
	Decayed     int              `json:"decayed"`         // images with decayed bits
	Faults      []Fault          `json:"faults"`
}

// ScenarioReport is what was done in one scenario.
type ScenarioReport struct {
	Name        string `json:"name"`
	Operations  int    `json:"operations"` // on the flash, without a cut
	CrashStates int    `json:"crash_states"`
	Distinct    int    `json:"distinct_states"`
	MaxWear     uint32 `json:"max_wear"` // erasures of one block, at most, with one cut
}

// Fault is a rule that does not hold.
type Fault struct {
	Rule   Rule   `json:"rule"`
	Token  string `json:"token"` // for Replay
	Detail string `json:"detail"`
}

// String returns the fault in one line.
func (f Fault) String() string {
	return fmt.Sprintf("%s: broken: %s: %s", f.Token, f.Rule, f.Detail)
}

// Count returns how many faults break a rule.
func (r *Report) Count(rule Rule) int {
	all := branch{faults: r.Faults}
	return all.count(rule)
}

// maxFaults bounds the faults that are kept of one first cut.
const maxFaults = 4

// Run plays the scenarios and cuts the power. The error tells that a scenario could
// not be prepared; what is wrong with the bootloader is in the report.
func Run(o Options) (*Report, error) {
	w, err := sharedWorld()
	if err != nil {
		return nil, err
	}
	return w.sweep(o)
}

func (w *world) sweep(o Options) (*Report, error) {
	report := &Report{Seed: o.Seed, Faults: []Fault{}}
	p := &player{w, cmp.Or(o.Defect, &Defect{})}
	for _, s := range w.scenarios {
		if o.Scenarios != nil && !o.Scenarios.MatchString(s.name) {
			continue
		}
		chip, err := p.stage(&s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if err := (&sweep{player: p, options: o, scenario: s, memo: newMemo(o.Plan.Memoless), way: map[station]bool{}}).run(chip, report); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		p.refuse(&s, chip, report)
		p.decay(&s, chip, o.Seed, report)
	}
	return report, nil
}

// sharedWorld is made once: it takes some time, and nobody changes it.
var sharedWorld = sync.OnceValues(builtIn)

// sweep is one scenario under way.
type sweep struct {
	*player
	options  Options
	scenario scenario
	memo     *memo
	wear     uint32 // erasures of one block, at most, without a cut
	way      map[station]bool
}

// station is where a play without a cut passes: what follows depends on nothing else.
type station struct {
	content flash.Digest
	facts   facts
}

// branch is what came of one first cut.
type branch struct {
	states int
	wear   uint32
	faults []Fault
}

// count returns how many faults break a rule.
func (b *branch) count(rule Rule) (n int) {
	for _, f := range b.faults {
		if f.Rule == rule {
			n++
		}
	}
	return n
}

func (b *branch) add(rule Rule, token, format string, args ...any) {
	if len(b.faults) < maxFaults {
		b.faults = append(b.faults, Fault{rule, token, fmt.Sprintf(format, args...)})
	}
}

// run sweeps the scenario, and adds to the report.
func (s *sweep) run(chip *flash.Memory, report *Report) error {
	whole, f := branch{}, facts{}
	end := chip.Clone()
	points, err := s.record(&s.scenario, end, &f, func() bool {
		s.way[station{end.Digest(), f}] = true
		return false
	})
	s.wear = mostErased(end, chip)
	if err != nil {
		whole.add(Unconverged, s.scenario.name+":", "without a cut: %v", err)
	} else {
		s.judge(&whole, end, f, s.scenario.name+":")
	}
	branches, err := s.cutAll(points, chip)
	if err != nil {
		return err
	}
	branches = append([]branch{whole}, branches...)
	row := ScenarioReport{Name: s.scenario.name, Operations: len(points), Distinct: s.memo.distinct()}
	for _, b := range branches {
		row.CrashStates += b.states
		row.MaxWear = max(row.MaxWear, b.wear)
		report.Faults = append(report.Faults, b.faults...)
	}
	report.Scenarios = append(report.Scenarios, row)
	report.CrashStates += row.CrashStates
	report.Distinct += row.Distinct
	return nil
}

// cut is a place to cut the power, and how.
type cut struct {
	*point
	how   flash.Outcome
	again bool // while what follows recovers
}

// cutAll cuts the power everywhere. The branches are in the order of the points,
// whoever works on them.
func (s *sweep) cutAll(points []point, begin *flash.Memory) ([]branch, error) {
	var cuts []cut
	for i := range points {
		for _, how := range s.options.Plan.Outcomes(points[i].operation, s.options.Seed) {
			cuts = append(cuts, cut{&points[i], how, s.options.Plan.Second && len(cuts)%max(1, s.options.Plan.Every) == 0})
		}
	}
	branches, faults := make([]branch, 0, len(cuts)), 0
	for part := range slices.Chunk(cuts, partSize) {
		done := s.cutSome(part, begin)
		branches = append(branches, done...)
		for _, b := range done {
			faults += b.count(s.defect.Rule)
		}
		if s.options.Enough > 0 && faults >= s.options.Enough {
			break
		}
		if s.options.Progress == nil {
			continue
		}
		if err := s.options.Progress(s.scenario.name, len(branches), len(cuts)); err != nil {
			return nil, err
		}
	}
	return branches, nil
}

// partSize is how many cuts are made before it is looked whether there are enough
// faults: not a matter of how many workers there are.
const partSize = 64

func (s *sweep) cutSome(cuts []cut, begin *flash.Memory) []branch {
	branches := make([]branch, len(cuts))
	parallel.For(len(cuts), s.options.Workers, func(i int) { branches[i] = s.survive(cuts[i], begin) }, nil)
	return branches
}

// survive judges what a first cut leaves, plays on, and cuts a second time.
func (s *sweep) survive(c cut, begin *flash.Memory) (b branch) {
	token := tokenOf(s.scenario.name, c)
	chip, err := c.crash(c.how)
	if err != nil {
		b.add(Unconverged, token, "the operation itself: %v", err)
		return b
	}
	b.states++
	s.judge(&b, chip, c.facts, token)
	if len(b.faults) > 0 {
		return b
	}
	f, end := c.facts, chip.Clone()
	points, err := s.recover(c, end, &f)
	if err != nil {
		b.add(Unconverged, token, "%v", err)
		return b
	}
	s.judge(&b, end, f, token+" (at the end)")
	if b.wear = mostErased(end, begin); b.wear > 2*s.wear+2 {
		b.add(Wear, token, "a block was erased %d times, %d without a cut", b.wear, s.wear)
	}
	if c.again {
		s.cutAgain(&b, points, token)
	}
	return b
}

// recover plays on from a first cut: to the end, or to where it is back on the way.
func (s *sweep) recover(c cut, chip *flash.Memory, f *facts) ([]point, error) {
	var back func() bool
	if s.options.Plan.Join {
		back = func() bool { return s.way[station{chip.Digest(), *f}] }
	}
	if !c.again {
		return nil, s.play(&s.scenario, chip, f, nil, back)
	}
	return s.record(&s.scenario, chip, f, back)
}

// cutAgain cuts a recovery at each of its points.
func (s *sweep) cutAgain(b *branch, points []point, first string) {
	for i := range points {
		for _, how := range (Plan{Tears: 1}).Outcomes(points[i].operation, s.options.Seed) {
			token := func() string { return first + ";cut2=" + placeOf(cut{point: &points[i], how: how}) }
			chip, err := points[i].crash(how)
			if err != nil {
				b.add(Unconverged, token(), "the operation itself: %v", err)
				continue
			}
			b.states++
			before := len(b.faults)
			s.judgeLazily(b, chip, points[i].facts, token)
			if len(b.faults) > before {
				continue
			}
			if err := s.converge(chip, points[i].facts); err != nil {
				b.add(Unconverged, token(), "%v", err)
			}
		}
	}
}

func (s *sweep) judge(b *branch, chip *flash.Memory, f facts, token string) {
	s.judgeLazily(b, chip, f, func() string { return token })
}

// judgeLazily judges a power-on by the rules.
func (s *sweep) judgeLazily(b *branch, chip *flash.Memory, f facts, token func() string) {
	o := s.memo.observation(chip.Digest(), func() *observation { return s.observe(chip) })
	at := &situation{s.world, &s.scenario, f, *o}
	for _, c := range checks {
		if wrong := c.broken(at); wrong != "" {
			b.add(c.rule, token(), "%s", wrong)
			return // what else is wrong follows from it
		}
	}
}

// converge plays on until the end, or until a state from which that is proven.
// Then it cuts the power, as it may, and need not go on.
func (s *sweep) converge(chip *flash.Memory, f facts) error {
	var passed []flash.Digest
	err := s.play(&s.scenario, chip, &f, nil, func() bool {
		d := chip.Digest()
		if s.memo.isProven(d) {
			return true
		}
		passed = append(passed, d)
		return false
	})
	if err == nil {
		s.memo.prove(passed)
	}
	return err
}

// mostErased returns how often a block was erased, at most, from one chip to
// another.
func mostErased(to, from *flash.Memory) (most uint32) {
	for i := range to.Geometry().Blocks {
		most = max(most, to.Wear(i)-from.Wear(i))
	}
	return most
}

// ErrToken reports a token that is not of this sweep.
var ErrToken = errors.New("no token of this rehearsal")

func (w *world) findScenario(name string) (scenario, error) {
	i := slices.IndexFunc(w.scenarios, func(s scenario) bool { return s.name == name })
	if i < 0 {
		return scenario{}, fmt.Errorf("%w: there is no scenario %q", ErrToken, name)
	}
	return w.scenarios[i], nil
}
