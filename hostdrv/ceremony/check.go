package ceremony

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"usbhsm7/firmware/dialogue/person"
)

// maxKeys is the most iKeys that a keyset has.
const maxKeys = 16

// identifier is what people, keysets, iKeys, steps and values are called.
var identifier = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// pin is what an iKey takes as one.
var pin = regexp.MustCompile(`^[0-9]{4,48}$`)

// check finds what is wrong in a file. It names every mistake, not the first alone.
func (c *Ceremony) check() error {
	var found []error
	if c.Title == "" {
		found = append(found, at(max(c.lines["title"], 1), "there is no title"))
	}
	if len(c.Steps) == 0 {
		found = append(found, at(max(c.lines["steps"], 1), "there are no steps"))
	}
	if c.Follows != "" && c.Follows != filepath.Base(c.Follows) {
		found = append(found, at(c.lines["follows"], "follows: %s is not a file beside this one", c.Follows))
	}
	for name := range c.Papers {
		if !filepath.IsLocal(name) {
			found = append(found, at(c.lines["papers"], "papers: %s is not in the folder of the ceremony", name))
		}
	}
	found = append(found, c.checkPeople()...)
	found = append(found, c.checkKeysets()...)
	found = append(found, c.checkSteps()...)
	found = append(found, c.checkFaults()...)
	return errors.Join(found...)
}

// at puts the line of a file before what is wrong there.
func at(line int, format string, args ...any) error {
	return fmt.Errorf("line %d: %w", line, fmt.Errorf(format, args...))
}

// names notices what is called like something else.
type names map[string]bool

func (n names) add(line int, what, id string) (found []error) {
	if !identifier.MatchString(id) {
		found = append(found, at(line, "%s %q: a name has 1 to 32 small letters, digits and hyphens", what, id))
	}
	if n[id] {
		found = append(found, at(line, "the %s %s is there already", what, id))
	}
	n[id] = true
	return found
}

func (c *Ceremony) checkPeople() (found []error) {
	people := names{}
	for _, p := range c.People {
		found = append(found, people.add(p.line, "person", p.ID)...)
		if p.Name == "" {
			found = append(found, at(p.line, "%s has no name", p.ID))
		}
	}
	for _, id := range c.Witnesses {
		if !people[id] {
			found = append(found, at(c.lines["witnesses"], "witnesses: %s is not among the people", id))
		}
	}
	return found
}

func (c *Ceremony) checkKeysets() (found []error) {
	sets, keys := names{}, names{}
	for _, set := range c.Keysets {
		found = append(found, sets.add(set.line, "keyset", set.ID)...)
		if set.For == "" {
			found = append(found, at(set.line, "keyset %s: for is missing: whose secret it is, in the words of the screen", set.ID))
		}
		if set.Open < 1 || set.Open > len(set.Keys) || len(set.Keys) > maxKeys {
			found = append(found, at(set.line, "keyset %s: %d of %d iKeys cannot open it; a set has 1 to %d", set.ID, set.Open, len(set.Keys), maxKeys))
		}
		if err := (person.Key{Name: set.ID, Colour: set.Sticker}).Check(); err != nil && identifier.MatchString(set.ID) {
			found = append(found, at(set.line, "keyset %s: %w", set.ID, err))
		}
		for _, k := range set.Keys {
			found = append(found, keys.add(k.line, "iKey", k.Key)...)
			if _, ok := c.person(k.Holder); !ok {
				found = append(found, at(k.line, "iKey %s: its holder %q is not among the people", k.Key, k.Holder))
			}
			if k.PIN != "" && k.PIN != pinAsked && !pin.MatchString(k.PIN) {
				found = append(found, at(k.line, "iKey %s: a PIN has 4 to 48 digits, in quotation marks; or it is %q", k.Key, pinAsked))
			}
		}
	}
	return found
}

func (c *Ceremony) checkSteps() (found []error) {
	steps := names{}
	for _, s := range c.Steps {
		found = append(found, steps.add(s.line, "step", s.ID)...)
		if s.Title == "" {
			found = append(found, at(s.line, "step %s has no title", s.ID))
		}
		for _, id := range s.Who {
			if _, ok := c.person(id); !ok {
				found = append(found, at(s.line, "step %s: %s is not among the people", s.ID, id))
			}
		}
		if err := c.checkStep(s); err != nil {
			found = append(found, at(s.line, "step %s: %w", s.ID, err))
		}
	}
	return found
}

// checkStep finds what is wrong with what a step does.
func (c *Ceremony) checkStep(s Step) error {
	if !slices.Contains([]string{"", "off", "on", "cycle"}, s.Power) {
		return fmt.Errorf("power: %s is not off, on or cycle", s.Power)
	}
	acts := 0
	for _, given := range []bool{s.Host != "", s.Power != "", s.Clock != 0} {
		if given {
			acts++
		}
	}
	if acts > 1 {
		return errors.New("a step has one of host, power and clock")
	}
	if s.Host == "" && len(s.Makes)+len(s.Presents)+len(s.Device) > 0 {
		return errors.New("people are at the device because a command of the host waits for them; host is missing")
	}
	for _, p := range s.Presents {
		if err := c.checkPresented(p); err != nil {
			return err
		}
	}
	for _, file := range s.Files {
		if !filepath.IsLocal(file) {
			return fmt.Errorf("files: %s is not in the folder of the ceremony", file)
		}
	}
	if _, err := c.command(s.Host, map[string]string{"out": ""}); err != nil {
		return err
	}
	_, err := c.script(s, nil)
	return err
}

// checkPresented finds iKeys that do not open the keyset together. What a fault has
// people present is wrong on purpose.
func (c *Ceremony) checkPresented(p Presented) error {
	for i, name := range p.With {
		switch _, set, ok := c.key(name); {
		case ok && set.ID != p.Keyset:
			return fmt.Errorf("the iKey %s is one of the keyset %s, not of %s", name, set.ID, p.Keyset)
		case slices.Contains(p.With[:i], name):
			return fmt.Errorf("the iKey %s is presented twice", name)
		}
	}
	return nil
}

func (c *Ceremony) checkFaults() (found []error) {
	for _, f := range c.Faults {
		i := slices.IndexFunc(c.Steps, func(s Step) bool { return s.ID == f.At })
		switch {
		case f.Title == "":
			found = append(found, at(f.line, "a fault without words: fault is missing"))
		case i < 0:
			found = append(found, at(f.line, "fault %q: there is no step %q", f.Title, f.At))
		default:
			if err := c.checkFault(c.Steps[i], f); err != nil {
				found = append(found, at(f.line, "fault %q: %w", f.Title, err))
			}
		}
	}
	return found
}

func (c *Ceremony) checkFault(s Step, f Fault) error {
	if len(f.Before)+len(f.Presents)+len(f.People) == 0 {
		return errors.New("nothing goes wrong: before, presents or people is missing")
	}
	if _, err := acts(f.Before); err != nil {
		return err
	}
	_, err := c.script(s, &f)
	return err
}

// acts reads acts that stand alone.
func acts(lines []string) (all []person.Act, err error) {
	for _, line := range lines {
		act, err := person.ParseAct(strings.Fields(line))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, act)
	}
	return all, nil
}

// person returns who has an ID.
func (c *Ceremony) person(id string) (Participant, bool) {
	i := slices.IndexFunc(c.People, func(p Participant) bool { return p.ID == id })
	if i < 0 {
		return Participant{}, false
	}
	return c.People[i], true
}

// Names returns the names of people, by their IDs.
func (c *Ceremony) Names(ids []string) (names []string) {
	for _, id := range ids {
		p, _ := c.person(id)
		names = append(names, p.Name)
	}
	return names
}

// keyset returns the keyset of an ID.
func (c *Ceremony) keyset(id string) (Keyset, error) {
	i := slices.IndexFunc(c.Keysets, func(s Keyset) bool { return s.ID == id })
	if i < 0 {
		return Keyset{}, fmt.Errorf("there is no keyset %q", id)
	}
	return c.Keysets[i], nil
}

// key returns the iKey of a name and its keyset.
func (c *Ceremony) key(name string) (Key, Keyset, bool) {
	for _, set := range c.Keysets {
		for _, k := range set.Keys {
			if k.Key == name {
				return k, set, true
			}
		}
	}
	return Key{}, Keyset{}, false
}
