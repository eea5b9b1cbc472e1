package server_test

import (
	"testing/synctest"
	"time"

	"usbhsm7/usbip/usb"
)

// What the verbs of a script do, in the order of the table.

func (r *run) submit(a [3]int) {
	endpoint := uint8(a[0])
	for range a[2] {
		switch q := (&request{URB: usb.URB{Endpoint: endpoint, Buffer: make([]byte, a[1])}}); {
		case q.Number() == 0:
			r.vendor(q, vendorData)
		case q.In():
			r.start(q)
		default:
			copy(q.Buffer, r.take(q, a[1]))
			r.start(q)
		}
	}
}

// take returns the next words for an OUT endpoint, which are q's.
func (r *run) take(q *request, length int) []byte {
	l := q.lane()
	q.words = transfer{first: r.nextWord[l], end: r.nextWord[l] + uint32(length/4)}
	r.nextWord[l] = q.words.end
	return words(q.words.first, q.words.end)
}

// stream submits isochronous URBs, whose packets have 32 to 96 bytes and gaps.
func (r *run) stream(a [3]int) {
	for range a[2] {
		q := &request{URB: usb.URB{Endpoint: uint8(a[0])}}
		size := 0
		for i := range a[1] {
			length := 32 * (1 + i%3)
			q.Packets = append(q.Packets, usb.IsoPacket{Offset: size, Length: length})
			size += length + 4
		}
		q.Buffer = make([]byte, size)
		if !q.In() {
			for _, p := range q.Packets {
				first := q.words.first
				copy(q.Buffer[p.Offset:], r.take(q, p.Length))
				if p.Offset > 0 {
					q.words.first = first
				}
			}
		}
		r.start(q)
	}
}

func (q *request) lane() lane { return lane{q.Endpoint, q.Packets != nil} }

// vendor submits a control request of the vendor with a data stage as long as
// the buffer.
func (r *run) vendor(q *request, code uint8) {
	tag := len(r.requests)
	q.Setup = usb.Setup{
		RequestType: q.Endpoint | usb.TypeVendor, Request: code,
		Value: uint16(tag >> 16), Index: uint16(tag), Length: uint16(len(q.Buffer)),
	}
	r.start(q)
}

func (r *run) standard(code, recipient uint8, value, index int) {
	s := usb.Setup{RequestType: recipient, Request: code, Value: uint16(value), Index: uint16(index)}
	r.start(&request{URB: usb.URB{Setup: s}})
}

func (r *run) cancel(a [3]int) {
	pending := r.pending()
	last := len(pending) - a[0]
	for i := last - 1; i >= max(0, last-a[1]); i-- {
		r.host().Cancel(&pending[i].URB)
	}
}

func (r *run) write(a [3]int) {
	for range a[2] {
		ask(r.gadget.feeders[lane{address: uint8(a[0])}].jobs, a[1])
	}
}

func (r *run) read(a [3]int) {
	for range a[2] {
		ask(r.gadget.takers[lane{address: uint8(a[0])}].jobs, a[1])
	}
}

func (r *run) halt(a [3]int) {
	if e := r.gadget.In(uint8(a[0])); e != nil {
		e.Halt()
	} else {
		r.gadget.Out(uint8(a[0])).Halt()
	}
}

func (r *run) stall(a [3]int) {
	r.standard(usb.SetFeature, usb.RecipientEndpoint, usb.FeatureEndpointHalt, a[0])
}

func (r *run) clear(a [3]int) {
	r.standard(usb.ClearFeature, usb.RecipientEndpoint, usb.FeatureEndpointHalt, a[0])
}

func (r *run) reset([3]int) {
	r.standard(usb.SetFeature, usb.TypeClass|usb.RecipientOther, usb.FeaturePortReset, 0)
}

func (r *run) configure(a [3]int) { r.standard(usb.SetConfiguration, 0, a[0], 0) }

func (r *run) setInterface(a [3]int) {
	r.standard(usb.SetInterface, usb.RecipientInterface, a[1], a[0])
}

func (r *run) refused(a [3]int) {
	q := &request{URB: usb.URB{Endpoint: uint8(a[0]) * usb.DirIn, Buffer: make([]byte, a[1])}}
	r.vendor(q, vendorStall)
}

func (r *run) wait([3]int) { synctest.Wait() }

// later lets time pass. A host that held SUBMITs back for so long would have
// UNLINKs answered as if their victims were old.
func (r *run) later(a [3]int) {
	r.release([3]int{})
	r.resume([3]int{})
	time.Sleep(time.Duration(a[0]) * time.Millisecond)
}

func (r *run) hold([3]int) {
	if h := r.host(); h != nil {
		h.wire.Hold()
	}
}

// release may have to wait until the server reads, which may wait for the host.
func (r *run) release([3]int) {
	if h := r.host(); h != nil {
		r.releasing.Go(func() { _ = h.wire.Release() })
	}
}

// twice would make early UNLINKs give up where the limit is tight.
func (r *run) twice(a [3]int) {
	if h := r.host(); h != nil && r.options.MaxPending == wide.MaxPending {
		h.wire.Twice(a[0] == 1)
	}
}

func (r *run) pause([3]int) {
	if h := r.host(); h != nil {
		h.wire.Pause()
	}
}

func (r *run) resume([3]int) {
	if h := r.host(); h != nil {
		h.wire.Resume()
	}
}

func (r *run) unplug([3]int) {
	r.gadget.Unplug()
	if h := r.host(); h != nil {
		h.left = true
	}
}

func (r *run) plug([3]int) { r.gadget.Plug() }
