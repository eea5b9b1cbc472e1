package fault

import (
	"time"

	"usbhsm7/usbip/usb"
)

// lane is the way of the transfers of one endpoint; the control pipe is one, both
// ways. The port's lock guards lanes and transfers.
type lane struct {
	waiting  []*transfer // not at the device yet, in order
	atDevice int         // how many are
	alone    *transfer   // one that is at the device alone, because its plan wants that
	results  []*transfer // back from the device, in order
	given    uint64      // results given to the host so far
}

// stage is where a transfer is.
type stage uint8

const (
	waiting   stage = iota // in lane.waiting
	preparing              // something goes to the device before it
	atDevice               // the device has it
	held                   // in lane.results
)

// transfer is a URB of the host on its way.
type transfer struct {
	host      *usb.URB // as it was submitted
	urb       usb.URB  // as the device gets it
	first     usb.URB  // goes to the device before, if plan.before says so
	lane      *lane
	plan      plan
	stage     stage
	cancelled bool
	due       time.Time // end of the wait or the hold; zero if there is none, or it has not begun
	giveUp    time.Time // when it has waited long enough for plan.behind
	overtaken uint64    // results of other lanes that had been given when it was back
	actual    int       // its result
	status    usb.Status
	damaged   []byte // the data of urb, if bits of an OUT transfer were flipped

	returned, ready func(*usb.URB) // Done of urb and of first
	next            *transfer      // idle list
}

// laneOf returns the lane of an endpoint.
func (p *Port) laneOf(u *usb.URB) *lane {
	n := u.Number()
	if n != 0 && u.In() {
		n += 16
	}
	return &p.lanes[n]
}

// enter puts a URB of the host at the end of its lane.
func (p *Port) enter(u *usb.URB, plan plan) {
	t := p.idle
	if t != nil {
		p.idle, t.next = t.next, nil
	} else {
		t = &transfer{}
		t.returned = func(*usb.URB) { p.returned(t) }
		t.ready = func(*usb.URB) { p.ready(t) }
	}
	if status := u.Prepare(); status != usb.OK {
		plan = refused(status)
	}
	t.host, t.urb, t.lane, t.plan = u, *u, p.laneOf(u), plan
	t.stage, t.due, t.giveUp = waiting, time.Time{}, time.Time{}
	t.urb.Done = t.returned
	t.lane.waiting = append(t.lane.waiting, t)
	p.byURB[u] = t
}

// step moves every transfer on as far as it can go now.
func (p *Port) step() {
	now := time.Now()
	for moved := true; moved; {
		moved = false
		for i := range p.lanes {
			l := &p.lanes[i]
			for p.release(l, now) || p.admit(l, now) {
				moved = true
			}
		}
	}
	p.setTimer(now)
}

// admit lets the first of those that wait go to the device, if it may.
func (p *Port) admit(l *lane, now time.Time) bool {
	if len(l.waiting) == 0 || l.alone != nil {
		return false
	}
	t := l.waiting[0]
	if t.plan.turn && l.atDevice > 0 || t.waits(now) {
		return false
	}
	l.waiting = remove(l.waiting, 0)
	l.atDevice++
	if t.plan.turn {
		l.alone = t
	}
	t.due = time.Time{}
	p.begin(t, now)
	return true
}

// waits reports whether t, which is the first of its lane, has to wait, and begins
// the wait.
func (t *transfer) waits(now time.Time) bool {
	switch {
	case t.plan.wait == 0:
		return false
	case t.plan.wait == forever:
		return true
	case t.due.IsZero():
		t.due = now.Add(t.plan.wait)
	}
	return now.Before(t.due)
}

// begin carries out the plan of t, whose turn it is.
func (p *Port) begin(t *transfer, now time.Time) {
	switch {
	case t.plan.before != nil:
		t.stage, t.first = preparing, *t.plan.before
		t.first.Done = t.ready
		p.submit(&t.first)
	case !t.plan.whole && p.share(t) == 0:
		for i := range t.host.Packets {
			t.host.Packets[i].Actual, t.host.Packets[i].Status = 0, t.plan.status
		}
		p.conclude(t)
		p.back(t, 0, t.plan.status, now)
	default:
		p.send(t)
	}
}

// share returns how many bytes of t the device takes part in: whole packets, or
// all of it.
func (p *Port) share(t *transfer) int {
	n := len(t.host.Buffer)
	switch {
	case t.plan.whole:
		return n
	case t.host.Packets != nil:
		return 0
	case t.plan.limit < n:
		packet := p.packetSize(t.host.Endpoint)
		return t.plan.limit / packet * packet
	}
	return n
}

// packetSize returns wMaxPacketSize in bytes, without the bits that have another
// meaning (USB 2.0 table 9-13).
func (p *Port) packetSize(address uint8) int {
	if size := int(p.kinds[address].MaxPacketSize & 0x07ff); size > 0 {
		return size
	}
	return p.controlPacket
}

// send gives t to the device.
func (p *Port) send(t *transfer) {
	u := &t.urb
	u.Buffer = u.Buffer[:p.share(t)]
	if len(u.Buffer) < len(t.host.Buffer) {
		u.Flags &^= usb.ZeroPacket
	}
	if !u.In() && u.Packets == nil && t.plan.cut >= 0 && t.plan.cut < len(u.Buffer) {
		u.Buffer = u.Buffer[:t.plan.cut]
		u.Flags |= usb.ZeroPacket // it ends there, also if its last packet is full
	}
	if !u.In() && t.plan.flip.Bits > 0 {
		t.damaged = append(t.damaged[:0], u.Buffer...)
		t.plan.flip.flip(t.damaged, t.plan.seed)
		u.Buffer = t.damaged
	}
	t.stage = atDevice
	p.submit(u)
}

// ready is called when what goes before t has been done.
func (p *Port) ready(t *transfer) {
	p.mu.Lock()
	if t.cancelled {
		p.back(t, 0, usb.ECONNRESET, time.Now())
	} else {
		p.send(t)
	}
	p.step()
	p.run()
}

// returned is called when the device has given t back.
func (p *Port) returned(t *transfer) {
	p.mu.Lock()
	u, actual, status := t.host, t.urb.Actual, t.urb.Status
	done := status == usb.OK || status == usb.EREMOTEIO
	switch {
	case done && !t.plan.whole:
		p.conclude(t)
		status = t.plan.status
	case done && u.In() && u.Packets == nil && t.plan.cut >= 0 && t.plan.cut < actual:
		clear(u.Buffer[t.plan.cut:actual])
		actual = t.plan.cut
	}
	if u.In() && t.plan.flip.Bits > 0 {
		t.plan.flip.flip(arrived(u, actual), t.plan.seed)
	}
	u.StartFrame = t.urb.StartFrame
	clear(t.damaged) // it may have held a secret
	p.back(t, actual, status, time.Now())
	p.step()
	p.run()
}

// arrived returns the part of an IN buffer that has data. That of an isochronous
// URB may have gaps.
func arrived(u *usb.URB, actual int) []byte {
	if u.Packets != nil {
		return u.Buffer
	}
	return u.Buffer[:actual]
}

// conclude does what comes when t has moved as much as its plan allows.
func (p *Port) conclude(t *transfer) {
	if t.plan.unplug {
		p.pull(t.plan.plug)
	}
}

// back takes the result of t, which has left the device.
func (p *Port) back(t *transfer, actual int, status usb.Status, now time.Time) {
	l := t.lane
	l.atDevice--
	if l.alone == t {
		l.alone = nil
	}
	t.actual, t.status, t.stage = actual, status, held
	l.results = append(l.results, t)
	if t.cancelled {
		p.hasten(t)
		return
	}
	if t.plan.hold > 0 {
		t.due = now.Add(t.plan.hold)
	}
	if t.plan.behind > 0 {
		t.giveUp, t.overtaken = now.Add(t.plan.within), p.given-l.given
	}
}

// release gives the first result of a lane to the host, if its time has come.
func (p *Port) release(l *lane, now time.Time) bool {
	if len(l.results) == 0 {
		return false
	}
	t := l.results[0]
	overtaken := p.given-l.given-t.overtaken >= uint64(t.plan.behind)
	if now.Before(t.due) || t.plan.behind > 0 && !overtaken && now.Before(t.giveUp) {
		return false
	}
	l.results = remove(l.results, 0)
	p.finish(t, t.actual, t.status)
	return true
}

// relent spares t what the script would have done to it. What the device has so that
// it fails still does.
func (t *transfer) relent() {
	switch {
	case t.stage == held:
		t.due, t.plan.behind = time.Time{}, 0
	case t.stage == waiting || t.plan.whole:
		t.plan = undisturbed
	default:
		t.plan.unplug, t.plan.hold, t.plan.behind = false, 0, 0
	}
}

// cancel ends t at once, or asks the device to.
func (p *Port) cancel(t *transfer) {
	switch t.stage {
	case waiting:
		t.lane.waiting = remove(t.lane.waiting, t.lane.position(t))
		p.finish(t, 0, usb.ECONNRESET)
	case preparing:
		t.cancelled = true
		p.jobs = append(p.jobs, job{kind: cancelURB, urb: &t.first})
	case atDevice:
		t.cancelled = true
		p.jobs = append(p.jobs, job{kind: cancelURB, urb: &t.urb})
	case held:
		p.hasten(t)
	}
}

// hasten ends the hold of a result that the host does not want to wait for. One
// that was cancelled before anything moved overtakes others. Any other keeps its
// place, so that data does too, and those before it are hastened as well.
func (p *Port) hasten(t *transfer) {
	l := t.lane
	n := l.position(t)
	if t.actual == 0 && t.status == usb.ECONNRESET {
		l.results = remove(l.results, n)
		p.finish(t, 0, usb.ECONNRESET)
		return
	}
	for _, before := range l.results[:n+1] {
		before.due, before.plan.behind = time.Time{}, 0
	}
}

// position finds t, which is in waiting or in results.
func (l *lane) position(t *transfer) int {
	list := l.results
	if t.stage == waiting {
		list = l.waiting
	}
	for i, other := range list {
		if other == t {
			return i
		}
	}
	return -1
}

// remove takes out one of a list. What is left moves up, so that the list does not
// wander through memory.
func remove(list []*transfer, i int) []*transfer {
	copy(list[i:], list[i+1:])
	list[len(list)-1] = nil
	return list[:len(list)-1]
}

// finish lets the host have its URB back.
func (p *Port) finish(t *transfer, actual int, status usb.Status) {
	delete(p.byURB, t.host)
	t.lane.given++
	p.given++
	p.jobs = append(p.jobs, job{kind: giveBack, urb: t.host, actual: actual, status: status})
	if !t.cancelled { // otherwise a call may still name it
		t.host, t.urb = nil, usb.URB{}
		t.next, p.idle = p.idle, t
	}
}

// setTimer wakes the port when the next transfer is due.
func (p *Port) setTimer(now time.Time) {
	var next time.Time
	soonest := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for i := range p.lanes {
		l := &p.lanes[i]
		if len(l.waiting) > 0 {
			soonest(l.waiting[0].due)
		}
		if len(l.results) > 0 {
			soonest(l.results[0].due)
			soonest(l.results[0].giveUp)
		}
	}
	if next.IsZero() {
		p.timer.Stop()
	} else {
		p.timer.Reset(next.Sub(now))
	}
}
