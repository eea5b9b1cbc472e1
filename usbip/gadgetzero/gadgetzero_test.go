package gadgetzero_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/client"
	"usbhsm7/usbip/gadgetzero"
	"usbhsm7/usbip/server"
	"usbhsm7/usbip/usb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// speeds that a Gadget Zero has, with the packets at each: how many bytes, and
// how many isochronous ones in a service interval.
var speeds = []struct {
	speed                        usb.Speed
	bulk, interrupt, isochronous int
	perInterval                  int
}{
	{usb.SpeedFull, 64, 64, 1023, 1},
	{usb.SpeedHigh, 512, 1024, 1024, 3},
	{usb.SpeedSuper, 1024, 1024, 1024, 6},
}

// host is a client that has imported a Gadget Zero over USB/IP and configured it.
type host struct {
	*client.Device
	t *testing.T
}

// plugIn has a Gadget Zero served over TCP and imported. All of it ends with the
// test.
func plugIn(t *testing.T, o gadgetzero.Options) *host {
	t.Helper()
	g, err := gadgetzero.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{})
	if err := s.Export("1-1", g.USB()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	d, err := client.Import(t.Context(), listener.Addr().String(), "1-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	h := &host{d, t}
	h.mustControl(usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil)
	return h
}

func (h *host) do(u *usb.URB) *usb.URB {
	done := make(chan struct{})
	u.Done = func(*usb.URB) { close(done) }
	h.Submit(u)
	<-done
	return u
}

func (h *host) read(endpoint uint8, room int) *usb.URB {
	return h.do(&usb.URB{Endpoint: endpoint, Buffer: make([]byte, room)})
}

func (h *host) write(endpoint uint8, data []byte) *usb.URB {
	return h.do(&usb.URB{Endpoint: endpoint, Buffer: data})
}

func (h *host) control(s usb.Setup, data []byte) *usb.URB {
	s.Length = uint16(len(data))
	return h.do(&usb.URB{Endpoint: s.RequestType & usb.DirIn, Setup: s, Buffer: data})
}

func (h *host) mustControl(s usb.Setup, data []byte) []byte {
	h.t.Helper()
	u := h.control(s, data)
	if u.Status != usb.OK {
		h.t.Fatalf("%v: %v", s, u.Status)
	}
	return u.Buffer[:u.Actual]
}

func (h *host) setAlternate(value uint16) {
	h.t.Helper()
	h.mustControl(usb.Setup{RequestType: usb.RecipientInterface, Request: usb.SetInterface, Value: value}, nil)
}

// mod63 is the pattern of n bytes in packets of the given size.
func mod63(n, packet int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % packet % 63)
	}
	return b
}

// TestSourcesFillWhatThereIsRoomFor with the pattern, anew in each packet.
func TestSourcesFillWhatThereIsRoomFor(t *testing.T) {
	for _, s := range speeds {
		t.Run(s.speed.String(), func(t *testing.T) {
			for _, pattern := range []gadgetzero.Pattern{gadgetzero.Zeros, gadgetzero.Mod63} {
				h := plugIn(t, gadgetzero.Options{Speed: s.speed, Pattern: pattern})
				h.setAlternate(1)
				for endpoint, packet := range map[uint8]int{gadgetzero.BulkIn: s.bulk, gadgetzero.InterruptIn: s.interrupt} {
					for _, packets := range []int{1, 3, 16} {
						want := make([]byte, packets*packet)
						if pattern == gadgetzero.Mod63 {
							want = mod63(packets*packet, packet)
						}
						if u := h.read(endpoint, len(want)); u.Status != usb.OK || !bytes.Equal(u.Buffer[:u.Actual], want) {
							t.Errorf("endpoint %02x, pattern %d: %d of %d bytes, %v, or other data", endpoint, pattern, u.Actual, len(want), u.Status)
						}
					}
				}
			}
		})
	}
}

// TestIsochronousSourceFillsEveryInterval: with several packets where an interval
// has several, and wherever in the buffer the host wants them.
func TestIsochronousSourceFillsEveryInterval(t *testing.T) {
	for _, s := range speeds {
		t.Run(s.speed.String(), func(t *testing.T) {
			h := plugIn(t, gadgetzero.Options{Speed: s.speed, Pattern: gadgetzero.Mod63})
			h.setAlternate(1)
			size := s.perInterval * s.isochronous
			u := h.do(isochronousURB(gadgetzero.IsochronousIn, size, 5, 9))
			want := mod63(size, s.isochronous)
			if u.Status != usb.OK || u.Actual != 5*size {
				t.Fatalf("%d of %d bytes, %v", u.Actual, 5*size, u.Status)
			}
			for i, p := range u.Packets {
				if p.Status != usb.OK || !bytes.Equal(u.Buffer[p.Offset:p.Offset+p.Actual], want) {
					t.Errorf("packet %d: %d bytes, %v, or other data", i, p.Actual, p.Status)
				}
				if gap := u.Buffer[p.Offset+size : p.Offset+size+9]; !bytes.Equal(gap, make([]byte, 9)) {
					t.Errorf("packet %d: % x behind it", i, gap)
				}
			}
		})
	}
}

// TestIsochronousSinkTakesAnything, for it has no way to complain.
func TestIsochronousSinkTakesAnything(t *testing.T) {
	for _, s := range speeds {
		t.Run(s.speed.String(), func(t *testing.T) {
			h := plugIn(t, gadgetzero.Options{Speed: s.speed, Pattern: gadgetzero.Mod63})
			h.setAlternate(1)
			size := s.perInterval * s.isochronous
			u := h.do(isochronousURB(gadgetzero.IsochronousOut, size, 5, 0))
			if u.Status != usb.OK || u.Actual != 5*size {
				t.Errorf("%d of %d bytes, %v", u.Actual, 5*size, u.Status)
			}
		})
	}
}

// isochronousURB returns a URB for packets of the given size with gaps behind
// them.
func isochronousURB(endpoint uint8, size, packets, gap int) *usb.URB {
	u := &usb.URB{Endpoint: endpoint, Buffer: make([]byte, packets*(size+gap)), Interval: 1}
	for i := range packets {
		u.Packets = append(u.Packets, usb.IsoPacket{Offset: i * (size + gap), Length: size})
	}
	return u
}

// TestSourceDoesNotEndATransfer: it has no short packets, so one that does not
// fit is babble.
func TestSourceDoesNotEndATransfer(t *testing.T) {
	h := plugIn(t, gadgetzero.Options{Speed: usb.SpeedHigh})
	if u := h.read(gadgetzero.BulkIn, 700); u.Status != usb.EOVERFLOW || u.Actual != 700 {
		t.Errorf("%d bytes, %v; want 700 and %v", u.Actual, u.Status, usb.EOVERFLOW)
	}
}

// TestSinksHaltOnOtherDataThanThePattern, and the host can go on after it has
// cleared the halt.
func TestSinksHaltOnOtherDataThanThePattern(t *testing.T) {
	for _, s := range speeds {
		t.Run(s.speed.String(), func(t *testing.T) {
			h := plugIn(t, gadgetzero.Options{Speed: s.speed, Pattern: gadgetzero.Mod63})
			h.setAlternate(1)
			for endpoint, packet := range map[uint8]int{gadgetzero.BulkOut: s.bulk, gadgetzero.InterruptOut: s.interrupt} {
				status := usb.Setup{RequestType: usb.DirIn | usb.RecipientEndpoint, Request: usb.GetStatus, Index: uint16(endpoint)}
				clear := usb.Setup{RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature, Index: uint16(endpoint)}
				good := mod63(3*packet-7, packet)
				bad := bytes.Clone(good)
				bad[packet+1] = 0xff
				if u := h.write(endpoint, good); u.Status != usb.OK || u.Actual != len(good) {
					t.Errorf("endpoint %02x, the pattern: %d of %d bytes, %v", endpoint, u.Actual, len(good), u.Status)
				}
				if u := h.write(endpoint, bad); u.Status != usb.EPIPE || u.Actual != packet {
					t.Errorf("endpoint %02x, a wrong byte: %d bytes, %v; want %d and %v", endpoint, u.Actual, u.Status, packet, usb.EPIPE)
				}
				if got := h.mustControl(status, make([]byte, 2)); got[0] != 1 {
					t.Errorf("endpoint %02x: status % x, want it halted", endpoint, got)
				}
				if u := h.write(endpoint, good); u.Status != usb.EPIPE {
					t.Errorf("endpoint %02x, halted: %v", endpoint, u.Status)
				}
				h.mustControl(clear, nil)
				if u := h.write(endpoint, good); u.Status != usb.OK {
					t.Errorf("endpoint %02x, after the halt: %v", endpoint, u.Status)
				}
			}
		})
	}
}

func TestZeroLengthWritesAreTaken(t *testing.T) {
	h := plugIn(t, gadgetzero.Options{Speed: usb.SpeedHigh, Pattern: gadgetzero.Mod63})
	if u := h.write(gadgetzero.BulkOut, nil); u.Status != usb.OK {
		t.Error(u.Status)
	}
	u := &usb.URB{Endpoint: gadgetzero.BulkOut, Buffer: mod63(1024, 512), Flags: usb.ZeroPacket}
	if h.do(u); u.Status != usb.OK || u.Actual != 1024 {
		t.Errorf("%d of 1024 bytes, %v", u.Actual, u.Status)
	}
}

// TestAlternateSettingsDecideWhichEndpointsExist: those of interrupt and
// isochronous transfers are in alternate setting 1 only.
func TestAlternateSettingsDecideWhichEndpointsExist(t *testing.T) {
	h := plugIn(t, gadgetzero.Options{Speed: usb.SpeedHigh})
	for _, alternate := range []uint16{0, 1, 0} {
		h.setAlternate(alternate)
		if u := h.read(gadgetzero.BulkIn, 512); u.Status != usb.OK {
			t.Errorf("alternate setting %d, bulk: %v", alternate, u.Status)
		}
		want := usb.EPIPE
		if alternate == 1 {
			want = usb.OK
		}
		if u := h.read(gadgetzero.InterruptIn, 1024); u.Status != want {
			t.Errorf("alternate setting %d, interrupt: %v, want %v", alternate, u.Status, want)
		}
		if u := h.do(isochronousURB(gadgetzero.IsochronousOut, 1024, 1, 0)); u.Status != want {
			t.Errorf("alternate setting %d, isochronous: %v, want %v", alternate, u.Status, want)
		}
	}
}

func TestHostReadsBackWhatItWrote(t *testing.T) {
	h := plugIn(t, gadgetzero.Options{Speed: usb.SpeedHigh})
	write := usb.Setup{RequestType: usb.TypeVendor, Request: gadgetzero.ControlWrite}
	read := usb.Setup{RequestType: usb.DirIn | usb.TypeVendor, Request: gadgetzero.ControlRead}
	for _, n := range []int{1, 64, 65, 5000, 0, 65535} {
		data := mod63(n, 1000)
		h.mustControl(write, data)
		if got := h.mustControl(read, make([]byte, n)); !bytes.Equal(got, data) {
			t.Errorf("%d bytes written, %d read back, or others", n, len(got))
		}
	}
	h.mustControl(write, []byte{1, 2, 3})
	if got := h.mustControl(read, make([]byte, 100)); !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("read % x, want all that was written and no more", got)
	}
	for _, other := range []usb.Setup{
		{RequestType: usb.TypeVendor, Request: gadgetzero.ControlWrite, Value: 1},
		{RequestType: usb.DirIn | usb.TypeVendor, Request: gadgetzero.ControlRead, Index: 1},
		{RequestType: usb.TypeVendor, Request: gadgetzero.ControlRead},
		{RequestType: usb.TypeVendor | usb.RecipientInterface, Request: gadgetzero.ControlWrite},
	} {
		if u := h.control(other, make([]byte, 4)); u.Status != usb.EPIPE {
			t.Errorf("%v: %v, want it stalled", other, u.Status)
		}
	}
}

// TestCloseEndsTheDevice: the host sees it unplugged, and no goroutine is left.
func TestCloseEndsTheDevice(t *testing.T) {
	g, err := gadgetzero.New(gadgetzero.Options{Speed: usb.SpeedHigh})
	if err != nil {
		t.Fatal(err)
	}
	gone, err := g.USB().Connect()
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	<-gone
	if _, err := g.USB().Connect(); !errors.Is(err, usb.ErrNoDevice) {
		t.Errorf("Connect: %v, want %v", err, usb.ErrNoDevice)
	}
}

func TestSpeedThatDevicesDoNotHave(t *testing.T) {
	if _, err := gadgetzero.New(gadgetzero.Options{Speed: usb.SpeedLow}); !errors.Is(err, usb.ErrDescriptors) {
		t.Errorf("New: %v, want %v", err, usb.ErrDescriptors)
	}
}
