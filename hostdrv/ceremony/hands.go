package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// Hands are those of a person in front of a simulator in another process.
type Hands struct {
	Seen func(person.Seen) // called with each screen that the person sees; may be nil

	client *control.Client
}

var _ person.Hands = (*Hands)(nil)

// NewHands returns hands that reach a simulator through its control socket.
func NewHands(client *control.Client) *Hands { return &Hands{client: client} }

// Look implements person.Hands.
func (h *Hands) Look(ctx context.Context, number uint64) (person.Seen, error) {
	shown, err := h.client.Screen(ctx, number)
	if err != nil {
		return person.Seen{}, err
	}
	seen, err := seenAs(shown)
	if err == nil && h.Seen != nil {
		h.Seen(seen)
	}
	return seen, errors.Join(err, ctx.Err())
}

// seenAs returns a screen as a person sees it.
func seenAs(s control.Screen) (person.Seen, error) {
	kind, ok := touchscreen.ParseKind(s.Kind)
	if !ok {
		return person.Seen{}, fmt.Errorf("the simulator shows a screen of the kind %q", s.Kind)
	}
	seen := person.Seen{Number: s.Number, Screen: touchscreen.Screen{
		ID: s.ID, Kind: kind, Title: s.Title, Text: s.Text, Items: s.Items, Min: s.Min, Max: s.Max, Value: s.Value, Cancel: s.Cancel,
	}}
	if s.Until != nil {
		seen.Until = *s.Until
	}
	return seen, nil
}

// Answer implements person.Hands.
func (h *Hands) Answer(ctx context.Context, s person.Seen, a person.Act) error {
	answer := a.String()
	if a.Verb == person.Type {
		answer = string(a.Verb) + " " + a.Text
	}
	_, err := h.client.Touch(ctx, control.Touch{Answer: answer, Screen: s.Number})
	return err
}

// Insert implements person.Hands.
func (h *Hands) Insert(ctx context.Context, key string) error { return h.client.InsertIKey(ctx, key) }

// Remove implements person.Hands.
func (h *Hands) Remove(ctx context.Context) error { return h.client.RemoveIKey(ctx) }

// Bring implements person.Hands.
func (h *Hands) Bring(ctx context.Context, k person.Key) error {
	keys, err := h.client.IKeys(ctx)
	if err != nil || slices.ContainsFunc(keys, func(there control.IKey) bool { return there.Name == k.Name }) {
		return err
	}
	return h.client.MakeIKey(ctx, control.NewIKey{Name: k.Name, Colour: k.Colour})
}

// Mishap implements person.Hands.
func (h *Hands) Mishap(ctx context.Context, s person.Seen, a person.Act) error {
	switch a.Verb {
	case person.Leave:
		late, err := s.Late()
		if err != nil {
			return err
		}
		_, err = h.client.ChangeClock(ctx, control.ClockChange{Time: &late})
		return err
	case person.Lose:
		lost := true
		return h.client.ChangeIKey(ctx, a.Text, control.IKeyChange{Lost: &lost})
	case person.Damage:
		return h.client.ChangeIKey(ctx, a.Text, control.IKeyChange{Damage: true})
	case person.Slip:
		after := person.SlipAfter
		if err := h.client.ChangeIKey(ctx, a.Text, control.IKeyChange{PullAfter: &after}); err != nil {
			return err
		}
		return h.client.InsertIKey(ctx, a.Text)
	}
	_, err := h.client.PowerOff(ctx)
	return err
}
