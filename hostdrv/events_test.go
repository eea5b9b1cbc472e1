package hostdrv

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

func eventFrame(t *testing.T, e command.Event) []byte {
	m := frame.Message{Type: frame.TypeEvent, Code: uint32(e.Code), Payload: encode(t, e)}
	return wire(m)[0]
}

func TestEventsArriveInOrder(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		sent := []command.Event{
			{Code: command.EventRoleLocked, Role: command.RoleCO, Text: "locked"},
			{Code: command.EventZeroized},
		}
		go func() {
			for _, e := range sent {
				d.link.events <- eventFrame(t, e)
			}
		}()
		for _, want := range sent {
			if got, err := dev.NextEvent(t.Context()); err != nil || got != want {
				t.Errorf("event %+v, %v; want %+v", got, err, want)
			}
		}
	})
}

// The device keeps what the driver does not take, and says what it drops.
func TestEventsThatNobodyTakesWaitInTheDevice(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		taken := 0
		for full := false; !full; {
			select {
			case d.link.events <- eventFrame(t, command.Event{Code: command.EventStorageLow}):
				taken++
			case <-time.After(time.Second):
				full = true
			}
		}
		if taken != maxEvents+1 { // one is with the reader
			t.Errorf("the driver took %d events, want %d", taken, maxEvents+1)
		}
		for range taken {
			if _, err := dev.NextEvent(t.Context()); err != nil {
				t.Error(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if e, err := dev.NextEvent(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("event %v, %v; want none", e, err)
		}
	})
}

func TestAnEventThatCannotBeReadCountsAsDropped(t *testing.T) {
	sound := eventFrame(t, command.Event{Code: command.EventZeroized, Text: "text"})
	response := wire(frame.Message{Type: frame.TypeResponse, Tag: 1})[0]
	odd := wire(frame.Message{Type: frame.TypeEvent, Code: 1, Payload: []byte{0xff}})[0]
	for name, transfer := range map[string][]byte{
		"empty": nil, "cut short": sound[:len(sound)-1], "header alone": sound[:frame.HeaderSize],
		"too long": append(append([]byte(nil), sound...), 0), "a response": response, "no CBOR": odd,
	} {
		if got := parseEvent(transfer).Code; got != command.EventEventsDropped {
			t.Errorf("%s: event %v, want %v", name, got, command.EventEventsDropped)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	payload, err := command.Marshal(command.Event{Role: command.RoleCO, Text: "text"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire(frame.Message{Type: frame.TypeEvent, Code: uint32(command.EventRoleLocked), Payload: payload})[0])
	f.Add([]byte("HSM7"))
	f.Fuzz(func(t *testing.T, transfer []byte) {
		if e := parseEvent(transfer); len(e.Text) > len(transfer) {
			t.Errorf("an event with a text of %d bytes out of %d", len(e.Text), len(transfer))
		}
	})
}

func TestNextEventEndsWithTheDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, d := connected(t, 1)
		done := make(chan error)
		go func() {
			_, err := dev.NextEvent(t.Context())
			done <- err
		}()
		synctest.Wait()
		go leave(t, dev, d)
		if err := <-done; err == nil {
			t.Error("an event out of nothing")
		}
		synctest.Wait()
	})
}
