package server_test

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"

	"usbhsm7/usbip/usb"
)

// gadget is a device with all 15 IN and 15 OUT endpoints and a function that
// sends and receives transfers of numbered words when it is told to.
type gadget struct {
	*usb.Device
	running sync.WaitGroup

	mu       sync.Mutex
	feeders  map[lane]*feeder
	takers   map[lane]*taker
	controls []uint32 // tags of the OUT requests of the vendor, in order
}

// lane is an endpoint as one kind: some are isochronous in an alternate setting.
type lane struct {
	address uint8
	iso     bool
}

// feeder is the function's side of an IN endpoint.
type feeder struct {
	jobs chan int // lengths of transfers
	next uint32   // word
	sent []transfer
}

// transfer is a run of words that was sent as one.
type transfer struct {
	first, end uint32
	whole      bool // it was not cut off
}

// taker is the function's side of an OUT endpoint.
type taker struct {
	jobs     chan int // sizes of buffers
	received []arrival
}

// arrival is what a Read returned.
type arrival struct {
	words  []uint32
	broken bool // words may be missing here: a reset, or a transfer too long
}

// Requests of the vendor.
const (
	vendorData  = 1 // wValue and wIndex are the tag; the data is a run of words
	vendorStall = 2
)

func newGadget() (*gadget, error) {
	g := &gadget{feeders: map[lane]*feeder{}, takers: map[lane]*taker{}}
	var err error
	if g.Device, err = usb.NewDevice(gadgetDescriptors(), g); err != nil {
		return nil, err
	}
	for n := uint8(11); n <= 15; n++ {
		in, out := &feeder{}, &taker{}
		g.feeders[lane{n | usb.DirIn, true}], g.takers[lane{n, true}] = in, out
		err = errors.Join(err, g.Source(n|usb.DirIn, g.packets(in)), g.Sink(n, g.collect(out)))
	}
	return g, err
}

// packets makes packets of 1 to 7 words for an isochronous endpoint.
func (g *gadget) packets(f *feeder) func(int) []byte {
	return func(int) []byte {
		t := transfer{first: f.next, end: f.next + f.next%8, whole: true}
		if t.first == t.end {
			t.end++
		}
		f.next = t.end
		g.mu.Lock()
		defer g.mu.Unlock()
		f.sent = append(f.sent, t)
		return words(t.first, t.end)
	}
}

// collect takes the packets of an isochronous endpoint.
func (g *gadget) collect(k *taker) func([]byte) {
	return func(packet []byte) {
		g.mu.Lock()
		defer g.mu.Unlock()
		k.received = append(k.received, arrival{words: parseWords(packet)})
	}
}

// gadgetDescriptors has three interfaces in the first configuration: endpoints 1
// to 5 are always there, 6 to 10 (interrupt) in alternate setting 1 only, 11 to
// 15 in all three: with short and long interrupt packets, and isochronous. The
// second configuration has 1 to 3 only.
func gadgetDescriptors() usb.Descriptors {
	pairs := func(first, last int, kind usb.EndpointType, size uint16) (list []usb.Endpoint) {
		for n := first; n <= last; n++ {
			e := usb.Endpoint{Address: uint8(n), Type: kind, MaxPacketSize: size}
			if kind != usb.Bulk {
				e.Interval = 4
			}
			list = append(list, e)
			e.Address |= usb.DirIn
			list = append(list, e)
		}
		return list
	}
	return usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001, Release: 0x0100,
		Configurations: []usb.Configuration{
			{Value: 1, MaxPower: 100, Interfaces: []usb.Interface{
				{Number: 0, Class: 0xff, Endpoints: pairs(1, 5, usb.Bulk, 512)},
				{Number: 1, Class: 0xff},
				{Number: 1, Alternate: 1, Class: 0xff, Endpoints: pairs(6, 10, usb.Interrupt, 64)},
				{Number: 2, Class: 0xff, Endpoints: pairs(11, 15, usb.Interrupt, 64)},
				{Number: 2, Alternate: 1, Class: 0xff, Endpoints: pairs(11, 15, usb.Interrupt, 512)},
				{Number: 2, Alternate: 2, Class: 0xff, Endpoints: pairs(11, 15, usb.Isochronous, 96)},
			}},
			{Value: 2, MaxPower: 100, Interfaces: []usb.Interface{{Class: 0xff, Endpoints: pairs(1, 3, usb.Bulk, 512)}}},
		},
	}
}

// run runs the function until ctx ends.
func (g *gadget) run(ctx context.Context) {
	for n := uint8(1); n <= 15; n++ {
		in, out := &feeder{jobs: make(chan int, 256)}, &taker{jobs: make(chan int, 256)}
		g.feeders[lane{address: n | usb.DirIn}], g.takers[lane{address: n}] = in, out
		g.running.Go(func() { g.send(ctx, g.In(n|usb.DirIn), in) })
		g.running.Go(func() { g.receive(ctx, g.Out(n), out) })
	}
}

// ask gives a job to the function, unless it has too many.
func ask(jobs chan int, job int) {
	select {
	case jobs <- job:
	default:
	}
}

func (g *gadget) send(ctx context.Context, e *usb.InEndpoint, s *feeder) {
	for {
		select {
		case n := <-s.jobs:
			t := transfer{first: s.next, end: s.next + uint32(n/4)}
			s.next = t.end
			t.whole = e.Write(ctx, words(t.first, t.end)) == nil
			g.mu.Lock()
			s.sent = append(s.sent, t)
			g.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

func (g *gadget) receive(ctx context.Context, e *usb.OutEndpoint, s *taker) {
	for {
		select {
		case size := <-s.jobs:
			p := make([]byte, size)
			n, err := e.Read(ctx, p)
			a := arrival{words: parseWords(p[:n]), broken: err != nil && !errors.Is(err, context.Canceled)}
			g.mu.Lock()
			s.received = append(s.received, a)
			g.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

// Control answers the requests of the vendor.
func (g *gadget) Control(s usb.Setup, data []byte) ([]byte, error) {
	tag := uint32(s.Value)<<16 | uint32(s.Index)
	switch {
	case s.Request == vendorStall:
		return nil, usb.EPIPE
	case s.In():
		return words(tag, tag+uint32(s.Length)/4), nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.controls = append(g.controls, tag)
	return nil, nil
}

// words returns the words from first to the one before end.
func words(first, end uint32) []byte {
	var b []byte
	for w := first; w < end; w++ {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

func parseWords(b []byte) (list []uint32) {
	for ; len(b) >= 4; b = b[4:] {
		list = append(list, binary.BigEndian.Uint32(b))
	}
	return list
}
