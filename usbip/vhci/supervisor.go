package vhci

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usbhsm7/usbip/socket"
)

// Supervisor keeps a remote device attached to this machine's kernel: through
// power cycles, reboots of the device's firmware and losses of the network it
// attaches it again. Linux never does that by itself.
type Supervisor struct {
	Controller Controller
	Remote     Remote
	Pause      Pause

	// Notify, if not nil, is told of every event, one after another. Run waits
	// for it.
	Notify func(Event)

	hold func(context.Context) (holding, error) // in tests
}

// holding is an Attachment.
type holding interface {
	Port() Port
	Lost() <-chan struct{}
	Close(ctx context.Context) error
}

// EventKind names what happened.
type EventKind string

// Events.
const (
	Attached EventKind = "attached" // the device can be used
	Lost     EventKind = "lost"     // it is gone; it will be attached again
	Failed   EventKind = "failed"   // it could not be attached; it will be tried again
	Detached EventKind = "detached" // Run is over, and nothing is left attached
)

// Event is one thing that happened to a supervised device.
type Event struct {
	Kind     EventKind
	Port     Port  // of Attached, Lost and Detached; zero if nothing was attached
	Err      error // of Failed: why
	Attempts int   // of Attached and Failed: how many since the device was last attached for long
}

var errLost = errors.New("the connection has ended")

// state is where a supervised device is in its life.
type state int

const (
	connecting state = iota
	enumerating
	watching
	releasing
	waiting
)

// stages is that life: what is done in each state and within what time, which
// state follows, and what there is to tell.
var stages = [...]struct {
	do        func(*life, context.Context) error
	limit     time.Duration // 0 = none
	then      state         // after success
	otherwise state         // after an error
	success   EventKind     // empty: nothing to tell
	failure   EventKind
}{
	connecting:  {(*life).connect, 15 * time.Second, enumerating, waiting, "", Failed},
	enumerating: {(*life).enumerate, 30 * time.Second, watching, releasing, Attached, Failed},
	watching:    {(*life).watch, 0, releasing, releasing, "", Lost},
	releasing:   {(*life).release, 5 * time.Second, waiting, waiting, "", Failed},
	waiting:     {(*life).wait, 0, connecting, connecting, "", ""},
}

// hopeless are errors that waiting does not mend. If the very first attempt ends
// with one, there is no second.
var hopeless = []error{ErrNoModule, ErrPermission, socket.ErrAddress}

// life is one run of a Supervisor.
type life struct {
	Supervisor
	held     holding // nil = nothing is attached
	port     Port
	since    time.Time // when the device became usable
	attempts int       // since the device was last attached for long
	complain string    // the last failure told, not to be told again
	settled  bool      // the device has been usable once
}

// Run keeps the device attached until ctx ends. Then it detaches it and returns
// nil, or why it could not be detached. It returns before that only if the first
// attempt shows that no other can succeed: with an error that wraps ErrNoModule,
// ErrPermission or socket.ErrAddress.
func (s Supervisor) Run(ctx context.Context) error {
	l := &life{Supervisor: s.withDefaults()}
	for at := connecting; ; {
		stage := &stages[at]
		err := l.perform(ctx, stage.do, stage.limit)
		if ctx.Err() != nil {
			return l.end(ctx)
		}
		if l.isHopeless(err) {
			return err
		}
		at = stage.then
		kind := stage.success
		if err != nil {
			at, kind = stage.otherwise, stage.failure
		}
		l.tell(kind, err)
	}
}

func (s Supervisor) withDefaults() Supervisor {
	s.Pause = s.Pause.withDefaults()
	if s.Notify == nil {
		s.Notify = func(Event) {}
	}
	if s.hold == nil {
		s.hold = func(ctx context.Context) (holding, error) {
			a, err := s.Controller.Hold(ctx, s.Remote)
			if err != nil {
				return nil, err // not a nil *Attachment in an interface
			}
			return a, nil
		}
	}
	return s
}

func (l *life) perform(ctx context.Context, do func(*life, context.Context) error, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return do(l, ctx)
}

func (l *life) isHopeless(err error) bool {
	if l.settled || l.attempts > 1 {
		return false
	}
	for _, h := range hopeless {
		if errors.Is(err, h) {
			return true
		}
	}
	return false
}

// tell tells an event, unless it is the failure that was told last.
func (l *life) tell(kind EventKind, err error) {
	switch {
	case kind == "":
		return
	case kind != Failed:
		l.complain = ""
		l.Notify(Event{Kind: kind, Port: l.port, Attempts: l.attempts})
	case l.complain != err.Error():
		l.complain = err.Error()
		l.Notify(Event{Kind: Failed, Err: err, Attempts: l.attempts})
	}
}

// end detaches what is attached when Run is to end.
func (l *life) end(ctx context.Context) error {
	err := l.perform(context.WithoutCancel(ctx), (*life).release, stages[releasing].limit)
	if err != nil {
		return fmt.Errorf("the device may still be attached: %w", err)
	}
	l.tell(Detached, nil)
	return nil
}

// connect imports the device and hands it to the kernel.
func (l *life) connect(ctx context.Context) error {
	l.attempts++
	held, err := l.hold(ctx)
	if err != nil {
		return err
	}
	l.held, l.port = held, held.Port()
	return nil
}

// enumerate waits until programs can use the device.
func (l *life) enumerate(ctx context.Context) error {
	port, err := l.Controller.Wait(ctx, l.port.Number)
	if err != nil {
		return err
	}
	l.port, l.since, l.settled = port, time.Now(), true
	return nil
}

// watch waits until the device is lost.
func (l *life) watch(ctx context.Context) error {
	select {
	case <-l.held.Lost():
	case <-ctx.Done():
	}
	if time.Since(l.since) >= l.Pause.Stable {
		l.attempts = 0
	}
	return errLost
}

// release detaches what is attached.
func (l *life) release(ctx context.Context) error {
	if l.held == nil {
		return nil
	}
	held := l.held
	l.held = nil
	return held.Close(ctx)
}

// wait lets some time pass between attempts.
func (l *life) wait(ctx context.Context) error {
	timer := time.NewTimer(l.Pause.after(l.attempts))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}
