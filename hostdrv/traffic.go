package hostdrv

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/frame"
)

// traffic is what is under way on one link: the requests in flight and the
// frames that wait to be sent. Callers begin and abandon requests, the writer
// takes them and tells when they are sent, the reader brings the answers.
type traffic struct {
	slots chan struct{} // holds one token for each request in flight
	large *budget       // of those longer than a frame
	wake  chan struct{} // holds a token when queue is not empty
	ended chan struct{} // closed by fail

	buffers frame.Buffers // of payloads

	mu       sync.Mutex // guards what follows
	err      error      // why the link ended
	lastTag  uint32
	inFlight map[uint32]*request
	queue    []outgoing // at most two for each slot: the request and its CANCEL
	idle     []*request // at most one for each slot, for reuse
}

// request is one command in flight.
type request struct {
	tag     uint32
	large   int           // bytes taken from the budget
	payload []byte        // wiped when it is sent
	over    atomic.Bool   // nothing more of it is to be sent: it was answered or abandoned
	done    chan struct{} // receives one token when the fields below are set

	status   command.Status
	response []byte
	joined   bool  // response is nobody else's: a caller may keep it
	err      error // the link failed instead

	sent      bool // guarded by traffic.mu: the last frame is in a transfer
	abandoned bool // guarded by traffic.mu: the caller has gone
}

// outgoing is a message on its way to the device.
type outgoing struct {
	frames  frame.Splitter
	request *request // nil for a CANCEL
	begun   bool     // a frame is in a transfer
}

func newTraffic(maxInFlight int) *traffic {
	ended := make(chan struct{})
	// Shorter messages may be cut too, to fill a transfer. As many as can be in flight
	// have their place beside the large ones, so that those never hold them up.
	reserved := maxInFlight * frame.MaxPayload
	return &traffic{
		slots:    make(chan struct{}, maxInFlight),
		large:    newBudget(frame.MaxUnfinished-reserved, ended),
		wake:     make(chan struct{}, 1),
		ended:    ended,
		lastTag:  randomTag(),
		inFlight: make(map[uint32]*request, maxInFlight),
	}
}

// randomTag returns a tag that an earlier host is unlikely to have used.
func randomTag() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return binary.LittleEndian.Uint32(b[:]) | 1
}

// send sends m, whose payload it owns and wipes. The request returned must be
// given to wait.
func (t *traffic) send(ctx context.Context, m frame.Message) (*request, error) {
	large := 0
	if len(m.Payload) > frame.MaxPayload {
		large = len(m.Payload)
	}
	if err := t.admit(ctx, large); err != nil {
		t.buffers.Put(m.Payload)
		return nil, err
	}
	r, err := t.begin(m, large)
	if err != nil {
		t.buffers.Put(m.Payload)
		return nil, err
	}
	return r, nil
}

// wait waits for the answer to r, which must then be given to recycle when its
// response has been read. If ctx ends first r is abandoned.
func (t *traffic) wait(ctx context.Context, r *request) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		t.abandon(r)
		return ctx.Err()
	}
}

// admit waits for a slot, and for room for the bytes of a large request.
func (t *traffic) admit(ctx context.Context, large int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.large.take(ctx, large); err != nil {
		return cmp.Or(t.failure(), err)
	}
	err := t.acquire(ctx, t.slots)
	if err != nil {
		t.large.give(large)
	}
	return err
}

func (t *traffic) acquire(ctx context.Context, tokens chan struct{}) error {
	select {
	case tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.ended:
		return t.failure()
	}
}

// release gives back what admit took.
func (t *traffic) release(large int) {
	<-t.slots
	t.large.give(large)
}

// begin gives m a tag and puts it in flight.
func (t *traffic) begin(m frame.Message, large int) (*request, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		t.release(large)
		return nil, t.err
	}
	r := t.fresh()
	r.tag, r.large, r.payload = t.nextTag(), large, m.Payload
	m.Tag = r.tag
	t.inFlight[r.tag] = r
	t.push(outgoing{frames: *frame.NewSplitter(m), request: r})
	return r, nil
}

// fresh returns a request to fill in.
func (t *traffic) fresh() *request {
	n := len(t.idle)
	if n == 0 {
		return &request{done: make(chan struct{}, 1)}
	}
	r := t.idle[n-1]
	t.idle = t.idle[:n-1]
	return r
}

// nextTag returns the next tag that is neither 0 nor in flight.
func (t *traffic) nextTag() uint32 {
	for {
		t.lastTag++
		if t.lastTag != 0 && t.inFlight[t.lastTag] == nil {
			return t.lastTag
		}
	}
}

// push queues o for the writer.
func (t *traffic) push(o outgoing) {
	t.queue = append(t.queue, o)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// abandon gives r up: its caller has gone. If the device may know of it the
// writer sends a CANCEL; the slot stays taken until the device has answered.
func (t *traffic) abandon(r *request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inFlight[r.tag] != r {
		return // the answer has just come
	}
	r.abandoned = true
	r.over.Store(true)
	if r.sent {
		t.push(cancelOf(r))
	}
}

func cancelOf(r *request) outgoing {
	return outgoing{frames: *frame.NewSplitter(frame.Message{Type: frame.TypeCancel, Tag: r.tag})}
}

// take moves everything that waits to be sent to the end of active.
func (t *traffic) take(active []outgoing) []outgoing {
	t.mu.Lock()
	defer t.mu.Unlock()
	active = append(active, t.queue...)
	clear(t.queue)
	t.queue = t.queue[:0]
	return active
}

// finished notes that the writer has done with o: it is sent, or not wanted
// any more.
func (t *traffic) finished(o outgoing) {
	r := o.request
	if r == nil {
		return
	}
	t.buffers.Put(r.payload)
	t.mu.Lock()
	defer t.mu.Unlock()
	r.sent = true
	switch {
	case !r.abandoned || t.inFlight[r.tag] != r:
	case o.begun:
		t.push(cancelOf(r))
	default: // the device never heard of it
		delete(t.inFlight, r.tag)
		t.release(r.large)
	}
}

// answer gives a response to the request it belongs to. A late one, to a
// request that was abandoned, is dropped and frees the slot.
func (t *traffic) answer(m frame.Message) {
	t.mu.Lock()
	r := t.inFlight[m.Tag]
	if r == nil {
		t.mu.Unlock()
		return
	}
	delete(t.inFlight, m.Tag)
	r.over.Store(true)
	abandoned := r.abandoned
	t.release(r.large)
	t.mu.Unlock()
	if abandoned {
		return
	}
	r.status = command.Status(m.Code)
	if r.joined = m.Joined; r.joined {
		r.response = m.Payload
	} else {
		r.response = append(r.response[:0], m.Payload...)
	}
	r.done <- struct{}{}
}

// decode decodes the response of r into v, which may take it over.
func (r *request) decode(v any) error {
	if !r.joined {
		return command.Unmarshal(r.response, v)
	}
	shared, err := command.UnmarshalInPlace(r.response, v)
	if shared {
		r.response = nil
	}
	return err
}

// recycle wipes the response of r and keeps r for another request.
func (t *traffic) recycle(r *request) {
	clear(r.response)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !r.sent || len(t.idle) == cap(t.slots) {
		return // the writer still holds a request that was answered early
	}
	if len(r.response) > frame.MaxPayload {
		r.response = nil
	}
	r.payload, r.sent = nil, false
	r.over.Store(false)
	t.idle = append(t.idle, r)
}

// fail ends every request with err, and those to come. Only the first counts.
func (t *traffic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	t.err = err
	close(t.ended)
	for _, r := range t.inFlight {
		r.over.Store(true)
		if !r.abandoned {
			r.err = err
			r.done <- struct{}{}
		}
	}
	clear(t.inFlight)
	for _, o := range t.queue {
		if o.request != nil {
			t.buffers.Put(o.request.payload)
		}
	}
	t.queue = nil
}

// failure returns why the link ended, nil while it lives.
func (t *traffic) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}
