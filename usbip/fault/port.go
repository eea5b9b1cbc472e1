package fault

import (
	"sync"
	"sync/atomic"
	"time"

	"usbhsm7/usbip/usb"
)

// Port is a device behind an Injector. It keeps the rules of usb.Port whatever
// the script says. Without a script it costs a URB one atomic load.
//
// While a script is in force the port submits a URB of its own for each of the
// host's. URBs of one endpoint stay in order: they wait in a lane, are at the
// device, and then their results are held in the lane, each stage possibly empty.
// Whoever changes something calls step, which moves on what can be, and run, which
// makes the calls that must be made without the lock, in order.
type Port struct {
	injector      *Injector
	device        Device
	kinds         map[uint8]usb.Endpoint // by address
	controlPacket int                    // bytes in a packet of the control pipe
	busy          atomic.Bool            // a script is in force, or a URB of the host is here
	epoch         atomic.Uint64          // counts the hosts that have left
	watcher       sync.WaitGroup         // waits for the device of a host to go

	mu      sync.Mutex // guards what follows
	rules   *rules     // the script in force, nil = none
	lanes   [32]lane   // by endpoint number, IN from 16 on; see laneOf
	byURB   map[*usb.URB]*transfer
	given   uint64 // results given to the host so far
	jobs    []job
	spare   []job
	running bool          // a goroutine makes the calls in jobs
	idle    *transfer     // for reuse
	timer   *time.Timer   // for the first transfer whose time has not come
	plug    *time.Timer   // for the end of pulled
	pulled  bool          // the script unplugged the device
	left    chan struct{} // closed when the host leaves; nil = there is none
}

var _ usb.Port = (*Port)(nil)

func newPort(i *Injector, d Device) *Port {
	descriptors := d.Descriptors()
	p := &Port{
		injector: i, device: d, kinds: map[uint8]usb.Endpoint{}, controlPacket: 64,
		byURB: map[*usb.URB]*transfer{},
	}
	if descriptors.Speed >= usb.SpeedSuper {
		p.controlPacket = 512
	}
	for _, c := range descriptors.Configurations {
		for _, f := range c.Interfaces {
			for _, e := range f.Endpoints {
				p.kinds[e.Address] = e
			}
		}
	}
	p.timer = time.AfterFunc(longest, p.tick)
	p.timer.Stop()
	p.plug = time.AfterFunc(longest, p.plugIn)
	p.plug.Stop()
	return p
}

// Identity implements usb.Port.
func (p *Port) Identity() usb.Identity { return p.device.Identity() }

// Connect implements usb.Port.
func (p *Port) Connect() (<-chan struct{}, error) {
	gone, err := p.device.Connect()
	if err != nil {
		return nil, err
	}
	p.watcher.Wait() // the one of the host before has nothing left to do
	left := make(chan struct{})
	p.mu.Lock()
	p.left = left
	p.mu.Unlock()
	p.watcher.Go(func() { // what waits here must end when the device goes
		select {
		case <-gone:
			p.abort()
		case <-left:
		}
	})
	return gone, nil
}

// Disconnect implements usb.Port.
func (p *Port) Disconnect() {
	p.mu.Lock()
	left := p.left
	p.left = nil
	p.mu.Unlock()
	if left == nil {
		return
	}
	close(left)
	p.epoch.Add(1)
	p.abort()
	p.device.Disconnect()
}

// Submit implements usb.Port.
func (p *Port) Submit(u *usb.URB) {
	if !p.busy.Load() {
		p.device.Submit(u)
		return
	}
	plan, by := p.decide(u)
	p.mu.Lock()
	switch {
	case p.rules == nil && p.quiet():
		p.mu.Unlock()
		p.device.Submit(u)
		return
	case p.rules != by: // that script has just gone
		plan = undisturbed
	}
	p.enter(u, plan)
	p.step()
	p.run()
}

// decide asks the script in force, which it also returns.
func (p *Port) decide(u *usb.URB) (plan, *rules) {
	a := p.injector.rules.Load()
	if a == nil {
		return undisturbed, nil
	}
	info := transferInfo{kind: p.kindOf(u), address: u.Endpoint, setup: u.Setup}
	if !u.In() {
		info.data = u.Buffer
	}
	plan, f := a.decide(&info)
	if f.rule != nil {
		p.injector.log(f, "transfer", "endpoint", u.Endpoint, "length", len(u.Buffer))
	}
	return plan, a
}

func (p *Port) kindOf(u *usb.URB) Type {
	switch {
	case u.Number() == 0:
		return Control
	case u.Packets != nil:
		return Isochronous
	}
	switch p.kinds[u.Endpoint].Type {
	case usb.Bulk:
		return Bulk
	case usb.Interrupt:
		return Interrupt
	}
	return AnyType
}

// Cancel implements usb.Port.
func (p *Port) Cancel(u *usb.URB) {
	if !p.busy.Load() {
		p.device.Cancel(u)
		return
	}
	p.mu.Lock()
	t := p.byURB[u]
	if t == nil {
		p.mu.Unlock()
		p.device.Cancel(u)
		return
	}
	p.cancel(t)
	p.step()
	p.run()
}

// Close disconnects the host, if there is one, and gives up what the script began:
// a device that it unplugged stays so. The port must not be used any more.
func (p *Port) Close() {
	p.injector.forget(p)
	p.mu.Lock()
	p.pulled = false
	p.mu.Unlock()
	p.plug.Stop()
	p.relent()
	p.Disconnect()
	p.watcher.Wait()
}

// engage begins to ask the script a.
func (p *Port) engage(a *rules) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = a
	p.busy.Store(true)
}

// relent ends what the script before did. When it returns, a device that the script
// unplugged can be connected again.
func (p *Port) relent() {
	p.mu.Lock()
	p.rules = nil
	for _, t := range p.byURB {
		t.relent()
	}
	var plugged chan struct{}
	if p.pulled {
		p.pulled = false
		p.plug.Stop()
		plugged = make(chan struct{})
		p.jobs = append(p.jobs, job{kind: plugging, made: plugged})
	}
	p.step()
	p.run()
	if plugged != nil {
		<-plugged // another goroutine may be making the calls
	}
}

// abort ends what is not at the device, because host and device have parted.
func (p *Port) abort() {
	p.mu.Lock()
	for i := range p.lanes {
		l := &p.lanes[i]
		for _, t := range append(l.results, l.waiting...) {
			p.finish(t, 0, usb.ESHUTDOWN)
		}
		l.waiting, l.results = nil, nil
	}
	p.step()
	p.run()
}

// tick is called when a transfer is due.
func (p *Port) tick() {
	p.mu.Lock()
	p.step()
	p.run()
}
