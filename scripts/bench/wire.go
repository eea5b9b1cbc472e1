package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

// bulkSize is the transfer size of the bulk cases, and what libusb makes of
// long transfers.
const bulkSize = 16 << 10

// headerSize is that of every USB/IP message of the URB phase.
const headerSize = 48

// wireCases compare round trips through our USB/IP client and server with a
// bare exchange of as many bytes over TCP.
func wireCases() ([]benchCase, func(), error) {
	w := &wire{}
	if err := w.open(); err != nil {
		w.close()
		return nil, nil, err
	}
	var cases []benchCase
	for _, depth := range []int{1, 32} {
		for _, k := range kinds {
			c, err := w.compare(fmt.Sprintf("usbip/%s/depth=%d", k.name, depth), depth, k.urb, k.request, k.reply)
			if err != nil {
				w.close()
				return nil, nil, err
			}
			cases = append(cases, c)
		}
	}
	return cases, w.close, nil
}

// kinds are the round trips that are measured, with the bytes they take on the
// wire each way.
var kinds = []struct {
	name           string
	urb            func() *usb.URB
	request, reply int
}{
	{"control-18", control, headerSize, headerSize + 18},
	{"bulk-in-16k", bulkIn, headerSize, headerSize + bulkSize},
	{"bulk-out-16k", bulkOut, headerSize + bulkSize, headerSize},
}

// wire is a source-and-sink device imported over loopback.
type wire struct {
	port    *usb.Device
	device  *client.Device
	closers []func() error
}

func (w *wire) open() error {
	var err error
	w.port, err = usb.NewDevice(usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001,
		Configurations: []usb.Configuration{{Value: 1, Interfaces: []usb.Interface{{Class: 0xFF, Endpoints: []usb.Endpoint{
			{Address: 0x01, Type: usb.Bulk, MaxPacketSize: 512},
			{Address: 0x81, Type: usb.Bulk, MaxPacketSize: 512},
		}}}}},
	}, nil)
	if err != nil {
		return err
	}
	address, stop, err := serve(func(s *server.Server) error { return s.Export("1-1", w.port) })
	if err != nil {
		return err
	}
	w.closers = append(w.closers, stop)
	w.sourceAndSink()
	if w.device, err = client.Import(context.Background(), address, "1-1"); err != nil {
		return err
	}
	w.closers = append(w.closers, w.device.Close)
	return w.submitters(1, func() *usb.URB {
		return &usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}}
	})(0)
}

// sourceAndSink keeps both endpoints busy until the device is taken down.
func (w *wire) sourceAndSink() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{}, 2)
	go func() {
		defer func() { ended <- struct{}{} }()
		buffer := make([]byte, bulkSize)
		for ctx.Err() == nil {
			_, _ = w.port.Out(0x01).Read(ctx, buffer) // resets and overruns do not matter to a sink
		}
	}()
	go func() {
		defer func() { ended <- struct{}{} }()
		buffer := make([]byte, bulkSize-1) // ends with a short packet
		for ctx.Err() == nil {
			_ = w.port.In(0x81).Write(ctx, buffer)
		}
	}()
	w.closers = append(w.closers, func() error {
		stop()
		<-ended
		<-ended
		return nil
	})
}

func (w *wire) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		_ = w.closers[i]()
	}
}

func control() *usb.URB {
	return &usb.URB{
		Endpoint: 0x80, Buffer: make([]byte, 18),
		Setup: usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: 18},
	}
}

func bulkIn() *usb.URB { return &usb.URB{Endpoint: 0x81, Buffer: make([]byte, bulkSize)} }

func bulkOut() *usb.URB { return &usb.URB{Endpoint: 0x01, Buffer: make([]byte, bulkSize-1)} }

// compare makes a case in which depth round trips are under way at a time.
func (w *wire) compare(name string, depth int, urb func() *usb.URB, request, reply int) (benchCase, error) {
	exchange, err := w.pingPong(depth, request, reply)
	return benchCase{
		name, "round trips", "as many bytes over bare TCP",
		load{callers: depth, do: w.submitters(depth, urb)},
		load{units: float64(depth), do: exchange},
	}, err
}

// submitters returns what submits a URB and waits for it, with one for each caller.
func (w *wire) submitters(callers int, urb func() *usb.URB) func(int) error {
	urbs, done := make([]*usb.URB, callers), make([]chan struct{}, callers)
	for i := range callers {
		done[i], urbs[i] = make(chan struct{}, 1), urb()
		urbs[i].Done = func(*usb.URB) { done[i] <- struct{}{} }
	}
	return func(caller int) error {
		w.device.Submit(urbs[caller])
		<-done[caller]
		return urbs[caller].Status.Err()
	}
}

// pingPong returns what sends depth requests in one write and reads as many
// replies, over a TCP connection of its own.
func (w *wire) pingPong(depth, request, reply int) (func(int) error, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := listener.Accept()
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		echoSizes(far, depth*request, depth*reply)
	}()
	w.closers = append(w.closers, func() error {
		err := errors.Join(near.Close(), far.Close())
		<-ended
		return err
	})
	out, in := make([]byte, depth*request), make([]byte, depth*reply)
	return func(int) error {
		if _, err := near.Write(out); err != nil {
			return err
		}
		_, err := io.ReadFull(near, in)
		return err
	}, nil
}

// echoSizes answers every in bytes with out bytes until the connection ends.
func echoSizes(conn net.Conn, in, out int) {
	request, reply := make([]byte, in), make([]byte, out)
	for {
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}
