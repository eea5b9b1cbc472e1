package transfers

import (
	"errors"

	"usbhsm7/usbip/usb"
)

// Fault is a way in which a transfer goes wrong.
type Fault struct {
	Name string
	in   bool // it can befall an IN transfer
	out  bool // it can befall an OUT transfer

	// strike lets it happen to a transfer. Of errLost the host knows nothing but that
	// the transfer failed; after nil it goes on as if nothing had happened.
	strike func(b *bus, u *usb.URB) error
	again  bool // the host enumerates the device again; otherwise it only says HELLO
}

// errLost is what a host learns of a transfer that failed.
var errLost = errors.New("the transfer failed")

// Faults lists the ways in which transfers go wrong.
func Faults() []Fault {
	return []Fault{
		{"not submitted", true, true, func(*bus, *usb.URB) error { return errLost }, false},
		{"power fails before it", true, true, powerBefore, true},
		{"power fails after it", true, true, powerAfter, true},
		{"short", true, true, short, false},
		{"long", false, true, long, false},
		{"stalled", true, true, stall, false},
		{"given up while the device says NAK", true, true, giveUp, false},
		{"bus reset", true, true, reset, true},
		{"unplugged while it is under way", true, true, unplug, true},
		{"sent twice", false, true, twice, false},
		{"host killed", true, true, func(*bus, *usb.URB) error { return errLost }, true},
	}
}

func powerBefore(b *bus, _ *usb.URB) error { return errors.Join(errLost, b.unit.cut()) }

// powerAfter lets the device do what it was told first, so that each time the same is
// on the flash: that it has is known by its answer.
func powerAfter(b *bus, u *usb.URB) error {
	_, err := b.unit.run(u)
	if err == nil && !u.In() && b.whole {
		_, err = b.unit.run(newIn())
	}
	return errors.Join(errLost, err, b.unit.cut())
}

// short leaves out the second half of what is sent, or has room for one packet only,
// so that the host has to ask again.
func short(b *bus, u *usb.URB) error {
	if u.In() {
		u.Buffer = u.Buffer[:512]
		status, err := b.unit.run(u)
		return errors.Join(err, status.Err())
	}
	u.Buffer = u.Buffer[:len(u.Buffer)/2]
	_, err := b.unit.run(u)
	return errors.Join(errLost, err)
}

// long sends more than the host meant to.
func long(b *bus, u *usb.URB) error {
	u.Buffer = append(u.Buffer[:len(u.Buffer):len(u.Buffer)], "what was in the buffer before"...)
	status, err := b.unit.run(u)
	return errors.Join(err, status.Err())
}

// stall halts the endpoint, which the host finds and clears.
func stall(b *bus, u *usb.URB) error {
	halt := usb.Setup{RequestType: 0x02, Request: usb.SetFeature, Index: uint16(u.Endpoint)}
	if _, err := b.unit.run(&usb.URB{Setup: halt}); err != nil {
		return err
	}
	status, err := b.unit.run(u)
	if err == nil && status != usb.EPIPE {
		err = errors.New("a halted endpoint does not stall")
	}
	clearing := halt
	clearing.Request = usb.ClearFeature
	_, clear := b.unit.run(&usb.URB{Setup: clearing})
	return errors.Join(errLost, err, clear)
}

// giveUp cancels the transfer at once.
func giveUp(b *bus, u *usb.URB) error {
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	b.unit.port.Submit(u)
	b.unit.port.Cancel(u)
	return errors.Join(errLost, b.unit.wait(done))
}

func reset(b *bus, _ *usb.URB) error {
	b.unit.port.Disconnect()
	return errLost
}

func unplug(b *bus, u *usb.URB) error {
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	b.unit.port.Submit(u)
	b.unit.port.Disconnect()
	return errors.Join(errLost, b.unit.wait(done))
}

func twice(b *bus, u *usb.URB) error {
	for range 2 {
		if status, err := b.unit.run(u); err != nil || status != usb.OK {
			return errors.Join(errLost, err)
		}
	}
	return nil
}

// bus carries the transfers of a host, and lets one of them go wrong.
type bus struct {
	unit  *unit
	fault *Fault // nil = none
	at    int    // which transfer, counted from 1
	count int    // transfers so far
	whole bool   // the transfer under way ends a message
	kinds []bool // of each transfer without a fault: it was IN
}

func (b *bus) transfer(u *usb.URB) error {
	b.count++
	if b.fault == nil {
		b.kinds = append(b.kinds, u.In())
	} else if b.count == b.at {
		return b.fault.strike(b, u)
	}
	status, err := b.unit.run(u)
	return errors.Join(err, status.Err())
}

// struck reports whether the transfer that goes wrong has been.
func (b *bus) struck() bool { return b.fault != nil && b.count >= b.at }
