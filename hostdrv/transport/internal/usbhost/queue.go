package usbhost

import (
	"context"
	"fmt"
	"sync"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// queue keeps several URBs pending on an IN endpoint, so that the device never
// waits for the host between two transfers. The URBs complete in the order in
// which they were submitted; a reader takes them in that order, and one that
// stops waiting leaves them where they are.
type queue struct {
	host    *Host
	ended   <-chan struct{} // closed when the link closes
	address uint8
	slots   []slot

	head    int   // the slot whose transfer comes next; the reader's
	taken   int   // slots before head that are not queued again yet; the reader's
	partial bool  // a part of a transfer that is longer than a buffer was dropped; the reader's
	stalls  int   // halts since the last transfer; the reader's
	failed  error // why there will be no more; the reader's

	mu      sync.Mutex // guards stopped: after it no URB is submitted
	stopped bool
	pending sync.WaitGroup
}

// slot is one URB of a queue.
type slot struct {
	urb  usb.URB
	done chan struct{} // holds a token when the URB has completed and was not taken
}

// maxStalls is how many halts in a row a reader clears before it gives up.
const maxStalls = 3

func newQueue(h *Host, ended <-chan struct{}, address uint8, depth, size int) *queue {
	q := &queue{host: h, ended: ended, address: address, slots: make([]slot, depth)}
	for i := range q.slots {
		s := &q.slots[i]
		s.done = make(chan struct{}, 1)
		s.urb.Endpoint, s.urb.Buffer = address, make([]byte, size)
		s.urb.Done = func(*usb.URB) {
			s.done <- struct{}{}
			q.pending.Done()
		}
		q.submit(s)
	}
	return q
}

// submit queues s behind the others.
func (q *queue) submit(s *slot) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.stopped {
		q.pending.Add(1)
		q.host.Port.Submit(&s.urb)
	}
}

// read waits for the next transfer and copies it to p.
func (q *queue) read(ctx context.Context, p []byte) (int, error) {
	for q.failed == nil {
		if err := q.wait(ctx); err != nil {
			return 0, err
		}
		s := &q.slots[q.head]
		switch s.urb.Status {
		case usb.OK:
			q.stalls = 0
			if n, whole, err := q.take(s, p); whole {
				return n, err
			}
		case usb.EOVERFLOW:
			q.next()
			return 0, transport.ErrOverrun
		case usb.EPIPE:
			if q.stalls++; q.stalls > maxStalls {
				q.failed = fmt.Errorf("endpoint %#02x stalls again and again: %w", q.address, s.urb.Status)
			} else if q.failed = q.recover(); q.failed == nil {
				return 0, transport.ErrHalted
			}
		default:
			q.failed = failure(s.urb.Status)
		}
	}
	return 0, q.failed
}

// wait waits until the head has completed.
func (q *queue) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if isClosed(q.ended) {
		return transport.ErrClosed
	}
	select {
	case <-q.slots[q.head].done:
		if isClosed(q.ended) { // then the URB was taken back
			return transport.ErrClosed
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-q.ended:
		return transport.ErrClosed
	}
}

// take copies what s received to p. A URB that is full does not end its
// transfer: then whole is false, and the transfer will be an overrun.
func (q *queue) take(s *slot, p []byte) (n int, whole bool, err error) {
	received := s.urb.Buffer[:s.urb.Actual]
	full := len(received) == len(s.urb.Buffer)
	if full || q.partial || len(received) > len(p) {
		err = transport.ErrOverrun
	} else {
		n = copy(p, received)
	}
	clear(received) // it may have held plaintext
	q.partial = full
	q.next()
	return n, !full, err
}

// next moves on to the slot behind s. When half of the slots are taken they are
// queued again together, which costs the wire one message instead of many.
func (q *queue) next() {
	q.head = (q.head + 1) % len(q.slots)
	if q.taken++; q.taken < len(q.slots)/2 {
		return
	}
	for ; q.taken > 0; q.taken-- {
		q.submit(&q.slots[(q.head+len(q.slots)-q.taken)%len(q.slots)])
	}
}

// recover clears a halt. The URBs queued behind the one that stalled, at the
// head, are taken back first, since a halted endpoint answers none of them.
func (q *queue) recover() error {
	for i := 1; i < len(q.slots)-q.taken; i++ {
		s := &q.slots[(q.head+i)%len(q.slots)]
		q.host.Port.Cancel(&s.urb)
		<-s.done
	}
	q.partial = false
	if err := q.host.clearHalt(context.Background(), q.address); err != nil {
		return fmt.Errorf("clear a halt: %w", err)
	}
	q.head, q.taken = 0, 0
	for i := range q.slots {
		q.submit(&q.slots[i])
	}
	return nil
}

// stop lets no more URBs be submitted. Those pending are left to Host.Release.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
}
