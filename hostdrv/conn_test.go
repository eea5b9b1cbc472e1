package hostdrv

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
	"usbhsm7/hostdrv/transport"
)

// inBubble runs f with a driver connected to a fake device that takes inFlight
// requests, on simulated time.
func inBubble(t *testing.T, inFlight uint32, f func(*testing.T, *Device, *fakeDevice)) {
	synctest.Test(t, func(t *testing.T) {
		dev, d := connected(t, inFlight)
		defer leave(t, dev, d)
		f(t, dev, d)
	})
}

// result is what a call returned.
type result struct {
	data []byte
	err  error
}

// startEcho begins an echo in the background.
func startEcho(ctx context.Context, dev *Device, data []byte) <-chan result {
	done := make(chan result, 1)
	go func() {
		got, err := dev.Echo(ctx, data)
		done <- result{got, err}
	}()
	return done
}

func TestALoneRequestIsSentAtOnce(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, dev *Device, d *fakeDevice) {
		begun := time.Now()
		done := startEcho(t.Context(), dev, []byte("x"))
		d.echo(d.next())
		if r := <-done; r.err != nil || string(r.data) != "x" {
			t.Errorf("echo %q, %v", r.data, r.err)
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it waited %v for company", took)
		}
	})
}

func TestRequestsThatWaitShareATransfer(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, dev *Device, d *fakeDevice) {
		var calls []<-chan result
		for range 6 {
			calls = append(calls, startEcho(t.Context(), dev, []byte("x")))
			synctest.Wait() // the first is being written, the others wait behind it
		}
		if first, second := d.transfer(), d.transfer(); first != 1 || second != 5 {
			t.Errorf("transfers with %d and %d requests, want 1 and 5", first, second)
		}
		for range calls {
			d.echo(d.next())
		}
		for _, done := range calls {
			if r := <-done; r.err != nil {
				t.Error(r.err)
			}
		}
	})
}

func TestResponsesMayComeInAnyOrder(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, dev *Device, d *fakeDevice) {
		one := startEcho(t.Context(), dev, []byte("one"))
		first := d.next()
		two := startEcho(t.Context(), dev, []byte("two"))
		d.echo(d.next())
		if r := <-two; string(r.data) != "two" {
			t.Errorf("%q, %v", r.data, r.err)
		}
		d.echo(first)
		if r := <-one; string(r.data) != "one" {
			t.Errorf("%q, %v", r.data, r.err)
		}
	})
}

func TestNoMoreRequestsAreInFlightThanTheDeviceTakes(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		var calls []<-chan result
		for range 3 {
			calls = append(calls, startEcho(t.Context(), dev, nil))
		}
		first, second := d.next(), d.next()
		synctest.Wait()
		if len(d.heard) != 0 {
			t.Error("a third request was sent")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := dev.Echo(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for a slot: %v", err)
		}
		d.echo(first)
		d.echo(d.next())
		d.echo(second)
		for _, done := range calls {
			if r := <-done; r.err != nil {
				t.Error(r.err)
			}
		}
	})
}

func TestAnAbandonedRequestIsCancelledAndItsLateResponseDropped(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, dev *Device, d *fakeDevice) {
		ctx, cancel := context.WithCancel(t.Context())
		given := startEcho(ctx, dev, []byte("given up"))
		request := d.next()
		cancel()
		if r := <-given; !errors.Is(r.err, context.Canceled) {
			t.Errorf("the call returned %v", r.err)
		}
		if m := d.next(); m.Type != frame.TypeCancel || m.Tag != request.Tag {
			t.Errorf("%v for tag %d, want CANCEL for %d", m.Type, m.Tag, request.Tag)
		}
		next := startEcho(t.Context(), dev, []byte("next")) // waits for the slot
		synctest.Wait()
		d.echo(request)
		d.echo(d.next())
		if r := <-next; string(r.data) != "next" {
			t.Errorf("the next call returned %q, %v", r.data, r.err)
		}
	})
}

func TestARequestAbandonedBeforeItWasSentIsNotSent(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		first := startEcho(t.Context(), dev, []byte("first"))
		synctest.Wait() // its transfer waits to be taken
		ctx, cancel := context.WithCancel(t.Context())
		second := startEcho(ctx, dev, []byte("second"))
		synctest.Wait()
		cancel()
		<-second
		d.echo(d.next())
		<-first
		third := startEcho(t.Context(), dev, []byte("third"))
		m := d.next()
		if !bytes.Contains(m.Payload, []byte("third")) {
			t.Errorf("%v with %q was sent", m.Type, m.Payload)
		}
		d.echo(m)
		<-third
	})
}

func TestAnAbandonedLargeRequestIsCutShort(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		ctx, cancel := context.WithCancel(t.Context())
		given := startEcho(ctx, dev, make([]byte, 100*frame.MaxPayload))
		d.transfer() // the first of about a hundred
		synctest.Wait()
		cancel()
		<-given
		sent := 1
		for len(d.faults) == 0 { // a CANCEL within a message is a fault with its tag
			d.transfer()
			sent++
		}
		if sent > 4 {
			t.Errorf("%d transfers were sent before the CANCEL", sent)
		}
		f := d.faults[0]
		if f.Status != uint32(command.StatusFunctionCanceled) {
			t.Errorf("fault %+v", f)
		}
		d.send(frame.TypeResponse, f.Tag, command.StatusFunctionCanceled, nil)
		next := startEcho(t.Context(), dev, make([]byte, 2*frame.MaxPayload))
		d.echo(d.next())
		if r := <-next; r.err != nil {
			t.Error(r.err)
		}
	})
}

func TestARequestThatIsRefusedEarlyIsSentNoFurther(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		refused := startEcho(t.Context(), dev, make([]byte, 100*frame.MaxPayload))
		transfer := <-d.link.out
		h, err := frame.ParseHeader(transfer)
		if err != nil {
			t.Fatal(err)
		}
		d.take(transfer)
		d.send(frame.TypeResponse, h.Tag, command.StatusMailboxesNotAvailable, nil)
		if r := <-refused; !errors.Is(r.err, command.StatusMailboxesNotAvailable) {
			t.Errorf("the call returned %v", r.err)
		}
		next := startEcho(t.Context(), dev, []byte("next"))
		sent := 0
		for ; len(d.heard) == 0; sent++ {
			d.transfer()
		}
		if sent > 3 {
			t.Errorf("%d more transfers were sent", sent)
		}
		d.echo(d.next())
		<-next
		synctest.Wait()
		select {
		case <-d.link.out:
			t.Error("the refused message goes on")
		default:
		}
	})
}

func TestALargeMessageTakesTurnsWithASmallOne(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, dev *Device, d *fakeDevice) {
		large := startEcho(t.Context(), dev, make([]byte, 50*frame.MaxPayload))
		synctest.Wait()
		small := startEcho(t.Context(), dev, []byte("small"))
		synctest.Wait()
		transfers := 0
		for ; len(d.heard) == 0; transfers++ {
			d.transfer()
		}
		if transfers > 3 {
			t.Errorf("the small message came in transfer %d", transfers)
		}
		d.echo(d.next())
		<-small
		d.echo(d.next())
		if r := <-large; r.err != nil {
			t.Error(r.err)
		}
	})
}

func TestLongTransfersEndByThemselves(t *testing.T) {
	inBubble(t, 4, func(t *testing.T, dev *Device, d *fakeDevice) {
		done := startEcho(t.Context(), dev, make([]byte, 3*frame.MaxPayload))
		longest := 0
		for len(d.heard) == 0 {
			transfer := <-d.link.out
			for _, packet := range []int{64, 512, 1024} {
				if len(transfer)%packet == 0 {
					t.Errorf("a transfer of %d bytes is one of full packets of %d", len(transfer), packet)
				}
			}
			longest = max(longest, len(transfer))
			d.take(transfer)
		}
		if longest != frame.MaxTransfer-1 {
			t.Errorf("the longest transfer has %d bytes, want %d", longest, frame.MaxTransfer-1)
		}
		d.echo(d.next())
		if r := <-done; r.err != nil {
			t.Error(r.err)
		}
	})
}

// A message that fits a frame may still be cut, to fill a transfer. The device counts
// it among those that are not whole yet.
func TestShortMessagesThatAreCutHaveTheirPlaceBesideLargeOnes(t *testing.T) {
	inBubble(t, frame.MaxInFlight, func(t *testing.T, dev *Device, d *fakeDevice) {
		const envelope = 16 // at least what an echo adds to its data, bytes
		var sizes []int
		for range 2 {
			sizes = append(sizes, frame.MaxMessage-envelope)
		}
		for range 40 {
			sizes = append(sizes, frame.MaxPayload/2)
		}
		var calls []<-chan result
		for _, size := range sizes {
			calls = append(calls, startEcho(t.Context(), dev, make([]byte, size)))
			synctest.Wait()
		}
		for range calls {
			d.echo(d.next())
		}
		for i, done := range calls {
			if r := <-done; r.err != nil {
				t.Errorf("echo of %d bytes: %v", sizes[i], r.err)
			}
		}
		for _, f := range d.faults {
			t.Errorf("the device refused: %s", f.Cause)
		}
	})
}

func TestNoMoreLargeMessagesAreUnderWayThanTheDeviceHolds(t *testing.T) {
	inBubble(t, 8, func(t *testing.T, dev *Device, d *fakeDevice) {
		var calls []<-chan result
		for range 4 {
			calls = append(calls, startEcho(t.Context(), dev, make([]byte, frame.MaxUnfinished/3)))
		}
		first, second := d.next(), d.next()
		synctest.Wait()
		small := startEcho(t.Context(), dev, []byte("small")) // is not held up by them
		m := d.next()
		if len(m.Payload) > 100 {
			t.Error("a third large message was sent")
		}
		d.echo(m)
		<-small
		d.echo(first)
		d.echo(second)
		d.echo(d.next())
		d.echo(d.next())
		for _, done := range calls {
			if r := <-done; r.err != nil {
				t.Error(r.err)
			}
		}
	})
}

func TestWhatWasSentIsWiped(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		s := &Session{device: dev, conn: dev.conn, handle: 5}
		done := make(chan error, 1)
		go func() { done <- s.Login(t.Context(), command.RoleCO, []byte("a secret password")) }()
		transfer := <-d.link.out
		d.take(transfer)
		m := d.next()
		if m.Session != 5 || !bytes.Contains(m.Payload, []byte("a secret password")) {
			t.Errorf("login of session %d with %q", m.Session, m.Payload)
		}
		synctest.Wait()
		if len(bytes.Trim(transfer, "\x00")) != 0 {
			t.Error("the transfer is still in memory")
		}
		d.answer(m, nil)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestARefusalCarriesStatusCauseAndHint(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		done := startEcho(t.Context(), dev, nil)
		d.send(frame.TypeResponse, d.next().Tag, command.StatusPINIncorrect, &command.ErrorResponse{Cause: "wrong", Hint: "mind the caps"})
		err := (<-done).err
		var refused *command.Error
		if !errors.Is(err, command.StatusPINIncorrect) || !errors.As(err, &refused) ||
			refused.Cause != "wrong" || refused.Hint != "mind the caps" {
			t.Errorf("error %v", err)
		}
		if !strings.HasPrefix(err.Error(), "echo: ") {
			t.Errorf("%q does not name the command", err)
		}
	})
}

func TestAResponseThatCannotBeDecodedBreaksTheProtocol(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		done := startEcho(t.Context(), dev, nil)
		d.answer(d.next(), &command.HelloRequest{})
		if err := (<-done).err; !errors.Is(err, ErrProtocol) || errors.Is(err, command.StatusArgumentsBad) {
			t.Errorf("error %v, want %v", err, ErrProtocol)
		}
	})
}

func TestTheEndOfTheLinkEndsEveryCall(t *testing.T) {
	garbage := []byte("these bytes are no frame")
	tests := []struct {
		name string
		end  func(*fakeDevice)
		want error
	}{
		{"unplugged", func(d *fakeDevice) { close(d.link.gone) }, transport.ErrDisconnected},
		{"garbage", func(d *fakeDevice) { d.link.in <- garbage }, ErrProtocol},
		{"a request was damaged", func(d *fakeDevice) { d.send(frame.TypeResponse, 0, command.StatusCommandMalformed, nil) }, ErrProtocol},
		{"reset behind the driver's back", func(d *fakeDevice) {
			d.send(frame.TypeResponse, 7, command.StatusNoTransmission, nil)
		}, transport.ErrDisconnected},
		{"an event among the responses", func(d *fakeDevice) { d.send(frame.TypeEvent, 0, 1, nil) }, ErrProtocol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, 4, func(t *testing.T, dev *Device, d *fakeDevice) {
				small, large := startEcho(t.Context(), dev, nil), startEcho(t.Context(), dev, make([]byte, 1<<20))
				d.next()
				test.end(d)
				for _, done := range []<-chan result{small, large} {
					if err := (<-done).err; !errors.Is(err, test.want) {
						t.Errorf("error %v, want %v", err, test.want)
					}
				}
				_, err := dev.Info(t.Context())
				if !errors.Is(err, test.want) || errors.Is(err, ErrProtocol) && errors.Is(err, transport.ErrDisconnected) {
					t.Errorf("a later call: %v, want %v alone", err, test.want)
				}
				if _, err := dev.NextEvent(t.Context()); !errors.Is(err, test.want) {
					t.Errorf("waiting for an event: %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, d := connected(t, 2)
		done := startEcho(t.Context(), dev, nil)
		d.next()
		leave(t, dev, d)
		if err := (<-done).err; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("error %v, want %v", err, transport.ErrClosed)
		}
		if m := d.next(); m.Type != frame.TypeHello {
			t.Errorf("took leave with %v, want a HELLO, which ends the sessions", m.Type)
		}
		if err := dev.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

func TestCloseDoesNotWaitForADeviceThatDoesNotListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev, _ := connected(t, 2)
		begun := time.Now()
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took != farewellTimeout {
			t.Errorf("it took %v, want %v", took, farewellTimeout)
		}
	})
}

func TestADeviceOpenedOverAGivenLinkCannotReconnect(t *testing.T) {
	inBubble(t, 2, func(t *testing.T, dev *Device, d *fakeDevice) {
		if err := dev.Reconnect(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("error %v, want %v", err, errors.ErrUnsupported)
		}
	})
}
