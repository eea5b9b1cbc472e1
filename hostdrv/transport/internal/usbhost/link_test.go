package usbhost

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hsmInterface is an interface that looks like an HSM, with addresses that no
// driver should expect.
func hsmInterface(number, alternate uint8) usb.Interface {
	return usb.Interface{
		Number: number, Alternate: alternate, Class: vendorClass,
		Endpoints: []usb.Endpoint{
			{Address: 0x85, Type: usb.Interrupt, MaxPacketSize: 512, Interval: 4},
			{Address: 0x83, Type: usb.Bulk, MaxPacketSize: 512},
			{Address: 0x04, Type: usb.Bulk, MaxPacketSize: 512},
		},
	}
}

// peripheral returns a device with one configuration of the interfaces given.
func peripheral(t *testing.T, interfaces ...usb.Interface) *usb.Device {
	t.Helper()
	return peripheralOf(t, usb.Configuration{Value: 3, Interfaces: interfaces})
}

func peripheralOf(t *testing.T, configurations ...usb.Configuration) *usb.Device {
	t.Helper()
	d, err := usb.NewDevice(usb.Descriptors{
		Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0003, Serial: "Größe-7", Configurations: configurations,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// attach opens a link to d, which is closed by the caller.
func attach(t *testing.T, d *usb.Device) *Link {
	t.Helper()
	l, err := tryAttach(t, d)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func tryAttach(t *testing.T, d *usb.Device) (*Link, error) {
	t.Helper()
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), Host{Port: d, Path: "port", Release: func() error {
		d.Disconnect()
		return nil
	}})
}

func TestOpenFindsTheInterfaceWhereverItIs(t *testing.T) {
	other := usb.Interface{Class: 3, Endpoints: []usb.Endpoint{{Address: 0x81, Type: usb.Interrupt, MaxPacketSize: 8, Interval: 4}}}
	bare := usb.Interface{Class: vendorClass} // alternate setting 0 without endpoints
	tests := []struct {
		name   string
		device *usb.Device
		want   uint8 // bConfigurationValue
	}{
		{"only interface", peripheral(t, hsmInterface(0, 0)), 3},
		{"second interface", peripheral(t, other, hsmInterface(1, 0)), 3},
		{"second alternate setting", peripheral(t, bare, hsmInterface(0, 1)), 3},
		{"second configuration", peripheralOf(t,
			usb.Configuration{Value: 1, Interfaces: []usb.Interface{other}},
			usb.Configuration{Value: 2, Interfaces: []usb.Interface{hsmInterface(0, 0)}}), 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := attach(t, test.device)
			defer l.Close()
			if got := test.device.Identity().Configuration; got != test.want {
				t.Errorf("configuration %d, want %d", got, test.want)
			}
			want := transport.Info{Vendor: 0x1209, Product: 0x0003, Serial: "Größe-7", Path: "port"}
			if l.Info() != want {
				t.Errorf("info %+v, want %+v", l.Info(), want)
			}
			if err := roundTrip(t, l, test.device, 700); err != nil {
				t.Error(err)
			}
		})
	}
}

// roundTrip sends a transfer of size bytes that the device sends back.
func roundTrip(t *testing.T, l *Link, d *usb.Device, size int) error {
	t.Helper()
	data := bytes.Repeat([]byte{0x5a}, size)
	device := make(chan error, 1)
	go func() { device <- reflectOnce(t.Context(), d) }()
	if err := l.Write(t.Context(), data); err != nil {
		return err
	}
	got := make([]byte, bulkBuffer)
	n, err := l.Read(t.Context(), got)
	if err == nil && !bytes.Equal(got[:n], data) {
		err = errors.New("other data came back")
	}
	return errors.Join(err, <-device)
}

// reflectOnce is the device's side of roundTrip.
func reflectOnce(ctx context.Context, d *usb.Device) error {
	buffer := make([]byte, bulkBuffer)
	n, err := d.Out(0x04).Read(ctx, buffer)
	for errors.Is(err, usb.ErrReset) { // once after each configuration and each halt
		n, err = d.Out(0x04).Read(ctx, buffer)
	}
	if err != nil {
		return err
	}
	for err = usb.ErrReset; errors.Is(err, usb.ErrReset); { // a halt was cleared meanwhile
		err = d.In(0x83).Write(ctx, buffer[:n])
	}
	return err
}

func TestOpenRefusesADeviceThatIsNoHSM(t *testing.T) {
	noEvents := hsmInterface(0, 0)
	noEvents.Endpoints = noEvents.Endpoints[1:]
	otherClass := hsmInterface(0, 0)
	otherClass.Class = 8
	for name, d := range map[string]*usb.Device{
		"no interrupt endpoint": peripheral(t, noEvents),
		"another class":         peripheral(t, otherClass),
		"no interface":          peripheral(t),
	} {
		if _, err := tryAttach(t, d); !errors.Is(err, transport.ErrNotFound) {
			t.Errorf("%s: error %v, want %v", name, err, transport.ErrNotFound)
		}
		if _, err := d.Connect(); err != nil {
			t.Errorf("%s: the device was not released: %v", name, err)
		}
	}
}

func TestTransfersOfEveryLengthEndInTime(t *testing.T) {
	d := peripheral(t, hsmInterface(0, 0))
	l := attach(t, d)
	defer l.Close()
	for _, size := range []int{0, 1, 511, 512, 513, 1024, 65023, 65024, 65535} {
		if err := roundTrip(t, l, d, size); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestATransferLongerThanTheBufferIsDroppedAndTheNextIsWhole(t *testing.T) {
	for name, lengths := range map[string][2]int{ // of the transfer, of the reader's buffer
		"longer than the reader's":   {3000, 1024},
		"as long as a URB":           {bulkBuffer, bulkBuffer},
		"longer than several URBs":   {3*bulkBuffer + 5, bulkBuffer},
		"several URBs to the byte":   {2 * bulkBuffer, bulkBuffer},
		"longer than the whole ring": {bulkDepth*bulkBuffer + 512, bulkBuffer},
	} {
		t.Run(name, func(t *testing.T) {
			d := peripheral(t, hsmInterface(0, 0))
			l := attach(t, d)
			defer l.Close()
			written := make(chan error, 1)
			go func() {
				err := d.In(0x83).Write(t.Context(), make([]byte, lengths[0]))
				written <- errors.Join(err, d.In(0x83).Write(t.Context(), []byte("next")))
			}()
			if _, err := l.Read(t.Context(), make([]byte, lengths[1])); !errors.Is(err, transport.ErrOverrun) {
				t.Errorf("error %v, want %v", err, transport.ErrOverrun)
			}
			buffer := make([]byte, bulkBuffer)
			n, err := l.Read(t.Context(), buffer)
			if err != nil || string(buffer[:n]) != "next" {
				t.Errorf("the next transfer is %q, %v", buffer[:n], err)
			}
			if err := <-written; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAHaltIsClearedAndTold(t *testing.T) {
	d := peripheral(t, hsmInterface(0, 0))
	l := attach(t, d)
	defer l.Close()
	for range 2 * bulkDepth {
		d.Out(0x04).Halt()
		d.In(0x83).Halt()
		if err := l.Write(t.Context(), []byte("lost")); !errors.Is(err, transport.ErrHalted) {
			t.Fatalf("write: %v, want %v", err, transport.ErrHalted)
		}
		if _, err := l.Read(t.Context(), make([]byte, bulkBuffer)); !errors.Is(err, transport.ErrHalted) {
			t.Fatalf("read: %v, want %v", err, transport.ErrHalted)
		}
		if err := roundTrip(t, l, d, 600); err != nil {
			t.Fatal(err)
		}
	}
}

// hasty is a port whose OUT endpoint takes less than it is given.
type hasty struct{ *usb.Device }

func (h hasty) Submit(u *usb.URB) {
	if u.Endpoint == 0x04 {
		u.Complete(len(u.Buffer)-1, usb.OK)
		return
	}
	h.Device.Submit(u)
}

func TestATransferThatIsTakenInPartIsAnError(t *testing.T) {
	l := attachTo(t, func(d *usb.Device) Port { return hasty{d} })
	defer l.Close()
	if err := l.Write(t.Context(), make([]byte, 600)); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("error %v, want %v", err, io.ErrShortWrite)
	}
}

// attachTo opens a device behind what wrap puts in front of it.
func attachTo(t *testing.T, wrap func(*usb.Device) Port) *Link {
	t.Helper()
	d := peripheral(t, hsmInterface(0, 0))
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), Host{Port: wrap(d), Release: func() error {
		d.Disconnect()
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestATransferThatAHaltCutsOffDoesNotSpoilTheNext(t *testing.T) {
	d := peripheral(t, hsmInterface(0, 0))
	l := attach(t, d)
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cut := make(chan error, 1)
	go func() { cut <- d.In(0x83).Write(ctx, make([]byte, (bulkDepth+1)*bulkBuffer)) }()
	for i := range l.in.slots { // until the device has filled every URB
		s := &l.in.slots[i]
		<-s.done
		s.done <- struct{}{}
	}
	cancel()
	<-cut
	d.In(0x83).Halt()
	if _, err := l.Read(t.Context(), make([]byte, bulkBuffer)); !errors.Is(err, transport.ErrHalted) {
		t.Errorf("error %v, want %v", err, transport.ErrHalted)
	}
	if err := roundTrip(t, l, d, 600); err != nil {
		t.Error(err)
	}
}

// stubborn is a port whose IN endpoint stalls whatever is done about it.
type stubborn struct{ *usb.Device }

func (s stubborn) Submit(u *usb.URB) {
	if u.Endpoint == 0x83 {
		u.Complete(0, usb.EPIPE)
		return
	}
	s.Device.Submit(u)
}

func TestAnEndpointThatStallsForEverIsGivenUp(t *testing.T) {
	l := attachTo(t, func(d *usb.Device) Port { return stubborn{d} })
	defer l.Close()
	for range maxStalls {
		if _, err := l.Read(t.Context(), make([]byte, bulkBuffer)); !errors.Is(err, transport.ErrHalted) {
			t.Errorf("error %v, want %v", err, transport.ErrHalted)
		}
	}
	for range 2 {
		if _, err := l.Read(t.Context(), make([]byte, bulkBuffer)); !errors.Is(err, usb.EPIPE) {
			t.Errorf("error %v, want %v", err, usb.EPIPE)
		}
	}
}

func TestAWriteThatTheDeviceDoesNotTakeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := peripheral(t, hsmInterface(0, 0))
		l := attach(t, d)
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Write(ctx, []byte("nobody listens")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		if err := roundTrip(t, l, d, 100); err != nil {
			t.Errorf("the next transfer: %v", err)
		}
	})
}

func TestCloseEndsAWriteThatTheDeviceDoesNotTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := attach(t, peripheral(t, hsmInterface(0, 0)))
		done := make(chan error)
		go func() { done <- l.Write(t.Context(), []byte("nobody listens")) }()
		synctest.Wait()
		go l.Close()
		if err := <-done; !errors.Is(err, transport.ErrClosed) {
			t.Errorf("error %v, want %v", err, transport.ErrClosed)
		}
	})
}

// deaf is a port that loses URBs: it neither completes nor cancels them. The
// network of a USB/IP server that was stopped looks like that.
type deaf struct {
	lost chan *usb.URB
}

func (p *deaf) Submit(u *usb.URB) { p.lost <- u }
func (p *deaf) Cancel(*usb.URB)   {}

func (p *deaf) release() error {
	for {
		select {
		case u := <-p.lost:
			u.Complete(0, usb.ESHUTDOWN)
		default:
			return nil
		}
	}
}

func TestAHostThatGetsNoAnswerIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &deaf{lost: make(chan *usb.URB, 10)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := Open(ctx, Host{Port: p, Release: p.release})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(begun); took != time.Second+cancelTimeout {
			t.Errorf("it took %v, want %v", took, time.Second+cancelTimeout)
		}
	})
}

func TestADisconnectionTellsItsCause(t *testing.T) {
	d := peripheral(t, hsmInterface(0, 0))
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("the server burst")
	l, err := Open(t.Context(), Host{Port: d, Cause: func() error { return cause }, Release: func() error {
		d.Disconnect()
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d.Unplug()
	_, readErr := l.Read(t.Context(), make([]byte, bulkBuffer))
	for _, err := range []error{readErr, l.Write(t.Context(), nil)} {
		if !errors.Is(err, transport.ErrDisconnected) || !errors.Is(err, cause) {
			t.Errorf("error %v, want %v and %v", err, transport.ErrDisconnected, cause)
		}
	}
}
