package fault

import (
	"time"

	"usbhsm7/usbip/usb"
)

// job is a call that must be made without the lock, for it may lead back here.
type job struct {
	kind   jobKind
	urb    *usb.URB
	epoch  uint64     // of submitURB: the connection that it belongs to
	actual int        // of giveBack
	status usb.Status // of giveBack

	made chan struct{} // of plugging: closed when the call has been made; nil = nobody waits
}

// jobKind says which call.
type jobKind uint8

const (
	submitURB  jobKind = iota // to the device
	cancelURB                 // at the device
	giveBack                  // to the host
	unplugging                // the device
	plugging
)

// submit lets the device have a URB.
func (p *Port) submit(u *usb.URB) {
	p.jobs = append(p.jobs, job{kind: submitURB, urb: u, epoch: p.epoch.Load()})
}

// run makes the calls that are due and releases the lock. One goroutine at a time
// does so, for all, so that they are made in order and do not nest.
func (p *Port) run() {
	defer p.mu.Unlock()
	if p.running {
		return
	}
	p.running = true
	for len(p.jobs) > 0 {
		batch := p.jobs
		p.jobs = p.spare[:0]
		p.mu.Unlock()
		for _, j := range batch {
			p.do(j)
		}
		p.mu.Lock()
		clear(batch)
		p.spare = batch
	}
	p.running = false
	if p.rules == nil && len(p.byURB) == 0 {
		p.busy.Store(false)
	}
}

func (p *Port) do(j job) {
	switch j.kind {
	case submitURB:
		if j.epoch != p.epoch.Load() { // the host has left; another may be there
			j.urb.Complete(0, usb.ESHUTDOWN)
			return
		}
		p.device.Submit(j.urb)
	case cancelURB:
		p.device.Cancel(j.urb)
	case giveBack:
		j.urb.Complete(j.actual, j.status)
	case unplugging:
		p.device.Unplug()
		p.abort()
	case plugging:
		p.device.Plug()
		if j.made != nil {
			close(j.made)
		}
	}
}

// quiet reports whether nothing is held and no call is due, so that a URB that
// goes straight to the device overtakes none.
func (p *Port) quiet() bool {
	for i := range p.lanes {
		if len(p.lanes[i].waiting)+len(p.lanes[i].results) > 0 {
			return false
		}
	}
	return !p.running && len(p.jobs) == 0
}

// pull unplugs the device, and plugs it in again after a while, if plug is above 0.
func (p *Port) pull(plug time.Duration) {
	p.jobs = append(p.jobs, job{kind: unplugging})
	p.pulled = true
	p.plug.Stop()
	if plug > 0 {
		p.plug.Reset(plug)
	}
}

// plugIn is called when the device has been away for long enough.
func (p *Port) plugIn() {
	p.mu.Lock()
	if p.pulled {
		p.pulled = false
		p.jobs = append(p.jobs, job{kind: plugging})
	}
	p.run()
}
