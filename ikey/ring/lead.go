package ring

import (
	"sync"

	"usbhsm7/ikey"
	"usbhsm7/usbip/usb"
)

// packet is how many bytes travel at once: what is pulled out in the middle of a
// packet has not sent or received it (USB 2.0, section 8.4.4).
const packet = 64

// lead is the contact between a key and the port. It can be told to come apart
// after a number of bytes.
type lead struct {
	ikey.Peripheral
	pull func() // takes the key out of the port

	mu    sync.Mutex
	armed bool
	left  int // bytes that still pass
}

func newLead(p ikey.Peripheral, pull func()) *lead { return &lead{Peripheral: p, pull: pull} }

// breakAfter lets n more bytes pass.
func (l *lead) breakAfter(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed, l.left = true, n
}

// pass reports whether n bytes pass. If not, passed are those in whole packets
// that do, and the lead is broken.
func (l *lead) pass(n int) (passed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.armed {
		return n, true
	}
	if n <= l.left {
		l.left -= n
		return n, true
	}
	passed = l.left / packet * packet
	l.left = 0
	return passed, false
}

// Submit implements usb.Port.
func (l *lead) Submit(u *usb.URB) {
	if u.In() {
		l.submitIn(u)
		return
	}
	passed, ok := l.pass(len(u.Buffer))
	if ok {
		l.Peripheral.Submit(u)
		return
	}
	if passed > 0 && u.Number() != 0 {
		l.Peripheral.Submit(&usb.URB{Endpoint: u.Endpoint, Buffer: u.Buffer[:passed], Done: func(*usb.URB) {}})
	}
	l.pull()
	u.Complete(passed, usb.ESHUTDOWN)
}

// submitIn looks at what arrives before the host does.
func (l *lead) submitIn(u *usb.URB) {
	done := u.Done
	u.Done = func(u *usb.URB) {
		u.Done = done
		passed, ok := l.pass(u.Actual)
		if ok {
			done(u)
			return
		}
		clear(u.Buffer[passed:])
		l.pull()
		u.Complete(passed, usb.ESHUTDOWN)
	}
	l.Peripheral.Submit(u)
}
