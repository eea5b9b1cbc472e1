package replay

import (
	"slices"
	"sync"

	"usbhsm7/usbip/usb"
)

// Device is a recorded device. It implements usb.Port.
type Device struct {
	rule Rule
	done chan struct{}

	mu         sync.Mutex // guards what follows, and record
	record     *Record
	gone       chan struct{} // of the connected host; nil = none
	lost       bool          // gone is closed
	taken      int           // steps that the host has made
	divergence *Divergence
	over       bool       // done is closed
	finished   []*usb.URB // whose Done has not been called
	delivering bool
}

var _ usb.Port = (*Device)(nil)

// New returns a Device that is about to be enumerated as it was in the recording,
// of which it becomes the owner.
func New(r *Record, rule Rule) *Device {
	return &Device{record: r, rule: rule, done: make(chan struct{})}
}

// lane is what is left of the recording of one endpoint, and the host's URBs
// there.
type lane struct {
	address uint8
	steps   []*transfer // what the host has to do: control and OUT transfers
	answers []*transfer // what the device has to say: IN transfers
	urbs    []*usb.URB  // IN URBs that wait for an answer
	parked  []*parked   // URBs that wait for the host to take them back
}

// parked is a control or OUT URB that the recorded host took back.
type parked struct {
	urb *usb.URB
	as  *transfer
}

// Identity implements usb.Port.
func (d *Device) Identity() usb.Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := d.record.identity
	id.Unplugged = d.over
	return id
}

// Connect implements usb.Port.
func (d *Device) Connect() (<-chan struct{}, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.over:
		return nil, usb.ErrNoDevice
	case d.gone != nil:
		return nil, usb.ErrBusy
	}
	d.gone = make(chan struct{})
	return d.gone, nil
}

// Disconnect implements usb.Port.
func (d *Device) Disconnect() {
	d.mu.Lock()
	defer d.release()
	if d.gone == nil {
		return
	}
	d.shutDown()
	d.gone, d.lost = nil, false
	if d.next() == never && len(d.record.unplugs) == 0 {
		d.end()
	}
}

// Submit implements usb.Port.
func (d *Device) Submit(u *usb.URB) {
	d.mu.Lock()
	defer d.release()
	status := u.Prepare()
	switch {
	case d.gone == nil || d.lost:
		d.finish(u, 0, usb.ENODEV)
	case status != usb.OK:
		d.finish(u, 0, status)
	case u.Number() != 0 && u.In():
		l := d.record.lane(u.Endpoint)
		l.urbs = append(l.urbs, u)
	default:
		d.step(u)
	}
	d.advance()
}

// Cancel implements usb.Port.
func (d *Device) Cancel(u *usb.URB) {
	d.mu.Lock()
	defer d.release()
	for _, l := range d.record.lanes {
		if i := slices.Index(l.urbs, u); i >= 0 {
			l.urbs = slices.Delete(l.urbs, i, i+1)
			d.takeBack(l, u, i)
		}
		if i := slices.IndexFunc(l.parked, func(p *parked) bool { return p.urb == u }); i >= 0 {
			d.finish(u, l.parked[i].as.actual, usb.ECONNRESET)
			l.parked = slices.Delete(l.parked, i, i+1)
		}
	}
	d.advance()
}

// takeBack ends an IN URB that the host cancels, with what had arrived if the
// recorded host cancelled the same one.
func (d *Device) takeBack(l *lane, u *usb.URB, position int) {
	if position == 0 && len(l.answers) > 0 && l.answers[0].cancelled() && l.answers[0].end < d.next() {
		t := l.answers[0]
		l.answers = l.answers[1:]
		d.finish(u, copy(u.Buffer, d.rule.In(u.Endpoint, t.in)), usb.ECONNRESET)
		return
	}
	d.finish(u, 0, usb.ECONNRESET)
}

// next returns the number of the first packet that the host has not sent yet.
func (d *Device) next() int {
	first := never
	for _, l := range d.record.lanes {
		if len(l.steps) > 0 {
			first = min(first, l.steps[0].number)
		}
	}
	return first
}

// step takes a control or OUT URB, if it is the one that comes next there.
func (d *Device) step(u *usb.URB) {
	l := d.record.lane(u.Endpoint & 0x0f)
	t, difference := d.match(l, u)
	if difference != nil {
		d.diverge(difference)
		d.finish(u, 0, usb.ESHUTDOWN)
		return
	}
	l.steps = l.steps[1:]
	d.taken++
	switch {
	case t.cancelled():
		l.parked = append(l.parked, &parked{u, t})
	case u.In():
		d.finish(u, copy(u.Buffer, d.rule.In(0, t.in)), t.status)
	case t.actual == t.length:
		settlePackets(u, t)
		d.finish(u, len(u.Buffer), t.status) // the rule may allow another length
	default:
		settlePackets(u, t)
		d.finish(u, t.actual, t.status)
	}
}

// advance does what the device does next, as far as the host has come.
func (d *Device) advance() {
	for l := d.ready(); l != nil; l = d.ready() {
		u, t := l.urbs[0], l.answers[0]
		l.urbs, l.answers = l.urbs[1:], l.answers[1:]
		d.answer(u, t)
	}
	unplugs, connected := d.record.unplugs, d.gone != nil && !d.lost
	if connected && len(unplugs) > 0 && unplugs[0] < d.next() && !d.owes(unplugs[0]) {
		d.record.unplugs = unplugs[1:]
		d.leave()
	}
}

// ready returns the lane whose answer comes first of those that can be given.
func (d *Device) ready() *lane {
	var first *lane
	for _, l := range d.record.lanes {
		possible := len(l.urbs) > 0 && len(l.answers) > 0 && !l.answers[0].cancelled() && l.answers[0].end < d.next()
		if possible && (first == nil || l.answers[0].end < first.answers[0].end) {
			first = l
		}
	}
	return first
}

// owes reports whether there are answers from before packet number.
func (d *Device) owes(number int) bool {
	for _, l := range d.record.lanes {
		if len(l.answers) > 0 && l.answers[0].end < number {
			return true
		}
	}
	return false
}

// answer ends an IN URB as the recorded one did.
func (d *Device) answer(u *usb.URB, t *transfer) {
	if u.Packets != nil {
		settlePackets(u, t)
		d.finish(u, 0, t.status)
		return
	}
	data := d.rule.In(u.Endpoint, t.in)
	status := t.status
	if len(data) > len(u.Buffer) {
		status = usb.EOVERFLOW
	}
	d.finish(u, copy(u.Buffer, data), status)
}

// settlePackets gives the packets of an isochronous URB the recorded results.
func settlePackets(u *usb.URB, t *transfer) {
	for i := range min(len(u.Packets), len(t.packets)) {
		p, recorded := &u.Packets[i], t.packets[i]
		p.Status, p.Actual = recorded.Status, min(recorded.Actual, p.Length)
		if from := recorded.Offset; u.In() && from <= len(t.in) {
			p.Actual = copy(u.Buffer[p.Offset:p.Offset+p.Actual], t.in[from:])
		}
	}
}

// leave unplugs the device from its host.
func (d *Device) leave() {
	d.shutDown()
	if d.gone != nil && !d.lost {
		d.lost = true
		close(d.gone)
	}
}

// diverge notes the first difference and ends the replay.
func (d *Device) diverge(difference *Divergence) {
	if d.divergence == nil {
		d.divergence = difference
	}
	d.leave()
	d.end()
}

func (d *Device) end() {
	if !d.over {
		d.over = true
		close(d.done)
	}
}

// shutDown ends every URB.
func (d *Device) shutDown() {
	for _, l := range d.record.lanes {
		for _, u := range l.urbs {
			d.finish(u, 0, usb.ESHUTDOWN)
		}
		for _, p := range l.parked {
			d.finish(p.urb, 0, usb.ESHUTDOWN)
		}
		l.urbs, l.parked = nil, nil
	}
}

// finish notes a result, and leaves the call of Done to release.
func (d *Device) finish(u *usb.URB, actual int, status usb.Status) {
	u.Actual, u.Status = actual, status
	d.finished = append(d.finished, u)
}

// release unlocks d and calls Done for the URBs that have finished, in order and
// on one goroutine at a time.
func (d *Device) release() {
	defer d.mu.Unlock()
	if d.delivering {
		return
	}
	d.delivering = true
	for len(d.finished) > 0 {
		u := d.finished[0]
		d.finished = d.finished[1:]
		d.mu.Unlock()
		u.Complete(u.Actual, u.Status)
		d.mu.Lock()
	}
	d.delivering = false
}
