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
		listener: newPipes(), options: s.options, defect: s.defect, nextWord: map[lane]uint32{},
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
	if h != nil && (len(r.pending()) > 0 || r.faults != nil) {
		time.Sleep(time.Hour)
	}
	var wrong error
	if h != nil && h.Err() == nil {
		h.settled = true
		wrong = r.checkAlive(h)
	}
	r.leave([3]int{})
	r.releasing.Wait()
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
	r.listener.conns <- far
	conn := net.Conn(near)
	if r.defect != nil {
		conn = r.defect.Commit(near)
	}
	h := &imported{wire: oracle.NewWire(conn), first: len(r.requests)}
	var err error
	h.Device, err = client.Options{MaxPending: r.options.MaxPending}.ImportConn(context.Background(), h.wire, busID)
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

// twice would break the limit on waiting UNLINKs where that is tight.
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

// of returns the requests of one import.
func (r *run) of(h *imported) []*request {
	end := len(r.requests)
	if i := slices.Index(r.imports, h) + 1; i < len(r.imports) {
		end = r.imports[i].first
	}
	return r.requests[h.first:end]
}
