package fault_test

import (
	"context"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	bulkOut     = 0x01
	bulkIn      = 0x81
	interruptIn = 0x82
)

func newDevice(t testing.TB) *usb.Device {
	t.Helper()
	d, err := usb.NewDevice(usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001,
		Configurations: []usb.Configuration{{
			Value: 1,
			Interfaces: []usb.Interface{{
				Class: 0xff,
				Endpoints: []usb.Endpoint{
					{Address: bulkOut, Type: usb.Bulk, MaxPacketSize: 512},
					{Address: bulkIn, Type: usb.Bulk, MaxPacketSize: 512},
					{Address: interruptIn, Type: usb.Interrupt, MaxPacketSize: 64, Interval: 4},
				},
			}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// bench is a device behind an injector, with a host that has configured it.
type bench struct {
	t        testing.TB
	device   *usb.Device
	injector *fault.Injector
	port     *fault.Port
	gone     <-chan struct{}
}

func newBench(t testing.TB, script string) *bench {
	t.Helper()
	b := newBenchWith(t, fault.Options{})
	if script != "" {
		b.load(script)
	}
	return b
}

func newBenchWith(t testing.TB, o fault.Options) *bench {
	t.Helper()
	b := &bench{t: t, device: newDevice(t), injector: fault.New(o)}
	b.port = b.injector.Port(b.device)
	t.Cleanup(b.port.Close)
	b.connect()
	return b
}

func (b *bench) connect() {
	b.t.Helper()
	gone, err := b.port.Connect()
	if err != nil {
		b.t.Fatal(err)
	}
	b.gone = gone
	b.want(b.do(&usb.URB{Setup: usb.Setup{Request: usb.SetConfiguration, Value: 1}}), usb.OK, 0)
}

func (b *bench) load(script string) {
	b.t.Helper()
	s, err := fault.Parse(script)
	if err == nil {
		err = b.injector.Load(s)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// pending is a URB with a channel that is closed when it ends.
type pending struct {
	*usb.URB
	done chan struct{}
}

func (b *bench) start(u *usb.URB) pending {
	p := pending{u, make(chan struct{})}
	u.Done = func(*usb.URB) { close(p.done) }
	b.port.Submit(u)
	return p
}

func (b *bench) do(u *usb.URB) pending {
	p := b.start(u)
	<-p.done
	return p
}

func (b *bench) read(n int) pending     { return b.start(in(n)) }
func (b *bench) write(d string) pending { return b.start(out(d)) }

func in(n int) *usb.URB     { return &usb.URB{Endpoint: bulkIn, Buffer: make([]byte, n)} }
func out(d string) *usb.URB { return &usb.URB{Endpoint: bulkOut, Buffer: []byte(d)} }

// want waits for the end of p and checks its result.
func (b *bench) want(p pending, status usb.Status, actual int) {
	b.t.Helper()
	<-p.done
	if p.Status != status || p.Actual != actual {
		b.t.Errorf("endpoint %02x: %v with %d bytes, want %v with %d", p.Endpoint, p.Status, p.Actual, status, actual)
	}
}

// isPending fails the test if p has ended.
func (b *bench) isPending(p pending) {
	b.t.Helper()
	select {
	case <-p.done:
		b.t.Errorf("endpoint %02x: ended with %v and %d bytes, want it pending", p.Endpoint, p.Status, p.Actual)
	default:
	}
}

func (b *bench) clearHalt(endpoint uint16) {
	b.t.Helper()
	b.want(b.do(&usb.URB{Setup: usb.Setup{
		RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature, Value: usb.FeatureEndpointHalt, Index: endpoint,
	}}), usb.OK, 0)
}

// send lets the device send transfers, one after the other, until the test ends.
func (b *bench) send(transfers ...string) {
	b.function(func(ctx context.Context) {
		for _, data := range transfers {
			_ = b.device.In(bulkIn).Write(ctx, []byte(data))
		}
	})
}

// receive collects what the device receives.
func (b *bench) receive() <-chan string {
	got := make(chan string, 10000)
	b.function(func(ctx context.Context) {
		buffer := make([]byte, 4096)
		for ctx.Err() == nil {
			if n, err := b.device.Out(bulkOut).Read(ctx, buffer); err == nil {
				got <- string(buffer[:n])
			}
		}
	})
	return got
}

func (b *bench) function(f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	b.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}
