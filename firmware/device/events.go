package device

import (
	"context"
	"sync"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

// maxEvents is how many events wait for a host that does not poll.
const maxEvents = 64

// events is the bounded queue before the interrupt endpoint. When it is full
// the oldest event makes room, and the host is told that some were dropped.
type events struct {
	waiting chan struct{} // holds one token while the queue is not empty

	mu      sync.Mutex // guards what follows
	queue   []command.Event
	dropped bool
}

func newEvents() *events {
	return &events{waiting: make(chan struct{}, 1)}
}

// add appends an event.
func (q *events) add(e command.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == maxEvents {
		q.queue = append(q.queue[:0], q.queue[1:]...)
		q.dropped = true
	}
	q.queue = append(q.queue, e)
	q.wake()
}

// drop forgets what waits.
func (q *events) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue, q.dropped = q.queue[:0], false
}

func (q *events) wake() {
	select {
	case q.waiting <- struct{}{}:
	default:
	}
}

// next waits for the oldest event.
func (q *events) next(ctx context.Context) (command.Event, error) {
	for {
		select {
		case <-ctx.Done():
			return command.Event{}, ctx.Err()
		case <-q.waiting:
		}
		if e, ok := q.take(); ok {
			return e, nil
		}
	}
}

func (q *events) take() (command.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dropped {
		q.dropped = false
		q.wake()
		return command.Event{Code: command.EventEventsDropped}, true
	}
	if len(q.queue) == 0 {
		return command.Event{}, false
	}
	e := q.queue[0]
	q.queue = append(q.queue[:0], q.queue[1:]...)
	if len(q.queue) > 0 {
		q.wake()
	}
	return e, true
}

// run sends events until ctx ends. When the host goes, those that wait for it
// are dropped: they must not be the next host's.
func (q *events) run(ctx context.Context, in transferWriter) {
	buffer := make([]byte, 0, frame.MaxEvent)
	for {
		e, err := q.next(ctx)
		if err != nil {
			return
		}
		payload, _ := command.Marshal(e) // a fixed struct: cannot fail
		message := frame.Message{Type: frame.TypeEvent, Code: uint32(e.Code), Payload: payload}
		buffer, _ = frame.NewSplitter(message).AppendFrame(buffer[:0], frame.MaxEvent)
		if err := in.Write(ctx, buffer); err != nil {
			q.drop()
		}
	}
}
