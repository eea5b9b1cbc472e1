package starts

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/parallel"
)

// Options say what is tried.
type Options struct {
	Subject  sweep.Subject
	Prepared *sweep.Rehearsal // of the subject
	Seed     uint64           // of the tears; the same seed gives the same result
	Most     int              // how many crash states are tried, about; 0 means all
	Defect   *Defect          // planted in the new firmware; nil = none
	Workers  int              // 0 = as many as there are processors

	// Progress is called now and then with how many of the first cuts are done. May be
	// nil.
	Progress func(done, total int)
}

// Result is what came of it. It follows from the options, but for the number of workers.
type Result struct {
	Operations int       `json:"operations"` // on the flash, of a start without a cut
	Cuts       int       `json:"cuts"`       // crash states that a first cut left
	Again      int       `json:"again"`      // and those of a second one, while the device recovered
	Thinned    bool      `json:"thinned"`    // there are more than were tried
	Failures   []Failure `json:"failures"`
}

// Tried returns how many crash states were tried.
func (r *Result) Tried() int { return r.Cuts + r.Again }

// Failure is a crash state, or none, after which a rule does not hold.
type Failure struct {
	Cuts   string `json:"cuts"` // for Replay; "" = without any
	Rule   Rule   `json:"rule"`
	Detail string `json:"detail"`
}

// maxFailures bounds the failures that are kept of one first cut.
const maxFailures = 4

// oneTear is how operations are torn here.
var oneTear = sweep.Plan{Tears: 1}

// Keeps starts the device in the update, without any cut. The error tells that a rule
// does not hold then.
func Keeps(ctx context.Context, o Options) error {
	p, err := newPlayer(ctx, o)
	if err != nil {
		return err
	}
	s, err := p.start(ctx, o.Prepared.Activated())
	if rule, wrong := p.begin(ctx, s, err); wrong != "" {
		return fmt.Errorf("in the new firmware: %s: %s", rule, wrong)
	}
	return ctx.Err()
}

// Run cuts the power of the start. The error tells that the device does not start
// without an update either, or is that of ctx.
func Run(ctx context.Context, o Options) (*Result, error) {
	p, err := newPlayer(ctx, o)
	if err != nil {
		return nil, err
	}
	points, whole, err := p.record(ctx, o.Prepared.Activated())
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := &Result{Operations: len(points), Failures: []Failure{}}
	if rule, wrong := p.begin(ctx, whole, err); wrong != "" {
		r.Failures = append(r.Failures, Failure{"", rule, wrong})
		return r, nil
	}
	cuts := p.cuts(points)
	first, again := thin(cuts, (o.Most+1)/2, rand.New(rand.NewPCG(o.Seed, 0))), 0
	if o.Most > 0 {
		again = max(1, (o.Most-len(first))/len(first))
	}
	r.Cuts, r.Thinned = len(first), len(first) < len(cuts)
	for _, b := range p.tryAll(ctx, first, again) {
		r.Again += b.again
		r.Thinned = r.Thinned || b.thinned
		r.Failures = append(r.Failures, b.failures...)
	}
	return r, ctx.Err()
}

// thin leaves so many cuts, any of them, in their order; with most = 0 all.
func thin(cuts []cut, most int, random *rand.Rand) (left []cut) {
	if most <= 0 || len(cuts) <= most {
		return cuts
	}
	for _, i := range slices.Sorted(slices.Values(random.Perm(len(cuts))[:most])) {
		left = append(left, cuts[i])
	}
	return left
}

// branch is what came of one first cut.
type branch struct {
	again    int
	thinned  bool
	failures []Failure
}

func (b *branch) note(f Failure) {
	if f.Detail != "" && len(b.failures) < maxFailures {
		b.failures = append(b.failures, f)
	}
}

// tryAll tries first cuts, and of each about so many second ones; with again = 0 all.
// The branches are in the order of the cuts, whoever works on them.
func (p *player) tryAll(ctx context.Context, cuts []cut, again int) []branch {
	branches := make([]branch, len(cuts))
	parallel.For(len(cuts), p.Workers, func(i int) {
		if ctx.Err() == nil {
			branches[i] = p.try(ctx, cuts[i], again)
		}
	}, func(done int) {
		if p.Progress != nil {
			p.Progress(done, len(cuts))
		}
	})
	return branches
}

// try starts the device after a cut, and after second ones while it recovers.
func (p *player) try(ctx context.Context, c cut, again int) (b branch) {
	chip, err := c.crash()
	if err != nil {
		b.note(Failure{c.String(), Starts, err.Error()})
		return b
	}
	points, s, err := p.record(ctx, chip)
	rule, wrong := p.judge(s, err)
	b.note(Failure{c.String(), rule, wrong})
	if wrong != "" {
		return b
	}
	seconds := p.cuts(points)
	some := thin(seconds, again, rand.New(rand.NewPCG(p.Seed, uint64(c.number))))
	b.thinned = len(some) < len(seconds)
	for _, second := range some {
		if ctx.Err() != nil {
			return b
		}
		b.again++
		cuts := c.String() + ";" + second.String()
		chip, err := second.crash()
		if err != nil {
			b.note(Failure{cuts, Starts, err.Error()})
			continue
		}
		rule, wrong := p.judge(p.start(ctx, chip))
		b.note(Failure{cuts, rule, wrong})
	}
	return b
}

// maxCuts bounds the cuts that are replayed: Run makes two.
const maxCuts = 4

// Replay starts the device after the cuts that a Failure names, and returns what is
// wrong then; "" = nothing. If there are no such cuts the error is a flash.ErrCut.
func Replay(ctx context.Context, o Options, cuts string) (string, error) {
	p, err := newPlayer(ctx, o)
	if err != nil {
		return "", err
	}
	chip := o.Prepared.Activated()
	s, err := p.start(ctx, chip.Clone())
	if rule, wrong := p.begin(ctx, s, err); wrong != "" {
		return fmt.Sprintf("without a cut: %s: %s", rule, wrong), ctx.Err()
	}
	for i, text := range slices.DeleteFunc(strings.Split(cuts, ";"), func(s string) bool { return s == "" }) {
		if i == maxCuts {
			return "", fmt.Errorf("%w: more than %d cuts", flash.ErrCut, maxCuts)
		}
		if chip, err = p.find(ctx, chip, text); err != nil {
			return "", err
		}
	}
	rule, wrong := p.judge(p.start(ctx, chip))
	if wrong != "" {
		wrong = fmt.Sprintf("%s: %s", rule, wrong)
	}
	return wrong, ctx.Err()
}

// find starts the device up to a cut, and returns what that leaves.
func (p *player) find(ctx context.Context, chip *flash.Memory, text string) (*flash.Memory, error) {
	want, err := flash.ParseCut(text)
	if err != nil {
		return nil, err
	}
	points, _, err := p.record(ctx, chip)
	if want.Number > len(points) {
		return nil, errors.Join(fmt.Errorf("%w: %s: the start has %d operations", flash.ErrCut, text, len(points)), err)
	}
	c := cut{&points[want.Number-1], want.How}
	if c.String() != text {
		return nil, fmt.Errorf("%w: operation %d is %v", flash.ErrCut, want.Number, c)
	}
	return c.crash()
}
