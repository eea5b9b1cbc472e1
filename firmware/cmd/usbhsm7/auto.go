package main

import (
	"context"
	"fmt"
	"os"

	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/person"
)

// loadPerson reads the script of who attends to the device, if there is one.
func (u *unit) loadPerson(path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: --auto: %w", errUsage, err)
	}
	script, err := person.Parse(string(text), dialogue.Screens())
	if err != nil {
		return fmt.Errorf("%w: --auto %s: %w", errUsage, path, err)
	}
	u.person = &person.Person{Script: script, Hands: hands{u.front(), u}, Note: u.notePerson}
	return nil
}

// attend has the person of --auto attend to the device until ctx ends.
func (u *unit) attend(ctx context.Context) error {
	err := u.person.Attend(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errPerson, err)
}

func (u *unit) notePerson(s person.Seen, r person.Rule) {
	u.log.Info().Str("screen", s.ID).Str("title", s.Title).Int("line", r.Line).Any("does", actsOf(r)).Msg("the script attends to the screen")
}

// actsOf returns what a rule does, without PINs.
func actsOf(r person.Rule) (acts []string) {
	for _, a := range r.Do {
		acts = append(acts, a.String())
	}
	return acts
}

// front is where people stand.
func (u *unit) front() person.Front { return person.Front{Panel: u.panel, Keys: u.keys} }

// hands are those of a person in front of the unit, with its clock and its power.
type hands struct {
	person.Front
	unit *unit
}

// Mishap implements person.Hands.
func (h hands) Mishap(ctx context.Context, s person.Seen, a person.Act) error {
	switch a.Verb {
	case person.Leave:
		late, err := s.Late()
		if err == nil {
			h.unit.clock.Set(late)
		}
		return err
	case person.PowerOff:
		return h.unit.PowerOff(ctx)
	}
	return h.Front.Mishap(ctx, s, a)
}
