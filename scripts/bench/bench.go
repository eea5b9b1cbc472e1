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

// bench is a device behind USB/IP with its Crypto Officer logged in, and a
// second one that is reached without leaving the process.
type bench struct {
	device    *hostdrv.Device
	session   *hostdrv.Session
	inProcess *hostdrv.Device
	closers   []func() error
}

func newBench() (b *bench, err error) {
	b = &bench{}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	ctx := context.Background()
	behindWire, err := b.power()
	if err != nil {
		return nil, err
	}
	bus, err := b.export(behindWire)
	if err != nil {
		return nil, err
	}
	if b.device, err = b.dial(ctx, bus); err != nil {
		return nil, err
	}
	if b.session, err = logIn(ctx, b.device); err != nil {
		return nil, err
	}
	beside, err := b.power()
	if err != nil {
		return nil, err
	}
	b.inProcess, err = b.dial(ctx, local.New(beside.USB()))
	return b, err
}

// power switches a new device on.
func (b *bench) power() (*device.Device, error) {
	image, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		return nil, err
	}
	d, err := device.New(device.Config{Flash: image})
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, d.Close)
	return d, nil
}

// export serves d over USB/IP on the loopback interface.
func (b *bench) export(d *device.Device) (transport.Bus, error) {
	s := server.New(server.Options{})
	if err := s.Export("1-1", d.USB()); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, serveOn(s, listener))
	return usbip.New(listener.Addr().String()), nil
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

func (b *bench) dial(ctx context.Context, bus transport.Bus) (*hostdrv.Device, error) {
	d, err := hostdrv.Dial(ctx, bus, transport.Selector{}, hostdrv.Options{Client: "bench"})
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, d.Close)
	return d, nil
}

// logIn sets a new device up and returns a session with its CO logged in.
func logIn(ctx context.Context, d *hostdrv.Device) (keys *hostdrv.Session, err error) {
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
