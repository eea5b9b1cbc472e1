package capture

import (
	"sync"
	"time"

	"usbhsm7/usbip/usb"
)

// Sink takes the packets of one capture. A Capture calls it from one goroutine.
type Sink interface {
	// Write adds a packet; dropped tells how many were lost just before it.
	Write(p *Packet, dropped uint64) error

	// Flush makes what was written visible to whoever reads along.
	Flush(Statistics) error

	// Close ends what was written and flushes it.
	Close(Statistics) error
}

// Statistics count the packets of a capture.
type Statistics struct {
	Packets uint64 `json:"packets"` // given to the sink
	Dropped uint64 `json:"dropped"` // that the sink was too slow for
	Bytes   uint64 `json:"bytes"`   // of data in the packets
}

// Options of a capture. The zero value captures everything as it is.
type Options struct {
	// Redact overwrites, in place, what must not be in the capture. The packet is
	// whole, and packets come in the order of the bus. Length and number of bytes
	// must stay. Bytes are overwritten with Blank.
	Redact func(*Packet)

	// MaxQueued bounds the memory for packets that wait for the sink, in bytes; 0
	// means 16 MiB. A packet is dropped rather than exceed it.
	MaxQueued int
}

// Blank is what stands in the place of a redacted byte: an asterisk.
const Blank = '*'

const (
	defaultQueued = 16 << 20
	packetCost    = 256 // bytes of memory for a packet besides its data
)

// Capture is one capture under way.
type Capture struct {
	tap     *Tap
	sink    Sink
	options Options
	wake    chan struct{} // holds a token when there may be something to do
	failed  chan struct{} // closed when the sink failed
	running sync.WaitGroup

	mu       sync.Mutex // guards what follows
	queue    []queued
	held     int // bytes of packets that are not with the sink yet
	dropped  uint64
	total    Statistics
	remarks  []string // for the next packet
	stopping bool
	err      error // of the sink
}

// queued is a packet that waits for the sink.
type queued struct {
	packet  Packet
	dropped uint64 // packets lost just before it
	cost    int    // bytes of memory
}

func newCapture(t *Tap, sink Sink, o Options) *Capture {
	if o.MaxQueued <= 0 {
		o.MaxQueued = defaultQueued
	}
	return &Capture{
		tap: t, sink: sink, options: o,
		wake: make(chan struct{}, 1), failed: make(chan struct{}),
	}
}

// take queues a copy of p. It never blocks for longer than others copy.
func (c *Capture) take(p Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		return
	}
	cost := packetCost + len(p.Data) + len(p.Packets)*descriptorSize
	fits := c.held+cost <= c.options.MaxQueued
	if fits || c.options.Redact != nil { // the redaction has to see every packet
		p.Data = append([]byte(nil), p.Data...)
		p.Packets = append([]usb.IsoPacket(nil), p.Packets...)
	}
	p.Time = time.Now() // under the lock, so that time never runs backwards in a file
	if c.options.Redact != nil {
		c.options.Redact(&p)
	}
	if !fits {
		c.dropped++
		c.total.Dropped++
		c.signal()
		return
	}
	p.Comments, c.remarks = c.remarks, nil
	c.queue = append(c.queue, queued{p, c.dropped, cost})
	c.held += cost
	c.dropped = 0
	c.total.Packets++
	c.total.Bytes += uint64(len(p.Data))
	c.signal()
}

// maxRemarks bounds the comments that wait for a packet.
const maxRemarks = 16

func (c *Capture) remark(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.remarks) < maxRemarks {
		c.remarks = append(c.remarks, text)
	}
}

func (c *Capture) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run moves packets to the sink until the capture ends or the sink fails.
func (c *Capture) run() {
	for range c.wake {
		batch, total, last := c.batch()
		if err := c.write(batch, total, last); err != nil {
			c.fail(err)
			return
		}
		if last {
			return
		}
	}
}

// batch takes what waits. With last it is the end of the capture.
func (c *Capture) batch() (batch []queued, total Statistics, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch, c.queue = c.queue, nil
	return batch, c.total, c.stopping
}

func (c *Capture) write(batch []queued, total Statistics, last bool) error {
	for i := range batch {
		if err := c.sink.Write(&batch[i].packet, batch[i].dropped); err != nil {
			return err
		}
		c.release(batch[i].cost)
		batch[i] = queued{}
	}
	if last {
		return c.sink.Close(total)
	}
	return c.sink.Flush(total)
}

func (c *Capture) release(cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held -= cost
}

// fail ends the capture because of its sink.
func (c *Capture) fail(err error) {
	c.tap.remove(c)
	_ = c.sink.Close(c.Statistics()) // whatever it says now, err says why
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err, c.stopping, c.queue, c.held = err, true, nil, 0
	close(c.failed)
}

// Failed is closed when the sink has failed. Stop tells why.
func (c *Capture) Failed() <-chan struct{} { return c.failed }

// Stop ends the capture when everything that was captured has been written, and
// closes the sink. The error is that of the sink. It may be called again.
func (c *Capture) Stop() (Statistics, error) {
	c.tap.remove(c)
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	c.signal()
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total, c.err
}

// Statistics returns what was counted so far.
func (c *Capture) Statistics() Statistics {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}
