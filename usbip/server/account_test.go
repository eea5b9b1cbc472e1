package server_test

import (
	"sort"

	"usbhsm7/usbip/usb"
)

// checkIn compares the words that an endpoint's function sent with those that
// the host got. Words may be missing at the end of a transfer that was cut off,
// and where a connection ended before everything had settled.
func (r *run) checkIn(l lane, sent []transfer) error {
	next, excused := uint32(0), false
	for _, h := range r.imports {
		for _, q := range h.ends {
			if q.lane() != l {
				continue
			}
			for _, w := range q.result {
				if w < next || w > next && !excused && !cutOff(sent, next, w) {
					return found(checkIn, "endpoint %+v: URB %d has word %d, %d is due", l, q.tag, w, next)
				}
				next, excused = w+1, false
			}
		}
		excused = excused || !h.settled
	}
	end := next
	for _, t := range sent {
		end = max(end, t.end)
	}
	if !excused && !cutOff(sent, next, end) {
		return found(checkIn, "endpoint %+v: words %d to %d never came", l, next, end-1)
	}
	return nil
}

// cutOff reports whether every word from next to the one before w belongs to the
// end of a transfer that was cut off.
func cutOff(sent []transfer, next, w uint32) bool {
	for _, t := range sent {
		missing := t.end > next && t.first < w && t.end > t.first
		if missing && (t.whole || w < t.end) {
			return false
		}
	}
	return true
}

// checkOut compares the words that the host sent to an endpoint with those that
// its function got. A URB is taken whole or not at all. Its words may be missing
// where the function was told of a reset or of a transfer that was too long, and
// the words of a URB that failed never arrive.
func (r *run) checkOut(l lane, received []arrival) error {
	var urbs []*request // by their words
	for _, q := range r.requests {
		if q.lane() == l && q.words.end > q.words.first {
			urbs = append(urbs, q)
		}
	}
	at := func(w uint32) int { return sort.Search(len(urbs), func(i int) bool { return urbs[i].words.end > w }) }
	next, excused := uint32(0), false
	for _, a := range received {
		for _, w := range a.words {
			i := at(w)
			if w < next || i == len(urbs) || !(taken(urbs[i]) || urbs[i].Status == usb.ESHUTDOWN) {
				return found(checkOut, "endpoint %+v: the function got word %d, %d is due", l, w, next)
			}
			if q := missing(urbs[at(next):i]); q != nil && !excused {
				return found(checkOut, "endpoint %+v: the function got word %d without those of URB %d", l, w, q.tag)
			}
			if w > max(next, urbs[i].words.first) && !excused {
				return found(checkOut, "endpoint %+v: the function got word %d, %d is due", l, w, next)
			}
			next, excused = w+1, false
		}
		excused = excused || a.broken
	}
	if q := missing(urbs[at(next):]); q != nil && !excused {
		return found(checkOut, "endpoint %+v: URB %d succeeded, but the function did not get it", l, q.tag)
	}
	return nil
}

func taken(q *request) bool { return q.Status == usb.OK }

// missing returns the first URB whose words the function should have.
func missing(urbs []*request) *request {
	for _, q := range urbs {
		if taken(q) {
			return q
		}
	}
	return nil
}
