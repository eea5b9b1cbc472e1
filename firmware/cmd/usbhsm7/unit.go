package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/control"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/firmware/flash"
	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
	"usbhsm7/touchscreen"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/vhci"
)

// unit is the device with its power switch and the bus that it is plugged into.
type unit struct {
	options options
	log     zerolog.Logger
	server  *server.Server
	chip    chip
	clock   device.Clock
	updates boot.Verifier // nil: by the published keys
	faults  *fault.Injector
	address string // of the USB/IP server
	page    string // URL of the screen
	control string // path of the control socket
	tap     *capture.Tap
	forks   forks
	panel   *touchscreen.Panel
	port    *ikey.Port
	reader  *ikey.Reader   // of what is in the port, for the device
	keys    *ring.Ring     // beside the port
	person  *person.Person // who attends to the device; nil: nobody

	restarts sync.WaitGroup // that hosts have asked for

	mu     sync.Mutex
	device *device.Device        // nil = off
	flash  *flash.Guard          // of device
	faulty *fault.Port           // of device
	last   control.Status        // identity, as of the last time that it was on
	kernel *vhci.Port            // where it is attached to this machine's kernel; nil = nowhere
	found  []command.TamperCause // by the sensors, and not told to a device yet
}

var _ control.Unit = (*unit)(nil)

// newUnit returns a unit that is switched off.
func newUnit(o options, log zerolog.Logger) (*unit, error) {
	updates, err := o.verifier()
	if err != nil {
		return nil, err
	}
	u := &unit{options: o, log: log, tap: capture.NewTap(), chip: newFileChip(o.stateDir), updates: updates}
	if o.ephemeral {
		memory, err := newMemoryChip()
		if err != nil {
			return nil, err
		}
		u.chip = memory
	}
	if o.seed != "" {
		u.clock.Freeze(true) // first, so that it does not go on for a moment
		u.clock.Set(seededTime)
	}
	if u.panel, err = touchscreen.New(u.clock.Now); err != nil {
		return nil, err
	}
	if err := errors.Join(u.openIKeys(), u.loadPerson(o.auto)); err != nil {
		return nil, err
	}
	logger := slog.New(zerolog.NewSlogHandler(log))
	u.server = server.New(server.Options{Logger: logger})
	u.faults = fault.New(fault.Options{Logger: logger, Commands: device.MatchCommand})
	return u, u.loadFaults(o.faults)
}

// seededTime is what the clock of a device with a seed shows until it is told
// otherwise.
var seededTime = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// PowerOn implements control.Unit.
func (u *unit) PowerOn(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.powerOn()
}

// powerOn does the work of PowerOn; mu is held.
func (u *unit) powerOn() error {
	if u.device != nil {
		return nil
	}
	d, err := u.start()
	if err != nil {
		return advise(err)
	}
	u.tellTampers(d)
	if err := u.server.Export(u.options.busID, u.connector(d)); err != nil {
		u.faulty.Close()
		return errors.Join(fmt.Errorf("%w: --bus-id %s: %w", errUsage, u.options.busID, err), d.Close())
	}
	u.device = d
	u.last.Model, u.last.Serial, u.last.Firmware = d.Identity()
	u.noteShipped(d.Shipped())
	return nil
}

// start starts the device on its flash.
func (u *unit) start() (*device.Device, error) {
	content, err := u.chip.open()
	if err != nil {
		return nil, fmt.Errorf("open the flash: %w", err)
	}
	image := flash.NewGuard(content)
	vendor, product, idErr := u.options.usbID()
	speed, speedErr := u.options.usbSpeed()
	if err := errors.Join(idErr, speedErr); err != nil {
		return nil, errors.Join(err, image.Close())
	}
	config := device.Config{
		Flash: image, Vendor: vendor, Product: product, Speed: speed, Serial: u.options.serial, Logger: u.log,
		Clock: u.clock.Now, SetClock: u.clock.Set, Seed: u.options.seedBytes(),
		Wait: u.clock.Wait, Verifier: u.updates, Transport: u.options.stm, Restart: func() { u.restarts.Go(u.restart) },
	}
	if u.panel != nil { // a fork has none
		config.Panel, config.Reader = u.panel, u.reader
	}
	d, err := device.New(config)
	if err != nil {
		return nil, errors.Join(err, image.Close())
	}
	u.flash = image
	return d, nil
}

// connector returns the device with all that stands between it and its connector.
func (u *unit) connector(d *device.Device) usb.Port {
	u.faulty = u.faults.Port(d.USB())
	return u.tap.Port(u.faulty, capture.Place{Bus: 1, Device: 1, Configurations: d.USB().Descriptors().Configurations})
}

// PowerOff implements control.Unit.
func (u *unit) PowerOff(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.powerOff()
}

// powerOff does the work of PowerOff; mu is held.
func (u *unit) powerOff() error {
	if u.device == nil {
		return nil
	}
	d := u.device
	u.device = nil
	u.server.Unexport(u.options.busID)
	u.faulty.Close()
	err := d.Close()
	if u.panel != nil {
		u.panel.Show(touchscreen.Dark)
	}
	return err
}

// Status implements control.Unit.
func (u *unit) Status() control.Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.last
	s.Powered = u.device != nil
	s.Listen, s.BusID, s.USBID = u.address, u.options.busID, u.options.ids
	s.Control, s.Screen, s.PID = u.control, u.page, os.Getpid()
	if u.kernel != nil {
		s.Kernel = &control.Port{Number: u.kernel.Number, Local: u.kernel.Local}
	}
	return s
}
