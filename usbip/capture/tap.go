package capture

import (
	"slices"
	"sync"
	"sync/atomic"

	"usbhsm7/usbip/usb"
)

// Tap shows URBs to captures. It serves any number of ports, one after the other
// or at once, so that a capture outlasts a device that is switched off and on.
// Its methods may be called from any goroutine.
type Tap struct {
	captures atomic.Pointer[[]*Capture] // those under way; nil = none
	lastID   atomic.Uint64
	flights  sync.Pool  // of *flight
	mu       sync.Mutex // held while captures changes
}

// NewTap returns a Tap that nobody watches.
func NewTap() *Tap {
	t := &Tap{}
	t.flights.New = func() any {
		f := &flight{}
		f.landed = f.land
		return f
	}
	return t
}

// Unplugged is the comment of the first packet after the device was unplugged.
const Unplugged = "the device was unplugged"

// Place tells where a port is on the bus that a capture shows.
type Place struct {
	Bus    uint16 // usually 1
	Device uint8  // its address there, 1 to 127

	// Configurations of the device, from which the types of its endpoints are
	// known. Without them the types are learnt from the descriptors that the host
	// reads while a capture is under way; until then an endpoint is taken for
	// bulk.
	Configurations []usb.Configuration
}

// Submitter is the part of usb.Port that moves data.
type Submitter interface {
	Submit(*usb.URB)
	Cancel(*usb.URB)
}

// Port returns p with the Tap in between.
func (t *Tap) Port(p usb.Port, where Place) usb.Port {
	return &port{Port: p, line: t.line(p, where)}
}

// Submitter returns s with the Tap in between.
func (t *Tap) Submitter(s Submitter, where Place) Submitter { return t.line(s, where) }

func (t *Tap) line(s Submitter, where Place) *line {
	l := &line{tap: t, to: s, bus: where.Bus, device: where.Device}
	l.types.note(where.Configurations)
	return l
}

// line is one tapped way to a device.
type line struct {
	tap    *Tap
	to     Submitter
	bus    uint16
	device uint8
	types  types
	gone   atomic.Pointer[<-chan struct{}] // of the connected host, until the device has been seen to unplug
}

// Submit implements Submitter. Every URB gets a flight, also while nobody
// captures: otherwise a capture that begins would miss the ends of the URBs that
// wait on an idle device.
func (l *line) Submit(u *usb.URB) {
	f := l.tap.flights.Get().(*flight)
	f.line, f.id, f.done = l, 0, u.Done
	u.Done = f.landed
	if captures := l.tap.captures.Load(); captures != nil {
		f.setup = u.Setup
		f.id = l.tap.lastID.Add(1)
		l.show(*captures, l.submission(u, f.id))
	}
	l.to.Submit(u)
}

// Cancel implements Submitter. The URB's end shows that it was cancelled.
func (l *line) Cancel(u *usb.URB) { l.to.Cancel(u) }

// flight is one pending URB.
type flight struct {
	line   *line
	id     uint64    // 0 = submitted while nobody captured
	setup  usb.Setup // if id is not 0
	done   func(*usb.URB)
	landed func(*usb.URB) // land, bound once
}

// land is the Done of a tapped URB. It gives the URB back as it was.
func (f *flight) land(u *usb.URB) {
	l := f.line
	u.Done = f.done
	if captures := l.tap.captures.Load(); captures != nil {
		if f.id == 0 {
			f.id = l.tap.lastID.Add(1)
		}
		if u.Number() == 0 && u.In() {
			l.types.learn(f.setup, u.Buffer[:u.Actual])
		}
		l.show(*captures, l.completion(u, f.id))
	}
	f.line, f.done, f.setup = nil, nil, usb.Setup{}
	l.tap.flights.Put(f)
	u.Done(u)
}

// show hands a packet to every capture. A Packet's slices are the URB's own.
func (l *line) show(captures []*Capture, p Packet) {
	if l.unplugged() {
		remark(captures, Unplugged)
	}
	for _, c := range captures {
		c.take(p)
	}
}

// unplugged reports, once, that the device has left its host.
func (l *line) unplugged() bool {
	gone := l.gone.Load()
	if gone == nil {
		return false
	}
	select {
	case <-*gone:
		return l.gone.CompareAndSwap(gone, nil)
	default:
		return false
	}
}

// remark adds a comment to the next packet of every capture.
func remark(captures []*Capture, text string) {
	for _, c := range captures {
		c.remark(text)
	}
}

// port is a tapped usb.Port.
type port struct {
	usb.Port
	line *line
}

func (p *port) Submit(u *usb.URB) { p.line.Submit(u) }

// Connect implements usb.Port.
func (p *port) Connect() (<-chan struct{}, error) {
	gone, err := p.Port.Connect()
	if err == nil {
		p.line.gone.Store(&gone)
		p.remark("a host connected")
	}
	return gone, err
}

// Disconnect implements usb.Port.
func (p *port) Disconnect() {
	if p.line.gone.Swap(nil) != nil {
		p.remark("the host disconnected")
	}
	p.Port.Disconnect()
}

func (p *port) remark(text string) {
	if captures := p.line.tap.captures.Load(); captures != nil {
		remark(*captures, text)
	}
}

// Start begins a capture into sink, which belongs to the Capture from now on.
func (t *Tap) Start(sink Sink, o Options) *Capture {
	c := newCapture(t, sink, o)
	t.change(func(list []*Capture) []*Capture { return append(list, c) })
	c.running.Go(c.run)
	return c
}

// remove ends the showing of packets to c.
func (t *Tap) remove(c *Capture) {
	t.change(func(list []*Capture) []*Capture {
		return slices.DeleteFunc(list, func(other *Capture) bool { return other == c })
	})
}

// change replaces the list of captures by one that edit makes of a copy.
func (t *Tap) change(edit func([]*Capture) []*Capture) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Capture
	if old := t.captures.Load(); old != nil {
		list = slices.Clone(*old)
	}
	if list = edit(list); len(list) == 0 {
		t.captures.Store(nil)
		return
	}
	t.captures.Store(&list)
}
