package dialogue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/firmware/hsm"
	"usbhsm7/ikey"
)

// conversation is a dialogue with somebody who follows a script, in front of the
// keys that stock puts beside the port.
type conversation struct {
	name    string
	hold    func(context.Context, *dialogue.Desk) error // nil: the person uses the menus
	prepare func(*dialoguetest.Port)                    // what else is there, and faults
	script  string
	shows   []string // from the first of them to the next home screen
	status  command.Status
}

func present(s hsm.Subject) func(context.Context, *dialogue.Desk) error {
	return func(ctx context.Context, d *dialogue.Desk) error {
		secret, err := d.Present(ctx, s)
		return whole(secret, err)
	}
}

func create(s hsm.Subject) func(context.Context, *dialogue.Desk) error {
	return func(ctx context.Context, d *dialogue.Desk) error {
		secret, err := d.Create(ctx, s)
		return whole(secret, err)
	}
}

var errHalf = errors.New("there is a secret and an error, or neither")

// whole returns err, or errHalf.
func whole(secret []byte, err error) error {
	if (len(secret) == ikey.SecretSize) == (err == nil) {
		return err
	}
	return errors.Join(errHalf, err)
}

func confirm(ctx context.Context, d *dialogue.Desk) error {
	return d.Confirm(ctx, hsm.Question{Title: "Update", Text: "Install the firmware?"})
}

func reveal(ctx context.Context, d *dialogue.Desk) error {
	return d.Reveal(ctx, hsm.Subject{Secret: hsm.SecretChallenge, Role: command.RoleCO}, []byte("AAAA-BBBB"))
}

// stock puts keys beside the port: blue-1 is the HSM SO's alone; black-1 to
// black-3 are a keyset of which two open; red-1 is a domain's; grey-1 is of
// another keyset than the black ones; white and spare are blank.
func stock(t *testing.T, p *dialoguetest.Port, prepare func(*dialoguetest.Port)) {
	t.Helper()
	p.Key("white")
	p.Key("spare")
	p.Key("blue-1").Contents = keyset(t, ikey.SO, 1, 1, 1)[0]
	p.Key("red-1").Contents = keyset(t, ikey.Domain, 1, 1, 2)[0]
	p.Key("grey-1").Contents = keyset(t, ikey.User, 2, 3, 4)[0]
	for i, c := range keyset(t, ikey.User, 2, 3, 3) {
		p.Key(fmt.Sprintf("black-%d", i+1)).Contents = c
	}
	if prepare != nil {
		prepare(p)
	}
}

// on returns what changes one key of the stock.
func on(name string, change func(*dialoguetest.Key)) func(*dialoguetest.Port) {
	return func(p *dialoguetest.Port) { change(p.Key(name)) }
}

// locked has a PIN on a key.
func locked(name string) func(*dialoguetest.Port) {
	return on(name, func(k *dialoguetest.Key) { k.PIN = "123456" })
}

func goAsWritten(t *testing.T) {
	for _, c := range conversations() {
		t.Run(c.name, func(t *testing.T) {
			open(t, c.script, func(p *dialoguetest.Port) { stock(t, p, c.prepare) }, func(t *testing.T, o *office) {
				if c.hold != nil {
					if err := c.hold(t.Context(), o.desk); !is(err, c.status) {
						t.Errorf("%v, want %v", err, c.status)
					}
				}
				synctest.Wait()
				forgotten(t, o.Bench)
				if got := between(o.Panel.Shown(), c.shows[0]); !slices.Equal(got, c.shows) {
					t.Errorf("the screen showed %q, want %q", got, c.shows)
				}
			})
		})
	}
}

// forgotten tells of digits and shares that were not wiped.
func forgotten(t *testing.T, b *dialoguetest.Bench) {
	t.Helper()
	if b.Panel.Kept() {
		t.Error("digits that were typed are still in memory")
	}
	if b.Port.Kept() {
		t.Error("shares that were read are still in memory")
	}
}

// is reports whether err has a status; command.StatusOK is no error.
func is(err error, s command.Status) bool {
	if s == command.StatusOK {
		return err == nil
	}
	return errors.Is(err, s) && !errors.Is(err, errHalf)
}

// between returns what was shown from a screen on, up to the next home screen.
func between(shown []string, first string) []string {
	shown = shown[max(slices.Index(shown, first), 0):]
	if end := slices.Index(shown, "home"); end >= 0 {
		shown = shown[:end]
	}
	return shown
}

// interruption is something that happens while the person looks at a screen, and
// after which they leave; and what the host may be told then.
type interruption struct {
	name   string
	long   bool // left out of short tests
	happen func(*sweep, person.Seen)
	told   []command.Status
}

// left are what the host may be told if people leave.
var left = []command.Status{
	command.StatusTimeout, command.StatusMissingSplits, command.StatusSplitDataInvalid,
	command.StatusVectorOfDifferentSet, command.StatusVectorDuplicate, command.StatusVectorTypeInvalid, command.StatusVectorVersionInvalid,
}

var interruptions = []interruption{
	{"cancelled", false, func(s *sweep, seen person.Seen) {
		_ = s.Answer(s.ctx, seen, person.Act{Verb: person.Cancel}) // not every screen takes it: then nobody answers
	}, append([]command.Status{command.StatusFunctionCanceled}, left...)},
	{"left alone", false, func(*sweep, person.Seen) {}, left},
	{"the key is pulled", true, func(s *sweep, _ person.Seen) { s.Port.Remove() }, append([]command.Status{command.StatusFunctionCanceled}, left...)},
	{"the host gives up", true, func(s *sweep, _ person.Seen) { s.giveUp() }, []command.Status{command.StatusFunctionCanceled}},
	{"power fails", false, func(s *sweep, _ person.Seen) { s.powerOff() }, []command.Status{command.StatusFunctionCanceled}},
}

// sweep is a person's hands that stop at a screen.
type sweep struct {
	*dialoguetest.Bench
	ctx      context.Context
	left     atomic.Int32 // screens until the interruption
	happens  func(*sweep, person.Seen)
	giveUp   context.CancelFunc
	powerOff context.CancelFunc
}

// Look implements person.Hands.
func (s *sweep) Look(ctx context.Context, number uint64) (person.Seen, error) {
	seen, err := s.Bench.Look(ctx, number)
	if err != nil {
		return seen, err
	}
	if s.left.Add(-1) == 0 {
		s.happens(s, seen)
		<-ctx.Done()
		return seen, ctx.Err()
	}
	return seen, nil
}

// stopAnywhere stops each conversation at each screen in every way: it ends, the
// host is told why, and the screen is free again.
func stopAnywhere(t *testing.T) {
	for _, c := range conversations() {
		for _, i := range interruptions {
			if i.long && testing.Short() {
				continue
			}
			t.Run(c.name+"/"+i.name, func(t *testing.T) {
				for screen, reached := 1, true; reached; screen++ {
					synctest.Test(t, func(t *testing.T) { reached = stopAt(t, c, i, screen) })
				}
			})
		}
	}
}

// stopAt reports whether the conversation has so many screens.
func stopAt(t *testing.T, c conversation, i interruption, screen int) (reached bool) {
	b := dialoguetest.New()
	stock(t, b.Port, c.prepare)
	desk := dialogue.New(dialogue.Config{Panel: b.Panel, Reader: b.Port, Clock: dialoguetest.Clock{}, Entropy: entropy()})
	covered.Watch(desk)
	ctx, powerOff := context.WithCancel(t.Context())
	host, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	s := &sweep{Bench: b, ctx: ctx, happens: i.happen, giveUp: giveUp, powerOff: powerOff}
	s.left.Store(int32(screen))
	p := b.Person(c.script)
	p.Hands = s
	running := make(chan struct{}, 2)
	go func() { desk.Run(ctx); running <- struct{}{} }()
	go func() { _ = p.Attend(ctx); running <- struct{}{} }()
	if c.hold != nil {
		err := c.hold(host, desk)
		switch reached = s.left.Load() <= 0; {
		case !reached && !is(err, c.status):
			t.Errorf("undisturbed: %v", err)
		case reached && err != nil && !is(err, c.status) && !slices.ContainsFunc(i.told, func(s command.Status) bool { return is(err, s) }):
			t.Errorf("at screen %d: %v", screen, err)
		}
	}
	if c.hold == nil { // the menus give up too
		time.Sleep(time.Hour)
		if reached = s.left.Load() <= 0; ctx.Err() == nil && b.Panel.Screen().ID != "home" {
			t.Errorf("stopped at screen %d, the device shows %s an hour later", screen, b.Panel.Screen().ID)
		}
	}
	powerOff()
	<-running
	<-running
	forgotten(t, b)
	return reached
}

// TestDialogues holds all conversations, and finds that they have been everywhere.
func TestDialogues(t *testing.T) {
	t.Run("go as written", goAsWritten)
	t.Run("stop at any screen", stopAnywhere)
	for _, move := range covered.Missing() {
		t.Errorf("no conversation makes this move: %s", move)
	}
}
