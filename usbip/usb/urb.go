package usb

// TransferFlags are the wishes of a host about one URB. The values are those of
// Linux and USB/IP; bits not named here have no meaning for a device.
type TransferFlags uint32

const (
	// ShortNotOK makes a short IN transfer an error: EREMOTEIO, with what arrived.
	ShortNotOK TransferFlags = 0x1
	// ZeroPacket ends an OUT transfer whose length is a multiple of
	// wMaxPacketSize by a zero-length packet.
	ZeroPacket TransferFlags = 0x40
	// IsoASAP asks for the next free frame. Every isochronous URB gets that.
	IsoASAP TransferFlags = 0x2
)

// URB is a USB request block: one request of a host to one endpoint. From
// Submit until Done is called it belongs to the Port; afterwards it may be
// filled in again and reused.
type URB struct {
	Endpoint uint8         // bEndpointAddress, bit 7 = IN; 0x00 and 0x80 are the default control pipe
	Setup    Setup         // control transfers only
	Buffer   []byte        // OUT: the data; IN: the room for it
	Flags    TransferFlags // wishes of the host
	Packets  []IsoPacket   // isochronous transfers, and no others: at least one
	Interval int32         // periodic endpoints: how often the host serves it, in (micro)frames; 0 = it does not say
	Done     func(*URB)    // called exactly once; must not block, may submit again

	Status     Status // result, valid in Done
	Actual     int    // bytes transferred, valid in Done: 0 to len(Buffer), isochronous the sum over Packets
	StartFrame int32  // isochronous: the (micro)frame that the host wishes for, in Done that of the first packet

	in         *queue // the queue that holds the URB, guarded by the owner's lock
	prev, next *URB
}

// In reports whether data goes to the host.
func (u *URB) In() bool { return u.Endpoint&DirIn != 0 }

// Number returns the endpoint number without the direction, 0 to 15.
func (u *URB) Number() int { return int(u.Endpoint & 0x0f) }

// Prepare makes u ready to be carried out: results of an earlier use are cleared.
// Whoever implements Port calls it first in Submit and, unless the result is OK,
// ends u with it: EINVAL says that the packets of an isochronous URB do not lie
// within its buffer.
func (u *URB) Prepare() Status {
	u.Actual, u.Status = 0, OK
	for i := range u.Packets {
		u.Packets[i].Actual, u.Packets[i].Status = 0, EXDEV
	}
	if u.Packets != nil && CheckPackets(u.Packets, len(u.Buffer)) != nil {
		return EINVAL
	}
	return OK
}

// Complete sets the result and calls Done. Of an isochronous URB the packets say
// what moved, and actual is ignored. Whoever implements Port ends every URB
// through this method or, as Device does, through the rule it applies.
func (u *URB) Complete(actual int, status Status) {
	u.settle(actual, status)
	u.Done(u)
}

// settle sets the result. Nothing else in the project writes Actual: a length
// beyond the buffer would make a Linux host read past it.
func (u *URB) settle(actual int, status Status) {
	if u.Packets != nil {
		actual = settlePackets(u.Packets)
	}
	u.Actual = min(max(actual, 0), len(u.Buffer))
	u.Status = status
	switch {
	case status > 0: // never a valid result on the wire
		u.Status = EPROTO
	case status == OK && u.Packets == nil && u.In() && u.Flags&ShortNotOK != 0 && u.Actual < len(u.Buffer):
		u.Status = EREMOTEIO
	}
}

// queue is a list of URBs in order of arrival. It is threaded through the URBs,
// so that waiting costs no memory. The zero value is empty.
type queue struct {
	head, tail *URB
}

func (q *queue) push(u *URB) {
	u.in, u.prev, u.next = q, q.tail, nil
	if q.tail == nil {
		q.head = u
	} else {
		q.tail.next = u
	}
	q.tail = u
}

// remove takes u, which must be in q, out of q.
func (q *queue) remove(u *URB) {
	if u.prev == nil {
		q.head = u.next
	} else {
		u.prev.next = u.next
	}
	if u.next == nil {
		q.tail = u.prev
	} else {
		u.next.prev = u.prev
	}
	u.in, u.prev, u.next = nil, nil, nil
}

// pop removes and returns the first URB, or nil.
func (q *queue) pop() *URB {
	u := q.head
	if u != nil {
		q.remove(u)
	}
	return u
}
