package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/ikey/ring"
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
	script, err := person.Parse(string(text))
	if err != nil {
		return fmt.Errorf("%w: --auto %s: %w", errUsage, path, err)
	}
	u.person = &person.Person{Script: script, Hands: hands{u}, Note: u.notePerson}
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

// hands are those of a person in front of the unit.
type hands struct{ *unit }

var _ person.Hands = hands{}

// Look implements person.Hands.
func (h hands) Look(ctx context.Context, number uint64) (person.Seen, error) {
	return look(ctx, h.panel, number)
}

// Answer implements person.Hands.
func (h hands) Answer(_ context.Context, s person.Seen, a person.Act) error {
	return press(h.panel, s, a)
}

// Insert implements person.Hands.
func (h hands) Insert(_ context.Context, key string) error { return h.insert(key) }

// Remove implements person.Hands.
func (h hands) Remove(context.Context) error { return h.keys.Remove() }

// Bring implements person.Hands.
func (h hands) Bring(_ context.Context, k person.Key) error {
	if err := h.keys.Make(k.Name, k.Colour); !errors.Is(err, ring.ErrExists) {
		return err
	}
	return nil
}
