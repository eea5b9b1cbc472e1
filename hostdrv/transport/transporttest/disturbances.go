package transporttest

import (
	"errors"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

// event resets the device to the state of delivery, which it announces.
func event(t *testing.T, goal Target) {
	link := open(t, goal)
	c := begin(t, link)
	var session command.SessionOpenResponse
	c.ask(command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotAdmin}, &session, command.StatusOK)
	c.ask(command.CodeHSMFactoryReset, session.Session, nil, nil, command.StatusOK)

	buffer := make([]byte, readBuffer)
	n, err := link.ReadEvent(deadline(t), buffer)
	if err != nil {
		t.Fatalf("read an event: %v", err)
	}
	h, err := frame.ParseHeader(buffer[:n])
	if err != nil || h.Type != frame.TypeEvent || int(h.Length) != n-frame.HeaderSize {
		t.Errorf("an event of %d bytes with header %+v, %v", n, h, err)
	}
	if e := command.EventCode(h.Code); e != command.EventStateChanged && e != command.EventZeroized {
		t.Errorf("event %v after a factory reset", e)
	}
}

// leftovers lets a host vanish with responses unread and in the middle of a
// message. The next host must meet neither.
func leftovers(t *testing.T, goal Target) {
	first := open(t, goal)
	c := begin(t, first)
	for range 4 {
		c.write(c.echo(frame.MaxTransfer))
	}
	long := frame.Message{Type: frame.TypeRequest, Tag: 0x7777, Code: uint32(command.CodeEcho), Payload: make([]byte, 3*frame.MaxPayload)}
	half, _ := frame.NewSplitter(long).AppendFrame(nil, frame.MaxTransfer)
	c.write(half)
	if err := first.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}

	next := begin(t, open(t, goal))
	next.alive()
	if len(next.heard) != 0 {
		t.Errorf("the next host heard %d messages that were not for it", len(next.heard))
	}
}

// halts has the device halt each endpoint in turn, which its method tells once.
// HELLO opens the conversation anew.
func halts(t *testing.T, goal Target) {
	link := open(t, goal)
	begin(t, link).alive()
	use := map[Endpoint]func() error{
		BulkOut: func() error { return link.Write(deadline(t), make([]byte, 1000)) },
		BulkIn: func() error {
			_, err := link.Read(deadline(t), make([]byte, readBuffer))
			return err
		},
		InterruptIn: func() error {
			_, err := link.ReadEvent(deadline(t), make([]byte, readBuffer))
			return err
		},
	}
	for range 3 {
		for _, e := range []Endpoint{BulkOut, BulkIn, InterruptIn} {
			goal.Halt(link, e)
			if err := use[e](); !errors.Is(err, transport.ErrHalted) {
				t.Errorf("endpoint %d was halted, and its method returned %v, want %v", e, err, transport.ErrHalted)
			}
			begin(t, link).alive()
		}
	}
	if err := link.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	event(t, goal) // the interrupt endpoint delivers
}

func vanishes(t *testing.T, goal Target) {
	link := open(t, goal)
	c := begin(t, link)
	c.write(c.echo(frame.MaxTransfer)) // its response may be on the way when the device goes
	c.read()
	ended := make(chan error, 2)
	buffer := func() []byte { return make([]byte, readBuffer) }
	go func() {
		_, err := link.Read(deadline(t), buffer())
		ended <- err
	}()
	go func() {
		_, err := link.ReadEvent(deadline(t), buffer())
		ended <- err
	}()
	goal.Unplug()
	t.Cleanup(goal.Plug)
	for range 2 {
		if err := <-ended; !errors.Is(err, transport.ErrDisconnected) {
			t.Errorf("a read ended with %v, want %v", err, transport.ErrDisconnected)
		}
	}
	if err := link.Write(deadline(t), c.echo(600)); !errors.Is(err, transport.ErrDisconnected) {
		t.Errorf("a write ended with %v, want %v", err, transport.ErrDisconnected)
	}
	if _, err := link.Read(deadline(t), buffer()); !errors.Is(err, transport.ErrDisconnected) {
		t.Errorf("a later read ended with %v, want %v", err, transport.ErrDisconnected)
	}
}

func comesBack(t *testing.T, goal Target) {
	first := open(t, goal)
	begin(t, first)
	goal.Unplug()
	if _, err := goal.Bus.Open(deadline(t), choose(goal.Device)); err == nil {
		t.Error("a device that is not there was opened")
	}
	if err := first.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	goal.Plug()
	begin(t, open(t, goal)).alive()
}
