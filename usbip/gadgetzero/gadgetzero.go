// Package gadgetzero is a USB device that has no purpose but to be tested: what
// Linux calls Gadget Zero, for which its module usbtest is written. It serves
// tests and benchmarks of everything between it and a host; no product contains
// it.
//
//	g, err := gadgetzero.New(gadgetzero.Options{Speed: usb.SpeedHigh})
//	defer g.Close()
//	err = server.Export("1-1", g.USB())
//
// In alternate setting 0 of its one interface it has a bulk source and a bulk
// sink. Alternate setting 1 adds sources and sinks on isochronous and interrupt
// endpoints.
//
// A source sends full packets of the [Pattern], as many as the host makes room
// for; room for a part of a packet overflows. A sink takes whatever the host
// sends. On bulk and interrupt endpoints it halts when the data is not the
// pattern; on the isochronous one, which has no way to tell the host, it does not
// look. With the vendor request [ControlWrite] the host writes into a buffer,
// from which [ControlRead] reads.
package gadgetzero

import (
	"context"
	"errors"
	"sync"

	"usbhsm7/usbip/usb"
)

// Options say what the device is like.
type Options struct {
	Speed   usb.Speed
	Pattern Pattern
}

// Gadget is a Gadget Zero that is plugged in.
type Gadget struct {
	device    *usb.Device
	packet    packet
	cancel    context.CancelFunc
	endpoints sync.WaitGroup
	buffer    []byte // what ControlWrite wrote; control requests come one at a time
}

// New returns a device that is ready for a host. Its goroutines end with Close.
// The error wraps usb.ErrDescriptors if the speed is not one that devices have.
func New(o Options) (*Gadget, error) {
	g := &Gadget{packet: o.Pattern.packet()}
	device, err := usb.NewDevice(describe(o.Speed), usb.HandlerFunc(g.control))
	if err != nil {
		return nil, err
	}
	g.device = device
	if err := device.Source(IsochronousIn, g.packet.interval(shapes[o.Speed].isochronous)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	g.start(ctx)
	return g, nil
}

// USB returns the device as a host sees it, and by which it is unplugged.
func (g *Gadget) USB() *usb.Device { return g.device }

// Close unplugs the device and ends it. A connected host is told, and its URBs
// end with ESHUTDOWN.
func (g *Gadget) Close() {
	g.device.Unplug()
	g.cancel()
	g.endpoints.Wait()
}

// start has a goroutine serve each bulk and interrupt endpoint.
func (g *Gadget) start(ctx context.Context) {
	for _, address := range []uint8{BulkIn, InterruptIn} {
		in := g.device.In(address)
		g.endpoints.Go(func() { again(func() error { return in.Stream(ctx, g.packet.fill) }) })
	}
	for _, address := range []uint8{BulkOut, InterruptOut} {
		out := g.device.Out(address)
		g.endpoints.Go(func() { again(func() error { return out.Stream(ctx, g.packet.check) }) })
	}
}

// again streams for as long as only resets interrupt it. Packets do not depend
// on those before them, so a reset needs no answer.
func again(stream func() error) {
	for errors.Is(stream(), usb.ErrReset) {
	}
}
