package server_test

import (
	"errors"
	"slices"

	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// The checks of a run, as findings name them.
const (
	checkVHCI      = "Linux's vhci driver is content"
	checkClient    = "the client is content"
	checkOnce      = "every URB ends once"
	checkAnswered  = "every request is answered"
	checkDecisions = "the host hears what the device decided"
	checkOrder     = "answers come in the order of the decisions"
	checkEndpoint  = "an endpoint's URBs end in order"
	checkIn        = "no data of the device is lost, repeated or made up"
	checkOut       = "no data of the host is lost, repeated or made up"
	checkControl   = "control requests reach the function once, in order"
	checkFree      = "the device is free afterwards"
	checkLimits    = "no more is pending than allowed"
)

// checkAlive looks at a session in which nothing moves any more.
func (r *run) checkAlive(h *imported) error {
	report := h.wire.Report()
	if n := len(r.pending()); n > 0 {
		return found(checkOnce, "%d URBs are pending for ever", n)
	}
	if report.Submits+report.Unlinks > 0 {
		return found(checkAnswered, "%d SUBMITs and %d UNLINKs have no answer", report.Submits, report.Unlinks)
	}
	return nil
}

func (r *run) checkFree() error {
	r.gadget.Plug()
	if _, err := r.gadget.Connect(); err != nil {
		return found(checkFree, "%v", err)
	}
	r.gadget.Disconnect()
	return nil
}

// check looks at everything once it has come to its end.
func (r *run) check() error {
	var wrong []error
	decided := map[uint32]oracle.Decision{}
	for _, d := range r.recorder.Decisions() {
		decided[d.Tag] = d
	}
	for _, h := range r.imports {
		wrong = append(wrong, r.checkImport(h, decided))
	}
	if r.faults != nil { // what they do to the data is theirs
		return errors.Join(append(wrong, r.checkLimits())...)
	}
	for l, f := range r.gadget.feeders {
		wrong = append(wrong, r.checkIn(l, f.sent))
	}
	for l, k := range r.gadget.takers {
		wrong = append(wrong, r.checkOut(l, k.received))
	}
	return errors.Join(append(wrong, r.checkControl(), r.checkLimits())...)
}

func (r *run) checkImport(h *imported, decided map[uint32]oracle.Decision) error {
	var wrong []error
	report := h.wire.Report()
	seen := map[oracle.Rule]bool{}
	for _, b := range report.Breaches {
		cut := b.Rule == oracle.BrokenOff && r.mayEnd(h)
		if !seen[b.Rule] && !cut {
			wrong = append(wrong, found(checkVHCI, "%v", b))
		}
		seen[b.Rule] = true
	}
	if h.err != nil && (errors.Is(h.err, proto.ErrMalformed) || !r.mayEnd(h)) {
		wrong = append(wrong, found(checkClient, "%v", h.err))
	}
	for _, q := range r.of(h) {
		if q.ended != 1 {
			wrong = append(wrong, found(checkOnce, "URB %d of endpoint %02x ended %d times", q.tag, q.Endpoint, q.ended))
		}
	}
	return errors.Join(append(wrong, r.checkAnswers(h, report.Answers, decided), r.checkLinear(h, report.Answers, decided), checkEnds(h))...)
}

// mayEnd reports whether the server may end a session: its device was unplugged, a
// fault cut it, or its host kept too much pending while nothing finished.
func (r *run) mayEnd(h *imported) bool { return h.left || r.faults != nil || r.greedy }

// checkAnswers compares what passed on the wire with what the device decided and
// with what the host was told.
func (r *run) checkAnswers(h *imported, answers []oracle.Answer, decided map[uint32]oracle.Decision) error {
	answered := map[uint32]bool{}
	for _, a := range answers {
		tag := oracle.Tag(a.Request.Flags)
		q, sum := r.requests[tag], oracle.Sum(a.Data)
		answered[tag] = true
		d, isDecided := decided[tag]
		switch {
		case !isDecided && a.Unlinked && a.Status == usb.ECONNRESET: // before its SUBMIT
		case !isDecided:
			return found(checkDecisions, "URB %d never reached the device, but ended with %v", tag, a.Status)
		case a.Unlinked && (d.Status != usb.ECONNRESET || d.Actual != 0 || a.Status != usb.ECONNRESET):
			return found(checkDecisions, "URB %d is cancelled with %v, the device decided %+v", tag, a.Status, d)
		case !a.Unlinked && (d.Status != a.Status || d.Actual != a.Actual || q.In() && d.Sum != sum):
			return found(checkDecisions, "URB %d has %v and %d bytes, the device decided %+v", tag, a.Status, a.Actual, d)
		}
		if r.faults != nil && h.err != nil && q.Status == usb.ESHUTDOWN {
			continue // the connection ended before the client looked at the answer
		}
		if q.Status != a.Status || q.Actual != a.Actual || q.In() && q.sum != sum {
			return found(checkDecisions, "URB %d ended with %v and %d bytes, the answer has %v and %d", tag, q.Status, q.Actual, a.Status, a.Actual)
		}
	}
	for _, q := range r.of(h) {
		if !answered[q.tag] && q.Status != usb.ESHUTDOWN && q.Status != usb.ENODEV && q.Status != usb.ENOMEM {
			return found(checkDecisions, "URB %d ended with %v, but has no answer", q.tag, q.Status)
		}
	}
	return nil
}

// checkLinear compares the order of the answers with that of the decisions. A
// session that was cut off may have fewer answers.
func (r *run) checkLinear(h *imported, answers []oracle.Answer, decided map[uint32]oracle.Decision) error {
	var order []uint32
	for _, d := range r.recorder.Decisions() {
		if r.requests[d.Tag].host == h {
			order = append(order, d.Tag)
		}
	}
	for _, a := range answers {
		tag := oracle.Tag(a.Request.Flags)
		if _, isDecided := decided[tag]; !isDecided {
			continue
		}
		if len(order) == 0 || order[0] != tag {
			return found(checkOrder, "URB %d is answered where %v are due", tag, order[:min(len(order), 5)])
		}
		order = order[1:]
	}
	return nil
}

// checkEnds checks that URBs of an endpoint that got what they were for ended in
// the order in which they were submitted.
func checkEnds(h *imported) error {
	last := map[lane]uint32{}
	for _, q := range h.ends {
		if q.Status != usb.OK {
			continue
		}
		if before, some := last[q.lane()]; some && before > q.tag {
			return found(checkEndpoint, "URB %d of endpoint %02x ended after %d", q.tag, q.Endpoint, before)
		}
		last[q.lane()] = q.tag
	}
	return nil
}

// checkControl compares the vendor's OUT requests with what the function got.
func (r *run) checkControl() error {
	var sure, possible []uint32
	for _, q := range r.requests {
		if q.Setup.RequestType != usb.TypeVendor || q.Setup.Request != vendorData {
			continue
		}
		switch q.Status {
		case usb.OK:
			sure = append(sure, q.tag)
		case usb.ESHUTDOWN:
			possible = append(possible, q.tag) // the answer may have been lost with the connection
		}
	}
	got := slices.DeleteFunc(slices.Clone(r.gadget.controls), func(tag uint32) bool { return slices.Contains(possible, tag) })
	if !slices.Equal(got, sure) || !slices.IsSorted(r.gadget.controls) {
		return found(checkControl, "the function got %v, ended with success %v", r.gadget.controls, sure)
	}
	return nil
}

// checkLimits allows one URB beyond the bytes, which is served alone.
func (r *run) checkLimits() error {
	urbs, bytes := r.recorder.Most()
	if o := r.options; urbs > o.MaxPending || bytes > max(o.MaxPendingBytes, 16384) {
		return found(checkLimits, "%d URBs with %d bytes were pending, limits %d and %d", urbs, bytes, o.MaxPending, o.MaxPendingBytes)
	}
	return nil
}
