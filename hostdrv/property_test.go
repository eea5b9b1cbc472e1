package hostdrv

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

// Whatever the sizes of requests, the order of responses and the moments at
// which callers give up: a caller gets its own data, or its context's error;
// the device never has more requests than it takes, and no slot is lost.
func TestCallersGetTheirOwnAnswers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		inFlight := rapid.Uint32Range(1, 5).Draw(r, "in flight")
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 500, 70_000, 200_000}), 1, 12).Draw(r, "sizes")
		order := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "order"), 0))
		giveUp := rapid.SliceOfN(rapid.Bool(), len(sizes), len(sizes)).Draw(r, "give up")
		synctest.Test(t, func(t *testing.T) {
			dev, d := connected(t, inFlight)
			host, stop := context.WithCancel(t.Context())
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				serveShuffled(host, order, d, int(inFlight))
			}()
			var callers sync.WaitGroup
			for i, size := range sizes {
				callers.Go(func() { callOnce(t, dev, byte(i), size, giveUp[i]) })
			}
			callers.Wait()
			for range inFlight { // every slot is free again, sooner or later
				callers.Go(func() { callOnce(t, dev, 0xee, 10, false) })
			}
			callers.Wait()
			stop()
			<-finished
			leave(t, dev, d)
		})
	})
}

func callOnce(t *testing.T, dev *Device, fill byte, size int, giveUp bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if giveUp {
		go cancel()
	}
	data := bytes.Repeat([]byte{fill}, size)
	got, err := dev.Echo(ctx, data)
	if giveUp && errors.Is(err, context.Canceled) {
		return
	}
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("echo of %d bytes: %d bytes, %v", size, len(got), err)
	}
}

// serveShuffled answers requests in a random order.
func serveShuffled(ctx context.Context, order *rand.Rand, d *fakeDevice, most int) {
	var waiting []frame.Message
	for {
		for _, m := range d.heard {
			if m.Type == frame.TypeRequest {
				waiting = append(waiting, m)
			}
		}
		for _, f := range d.faults { // cancelled before it was whole
			waiting = append(waiting, frame.Message{Type: frame.TypeCancel, Tag: f.Tag})
		}
		d.heard, d.faults = nil, nil
		if len(waiting) > most {
			d.t.Errorf("%d requests in flight, the device takes %d", len(waiting), most)
		}
		if len(waiting) > 0 && (len(waiting) == most || order.IntN(2) == 0) {
			i := order.IntN(len(waiting))
			m := waiting[i]
			waiting = append(waiting[:i], waiting[i+1:]...)
			if m.Type == frame.TypeCancel {
				d.send(frame.TypeResponse, m.Tag, command.StatusFunctionCanceled, nil)
			} else {
				d.echo(m)
			}
			continue
		}
		if !d.listen(ctx, len(waiting) > 0) {
			return
		}
	}
}

// listen takes the host's next transfer. If others wait for an answer it gives
// up when the host has nothing to say.
func (d *fakeDevice) listen(ctx context.Context, others bool) bool {
	if others {
		synctest.Wait()
		select {
		case transfer := <-d.link.out:
			d.take(transfer)
		default:
		}
		return true
	}
	select {
	case transfer := <-d.link.out:
		d.take(transfer)
		return true
	case <-ctx.Done():
		return false
	}
}
