package client

import (
	"bufio"
	"errors"
	"net"
	"slices"
	"sync"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// ErrClosed says that the device was closed by its user.
var ErrClosed = errors.New("USB/IP device closed")

// ErrDisconnected says that the server ended the connection: the device was
// unplugged or the server stopped.
var ErrDisconnected = errors.New("USB/IP server closed the connection")

// Options are for a Device that is to have other limits than usual. A URB beyond
// the limits ends at once with ENOMEM.
type Options struct {
	// MaxPending is the largest number of URBs at a time, 0 for 1024. It must
	// not be more than the server takes: a server at its limit stops reading, and
	// so cannot be asked to cancel anything.
	MaxPending int
}

const (
	defaultPending = 1024

	maxQueued  = 64 << 20 // bytes not sent yet; a URB beyond them ends with ENOMEM
	readBuffer = 64 << 10
)

// Device is an imported device. Its methods may be called from any goroutine;
// Close not from inside a Done.
type Device struct {
	conn       net.Conn
	remote     proto.Device
	maxPending int

	in     *bufio.Reader // used by the reader only, as are header and stream
	header proto.Header
	stream []byte        // data of isochronous packets before each finds its place
	wake   chan struct{} // tells the writer that there is something to send
	gone   chan struct{}

	mu      sync.Mutex
	seq     uint32               // last sequence number given out
	pending map[uint32]*transfer // by sequence number
	byURB   map[*usb.URB]*transfer
	unlinks map[uint32]*transfer // by the sequence number of the UNLINK
	idle    *transfer            // for reuse
	queued  []byte               // encoded requests
	spare   []byte
	err     error // why the device is gone; nil = it is not
	helpers sync.WaitGroup
}

// transfer is a pending URB, or one that ended while its UNLINK was on the way.
type transfer struct {
	urb      *usb.URB // nil = ended
	seq      uint32
	unlinked bool
	next     *transfer // idle list
}

func newDevice(conn net.Conn, remote proto.Device, o Options) *Device {
	d := &Device{
		conn: conn, remote: remote, maxPending: o.MaxPending,
		in:      bufio.NewReaderSize(conn, readBuffer),
		wake:    make(chan struct{}, 1),
		gone:    make(chan struct{}),
		pending: map[uint32]*transfer{},
		byURB:   map[*usb.URB]*transfer{},
		unlinks: map[uint32]*transfer{},
	}
	if d.maxPending <= 0 {
		d.maxPending = defaultPending
	}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { d.write(stop) })
	d.helpers.Go(func() {
		err := d.read()
		d.stop(err)
		close(stop)
		writer.Wait()
		d.giveBack()
		close(d.gone)
	})
	return d
}

// Identity returns what the server said of the device at the import. Interfaces
// is empty, because that answer does not list them.
func (d *Device) Identity() usb.Identity { return d.remote.Identity }

// Place returns the bus and device number that the server gave the device.
func (d *Device) Place() (bus, number uint32) { return d.remote.Bus, d.remote.Number }

// Gone is closed when the connection has ended and every URB has been given back.
func (d *Device) Gone() <-chan struct{} { return d.gone }

// Err returns why the device is gone: ErrClosed, ErrDisconnected, an error that
// wraps proto.ErrMalformed if the server broke the protocol, or that of the
// connection. It is known from the moment that no URB can succeed any more, so
// that whoever gets one back with ESHUTDOWN or ENODEV can ask; before it is nil.
func (d *Device) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Close gives the device back. Pending URBs end with ESHUTDOWN before it returns.
// It returns nil, also when called again or when the device is gone already.
func (d *Device) Close() error {
	d.stop(ErrClosed)
	d.helpers.Wait()
	return nil
}

// stop ends the connection for the reason given; the first reason stays.
func (d *Device) stop(reason error) {
	d.mu.Lock()
	if d.err == nil {
		d.err = reason
	}
	d.mu.Unlock()
	d.conn.Close()
}

// giveBack ends what is pending, in order of submission.
func (d *Device) giveBack() {
	d.mu.Lock()
	var urbs []*usb.URB
	for _, seq := range d.sequence() {
		urbs = append(urbs, d.pending[seq].urb)
	}
	clear(d.pending)
	clear(d.byURB)
	d.mu.Unlock()
	for _, u := range urbs {
		u.Complete(0, usb.ESHUTDOWN)
	}
}

// sequence returns the pending sequence numbers, oldest first.
func (d *Device) sequence() []uint32 {
	var list []uint32
	for seq := range d.pending {
		list = append(list, seq)
	}
	slices.SortFunc(list, func(a, b uint32) int { return int(int32(a - b)) }) // they wrap around
	return list
}

// Submit starts u. It never blocks: requests are queued for a goroutine that
// sends them. u ends with ENODEV if the device is gone, ENOMEM if too much is
// pending, and EINVAL if it is longer than proto.MaxTransfer or has isochronous
// packets that are more than proto.MaxIsoPackets, do not lie within its buffer or
// are for the control pipe.
func (d *Device) Submit(u *usb.URB) {
	if status := d.start(u); status != usb.OK {
		u.Complete(0, status)
	}
}

func (d *Device) start(u *usb.URB) usb.Status {
	prepared := u.Prepare()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.err != nil:
		return usb.ENODEV
	case len(u.Buffer) > proto.MaxTransfer || len(u.Packets) > proto.MaxIsoPackets,
		u.Packets != nil && u.Number() == 0:
		return usb.EINVAL
	case prepared != usb.OK:
		return prepared
	case len(d.pending) >= d.maxPending || len(d.unlinks) >= d.maxPending || len(d.queued)+len(u.Buffer) > maxQueued:
		return usb.ENOMEM
	}
	t := d.newTransfer(u)
	d.pending[t.seq], d.byURB[u] = t, t
	d.queued = d.appendSubmit(d.queued, t)
	d.announce()
	return usb.OK
}

// interval returns the polling interval of u, in frames or microframes. Servers
// that drive hardware, such as Linux's, drop a client that asks for 0 on an
// periodic endpoint; unless the host says something, it is the shortest, which
// suits every one. Bulk URBs do not mind, and control transfers go without.
func interval(u *usb.URB) int32 {
	if u.Number() == 0 {
		return 0
	}
	return max(u.Interval, 1)
}

// appendSubmit encodes the request for a URB.
func (d *Device) appendSubmit(b []byte, t *transfer) []byte {
	u := t.urb
	request := proto.Submit{
		Seq: t.seq, DevID: d.remote.DevID(), In: u.In(), Endpoint: uint32(u.Number()),
		Flags: u.Flags, Length: int32(len(u.Buffer)), StartFrame: u.StartFrame,
		Packets: int32(len(u.Packets)), Interval: interval(u), Setup: u.Setup,
	}
	b = request.Append(b)
	if !u.In() {
		b = append(b, u.Buffer...)
	}
	return proto.AppendIsoPackets(b, u.Packets)
}

// Cancel asks the server to end u and returns at once; a URB that is not pending
// is left alone. If the server did cancel u it ends with ECONNRESET, with Actual
// telling what had moved by then, and if a server like Linux's stub driver keeps
// to itself what became of u, with ECONNRESET and 0; otherwise with its own result.
func (d *Device) Cancel(u *usb.URB) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.byURB[u]
	if t == nil || t.unlinked || d.err != nil {
		return
	}
	t.unlinked = true
	unlink := proto.Unlink{Seq: d.nextSeq(), DevID: d.remote.DevID(), Victim: t.seq}
	d.unlinks[unlink.Seq] = t
	d.queued = unlink.Append(d.queued)
	d.announce()
}

func (d *Device) newTransfer(u *usb.URB) *transfer {
	t := d.idle
	if t != nil {
		d.idle, t.next = t.next, nil
	} else {
		t = &transfer{}
	}
	t.urb, t.seq, t.unlinked = u, d.nextSeq(), false
	return t
}

// nextSeq returns a number that nothing pending has.
func (d *Device) nextSeq() uint32 {
	for {
		d.seq++
		if d.pending[d.seq] == nil && d.unlinks[d.seq] == nil {
			return d.seq
		}
	}
}
