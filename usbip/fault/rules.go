package fault

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Commands resolves the name of a command of the device's own protocol to a
// function that recognises it in the data of an OUT transfer. The error says
// which names there are. This package knows no such protocol.
type Commands func(name string) (func(transfer []byte) bool, error)

// rules are a loaded script.
type rules struct {
	script  Script
	started time.Time

	mu          sync.Mutex // guards the counters and generators in list
	connections uint64     // so far
	list        []activeRule
}

// activeRule is a rule with its counters and its own source of randomness, so
// that what one rule draws does not depend on the others.
type activeRule struct {
	*Rule
	inCommand      func([]byte) bool
	random         *rand.Rand
	matched, fired uint64
}

// activate prepares a script that has been checked. A script without commands
// needs no resolver.
func activate(s Script, commands Commands) (*rules, error) {
	a := &rules{script: s, started: time.Now(), list: make([]activeRule, len(s.Rules))}
	for i := range s.Rules {
		r := &a.list[i]
		r.Rule, r.random = &s.Rules[i], rand.New(rand.NewPCG(s.Seed, uint64(i)))
		if r.On.Command == "" {
			continue
		}
		if commands == nil {
			return nil, fmt.Errorf("%w: %s: this device has no commands to select by", ErrScript, r.where(i))
		}
		var err error
		if r.inCommand, err = commands(r.On.Command); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrScript, r.where(i), err)
		}
	}
	return a, nil
}

// fires counts a match and decides whether r fires for it.
func (r *activeRule) fires() bool {
	r.matched++
	if !r.On.chooses(r.matched, r.fired) || r.On.Chance > 0 && !hits(r.random, r.On.Chance) {
		return false
	}
	r.fired++
	return true
}

// firing is a rule that fired, for the log.
type firing struct {
	rule  *activeRule
	index int
	first bool
}

// decide returns what happens to a transfer. Every rule counts it; the first that
// fires decides, and then the others do not fire.
func (a *rules) decide(i *transferInfo) (p plan, f firing) {
	a.mu.Lock()
	defer a.mu.Unlock()
	elapsed := time.Since(a.started)
	for n := range a.list {
		r := &a.list[n]
		switch {
		case !r.On.matches(i, elapsed, r.inCommand):
		case f.rule != nil:
			r.matched++
		case r.fires():
			f = firing{r, n, r.fired == 1}
			p = undisturbed
			for _, one := range r.Faults {
				one.(planner).plan(&p, i, r.random)
			}
		}
	}
	if f.rule == nil {
		p = undisturbed
	}
	return p, f
}

// Report tells what a script has done so far.
type Report struct {
	Seed  uint64       `json:"seed"`
	Rules []RuleReport `json:"rules"`
}

// RuleReport tells what one rule has done so far.
type RuleReport struct {
	Line    int    `json:"line"`    // in the script, from 1
	Rule    string `json:"rule"`    // as a script spells it
	Matched uint64 `json:"matched"` // transfers or connections that it was for
	Fired   uint64 `json:"fired"`   // those that it did something to
}

func (a *rules) report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := Report{Seed: a.script.Seed, Rules: make([]RuleReport, len(a.list))}
	for i := range a.list {
		r := &a.list[i]
		line := r.Line
		if line == 0 {
			line = i + 1
		}
		out.Rules[i] = RuleReport{Line: line, Rule: r.String(), Matched: r.matched, Fired: r.fired}
	}
	return out
}
