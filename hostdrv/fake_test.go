package hostdrv

import (
	"context"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeLink is a link whose other end is the test. Nothing is buffered: a write
// waits until the test has looked at the transfer.
type fakeLink struct {
	out, in, events chan []byte
	taken           chan struct{} // a token for each transfer of out that was looked at
	gone            chan struct{} // closed by unplug
	closed          chan struct{}
	closing         sync.Once
}

func newFakeLink() *fakeLink {
	return &fakeLink{
		out: make(chan []byte), in: make(chan []byte), events: make(chan []byte), taken: make(chan struct{}),
		gone: make(chan struct{}), closed: make(chan struct{}),
	}
}

func (l *fakeLink) Info() transport.Info { return transport.Info{Serial: "FAKE"} }

func (l *fakeLink) Write(ctx context.Context, p []byte) error {
	select {
	case l.out <- p:
		<-l.taken
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.gone:
		return transport.ErrDisconnected
	case <-l.closed:
		return transport.ErrClosed
	}
}

func (l *fakeLink) Read(ctx context.Context, p []byte) (int, error) { return l.receive(ctx, l.in, p) }

func (l *fakeLink) ReadEvent(ctx context.Context, p []byte) (int, error) {
	return l.receive(ctx, l.events, p)
}

func (l *fakeLink) receive(ctx context.Context, from chan []byte, p []byte) (int, error) {
	select {
	case transfer := <-from:
		return copy(p, transfer), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-l.gone:
		return 0, transport.ErrDisconnected
	case <-l.closed:
		return 0, transport.ErrClosed
	}
}

func (l *fakeLink) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return nil
}

// fakeDevice is the other end: it takes transfers apart and answers as the
// test says.
type fakeDevice struct {
	t         *testing.T
	link      *fakeLink
	assembler frame.Assembler
	heard     []frame.Message
	faults    []frame.Fault
}

func (d *fakeDevice) Message(m frame.Message) {
	m.Payload = slices.Clone(m.Payload)
	d.heard = append(d.heard, m)
}

func (d *fakeDevice) Fault(f frame.Fault) { d.faults = append(d.faults, f) }

// transfer takes the host's next transfer apart and returns how many whole
// messages it completed.
func (d *fakeDevice) transfer() int { return d.take(<-d.link.out) }

func (d *fakeDevice) take(transfer []byte) int {
	before := len(d.heard)
	d.assembler.Feed(transfer, d)
	d.link.taken <- struct{}{}
	return len(d.heard) - before
}

// next returns the host's next message.
func (d *fakeDevice) next() frame.Message {
	for len(d.heard) == 0 {
		d.transfer()
	}
	m := d.heard[0]
	d.heard = d.heard[1:]
	return m
}

// wire returns the transfers that carry m.
func wire(m frame.Message) [][]byte {
	var transfers [][]byte
	for s, done := frame.NewSplitter(m), false; !done; {
		var transfer []byte
		transfer, done = s.AppendFrame(nil, frame.MaxTransfer)
		transfers = append(transfers, transfer)
	}
	return transfers
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	payload, err := command.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// send sends a message to the host.
func (d *fakeDevice) send(kind frame.Type, tag uint32, status command.Status, payload any) {
	m := frame.Message{Type: kind, Tag: tag, Code: uint32(status), Payload: encode(d.t, payload)}
	for _, transfer := range wire(m) {
		d.link.in <- transfer
	}
}

// answer answers request m with StatusOK.
func (d *fakeDevice) answer(m frame.Message, payload any) {
	d.send(frame.TypeResponse, m.Tag, command.StatusOK, payload)
}

// echo answers an echo.
func (d *fakeDevice) echo(m frame.Message) {
	for _, transfer := range wire(frame.Message{Type: frame.TypeResponse, Tag: m.Tag, Payload: m.Payload}) {
		d.link.in <- transfer
	}
}

// able is a sound answer to HELLO.
func able(inFlight uint32) *command.HelloResponse {
	return &command.HelloResponse{
		Version: 1, MaxMessage: frame.MaxMessage, MaxTransfer: frame.MaxTransfer, MaxInFlight: inFlight,
		Model: "Fake", Serial: "FAKE", Firmware: "1.0",
	}
}

// answerHello answers one HELLO.
func (d *fakeDevice) answerHello(inFlight uint32) {
	m := d.next()
	if m.Type != frame.TypeHello {
		d.t.Errorf("the host began with %v", m.Type)
	}
	d.send(frame.TypeHello, m.Tag, command.StatusOK, able(inFlight))
}

// connected returns a driver and the fake device it is connected to, which
// takes inFlight requests. The test must call leave.
func connected(t *testing.T, inFlight uint32) (*Device, *fakeDevice) {
	t.Helper()
	link := newFakeLink()
	d := &fakeDevice{t: t, link: link}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		d.answerHello(inFlight)
	}()
	dev, err := Open(t.Context(), link, Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	<-answered
	return dev, d
}

// leave closes the driver and takes its farewell.
func leave(t *testing.T, dev *Device, d *fakeDevice) {
	t.Helper()
	closed := make(chan error)
	go func() { closed <- dev.Close() }()
	for {
		select {
		case transfer := <-d.link.out:
			d.take(transfer)
		case err := <-closed:
			if err != nil {
				t.Errorf("close: %v", err)
			}
			return
		}
	}
}
