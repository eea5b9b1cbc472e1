package fault

import (
	"math/rand/v2"
	"time"

	"usbhsm7/usbip/usb"
)

// plan is what happens to one transfer: the faults of the rule that fired, with
// everything random drawn.
type plan struct {
	wait   time.Duration // at the head of its lane, before the device gets it; forever
	hold   time.Duration // the result is held this long
	turn   bool          // only when no transfer of its lane is at the device
	before *usb.URB      // goes to the device first; a template
	whole  bool          // the device takes part, to the end of the transfer
	limit  int           // otherwise: it moves this many bytes of it, and then it
	status usb.Status    // ends with this
	cut    int           // bytes of the transfer that arrive; -1 = all
	unplug bool          // at the end the device unplugs
	plug   time.Duration // and comes back after this; 0 = not by itself
	behind int           // results of other lanes that come first
	within time.Duration // but it waits no longer for them
	flip   Corrupt
	seed   uint64 // for flip
}

// forever is a wait that only the host ends.
const forever time.Duration = 1<<63 - 1

// undisturbed is the plan of a transfer that no rule fires for.
var undisturbed = plan{whole: true, cut: -1}

// refused is the plan of a transfer that no device gets.
func refused(status usb.Status) plan { return plan{turn: true, cut: -1, status: status} }

// planner is a Fault between server and device.
type planner interface {
	plan(p *plan, i *transferInfo, r *rand.Rand)
}

func (d Delay) plan(p *plan, i *transferInfo, r *rand.Rand) {
	if i.direction() == In {
		p.hold = d.draw(r)
	} else {
		p.wait += d.draw(r)
	}
}

func (f NAK) plan(p *plan, _ *transferInfo, _ *rand.Rand) {
	if f.For == 0 {
		p.wait = forever
	} else {
		p.wait += f.For
	}
}

func (f Stall) plan(p *plan, i *transferInfo, _ *rand.Rand) {
	p.turn = true
	if f.Once || i.kind == Control || i.kind == Isochronous {
		p.whole, p.status = false, usb.EPIPE
		return
	}
	p.before = &usb.URB{Setup: usb.Setup{
		RequestType: usb.RecipientEndpoint, Request: usb.SetFeature,
		Value: usb.FeatureEndpointHalt, Index: uint16(i.address),
	}}
}

func (f Short) plan(p *plan, _ *transferInfo, _ *rand.Rand) { p.cut = f.Bytes }

func (ZeroLength) plan(p *plan, i *transferInfo, _ *rand.Rand) {
	p.turn = true
	switch {
	case i.kind == Control:
		p.cut = 0
	case i.direction() == In:
		p.whole, p.status = false, usb.OK
	default:
		p.before = &usb.URB{Endpoint: i.address}
	}
}

func (f Error) plan(p *plan, _ *transferInfo, _ *rand.Rand) {
	p.turn, p.whole, p.limit, p.status = true, false, f.After, f.Status
}

func (f Disconnect) plan(p *plan, _ *transferInfo, _ *rand.Rand) {
	p.turn, p.whole, p.limit, p.status = true, false, f.After, usb.ESHUTDOWN
	p.unplug, p.plug = true, f.Plug
}

func (Reset) plan(p *plan, _ *transferInfo, _ *rand.Rand) {
	p.turn = true
	p.before = &usb.URB{Setup: usb.Setup{
		RequestType: usb.TypeClass | usb.RecipientOther, Request: usb.SetFeature, Value: usb.FeaturePortReset,
	}}
}

// patience is how long a Reorder waits to be overtaken if it does not say.
const patience = 100 * time.Millisecond

func (f Reorder) plan(p *plan, _ *transferInfo, _ *rand.Rand) {
	p.behind, p.within = f.Behind, f.Within
	if p.within == 0 {
		p.within = patience
	}
}

func (f Corrupt) plan(p *plan, _ *transferInfo, r *rand.Rand) { p.flip, p.seed = f, r.Uint64() }
