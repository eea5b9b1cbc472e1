package server_test

import (
	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/usb"
)

// tally counts what happened in schedules.
type tally map[string]int

// count adds what happened in r.
func (c tally) count(r *run) {
	if c == nil {
		return
	}
	for _, q := range r.requests {
		c[q.Status.String()]++
		c[endpointName(q.Endpoint)]++
		if q.Packets != nil && q.Status == usb.OK {
			c["isochronous"]++
		}
	}
	decided := map[uint32]bool{}
	for _, d := range r.recorder.Decisions() {
		decided[d.Tag] = true
	}
	for _, h := range r.imports {
		for _, a := range h.wire.Report().Answers {
			switch {
			case a.Unlinked && !decided[oracle.Tag(a.Request.Flags)]:
				c["cancelled before the server saw it"]++
			case a.Unlinked:
				c["cancelled"]++
			}
		}
		if h.left {
			c["unplugged"]++
		}
	}
	for i, n := range r.fired {
		c[r.script.Rules[i].Faults[0].String()] += int(n)
	}
	c["imports"] += len(r.imports)
	urbs, _ := r.recorder.Most()
	c["most URBs"] = max(c["most URBs"], urbs)
	for _, f := range r.gadget.feeders {
		for _, t := range f.sent {
			if t.whole {
				c["sent"]++
			} else {
				c["cut off"]++
			}
		}
	}
	for _, k := range r.gadget.takers {
		for _, a := range k.received {
			if a.broken {
				c["reset while receiving"]++
			}
		}
		c["received"] += len(k.received)
	}
}

func endpointName(address uint8) string {
	const digits = "0123456789abcdef"
	return "endpoint " + string([]byte{digits[address>>4], digits[address&15]})
}

// worthwhile is what random schedules have to reach, and often.
func worthwhile() []string {
	list := []string{
		"cancelled", "cancelled before the server saw it", "unplugged", "sent", "cut off", "received",
		"reset while receiving", "isochronous",
	}
	for _, status := range []usb.Status{usb.OK, usb.EPIPE, usb.EOVERFLOW, usb.ECONNRESET, usb.ESHUTDOWN, usb.ENODEV} {
		list = append(list, status.String())
	}
	for _, address := range all {
		list = append(list, endpointName(uint8(address)))
	}
	return list
}
