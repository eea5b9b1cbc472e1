package main

import (
	"context"
	"net"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
	"usbhsm7/hostdrv/transport/local"
	"usbhsm7/hostdrv/transport/usbip"
	"usbhsm7/usbip/server"
)

// firstPasswordsStay turns HSM policy 21 off: nobody has to change the password
// that another role has set.
var firstPasswordsStay = []command.PolicySetting{{ID: 21, Value: 0}}

var (
	soPassword = []byte("so-password")
	poPassword = []byte("po-password")
	coPassword = []byte("co-password")
)

// bench is devices behind USB/IP, over TCP and over a Unix socket, and one that
// is reached without leaving the process.
type bench struct {
	tcp, unix attached
	inProcess attached
	wire      *wire
	closers   []func() error
}

// attached is a device with its Crypto Officer logged in.
type attached struct {
	device  *hostdrv.Device
	session *hostdrv.Session
}

func newBench() (b *bench, err error) {
	b = &bench{}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.wire, err = newWire(); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() error { b.wire.close(); return nil })
	if b.tcp, err = b.attach(b.wire.addresses["tcp"]); err != nil {
		return nil, err
	}
	if b.unix, err = b.attach("unix:" + b.wire.addresses["unix"]); err != nil {
		return nil, err
	}
	beside, err := b.power()
	if err != nil {
		return nil, err
	}
	if b.inProcess.device, err = b.dial(local.New(beside.USB())); err != nil {
		return nil, err
	}
	b.inProcess.session, err = logIn(b.inProcess.device)
	return b, err
}

// attach exports a new device, reaches it at address and sets it up.
func (b *bench) attach(address string) (a attached, err error) {
	d, err := b.power()
	if err != nil {
		return a, err
	}
	if _, err := b.wire.export(d.USB()); err != nil {
		return a, err
	}
	if a.device, err = b.dial(usbip.New(address)); err != nil { // the one that is free
		return a, err
	}
	a.session, err = logIn(a.device)
	return a, err
}

// power switches a new device on.
func (b *bench) power() (*device.Device, error) {
	d, err := newHSM()
	if err == nil {
		b.closers = append(b.closers, d.Close)
	}
	return d, err
}

// newHSM returns a new device that is switched on.
func newHSM() (*device.Device, error) {
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		return nil, err
	}
	return device.New(device.Config{Flash: image})
}

// serveOn runs s on listener until stop is called.
func serveOn(s *server.Server, listener net.Listener) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	return func() error {
		cancel()
		return <-ended
	}
}

func (b *bench) dial(bus transport.Bus) (*hostdrv.Device, error) {
	d, err := hostdrv.Dial(context.Background(), bus, transport.Selector{}, hostdrv.Options{Client: "bench"})
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, d.Close)
	return d, nil
}

// logIn sets a new device up and returns a session with its CO logged in.
func logIn(d *hostdrv.Device) (keys *hostdrv.Session, err error) {
	ctx := context.Background()
	var admin *hostdrv.Session
	steps := []func() error{
		func() error { admin, err = d.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{}); return err },
		func() error {
			return admin.InitHSM(ctx, command.HSMInitRequest{Label: "bench", Password: soPassword, Policies: firstPasswordsStay})
		},
		func() error { return admin.Login(ctx, command.RoleSO, soPassword) },
		func() error { return admin.CreatePartition(ctx) },
		func() error {
			keys, err = d.OpenSession(ctx, command.SlotPartition, hostdrv.SessionOptions{})
			return err
		},
		func() error {
			return keys.InitPartition(ctx, command.PartitionInitRequest{Label: "bench", Password: poPassword})
		},
		func() error { return keys.Login(ctx, command.RolePO, poPassword) },
		func() error { return keys.InitRole(ctx, command.RoleCO, coPassword) },
		func() error { return keys.Logout(ctx) },
		func() error { return keys.Login(ctx, command.RoleCO, coPassword) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// close takes down what was set up, last first.
func (b *bench) close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		_ = b.closers[i]()
	}
}
