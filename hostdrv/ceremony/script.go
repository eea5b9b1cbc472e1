package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"usbhsm7/firmware/dialogue/person"
)

// script is what people do in a step, and what they say to it.
type script struct {
	person.Script
	planned int // so many rules from the start must be followed: the step's own
}

// ownPIN stands for the PIN of the iKey in the port, which the rules do not know.
var ownPIN = person.Act{Verb: person.Type}

// habits are what people do at any time, unless a step says otherwise.
var habits = []person.Rule{
	does("write/blank", nil, person.Act{Verb: person.Yes}),
	does("write/pin", nil, ownPIN),
	does("write/confirm-pin", nil, ownPIN),
	does("read/pin", nil, ownPIN),
	does("create/duplicate", nil, person.Act{Verb: person.No}),
	does("reveal", nil, person.Act{Verb: person.OK}),
}

// again is what people do besides when a step is done again: the iKeys that were
// written before it was stopped open nothing.
var again = does("write/used", nil, person.Act{Verb: person.Yes})

func does(screen string, says []string, acts ...person.Act) person.Rule {
	return person.Rule{Screen: screen, Says: says, Do: acts}
}

// script returns what people do in a step: what a fault has them do first, then
// what the step says, then their habits.
func (c *Ceremony) script(s Step, f *Fault) (script, error) {
	rules, err := c.rules(s.Device)
	if err != nil {
		return script{}, err
	}
	presents := s.Presents
	var first []person.Rule
	if f != nil {
		if first, err = c.rules(f.People); err != nil {
			return script{}, err
		}
		if f.Presents != nil {
			presents = f.Presents
		}
	}
	for _, p := range presents {
		more, err := c.presenting(p)
		if err != nil {
			return script{}, err
		}
		rules = append(rules, more...)
	}
	for _, id := range s.Makes {
		set, err := c.keyset(id)
		if err != nil {
			return script{}, err
		}
		rules = append(rules, making(set)...)
	}
	all := slices.Concat(first, rules, habits)
	for i := range all {
		all[i].Line = s.line
	}
	planned := len(first) + len(rules)
	if len(first) > 0 || f != nil && f.Fails != nil {
		planned = len(first) // a step that goes wrong need not come to everything
	}
	return script{Script: person.Script{Rules: all}, planned: planned}, nil
}

// rules reads rules of people, about iKeys of this ceremony.
func (c *Ceremony) rules(lines []string) ([]person.Rule, error) {
	parsed, err := person.Parse(strings.Join(lines, "\n"), c.screens)
	if err != nil {
		return nil, err
	}
	if len(parsed.Keys) > 0 {
		return nil, fmt.Errorf("the iKey %s belongs under keysets", parsed.Keys[0].Name)
	}
	for _, r := range parsed.Rules {
		for _, act := range r.Do {
			if _, _, ok := c.key(act.Text); act.Verb == person.Insert && !ok {
				return nil, fmt.Errorf("there is no iKey %q", act.Text)
			}
		}
	}
	return parsed.Rules, nil
}

// making returns what people do to make a keyset.
func making(set Keyset) []person.Rule {
	n := len(set.Keys)
	rules := []person.Rule{
		does("create/reuse", []string{set.For}, person.Act{Verb: person.No}),
		does("create/m", []string{set.For}, person.Act{Verb: person.Number, Number: set.Open}),
		does("create/n", []string{set.For}, person.Act{Verb: person.Number, Number: n}),
	}
	for i, k := range set.Keys {
		says := []string{fmt.Sprintf("iKey %d of %d for the %s", i+1, n, set.For)}
		rules = append(rules, does("write/insert", says, person.Act{Verb: person.Insert, Text: k.Key}))
	}
	return rules
}

// presenting returns what people do to present a keyset.
func (c *Ceremony) presenting(p Presented) ([]person.Rule, error) {
	set, err := c.keyset(p.Keyset)
	if err != nil {
		return nil, err
	}
	with := p.With
	if with == nil {
		for _, k := range set.Keys[:min(max(set.Open, 0), len(set.Keys))] {
			with = append(with, k.Key)
		}
	}
	if len(with) != set.Open {
		return nil, fmt.Errorf("%d iKeys open the keyset %s, not %d", set.Open, set.ID, len(with))
	}
	var rules []person.Rule
	for i, name := range with {
		if _, _, ok := c.key(name); !ok {
			return nil, fmt.Errorf("there is no iKey %q", name)
		}
		screen, says := "present/insert", []string{set.For}
		if i > 0 {
			screen, says = "present/next", []string{set.For, fmt.Sprintf("%d of %d are read", i, set.Open)}
		}
		rules = append(rules, does(screen, says, person.Act{Verb: person.Insert, Text: name}))
	}
	return rules, nil
}

// bring returns all iKeys of the ceremony, which are blank unless they exist.
func (c *Ceremony) bring() (keys []person.Key) {
	for _, set := range c.Keysets {
		for _, k := range set.Keys {
			keys = append(keys, person.Key{Name: k.Key, Colour: set.Sticker})
		}
	}
	return keys
}

// holders returns who acts in a step: whom it names, or who holds the iKeys that
// its rules insert, each once.
func (c *Ceremony) holders(s Step, rules []person.Rule) (who []string) {
	who = slices.Clone(s.Who)
	if len(who) > 0 {
		return who
	}
	for _, r := range rules {
		for _, act := range r.Do {
			if k, _, ok := c.key(act.Text); ok && act.Verb == person.Insert && !slices.Contains(who, k.Holder) {
				who = append(who, k.Holder)
			}
		}
	}
	return who
}
