package person

import (
	"context"
	"errors"
	"fmt"

	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
	"usbhsm7/touchscreen"
)

// Front is the front of a unit in this process: its screen, and its port with the
// iKeys beside it. It is the Hands of a person there.
type Front struct {
	Panel *touchscreen.Panel
	Keys  *ring.Ring
}

var _ Hands = Front{}

// Look implements Hands.
func (f Front) Look(ctx context.Context, number uint64) (Seen, error) {
	for {
		screen, now, next := f.Panel.Seen()
		if now != number {
			return Seen{Screen: screen, Number: now}, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return Seen{}, ctx.Err()
		}
	}
}

// Answer implements Hands: key by key, as on a keyboard. The error is ErrAnswer.
func (f Front) Answer(_ context.Context, s Seen, a Act) error {
	strokes, err := Strokes(s.Screen, a)
	if err != nil {
		return err
	}
	for _, key := range strokes {
		f.Panel.Do(touchscreen.Input{Phase: touchscreen.Stroke, Key: key, Screen: s.Number})
	}
	return nil
}

// Insert implements Hands. What is in the port stays there unless there is such a
// key. Errors are those of package ring.
func (f Front) Insert(ctx context.Context, key string) error {
	if err := f.Keys.Insert(key); !errors.Is(err, ikey.ErrOccupied) {
		return err
	}
	if err := f.Remove(ctx); err != nil && !errors.Is(err, ikey.ErrNoKey) {
		return err
	}
	return f.Keys.Insert(key)
}

// Remove implements Hands. The error is ikey.ErrNoKey.
func (f Front) Remove(context.Context) error { return f.Keys.Remove() }

// Bring implements Hands.
func (f Front) Bring(_ context.Context, k Key) error {
	if err := f.Keys.Make(k.Name, k.Colour); !errors.Is(err, ring.ErrExists) {
		return err
	}
	return nil
}

// Mishap implements Hands for what befalls keys. The clock and the power are not
// at the front of a unit.
func (f Front) Mishap(ctx context.Context, _ Seen, a Act) error {
	switch a.Verb {
	case Lose:
		return f.Keys.Lose(a.Text)
	case Damage:
		return f.Keys.Damage(a.Text)
	case Slip:
		return errors.Join(f.Keys.PullAfter(a.Text, SlipAfter), f.Insert(ctx, a.Text))
	}
	return fmt.Errorf("nothing at the front of a unit can %s", a)
}
