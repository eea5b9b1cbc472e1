// Package device is the assembled product: the HSM core on its flash, behind a
// vendor-class USB function that speaks the framed protocol of
// docs/protocol.md.
//
//	d, err := device.New(device.Config{Flash: image})
//	defer d.Close()
//	server.Export("1-1", d.USB())
//
// Data flows one way through it: OUT endpoint, frames, messages, requests in
// flight, workers that run the core, answers, frames, IN endpoint. One
// goroutine serves each endpoint and a fixed number run requests; New starts
// them and Close waits for their end. The core below has none.
package device

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/frame"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/firmware/store"
	"usbhsm7/usbip/usb"
)

// Config says what the device is made of. Only Flash is required.
type Config struct {
	Flash   flash.Device     // Close closes it
	Vendor  uint16           // idVendor; 0 means DefaultVendor
	Product uint16           // idProduct; 0 means DefaultProduct
	Speed   usb.Speed        // full, high or super; 0 means high
	Serial  string           // of a device that is new; 1 to 16 letters or digits; empty means a random number
	Logger  zerolog.Logger   // the zero Logger is silent
	Clock   func() time.Time // nil means a Clock of its own
	Entropy io.Reader        // safe for use by several callers at once; nil means crypto/rand
	Cost    auth.Cost        // of checking a password; 0 means auth.Standard

	// Verifier decides which firmware updates are genuine. Nil means those that are
	// signed with the published keys of the simulator.
	Verifier boot.Verifier

	// Transport has a new device begin in Secure Transport Mode; see Device.Shipped.
	Transport bool

	// Panel and Reader are the screen and the port for iKeys. They belong to the unit
	// and outlast the device, so that a key stays plugged in while power is off. If
	// one of them is nil the device has neither: only passwords authenticate.
	Panel  dialogue.Panel
	Reader dialogue.Reader

	// Path takes the place of both in rehearsals.
	Path hsm.TrustedPath

	// Wait waits until Clock shows a time, or ctx ends, which is its error. Nil means
	// that people at the screen have all the time in the world, unless Clock is nil too.
	Wait func(ctx context.Context, until time.Time) error

	// Restart is called when a host has asked for a restart and has the answer: the
	// owner then closes the device and makes it anew. It must not wait for that. Nil
	// means that nobody can, and hosts are told so.
	Restart func()

	// SetClock sets the clock to the time of a host that may do so; nil means that
	// Clock, if it is given, cannot be set.
	SetClock func(time.Time)

	// Seed, if it is not nil, makes the device reproducible: the same seed, flash,
	// clock and requests give the same answers and the same flash, byte for byte.
	// Random numbers follow from it, and requests are carried out one by one, in
	// the order in which they come. It is for tests: who knows it knows every key.
	Seed []byte
}

// Device is a powered device.
type Device struct {
	usb   *usb.Device
	core  *hsm.HSM
	store *store.Store
	flash flash.Device
	link  *link
	boot  *boot.Boot
	desk  *dialogue.Desk // nil: no screen
	log   zerolog.Logger

	buffers frame.Buffers // of payloads on their way in and out
	stop    context.CancelFunc
	running sync.WaitGroup // endpoint goroutines
	workers sync.WaitGroup
	closed  sync.Once
	err     error // of Close
}

// New powers a device on. It fails with store.ErrCorrupt, and changes nothing,
// if the flash holds something other than the state of a device.
func New(c Config) (*Device, error) {
	c = c.withDefaults()
	state, images, err := boot.Divide(c.Flash)
	if err != nil {
		return nil, err
	}
	records, err := store.Open(state)
	if err != nil {
		return nil, fmt.Errorf("read the state from flash: %w", err)
	}
	if c.Seed != nil {
		if c.Entropy, err = seededEntropy(c.Seed, records); err != nil {
			return nil, err
		}
	}
	if c.Serial == "" {
		if c.Serial, err = randomSerial(c.Entropy); err != nil {
			return nil, err
		}
	}
	notes := newEvents()
	d := &Device{store: records, flash: c.Flash, log: c.Logger}
	d.desk = d.newDesk(c)
	core, err := StartCore(images, c.Verifier, hsm.Config{
		Store: records, Clock: c.Clock, SetClock: c.SetClock, Entropy: c.Entropy, Seeded: c.Seed != nil, Serial: c.Serial, Cost: c.Cost, Path: d.path(c),
		Restarts: c.Restart != nil, Transport: c.Transport, Room: d.buffers.Get,
		Notify: func(e command.Event) { d.notify(notes, e) },
	})
	if err != nil {
		return nil, err
	}
	d.core, d.boot = core.HSM, core.Boot
	_, serial, _ := d.core.Identity()
	d.usb, err = usb.NewDevice(descriptors(c, serial), nil)
	if err != nil {
		return nil, fmt.Errorf("describe the USB device: %w", err)
	}
	d.start(notes, c)
	return d, nil
}

func (c Config) withDefaults() Config {
	if c.Vendor == 0 {
		c.Vendor = DefaultVendor
	}
	if c.Product == 0 {
		c.Product = DefaultProduct
	}
	if c.Speed == usb.SpeedUnknown {
		c.Speed = usb.SpeedHigh
	}
	if c.Clock == nil {
		own := new(Clock)
		c.Clock, c.SetClock, c.Wait = own.Now, own.Set, own.Wait
	}
	if c.Wait == nil {
		c.Wait = never
	}
	if c.Entropy == nil {
		c.Entropy = rand.Reader
	}
	if c.Verifier == nil {
		c.Verifier = newPublished()
	}
	return c
}

// randomSerial returns a serial number of the simulator's own range.
func randomSerial(entropy io.Reader) (string, error) {
	number := make([]byte, 4)
	if _, err := io.ReadFull(entropy, number); err != nil {
		return "", fmt.Errorf("choose a serial number: %w", err)
	}
	return fmt.Sprintf("7%07d", binary.BigEndian.Uint32(number)%10_000_000), nil
}

// start begins the goroutines. The workers end when the link's channels are
// closed, which the reader's end makes safe. A device that works one by one has
// one worker, and does nothing that depends on how fast this computer is.
func (d *Device) start(notes *events, c Config) {
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.link = newLink(d.core, notes, &d.buffers, d.log, ctx.Done())
	d.link.carriedOut = d.refresh
	quick, slow := runtime.GOMAXPROCS(0), frame.MaxInFlight
	if c.Seed != nil {
		d.link.oneByOne = true
		quick, slow = 0, 1
	}
	for range quick {
		d.workers.Go(func() { d.link.work(d.link.quick) })
	}
	for range quick {
		requests := make(chan *request, frame.MaxInFlight)
		d.link.ordered = append(d.link.ordered, requests)
		d.workers.Go(func() { d.link.work(requests) })
	}
	for range slow {
		d.workers.Go(func() { d.link.work(d.link.slow) })
	}
	d.running.Go(func() {
		defer d.link.close()
		d.read(ctx, d.usb.Out(endpointOut))
	})
	d.running.Go(func() { (&writer{link: d.link, restart: c.Restart}).run(ctx, d.usb.In(endpointIn)) })
	d.running.Go(func() { notes.run(ctx, d.usb.In(endpointEvent)) })
	if c.Seed == nil {
		d.running.Go(func() { d.sync(ctx) })
	}
	if d.desk != nil {
		d.running.Go(func() { d.desk.Run(ctx) })
	}
}

// syncInterval bounds how long the audit record of the use of a key may wait to
// be written.
const syncInterval = time.Second

// sync has the core write what waits, until ctx ends.
func (d *Device) sync(ctx context.Context) {
	tick := time.NewTicker(syncInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := d.core.Sync(); err != nil {
				d.log.Error().Err(err).Msg("the audit log cannot be written")
			}
		case <-ctx.Done():
			return
		}
	}
}

// USB returns the device as a host sees it.
func (d *Device) USB() *usb.Device { return d.usb }

// Identity returns model, serial number and firmware version.
func (d *Device) Identity() (model, serial, firmware string) { return d.core.Identity() }

// Tamper has a sensor find something. After an error it is to be told again when
// the device is next switched on. The error is command.StatusArgumentsBad if there
// is no such cause.
func (d *Device) Tamper(cause command.TamperCause) error { return d.core.Tamper(cause) }

// Shipped returns what tells whether a new device in Secure Transport Mode was
// touched on its way; the strings are empty unless this power-on was its first.
func (d *Device) Shipped() command.STMStrings { return d.core.Shipped() }

// leaving is how long Close waits for commands that compute.
const leaving = time.Second

// Close powers the device off: it leaves the bus, requests in flight are
// cancelled or finish, and the flash is closed. Acknowledged changes are
// durable whether Close is called or not. A computation that cannot be cut
// short, as that of a large RSA key, may end by itself later; what it makes is
// dropped.
func (d *Device) Close() error {
	d.closed.Do(func() {
		d.usb.Unplug()
		d.stop()
		d.link.reset()
		d.running.Wait()
		d.await()
		d.boot.Close()
		d.core.Close() // and store.Close: refuse the changes of a worker that still computes
		d.store.Close()
		d.err = d.flash.Close()
	})
	return d.err
}

// await waits for the workers, but not for long.
func (d *Device) await() {
	done := make(chan struct{})
	go func() {
		d.workers.Wait()
		close(done)
	}()
	patience := time.NewTimer(leaving)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		d.log.Info().Msg("switched off while a command still computes; what it makes is dropped")
	}
}

// transferReader is the part of usb.OutEndpoint that the reader needs.
type transferReader interface {
	Read(ctx context.Context, p []byte) (int, error)
}

// read feeds transfers to the link until ctx ends.
func (d *Device) read(ctx context.Context, out transferReader) {
	var (
		buffer    = make([]byte, frame.MaxTransfer)
		assembler = frame.Assembler{Buffers: &d.buffers}
	)
	for ctx.Err() == nil {
		n, err := out.Read(ctx, buffer)
		switch {
		case err == nil:
			assembler.Feed(buffer[:n], d.link)
		case errors.Is(err, usb.ErrReset):
			assembler.Reset()
			d.link.reset()
		case errors.Is(err, usb.ErrOverrun):
			d.link.Fault(frame.Fault{
				Type: frame.TypeResponse, Status: uint32(command.StatusTransmissionError),
				Cause: fmt.Sprintf("a transfer has at most %d bytes", frame.MaxTransfer),
			})
		}
		clear(buffer[:n]) // it may have held a password
	}
}

// notify passes an event of the core on to the host, if there is one.
func (d *Device) notify(notes *events, e command.Event) {
	d.refresh()
	d.log.Info().Stringer("event", e.Code).Stringer("role", e.Role).Str("text", e.Text).Msg("event")
	if d.link != nil && d.link.open.Load() {
		notes.add(e)
	}
}
