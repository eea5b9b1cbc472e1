package fault_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	b := &bench{t: t, device: usbtest.NewDevice(t), injector: fault.New(o)}
	b.port = b.injector.Port(b.device)
	t.Cleanup(b.port.Close)
	b.connect()
	return b
}

func (b *bench) connect() {
	b.t.Helper()
	b.gone = usbtest.Connect(b.t, b.port)
	if u := usbtest.Configure(b.port); u.Status != usb.OK {
		b.t.Errorf("SET_CONFIGURATION: %v", u.Status)
	}
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
	done <-chan struct{}
}

func (b *bench) start(u *usb.URB) pending {
	return pending{u, usbtest.Start(b.port, u)}
}

func (b *bench) do(u *usb.URB) pending {
	p := b.start(u)
	<-p.done
	return p
}

func (b *bench) read(n int) pending     { return b.start(in(n)) }
func (b *bench) write(d string) pending { return b.start(out(d)) }

func in(n int) *usb.URB     { return &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, n)} }
func out(d string) *usb.URB { return &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte(d)} }

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
	usbtest.Run(b.t, func(ctx context.Context) {
		for _, data := range transfers {
			_ = b.device.In(usbtest.BulkIn).Write(ctx, []byte(data))
		}
	})
}

// receive collects what the device receives.
func (b *bench) receive() <-chan string {
	got := make(chan string, 10000)
	usbtest.Run(b.t, func(ctx context.Context) {
		buffer := make([]byte, 4096)
		for ctx.Err() == nil {
			if n, err := b.device.Out(usbtest.BulkOut).Read(ctx, buffer); err == nil {
				got <- string(buffer[:n])
			}
		}
	})
	return got
}
