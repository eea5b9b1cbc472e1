package server_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// run carries out a script: a strict client against a server, in a bubble of
// testing/synctest, with an oracle.Wire between them and an oracle.Recorder
// behind the server.
type run struct {
	gadget    *gadget
	recorder  *oracle.Recorder
	listener  *pipes
	faults    *fault.Injector // nil = none
	script    *fault.Script   // in force in faults
	fired     []uint64        // how often, by rule of script
	options   server.Options
	defect    *oracle.Defect
	trickle   bool
	greedy    bool
	imports   []*imported     // all of them, the last may still be there
	requests  []*request      // in order of submission
	nextWord  map[lane]uint32 // of OUT endpoints
	releasing sync.WaitGroup
}

// imported is one import of the device.
type imported struct {
	*client.Device
	wire    *oracle.Wire
	closed  bool  // by this host
	left    bool  // the device was unplugged
	settled bool  // everything had ended when it was closed
	err     error // why it ended before it was closed
	first   int   // index of the first request

	mu   sync.Mutex
	ends []*request // in the order in which they ended
}

// request is a URB.
type request struct {
	usb.URB
	tag    uint32
	words  transfer // of an OUT URB
	host   *imported
	ended  int    // how often
	sum    uint64 // of the data of an IN URB
	result []uint32
}

// finding is what a check has against a run.
type finding struct{ check, detail string }

func (f *finding) Error() string { return f.check + ": " + f.detail }

func found(check, format string, args ...any) error {
	return &finding{check, fmt.Sprintf(format, args...)}
}

// schedule is a script with what it runs on.
type schedule struct {
	script  script
	options server.Options
	defect  *oracle.Defect // of the server; nil = none
	faults  *fault.Script  // between the server and the device, and its hosts; nil = none
	tally   tally          // what happened; nil = nobody wants to know
	trickle bool           // bytes come one at a time, both ways
	greedy  bool           // the host wants more URBs at a time than the server takes
}

// play carries out a schedule and returns the first thing that is wrong. It has
// to be called in a bubble.
func (s schedule) play() error {
	gadget, err := newGadget()
	if err != nil {
		return err
	}
	r := &run{
		gadget: gadget, recorder: &oracle.Recorder{Port: gadget},
		listener: newPipes(), options: s.options, defect: s.defect, trickle: s.trickle, greedy: s.greedy, nextWord: map[lane]uint32{},
	}
	listener, err := r.inject(s.faults)
	if err != nil {
		return err
	}
	exporter := server.New(s.options)
	if err := exporter.Export(busID, r.recorder); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { err = exporter.Serve(ctx, listener) })
	gadget.run(ctx)
	wrong := r.carryOut(s.script)
	cancel()
	serving.Wait()
	gadget.running.Wait()
	s.tally.count(r)
	return errors.Join(wrong, err, r.check())
}

// carryOut takes every step, lets the rest end, and checks the session. The
// device is imported and has all its endpoints at the beginning.
func (r *run) carryOut(s script) error {
	r.attach([3]int{})
	r.configure([3]int{1})
	r.setInterface([3]int{1, 1})
	r.setInterface([3]int{2, 2})
	r.wait([3]int{})
	for _, step := range s {
		verbNamed(step.verb).do(r, step.args)
	}
	return r.settle()
}

// settle lets everything end that can and checks what the host has seen of it.
// Time stands still while anything moves, so an hour passes only if nothing
// will move any more.
func (r *run) settle() error {
	r.release([3]int{})
	r.resume([3]int{})
	h := r.host()
	if h != nil {
		for _, q := range r.pending() {
			h.Cancel(&q.URB)
		}
	}
	r.wait([3]int{})
	if h != nil && (len(r.pending()) > 0 || r.faults != nil || r.greedy) {
		time.Sleep(time.Hour)
	}
	var wrong error
	if h != nil && h.Err() == nil {
		h.settled = true
		wrong = r.checkAlive(h)
	}
	r.leave([3]int{})
	r.releasing.Wait()
	if r.greedy {
		time.Sleep(time.Hour) // a host that is not read from is missed late
	}
	if r.faults != nil {
		time.Sleep(time.Hour) // until a slow connection has ended
		for _, rule := range r.faults.Report().Rules {
			r.fired = append(r.fired, rule.Fired)
		}
		r.faults.Clear()
	}
	return errors.Join(wrong, r.checkFree())
}

// host returns the import that is in force, or nil.
func (r *run) host() *imported {
	if len(r.imports) == 0 {
		return nil
	}
	h := r.imports[len(r.imports)-1]
	if h.closed {
		return nil
	}
	return h
}

func (r *run) attach([3]int) {
	if h := r.host(); h != nil {
		if h.Err() == nil {
			return
		}
		r.leave([3]int{})
	}
	near, far := net.Pipe()
	if r.trickle {
		near, far = dribble{near}, dribble{far}
	}
	r.listener.conns <- far
	conn := net.Conn(near)
	if r.defect != nil {
		conn = r.defect.Commit(near)
	}
	h := &imported{wire: oracle.NewWire(conn), first: len(r.requests)}
	var err error
	most := r.options.MaxPending
	if r.greedy {
		most *= 4
	}
	h.Device, err = client.Options{MaxPending: most}.ImportConn(context.Background(), h.wire, busID)
	if err == nil {
		r.imports = append(r.imports, h)
	}
}

func (r *run) leave([3]int) {
	if h := r.host(); h != nil {
		h.closed, h.err = true, h.Err()
		h.wire.Resume()
		h.Close()
		synctest.Wait() // until the server has noticed
	}
}

// start submits a URB.
func (r *run) start(q *request) {
	h := r.host()
	if h == nil {
		return
	}
	q.host, q.tag = h, uint32(len(r.requests))
	q.Flags = oracle.WithTag(q.Flags, q.tag)
	q.Done = func(u *usb.URB) {
		h.mu.Lock()
		defer h.mu.Unlock()
		q.ended++
		h.ends = append(h.ends, q)
		if u.In() {
			data := oracle.Moved(u)
			q.sum, q.result = oracle.Sum(data), parseWords(data)
		}
	}
	r.requests = append(r.requests, q)
	h.Submit(&q.URB)
}

// dribble is a connection of which one byte can be read at a time.
type dribble struct{ net.Conn }

func (d dribble) Read(p []byte) (int, error) { return d.Conn.Read(p[:min(len(p), 1)]) }

// pending returns the URBs of the present host that have not ended.
func (r *run) pending() (list []*request) {
	h := r.host()
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, q := range r.requests[h.first:] {
		if q.ended == 0 {
			list = append(list, q)
		}
	}
	return list
}

// of returns the requests of one import.
func (r *run) of(h *imported) []*request {
	end := len(r.requests)
	if i := slices.Index(r.imports, h) + 1; i < len(r.imports) {
		end = r.imports[i].first
	}
	return r.requests[h.first:end]
}
