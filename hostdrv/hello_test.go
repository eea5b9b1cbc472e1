package hostdrv

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

func TestOpenDropsWhatAnEarlierHostLeftUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := newFakeLink()
		d := &fakeDevice{t: t, link: link}
		go func() {
			stale := wire(frame.Message{Type: frame.TypeResponse, Tag: 7, Payload: make([]byte, 2*frame.MaxPayload)})
			link.in <- stale[1]                    // the end of a response
			link.in <- []byte("no frame at all")   // the rest of a transfer
			link.in <- stale[0]                    // the beginning of another
			d.send(frame.TypeHello, 9, 0, able(3)) // the answer to an earlier HELLO
			d.answerHello(4)
		}()
		dev, err := Open(t.Context(), link, Options{})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		if got := dev.Capabilities().MaxInFlight; got != 4 {
			t.Errorf("%d requests in flight, want 4", got)
		}
		leave(t, dev, d)
	})
}

// A device that is full of responses does not listen before they are read.
func TestOpenReadsWhileItsHelloWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := newFakeLink()
		d := &fakeDevice{t: t, link: link}
		go func() {
			for range 100 {
				link.in <- wire(frame.Message{Type: frame.TypeResponse, Tag: 7})[0]
			}
			d.answerHello(1)
		}()
		dev, err := Open(t.Context(), link, Options{})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		leave(t, dev, d)
	})
}

func TestOpenRepeatsAHelloThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := newFakeLink()
		d := &fakeDevice{t: t, link: link}
		begun := time.Now()
		go func() {
			first := d.next()
			second := d.next()
			if first.Tag == second.Tag {
				t.Error("two HELLOs with the same tag")
			}
			d.send(frame.TypeHello, second.Tag, command.StatusOK, able(1))
		}()
		dev, err := Open(t.Context(), link, Options{HelloTimeout: time.Second})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("the second HELLO came after %v, want 1s", took)
		}
		leave(t, dev, d)
	})
}

func TestOpenGivesASilentDeviceUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := newFakeLink()
		begun := time.Now()
		_, err := Open(t.Context(), link, Options{HelloTimeout: time.Second})
		if !errors.Is(err, ErrNoAnswer) {
			t.Errorf("error %v, want %v", err, ErrNoAnswer)
		}
		if took := time.Since(begun); took != helloAttempts*time.Second {
			t.Errorf("it took %v, want %ds", took, helloAttempts)
		}
		<-link.closed // the link is the driver's to close
	})
}

func TestOpenEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := Open(ctx, newFakeLink(), Options{})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoAnswer) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestOpenFailsWhenTheDeviceGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := newFakeLink()
		close(link.gone)
		if _, err := Open(t.Context(), link, Options{}); !errors.Is(err, transport.ErrDisconnected) {
			t.Errorf("error %v, want %v", err, transport.ErrDisconnected)
		}
	})
}

func TestOpenRefusesAnAnswerThatMakesNoSense(t *testing.T) {
	lame := func(change func(*command.HelloResponse)) *command.HelloResponse {
		r := able(1)
		change(r)
		return r
	}
	tests := []struct {
		name   string
		status command.Status
		answer any
		want   error
	}{
		{"no common version", command.StatusIncompatible, &command.ErrorResponse{Cause: "too old"}, command.StatusIncompatible},
		{"a version not asked for", 0, lame(func(r *command.HelloResponse) { r.Version = 2 }), ErrProtocol},
		{"transfers too short for a frame", 0, lame(func(r *command.HelloResponse) { r.MaxTransfer = 31 }), ErrProtocol},
		{"no request in flight", 0, lame(func(r *command.HelloResponse) { r.MaxInFlight = 0 }), ErrProtocol},
		{"no message", 0, lame(func(r *command.HelloResponse) { r.MaxMessage = 0 }), ErrProtocol},
		{"another payload", 0, &command.Echo{Data: []byte("hello")}, ErrProtocol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := newFakeLink()
				d := &fakeDevice{t: t, link: link}
				go func() { d.send(frame.TypeHello, d.next().Tag, test.status, test.answer) }()
				if _, err := Open(t.Context(), link, Options{}); !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				<-link.closed
			})
		})
	}
}

func TestLimitsOfADeviceThatPromisesMoreAreLowered(t *testing.T) {
	r := able(1000)
	r.MaxTransfer, r.MaxMessage = 1<<20, 1<<30
	if err := agree(r); err != nil {
		t.Fatal(err)
	}
	if r.MaxTransfer != frame.MaxTransfer || r.MaxMessage != frame.MaxMessage || r.MaxInFlight != frame.MaxInFlight {
		t.Errorf("agreed on %+v", r)
	}
}
