package capture_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// line is a packet in short: event, type, endpoint, status, length, data.
func line(p capture.Packet) string {
	kind := map[usb.EndpointType]string{usb.Control: "control", usb.Bulk: "bulk", usb.Interrupt: "interrupt", usb.Isochronous: "iso"}[p.Type]
	return fmt.Sprintf("%c %s %02x %d %d %q", p.Event, kind, p.Endpoint, p.Status, p.Length, p.Data)
}

// expect compares packets with lines.
func expect(t *testing.T, packets []capture.Packet, want ...string) {
	t.Helper()
	var got []string
	for _, p := range packets {
		got = append(got, line(p))
	}
	if !slices.Equal(got, want) {
		t.Errorf("captured\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var configured = []string{`S control 00 -115 0 ""`, `C control 00 0 0 ""`}

func TestDataIsInTheSubmissionOfOutAndTheCompletionOfIn(t *testing.T) {
	packets := record(t, capture.Options{}, func(d *usb.Device, p usb.Port) {
		h := connect(t, p)
		received := make(chan []byte)
		go func() { received <- usbtest.Receive(t.Context(), d) }()
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("hello"), Flags: usb.ZeroPacket})
		in := &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 512)}
		ended := usbtest.Start(h, in)
		if err := d.In(usbtest.BulkIn).Write(t.Context(), <-received); err != nil {
			t.Fatal(err)
		}
		<-ended
	})
	expect(t, packets, append(configured,
		`S bulk 01 -115 5 "hello"`, `C bulk 01 0 5 ""`,
		`S bulk 81 -115 512 ""`, `C bulk 81 0 5 "hello"`)...)
	if out := packets[2]; out.Flags != usb.ZeroPacket || out.Bus != 3 || out.Device != 9 {
		t.Errorf("flags %x, bus %d, device %d", out.Flags, out.Bus, out.Device)
	}
	if s := packets[0].Setup; s == nil || s.Request != usb.SetConfiguration || s.Value != 1 {
		t.Errorf("setup %v", s)
	}
	if packets[1].Setup != nil {
		t.Error("the completion has a setup packet")
	}
}

func TestNumbersOfURBsAreUniqueAndPairTheirPackets(t *testing.T) {
	packets := record(t, capture.Options{}, func(_ *usb.Device, p usb.Port) {
		h := connect(t, p)
		for range 100 {
			configurationDescriptor(h)
		}
	})
	open, seen := map[uint64]bool{}, map[uint64]bool{}
	for _, p := range packets {
		switch {
		case p.Event == capture.Submission && seen[p.ID]:
			t.Fatalf("number %d is used twice", p.ID)
		case p.Event == capture.Submission:
			open[p.ID], seen[p.ID] = true, true
		case !open[p.ID]:
			t.Fatalf("number %d ends and did not begin", p.ID)
		default:
			delete(open, p.ID)
		}
	}
	if len(seen) != 101 || len(open) != 0 {
		t.Errorf("%d URBs, %d without an end", len(seen), len(open))
	}
}

func TestEndsThatAreNoSuccess(t *testing.T) {
	tests := map[string]struct {
		do   func(d *usb.Device, h usb.Port)
		want string
	}{
		"stall": {func(_ *usb.Device, h usb.Port) {
			usbtest.Do(h, &usb.URB{Endpoint: 0x05, Buffer: []byte("x")})
		}, `C bulk 05 -32 0 ""`},
		"cancelled": {func(_ *usb.Device, h usb.Port) {
			u := &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 8)}
			ended := usbtest.Start(h, u)
			h.Cancel(u)
			<-ended
		}, `C interrupt 82 -104 0 ""`},
		"host gone": {func(_ *usb.Device, h usb.Port) {
			ended := usbtest.Start(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 8)})
			h.Disconnect()
			<-ended
		}, `C bulk 81 -108 0 ""`},
		"never on the bus": {func(d *usb.Device, h usb.Port) {
			d.Unplug()
			usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("x")})
		}, `E bulk 01 -19 0 ""`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			packets := record(t, capture.Options{}, func(d *usb.Device, p usb.Port) { tt.do(d, connect(t, p)) })
			if got := line(packets[len(packets)-1]); got != tt.want {
				t.Errorf("captured %s, want %s", got, tt.want)
			}
		})
	}
}

func TestComingAndGoingAreComments(t *testing.T) {
	var comments []string
	for _, p := range record(t, capture.Options{}, func(d *usb.Device, p usb.Port) {
		h := connect(t, p)
		parked := usbtest.Start(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 8)})
		d.Unplug()
		<-parked
		p.Disconnect()
		d.Plug()
		h = connect(t, p)
		usbtest.Start(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 8)})
		p.Disconnect()
	}) {
		for _, c := range p.Comments {
			comments = append(comments, string(rune(p.Event))+" "+c)
		}
	}
	want := []string{"S a host connected", "C the device was unplugged", "S a host connected", "C the host disconnected"}
	if !slices.Equal(comments, want) {
		t.Errorf("comments %q, want %q", comments, want)
	}
}

// A capture of a device in use begins with URBs that wait on its endpoints.
func TestEndsOfURBsThatBeganBeforeTheCapture(t *testing.T) {
	d, tap, sink := usbtest.NewDevice(t), capture.NewTap(), &memory{}
	h := connect(t, tap.Port(d, capture.Place{Bus: 1, Device: 1, Configurations: d.Descriptors().Configurations}))
	ended := usbtest.Start(h, &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)})
	c := tap.Start(sink, capture.Options{})
	if err := d.In(usbtest.InterruptIn).Write(t.Context(), []byte("event")); err != nil {
		t.Fatal(err)
	}
	<-ended
	if _, err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	expect(t, sink.packets, `C interrupt 82 0 5 "event"`)
	if sink.packets[0].ID == 0 {
		t.Error("the URB has no number")
	}
}

func TestTransferTypesAreLearntFromDescriptors(t *testing.T) {
	d, tap, sink := usbtest.NewDevice(t), capture.NewTap(), &memory{}
	c := tap.Start(sink, capture.Options{})
	h := connect(t, tap.Port(d, capture.Place{Bus: 1, Device: 1}))
	usbtest.Start(h, &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)})
	configurationDescriptor(h)
	h.Disconnect()
	if _, err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	first, last := sink.packets[2], sink.packets[len(sink.packets)-1]
	if first.Type != usb.Bulk || last.Type != usb.Interrupt || last.ID != first.ID {
		t.Errorf("%s, later %s", line(first), line(last))
	}
}

func TestSeveralCapturesAtOnce(t *testing.T) {
	d, tap, long, short := usbtest.NewDevice(t), capture.NewTap(), &memory{}, &memory{}
	h := connect(t, tap.Port(d, capture.Place{Bus: 1, Device: 1}))
	first := tap.Start(long, capture.Options{})
	configurationDescriptor(h)
	second := tap.Start(short, capture.Options{Redact: func(p *capture.Packet) { clear(p.Data) }})
	configurationDescriptor(h)
	if s, err := second.Stop(); err != nil || s.Packets != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	configurationDescriptor(h)
	if s, err := first.Stop(); err != nil || s.Packets != 6 {
		t.Errorf("%+v, %v", s, err)
	}
	configurationDescriptor(h)
	if len(long.packets) != 6 || len(short.packets) != 2 {
		t.Errorf("%d and %d packets", len(long.packets), len(short.packets))
	}
	if clean, blanked := long.packets[3].Data, short.packets[1].Data; clean[0] != 9 || blanked[0] != 0 {
		t.Errorf("the redaction of one capture reached another: % x, % x", clean, blanked)
	}
}

// The URB belongs to its host again when its end is told.
func TestURBIsGivenBackAsItWas(t *testing.T) {
	d, tap := usbtest.NewDevice(t), capture.NewTap()
	port := tap.Port(d, capture.Place{})
	connect(t, port)
	ends := 0
	u := &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("x"), Done: func(*usb.URB) { ends++ }}
	d.Out(usbtest.BulkOut).Halt()
	for range 3 {
		port.Submit(u) // again and again, without setting Done
	}
	if ends != 3 {
		t.Errorf("Done was called %d times", ends)
	}
}

func TestIdleTapAllocatesNothing(t *testing.T) {
	d := usbtest.NewDevice(t)
	d.Out(usbtest.BulkOut).Halt()
	port := capture.NewTap().Port(d, capture.Place{})
	connect(t, port)
	u := &usb.URB{Endpoint: 0x05, Done: func(*usb.URB) {}}
	if n := testing.AllocsPerRun(1000, func() { port.Submit(u) }); n != 0 {
		t.Errorf("%v allocations per URB", n)
	}
}

func BenchmarkIdleTap(b *testing.B) {
	d := usbtest.NewDevice(b)
	for name, port := range map[string]usb.Port{"bare": d, "tapped": capture.NewTap().Port(d, capture.Place{})} {
		b.Run(name, func(b *testing.B) {
			connect(b, port)
			defer port.Disconnect()
			u := &usb.URB{Endpoint: 0x05, Done: func(*usb.URB) {}}
			b.ReportAllocs()
			for b.Loop() {
				port.Submit(u)
			}
		})
	}
}
