// Package dialoguetest holds a screen and a port for iKeys that are made for
// tests of dialogues: without pictures and without USB, and with every fault that
// a key may have.
//
//	bench := dialoguetest.New()
//	desk := dialogue.New(dialogue.Config{Panel: bench.Panel, Reader: bench.Port, Clock: dialoguetest.Clock{}, ...})
//	err := bench.Person(script).Attend(ctx)
package dialoguetest

import (
	"context"
	"fmt"
	"time"

	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/person"
)

// Bench is a screen and a port, and the hands of a person in front of them.
type Bench struct {
	Panel *Panel
	Port  *Port
}

var _ person.Hands = (*Bench)(nil)

// New returns a bench with a dark screen and an empty port.
func New() *Bench { return &Bench{Panel: newPanel(), Port: newPort()} }

// Person returns somebody who follows a script. It panics if the text is none.
func (b *Bench) Person(script string) *person.Person {
	s, err := person.Parse(script, dialogue.Screens())
	if err != nil {
		panic(fmt.Sprintf("a test's script: %v", err))
	}
	return &person.Person{Script: s, Hands: b}
}

// Look implements person.Hands.
func (b *Bench) Look(ctx context.Context, number uint64) (person.Seen, error) {
	return b.Panel.look(ctx, number)
}

// Answer implements person.Hands.
func (b *Bench) Answer(_ context.Context, s person.Seen, a person.Act) error {
	return b.Panel.answer(s, a)
}

// Insert implements person.Hands.
func (b *Bench) Insert(_ context.Context, key string) error { return b.Port.Insert(key) }

// Remove implements person.Hands.
func (b *Bench) Remove(context.Context) error { b.Port.Remove(); return nil }

// Bring implements person.Hands.
func (b *Bench) Bring(_ context.Context, k person.Key) error { b.Port.Key(k.Name); return nil }

// Mishap implements person.Hands: tests of dialogues have their own ways to make
// things go wrong.
func (b *Bench) Mishap(_ context.Context, _ person.Seen, a person.Act) error {
	return fmt.Errorf("dialoguetest cannot %s", a)
}

// Clock is the time of the computer, which synctest makes virtual.
type Clock struct{}

// Now implements dialogue.Clock.
func (Clock) Now() time.Time { return time.Now() }

// Wait implements dialogue.Clock.
func (Clock) Wait(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
