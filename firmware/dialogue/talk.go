package dialogue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"usbhsm7/firmware/hsm"
	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

// patience is how long a person may take for the next step, in device time.
const patience = 120 * time.Second

// talk is one dialogue with a person, and what it has learnt so far.
type talk struct {
	*Desk
	ctx     context.Context
	subject hsm.Subject
	told    hsm.Question     // of the dialogue confirm
	text    string           // of the dialogue reveal
	about   touchscreen.Unit // as the home screen told it

	kind ikey.Kind // which keys are asked for; ikey.Blank: any
	ask  screenID  // what the dialogue read says when it asks for a key
	info ikey.Info // of the key in the port
	pin  []byte    // the PIN of the key in the port, old or new
	old  []byte    // the PIN that is changed
	key  ikey.Contents

	m, n   int             // of the keyset that is made
	keys   []ikey.Contents // presented so far, or to be written
	at     int             // which of keys is written next
	copies int             // how often the keyset was written whole
	secret []byte          // what it is all about
	err    error           // why the dialogue failed

	verdict event // on the iKey that was presented last
}

// wipe forgets everything secret but the secret, which the caller takes.
func (t *talk) wipe() {
	t.forgetPINs()
	wipeContents(&t.key)
	for i := range t.keys {
		wipeContents(&t.keys[i])
	}
	t.keys = nil
}

func (t *talk) forgetPINs() {
	clear(t.pin)
	clear(t.old)
	t.pin, t.old = nil, nil
}

// errBroken says that a table has no way on: a defect.
var errBroken = errors.New("the dialogue has no way on")

// run runs a dialogue from its first state and returns what it ended in, as an event.
func (t *talk) run(d *table) event { return t.runFrom(d, d.steps[0].state) }

func (t *talk) runFrom(d *table, at state) event {
	for {
		s, ok := d.step(at)
		if !ok {
			return t.broken(d, at, "")
		}
		on := t.perform(s)
		if s.judges {
			t.verdict = on
		}
		next, ok := d.next(at, on)
		if !ok {
			return t.broken(d, at, on)
		}
		if t.visit != nil {
			t.visit(d, at, on)
		}
		if end, ok := ends[next]; ok {
			return end
		}
		at = next
	}
}

func (t *talk) broken(d *table, at state, on event) event {
	t.err = fmt.Errorf("%w: %s, %s, %s", errBroken, d.name, at, on)
	return evFailed
}

// perform does what a state is for.
func (t *talk) perform(s *step) event {
	if s.work == nil {
		return t.await(s)
	}
	if s.show != "" {
		t.panel.Show(t.screen(s))
	}
	return s.work(t)
}

// await shows a screen and waits for what comes of it.
func (t *talk) await(s *step) event {
	screen := t.screen(s)
	var late <-chan struct{}
	if screen.Kind != touchscreen.Home {
		screen.Until = t.clock.Now().Add(patience)
		var stop func()
		late, stop = t.alarm(screen.Until)
		defer stop()
	}
	drain(t.reader.Changes()) // what was plugged in before is no answer to this screen
	t.panel.Show(screen)
	for {
		if on, ok := t.wait(s, late); ok {
			return on
		}
	}
}

// wait waits for one thing to happen, and reports whether it is an event.
func (t *talk) wait(s *step, late <-chan struct{}) (event, bool) {
	var changes, fresh <-chan struct{}
	var calls <-chan *call
	if s.port {
		changes = t.reader.Changes()
	}
	if s.idle {
		calls = t.calls
	}
	if s.show == scHome {
		fresh = t.fresh
	}
	select {
	case <-t.ctx.Done():
		return evGone, true
	case <-late:
		return evLate, true
	case t.called = <-calls:
		return evCalled, true
	case <-fresh:
		if t.unit() != t.about { // a screen that is shown again forgets what was just touched
			t.panel.Show(t.screen(s))
		}
		return "", false
	case <-changes:
		return evKey, t.present()
	case answer := <-t.panel.Answers():
		return t.understand(s, answer), true
	}
}

// present reports whether there is anything in the port.
func (t *talk) present() bool {
	_, err := t.reader.Identify(t.ctx)
	return !errors.Is(err, ikey.ErrNoKey)
}

// understand makes an event of an answer.
func (t *talk) understand(s *step, a touchscreen.Answer) event {
	defer clear(a.Digits)
	switch {
	case a.Action == touchscreen.Cancel:
		return evCancel
	case a.Item >= 0 && a.Item < len(s.items):
		return s.items[a.Item]
	case s.take != nil:
		return s.take(t, a)
	case a.Action == touchscreen.Yes:
		return evYes
	case a.Action == touchscreen.No:
		return evNo
	case s.port && s.asksForKey() && !t.present():
		return evNoKey
	case s.port && s.asksForKey():
		return evKey
	}
	return evOK
}

// asksForKey reports whether OK means that the key is in the port.
func (s *step) asksForKey() bool { return s.state == stInsert }

// alarm returns a channel that is closed at a device time, until stop is called.
func (t *talk) alarm(at time.Time) (rings <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(t.ctx)
	ring := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if t.clock.Wait(ctx, at) == nil {
			close(ring)
		}
	})
	return ring, func() { cancel(); waiting.Wait() }
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}
