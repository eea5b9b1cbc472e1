package usb_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

var errRefused = errors.New("refused")

// TestStreamFillsEveryURBWithFullPackets: a stream sends no short packet, so
// URBs are full, and one that ends inside a packet is babble.
func TestStreamFillsEveryURBWithFullPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		number := byte(0)
		streaming := stream(t, d.In(bulkIn).Stream, func(packet []byte) {
			for i := range packet {
				packet[i] = number
			}
			number++
		})
		tests := []struct {
			room    int
			packets []byte // the number of each packet
			status  usb.Status
		}{
			{512, []byte{0}, usb.OK},
			{1536, []byte{1, 2, 3}, usb.OK},
			{600, []byte{4, 5}, usb.EOVERFLOW},
			{0, nil, usb.EOVERFLOW},
			{512, []byte{6}, usb.OK},
		}
		for _, test := range tests {
			u := usbtest.Do(d, inURB(test.room))
			var want []byte
			for _, p := range test.packets {
				want = append(want, bytes.Repeat([]byte{p}, min(512, test.room-len(want)))...)
			}
			if u.Status != test.status || !bytes.Equal(u.Buffer[:u.Actual], want) {
				t.Errorf("room for %d bytes: %v, % .8x... (%d bytes); want %v, packets %v", test.room, u.Status, u.Buffer, u.Actual, test.status, test.packets)
			}
		}
		d.Disconnect()
		if err := <-streaming; err != usb.ErrReset {
			t.Errorf("Stream: %v, want %v", err, usb.ErrReset)
		}
	})
}

// TestStreamTakesPacketsAcrossTransfers: short packets, zero-length packets and
// URBs make no difference to a stream.
func TestStreamTakesPacketsAcrossTransfers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		synchronise(t, d.Out(bulkOut))
		var sizes []int
		streaming := stream(t, d.Out(bulkOut).Stream, func(packet []byte) error {
			sizes = append(sizes, len(packet))
			return nil
		})
		for _, u := range []*usb.URB{outURB(pattern(1024), 0), outURB(pattern(700), 0), outURB(nil, 0), outURB(pattern(512), usb.ZeroPacket)} {
			if usbtest.Do(d, u); u.Status != usb.OK || u.Actual != len(u.Buffer) {
				t.Errorf("%d of %d bytes, %v", u.Actual, len(u.Buffer), u.Status)
			}
		}
		d.Unplug()
		if err := <-streaming; err != usb.ErrReset {
			t.Errorf("Stream: %v, want %v", err, usb.ErrReset)
		}
		if want := []int{512, 512, 512, 188, 512}; !slices.Equal(sizes, want) {
			t.Errorf("packets of %v bytes, want %v", sizes, want)
		}
	})
}

// TestStreamThatRefusesAPacketHaltsTheEndpoint, until the host clears the halt.
func TestStreamThatRefusesAPacketHaltsTheEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		synchronise(t, d.Out(bulkOut))
		take := func(packet []byte) error {
			if packet[0] != 0 {
				return errRefused
			}
			return nil
		}
		streaming := stream(t, d.Out(bulkOut).Stream, take)
		bad := outURB(pattern(1024), 0)
		bad.Buffer[512] = 1
		if usbtest.Do(d, bad); bad.Status != usb.EPIPE || bad.Actual != 512 {
			t.Errorf("%d bytes, %v; want the first packet and %v", bad.Actual, bad.Status, usb.EPIPE)
		}
		wantStatus(t, usbtest.Do(d, outURB(pattern(512), 0)), usb.EPIPE)
		clear := usb.Setup{RequestType: onEndpoint, Request: usb.ClearFeature, Index: bulkOut}
		wantStatus(t, control(d, clear, nil), usb.OK)
		if err := <-streaming; err != usb.ErrReset {
			t.Errorf("Stream: %v, want %v", err, usb.ErrReset)
		}
		stream(t, d.Out(bulkOut).Stream, take)
		wantStatus(t, usbtest.Do(d, outURB(pattern(512), 0)), usb.OK)
	})
}

// TestStreamServesWhereTheHostSubmits: no goroutine has to be woken.
func TestStreamServesWhereTheHostSubmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := connected(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.In(bulkIn).Stream(ctx, func(packet []byte) { clear(packet) }) }()
		synctest.Wait()
		u := inURB(512)
		if done := usbtest.Start(d, u); pending(done) || u.Actual != 512 {
			t.Errorf("the URB is pending when Submit returns, with %d bytes", u.Actual)
		}
		cancel()
		<-ended
		if done := usbtest.Start(d, inURB(512)); !pending(done) {
			t.Error("a stream that has ended serves a URB")
		}
	})
}

func TestStreamEndsWithItsContext(t *testing.T) {
	d := connected(t, nil)
	synchronise(t, d.Out(bulkOut))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.In(bulkIn).Stream(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("IN: %v, want the error of the context", err)
	}
	if err := d.Out(bulkOut).Stream(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("OUT: %v, want the error of the context", err)
	}
}

// stream runs a Stream in a goroutine that ends with the test.
func stream[F any](t *testing.T, run func(context.Context, F) error, each F) <-chan error {
	result := make(chan error, 1)
	go func() { result <- run(t.Context(), each) }()
	return result
}
