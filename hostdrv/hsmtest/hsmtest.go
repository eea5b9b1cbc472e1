// Package hsmtest gives a Go test an HSM of its own, in the process of the test:
// no server, no kernel, no cgo, nothing to install.
//
//	func TestSigning(t *testing.T) {
//		dev := hsmtest.Start(t)
//		keys := dev.Login(t, command.RoleCO)
//		pair, err := keys.GenerateKeyPair(...)
//	}
//
// The device is initialised, with a partition and a Crypto Officer, and is
// switched off when the test ends. It is the firmware of usbhsm7 behind a driver
// like any other, so that the same code works with a real one: tests may hold
// on to [Device.Driver] alone. Passwords cost next to nothing to check; that is
// the one difference.
//
// With [Quorum] the roles authenticate with iKeys, and a person follows a script in
// front of the device's screen.
//
// Power cuts and other people's hands are at hand too: [Device.PowerCycle],
// [Device.Restart], [Device.Fork]. So is a bad cable: load a script into [Device.Faults]
// (docs/faults.md) and see what your program makes of it.
package hsmtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/auth"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/local"
	"usbhsm7/usbip/fault"
)

// Password returns the password that Start gives to a role.
func Password(role command.Role) []byte { return []byte(role.String() + "-password") }

// Device is a simulated HSM with a driver that has it open.
type Device struct {
	Driver *hostdrv.Device // ready for use
	Faults *fault.Injector // between driver and device; does nothing until a script is loaded

	bus    bus
	image  *flash.Memory
	unit   *device.Device
	port   *fault.Port // of unit
	people *people     // nil: nobody, and no screen
	once   sync.Once
}

// bus is where the driver finds what is switched on at this time.
type bus struct{ now atomic.Pointer[local.Bus] }

var _ transport.Bus = (*bus)(nil)

// List implements transport.Bus.
func (b *bus) List(ctx context.Context) ([]transport.Info, error) { return b.now.Load().List(ctx) }

// Open implements transport.Bus.
func (b *bus) Open(ctx context.Context, s transport.Selector) (transport.Link, error) {
	return b.now.Load().Open(ctx, s)
}

// Option changes what Start makes.
type Option func(*options)

type options struct {
	asDelivered bool
	policies    []command.PolicySetting
	script      string // of a person; empty: nobody
	config      device.Config
}

// AsDelivered leaves the device as it is delivered: without HSM SO or partition.
func AsDelivered() Option { return func(o *options) { o.asDelivered = true } }

// HSMPolicies sets policies of the HSM when it is initialised. By default,
// policy 21 is off, so that the passwords of Start need not be changed.
func HSMPolicies(settings ...command.PolicySetting) Option {
	return func(o *options) { o.policies = append(o.policies, settings...) }
}

// Config changes how the device is made, for example its serial number or its
// clock. Flash is overwritten.
func Config(change func(*device.Config)) Option { return func(o *options) { change(&o.config) } }

// Start returns a device that is ready for use. A failure ends the test.
func Start(t testing.TB, list ...Option) *Device {
	t.Helper()
	o := options{
		policies: []command.PolicySetting{{ID: 21, Value: 0}},
		config:   device.Config{Serial: "7000001", Cost: auth.Quick},
	}
	for _, option := range list {
		option(&o)
	}
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	var who *people
	if o.script != "" {
		who = attend(t, o.script)
	}
	d := open(t, image, o.config, who)
	if !o.asDelivered {
		if err := d.initialise(t.Context(), o.policies); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// open switches a device on and opens it.
func open(t testing.TB, image *flash.Memory, c device.Config, who *people) *Device {
	t.Helper()
	d := &Device{Faults: fault.New(fault.Options{Commands: device.MatchCommand}), people: who}
	err := d.powerOn(image, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.off(); err != nil {
			t.Errorf("switch the HSM off: %v", err)
		}
	})
	if d.Driver, err = hostdrv.Dial(t.Context(), &d.bus, transport.Selector{}, hostdrv.Options{Client: "hsmtest"}); err != nil {
		t.Fatal(err)
	}
	return d
}

// powerOn starts the device with a flash and puts it on the bus.
func (d *Device) powerOn(image *flash.Memory, c device.Config) error {
	c.Flash = image
	d.people.equip(&c)
	unit, err := device.New(c)
	if err != nil {
		return err
	}
	d.image, d.unit, d.port = image, unit, d.Faults.Port(unit.USB())
	d.bus.now.Store(local.New(d.port))
	return nil
}

// powerOff takes the device off the bus and stops it.
func (d *Device) powerOff() error {
	d.bus.now.Store(local.New())
	d.port.Close()
	return d.unit.Close()
}

// off switches the device off for good, once.
func (d *Device) off() (err error) {
	d.once.Do(func() {
		if d.Driver != nil {
			_ = d.Driver.Close() // the device may be gone already
		}
		err = d.powerOff()
	})
	return err
}

// initialise makes the HSM SO, the partition, its Partition SO and the Crypto
// Officer.
func (d *Device) initialise(ctx context.Context, policies []command.PolicySetting) error {
	admin, err := d.Driver.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	err = errors.Join(
		admin.InitHSM(ctx, command.HSMInitRequest{Label: "hsmtest", Method: d.method(), Password: d.passwordFor(command.RoleSO), Policies: policies}),
		admin.Login(ctx, command.RoleSO, d.passwordFor(command.RoleSO)),
		admin.CreatePartition(ctx),
		admin.Close(ctx),
	)
	if err != nil {
		return err
	}
	partition, err := d.Driver.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		return err
	}
	return errors.Join(
		partition.InitPartition(ctx, command.PartitionInitRequest{Label: "hsmtest", Password: d.passwordFor(command.RolePO)}),
		partition.Login(ctx, command.RolePO, d.passwordFor(command.RolePO)),
		partition.InitRole(ctx, command.RoleCO, d.passwordFor(command.RoleCO)),
		partition.Close(ctx),
	)
}

// Login opens a session with the slot of a role and logs the role in.
func (d *Device) Login(t testing.TB, role command.Role) *hostdrv.Session {
	t.Helper()
	s, err := d.Driver.OpenSession(t.Context(), role.Slot(), hostdrv.SessionOptions{})
	if err == nil {
		err = s.Login(t.Context(), role, d.passwordFor(role))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// PowerCycle cuts the power and starts the device again; what was acknowledged
// is still there. d is of no more use.
func (d *Device) PowerCycle(t testing.TB, list ...Option) *Device {
	t.Helper()
	image := d.image.Clone() // as it is at this moment, whatever is under way
	if err := d.off(); err != nil {
		t.Fatal(err)
	}
	return restart(t, image, d.people, list)
}

// Restart has the device leave the bus and come back, as units do when a host asks
// them to. Driver finds it again with Follow or Reconnect; its sessions are lost.
func (d *Device) Restart(t testing.TB, list ...Option) {
	t.Helper()
	image := d.image.Clone() // as it is at this moment, whatever is under way
	if err := errors.Join(d.powerOff(), d.powerOn(image, restarted(list))); err != nil {
		t.Fatal(err)
	}
}

// Flash returns the flash of the device, for who wants to see what becomes of one that
// is damaged. What is changed shows after the next PowerCycle.
func (d *Device) Flash() *flash.Memory { return d.image }

// Tamper has a sensor of the device find something.
func (d *Device) Tamper(t testing.TB, cause command.TamperCause) {
	t.Helper()
	if err := d.unit.Tamper(cause); err != nil {
		t.Fatal(err)
	}
}

// Fork returns another device with the state that d has at this moment. Both go
// on by themselves. Sessions and logins are not part of the state. No change may
// be under way.
func (d *Device) Fork(t testing.TB, list ...Option) *Device {
	t.Helper()
	return restart(t, d.image.Clone(), nil, list)
}

func restart(t testing.TB, image *flash.Memory, who *people, list []Option) *Device {
	t.Helper()
	return open(t, image, restarted(list), who)
}

// restarted returns how a device is made that was made before.
func restarted(list []Option) device.Config {
	o := options{config: device.Config{Cost: auth.Quick}}
	for _, option := range list {
		option(&o)
	}
	return o.config
}
