package vhci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
)

// stand is a kernel and a server, as far as a supervisor notices them.
type stand struct {
	t          *testing.T
	controller Controller
	broken     bool // the kernel does not enumerate
	events     chan Event
	result     chan error

	mu       sync.Mutex
	refusals []error // of the next attempts, in order
	attempts []time.Time
	held     *fakeHolding
}

// holding returns what is attached, or was last.
func (s *stand) holding() *fakeHolding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// refuse sets what the next attempts end with.
func (s *stand) refuse(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals = errs
}

// fakeHolding is an attachment that ends when a test wants it to.
type fakeHolding struct {
	stand  *stand
	lost   chan struct{}
	closed atomic.Bool
}

func (h *fakeHolding) Port() Port            { return Port{Number: 0} }
func (h *fakeHolding) Lost() <-chan struct{} { return h.lost }

func (h *fakeHolding) Close(context.Context) error {
	h.closed.Store(true)
	h.stand.status("004", "0-0")
	return nil
}

const enumerated = "1-1"

// newStand starts a supervisor in a bubble of synctest.
func newStand(t *testing.T, ctx context.Context, c Controller, broken bool, refusals ...error) *stand {
	s := &stand{
		t: t, controller: c, refusals: refusals, broken: broken,
		events: make(chan Event, 100), result: make(chan error, 1),
	}
	s.status("004", "0-0")
	put(t, c.sysfs("bus", "usb", "devices", enumerated, "bConfigurationValue"), "1\n")
	go func() {
		s.result <- Supervisor{Controller: c, Notify: func(e Event) { s.events <- e }, hold: s.hold}.Run(ctx)
	}()
	return s
}

func (s *stand) status(state, local string) {
	put(s.t, s.controller.attribute("status"), heading+fmt.Sprintf("hs  0000 %s 003 00010002 000007 %s\n", state, local))
}

func (s *stand) hold(context.Context) (holding, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, time.Now())
	if len(s.refusals) > 0 {
		err := s.refusals[0]
		s.refusals = s.refusals[1:]
		return nil, err
	}
	if s.broken {
		s.status("005", "0-0")
	} else {
		s.status("006", enumerated)
	}
	s.held = &fakeHolding{stand: s, lost: make(chan struct{})}
	return s.held, nil
}

// next returns the next event, however long it takes, when the supervisor waits
// for something else to happen.
func (s *stand) next(want EventKind) Event {
	s.t.Helper()
	select {
	case e := <-s.events:
		if e.Kind != want {
			s.t.Fatalf("event %+v, want %q", e, want)
		}
		synctest.Wait()
		return e
	case <-time.After(time.Hour):
		s.t.Fatalf("nothing happens within an hour, want %q", want)
	}
	panic("unreachable")
}

// supervised runs f with a supervisor, and then stops it.
func supervised(t *testing.T, broken bool, refusals []error, f func(*stand)) {
	t.Helper()
	c := fake(t, status0)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s := newStand(t, ctx, c, broken, refusals...)
		f(s)
		stop()
		if err := <-s.result; err != nil {
			t.Errorf("Run: %v", err)
		}
		var last Event
		for len(s.events) > 0 {
			last = <-s.events
		}
		if last.Kind != Detached {
			t.Errorf("the last event is %+v, want %q", last, Detached)
		}
		if held := s.holding(); held != nil && !held.closed.Load() {
			t.Error("the device is still attached")
		}
	})
}

func TestDeviceIsAttachedAgainWheneverItIsLost(t *testing.T) {
	supervised(t, false, nil, func(s *stand) {
		for range 20 {
			if e := s.next(Attached); e.Port.Local != enumerated {
				t.Fatalf("attached as %+v, want %s", e.Port, enumerated)
			}
			close(s.holding().lost)
			s.next(Lost)
			if !s.holding().closed.Load() {
				t.Error("the lost attachment was not cleared away")
			}
		}
		s.next(Attached)
	})
}

func TestSupervisorWaitsLongerAndLongerForAServer(t *testing.T) {
	const tries = 20
	refusals := slices.Repeat([]error{client.ErrNoDevice}, tries)
	supervised(t, false, refusals, func(s *stand) {
		e := s.next(Failed)
		if !errors.Is(e.Err, client.ErrNoDevice) || e.Attempts != 1 {
			t.Errorf("event %+v", e)
		}
		if e := s.next(Attached); e.Attempts != tries+1 { // the same failure is told once
			t.Errorf("attached after %d attempts, want %d", e.Attempts, tries+1)
		}
		want := 100 * time.Millisecond
		for i := 1; i < len(s.attempts); i++ {
			if pause := s.attempts[i].Sub(s.attempts[i-1]); pause < want/2 || pause > want {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, want/2, want)
			}
			want = min(2*want, 5*time.Second)
		}
	})
}

func TestEachKindOfFailureIsToldOnce(t *testing.T) {
	refusals := []error{client.ErrBusy, client.ErrBusy, client.ErrNoDevice, client.ErrBusy}
	supervised(t, false, refusals, func(s *stand) {
		for _, want := range []error{client.ErrBusy, client.ErrNoDevice, client.ErrBusy} {
			if e := s.next(Failed); !errors.Is(e.Err, want) {
				t.Errorf("told %v, want %v", e.Err, want)
			}
		}
		s.next(Attached)
	})
}

func TestPausesStartAnewAfterAStableTime(t *testing.T) {
	for _, c := range []struct {
		name  string
		lasts time.Duration
		most  time.Duration // pause after many short-lived attachments and one that lasts so long
		least time.Duration
	}{
		{"it flaps", 0, 5 * time.Second, 2500 * time.Millisecond},
		{"it was stable", time.Minute, 100 * time.Millisecond, 50 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			supervised(t, false, nil, func(s *stand) {
				for range 10 {
					s.next(Attached)
					close(s.holding().lost)
					s.next(Lost)
				}
				s.next(Attached)
				time.Sleep(c.lasts)
				close(s.holding().lost)
				s.next(Lost)
				lost := time.Now()
				s.next(Attached)
				if pause := s.attempts[len(s.attempts)-1].Sub(lost); pause < c.least || pause > c.most {
					t.Errorf("pause %v, want %v to %v", pause, c.least, c.most)
				}
			})
		})
	}
}

func TestDeviceThatDoesNotEnumerateIsTakenBack(t *testing.T) {
	supervised(t, true, nil, func(s *stand) {
		e := s.next(Failed)
		if !errors.Is(e.Err, context.DeadlineExceeded) || !strings.Contains(e.Err.Error(), "dmesg") {
			t.Errorf("event %+v", e)
		}
		first := s.holding()
		time.Sleep(time.Minute)
		synctest.Wait()
		if !first.closed.Load() || s.holding() == first {
			t.Error("it was not taken back and tried again")
		}
	})
}

func TestSupervisorGivesUpOnlyWhatWasHopelessFromTheStart(t *testing.T) {
	for _, hopeless := range hopeless {
		t.Run(hopeless.Error(), func(t *testing.T) {
			c := fake(t, status0)
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, t.Context(), c, false, fmt.Errorf("wrapped: %w", hopeless))
				if err := <-s.result; !errors.Is(err, hopeless) {
					t.Errorf("Run: %v, want %v", err, hopeless)
				}
			})
			supervised(t, false, nil, func(s *stand) {
				s.next(Attached)
				s.refuse(hopeless)
				close(s.holding().lost)
				s.next(Lost)
				s.next(Failed)
				s.next(Attached)
			})
		})
	}
}

func TestSupervisorStopsInEveryState(t *testing.T) {
	for _, c := range []struct {
		name   string
		broken bool
		reach  func(*stand)
	}{
		{"before anything happened", false, func(*stand) {}},
		{"while it enumerates", true, func(*stand) { time.Sleep(time.Second) }},
		{"while attached", false, func(s *stand) { s.next(Attached) }},
		{"while waiting", false, func(s *stand) {
			s.next(Attached)
			s.refuse(slices.Repeat([]error{client.ErrNoDevice}, 100)...)
			close(s.holding().lost)
			s.next(Lost)
			s.next(Failed)
		}},
	} {
		t.Run(c.name, func(t *testing.T) { supervised(t, c.broken, nil, c.reach) })
	}
}
