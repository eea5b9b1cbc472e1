package dialogue

import (
	"context"
	"io"
	"time"

	"usbhsm7/firmware/hsm"
	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

// Panel is the screen with what a person touches on it.
type Panel interface {
	Show(touchscreen.Screen)            // replaces what is shown; answers to that are dropped
	Answers() <-chan touchscreen.Answer // to what is shown
}

// Reader is the device's side of the port for iKeys. Errors are those of package
// ikey.
type Reader interface {
	Changes() <-chan struct{} // something was plugged in or pulled out; several changes may be one
	Identify(ctx context.Context) (ikey.Info, error)
	Read(ctx context.Context, pin []byte) (ikey.Contents, error)
	Write(ctx context.Context, c ikey.Contents, pin []byte) error // whole or not at all
	ChangePIN(ctx context.Context, old, fresh []byte) error       // an empty PIN is none
	Erase(ctx context.Context) error
}

// Clock is the device's clock.
type Clock interface {
	Now() time.Time
	// Wait waits until the clock shows a time, and returns nil; or until ctx ends,
	// and returns its error.
	Wait(ctx context.Context, until time.Time) error
}

// Config says what a desk works with. All but Unit is required.
type Config struct {
	Panel   Panel
	Reader  Reader
	Clock   Clock
	Entropy io.Reader
	Unit    func() touchscreen.Unit // what the home screen tells; called by Run only
}

// Desk is where people attend to the device. It implements hsm.TrustedPath: its
// methods are safe for concurrent use and take turns. They need Run.
type Desk struct {
	panel   Panel
	reader  Reader
	clock   Clock
	entropy io.Reader
	unit    func() touchscreen.Unit

	calls  chan *call    // dialogues that wait for the screen
	called *call         // one that was taken from calls; of Run only
	fresh  chan struct{} // the unit may have changed
	closed chan struct{} // Run has ended
	visit  func(d *table, at state, on event)
}

var _ hsm.TrustedPath = (*Desk)(nil)

// New returns a desk at which nobody sits until Run is called.
func New(c Config) *Desk {
	if c.Unit == nil {
		c.Unit = func() touchscreen.Unit { return touchscreen.Unit{} }
	}
	return &Desk{
		panel: c.Panel, reader: c.Reader, clock: c.Clock, entropy: c.Entropy, unit: c.Unit,
		calls: make(chan *call), fresh: make(chan struct{}, 1), closed: make(chan struct{}),
	}
}

// call is a dialogue that the HSM asks for.
type call struct {
	talk  talk
	table *table
	ended chan error // has room for one
}

// Run serves the screen until ctx ends, once.
func (d *Desk) Run(ctx context.Context) {
	defer close(d.closed)
	for ctx.Err() == nil {
		home := talk{Desk: d, ctx: ctx}
		home.run(&homeTable)
		home.wipe()
		if c := d.called; c != nil {
			d.called = nil
			c.serve(ctx)
		}
	}
}

// serve runs a dialogue until the host or the device gives up.
func (c *call) serve(device context.Context) {
	ctx, cancel := context.WithCancel(c.talk.ctx)
	defer cancel()
	defer context.AfterFunc(device, cancel)()
	c.talk.ctx = ctx
	err := c.talk.status(c.talk.run(c.table))
	c.talk.wipe()
	c.ended <- err
}

// Refresh has the home screen tell the state of the unit anew. It does not wait.
func (d *Desk) Refresh() {
	select {
	case d.fresh <- struct{}{}:
	default:
	}
}

// Create implements hsm.TrustedPath.
func (d *Desk) Create(ctx context.Context, s hsm.Subject) ([]byte, error) {
	return d.hold(ctx, &createTable, talk{subject: s})
}

// Present implements hsm.TrustedPath.
func (d *Desk) Present(ctx context.Context, s hsm.Subject) ([]byte, error) {
	return d.hold(ctx, &presentTable, talk{subject: s})
}

// Confirm implements hsm.TrustedPath.
func (d *Desk) Confirm(ctx context.Context, q hsm.Question) error {
	_, err := d.hold(ctx, &confirmTable, talk{told: q})
	return err
}

// Reveal implements hsm.TrustedPath. The text is on the screen as long as the
// person looks at it, and in memory until that is used again.
func (d *Desk) Reveal(ctx context.Context, s hsm.Subject, text []byte) error {
	_, err := d.hold(ctx, &revealTable, talk{subject: s, text: string(text)})
	return err
}

// hold has Run hold a dialogue and waits for its end.
func (d *Desk) hold(ctx context.Context, dialogue *table, t talk) (secret []byte, err error) {
	t.Desk, t.ctx, t.kind = d, ctx, kindOf(t.subject)
	c := &call{talk: t, table: dialogue, ended: make(chan error, 1)}
	select {
	case d.calls <- c:
	case <-ctx.Done():
		return nil, hostGone()
	case <-d.closed:
		return nil, poweredOff()
	}
	if err := <-c.ended; err != nil { // Run always answers a call that it took
		clear(c.talk.secret)
		return nil, err
	}
	return c.talk.secret, nil
}
