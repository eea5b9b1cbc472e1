package replay_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/replay"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answer sends each transfer of the host back in reverse, until ctx ends.
func answer(ctx context.Context, d *usb.Device) {
	buffer := make([]byte, 4096)
	for ctx.Err() == nil {
		n, err := d.Out(usbtest.BulkOut).Read(ctx, buffer)
		if errors.Is(err, usb.ErrReset) {
			continue
		}
		if err != nil {
			return
		}
		slices.Reverse(buffer[:n])
		_ = d.In(usbtest.BulkIn).Write(ctx, buffer[:n]) // a host that left does not want it
	}
}

// host drives a port.
type host struct {
	usb.Port
	gone <-chan struct{}
}

func connect(t testing.TB, p usb.Port) *host {
	t.Helper()
	return &host{p, usbtest.Connect(t, p)}
}

func (h *host) enumerate() {
	usbtest.Descriptor(h, usb.DescriptorDevice, 18)
	usbtest.Descriptor(h, usb.DescriptorConfiguration, 255)
	usbtest.Configure(h)
}

// talk sends text and returns the answer.
func (h *host) talk(text string) string {
	answer := &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 512)}
	ended := usbtest.Start(h, answer)
	usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte(text)})
	<-ended
	return string(answer.Buffer[:answer.Actual])
}

// record returns a recording of what session does to a device.
func record(t testing.TB, h capture.Header, session func(d *usb.Device, p usb.Port)) []byte {
	t.Helper()
	var file bytes.Buffer
	sink, err := capture.NewWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	d, tap := usbtest.NewDevice(t), capture.NewTap()
	ctx, stop := context.WithCancel(t.Context())
	var function sync.WaitGroup
	function.Go(func() { answer(ctx, d) })
	defer function.Wait()
	defer stop()
	c := tap.Start(sink, capture.Options{})
	session(d, tap.Port(d, capture.Place{Bus: 1, Device: 4, Configurations: d.Descriptors().Configurations}))
	if _, err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func load(t testing.TB, file []byte) *replay.Record {
	t.Helper()
	packets, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	r, err := replay.Load(packets, replay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// conversation is a session that the tests record.
func conversation(_ *usb.Device, p usb.Port) {
	gone, _ := p.Connect()
	h := &host{p, gone}
	h.enumerate()
	h.talk("hello")
	h.talk("again")
	p.Disconnect()
}

func TestHostThatDoesTheSameGetsTheSame(t *testing.T) {
	d := replay.New(load(t, record(t, capture.Header{}, conversation)), replay.Exact{})
	h := connect(t, d)
	want := usbtest.Descriptor(connect(t, usbtest.NewDevice(t)), usb.DescriptorDevice, 18)
	if got := usbtest.Descriptor(h, usb.DescriptorDevice, 18); !bytes.Equal(got, want) {
		t.Errorf("device descriptor % x, that of the device is % x", got, want)
	}
	usbtest.Descriptor(h, usb.DescriptorConfiguration, 255)
	usbtest.Configure(h)
	if a, b := h.talk("hello"), h.talk("again"); a != "olleh" || b != "niaga" {
		t.Errorf("answers %q and %q", a, b)
	}
	d.Disconnect()
	<-d.Done()
	if r := d.Report(); !r.Followed || r.Transfers != 5 || r.Recorded != 5 || r.Unread != 0 || r.Divergence != nil {
		t.Errorf("report %+v", r)
	}
	if _, err := d.Connect(); !errors.Is(err, usb.ErrNoDevice) || !d.Identity().Unplugged {
		t.Errorf("a device whose recording is over: %v", err)
	}
}

func TestIdentityComesFromTheDescriptors(t *testing.T) {
	want := usbtest.NewDevice(t)
	connect(t, want).enumerate()
	id, real := replay.New(load(t, record(t, capture.Header{}, conversation)), replay.Exact{}).Identity(), want.Identity()
	real.Configuration = 0
	if id.Vendor != real.Vendor || id.Product != real.Product || id.Release != real.Release || id.Speed != real.Speed ||
		id.Configurations != real.Configurations || !slices.Equal(id.Interfaces, real.Interfaces) {
		t.Errorf("identity\n%+v, that of the device is\n%+v", id, real)
	}
}

func TestFirstDifferenceIsReported(t *testing.T) {
	file := record(t, capture.Header{}, conversation)
	tests := map[string]struct {
		session func(h *host)
		want    replay.Divergence
	}{
		"other data": {
			func(h *host) {
				h.enumerate()
				h.talk("hello")
				usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("agaun")})
			},
			replay.Divergence{
				Packet: 12, Expected: "OUT transfer of 5 bytes to endpoint 01", Got: "OUT transfer of 5 bytes to endpoint 01",
				Byte: 3, Diff: "  recorded 000000: 61 67 61 69 6e\n  came     000000: 61 67 61 75\n                            ^^",
			},
		},
		"shorter data": {
			func(h *host) {
				h.enumerate()
				usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("hell")})
			},
			replay.Divergence{Packet: 8, Expected: "OUT transfer of 5 bytes to endpoint 01", Got: "OUT transfer of 4 bytes to endpoint 01", Byte: 4},
		},
		"other request": {
			func(h *host) { usbtest.Configure(h) },
			replay.Divergence{Packet: 1, Expected: "setup 80 06 value 0100 index 0000 length 18", Got: "setup 00 09 value 0001 index 0000 length 0", Byte: -1},
		},
		"more than was recorded": {
			func(h *host) {
				h.enumerate()
				h.talk("hello")
				h.talk("again")
				usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("more")})
			},
			replay.Divergence{Expected: "no more for endpoint 01", Got: "OUT transfer of 4 bytes to endpoint 01", Byte: -1},
		},
		"another endpoint": {
			func(h *host) { usbtest.Do(h, &usb.URB{Endpoint: 0x05, Buffer: []byte("x")}) },
			replay.Divergence{Expected: "no more for endpoint 05", Got: "OUT transfer of 1 bytes to endpoint 05", Byte: -1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := replay.New(load(t, file), replay.Exact{})
			h := connect(t, d)
			tt.session(h)
			<-d.Done()
			<-h.gone // the device has unplugged
			if u := usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 8)}); u.Status != usb.ENODEV {
				t.Errorf("a URB after the end: %v", u.Status)
			}
			got := d.Report().Divergence
			if tt.want.Diff == "" {
				tt.want.Diff = got.Diff
			}
			if *got != tt.want {
				t.Errorf("reported\n%+v, want\n%+v", *got, tt.want)
			}
			if d.Report().Followed || !strings.Contains(got.Error(), got.Expected) {
				t.Errorf("report %+v: %v", d.Report(), got)
			}
		})
	}
}

func TestReportTellsWhatTheDeviceWaitsFor(t *testing.T) {
	d := replay.New(load(t, record(t, capture.Header{}, conversation)), replay.Exact{})
	h := connect(t, d)
	h.enumerate()
	d.Disconnect()
	if r := d.Report(); r.Followed || r.Transfers != 3 || r.Waiting != "packet 8: OUT transfer of 5 bytes to endpoint 01" || r.Unread != 2 {
		t.Errorf("report %+v", r)
	}
	h = connect(t, d) // and it may go on
	if got := h.talk("hello"); got != "olleh" {
		t.Errorf("answer %q", got)
	}
}

// An answer waits until the host has sent all that it had sent before it.
func TestAnswersDoNotComeBeforeTheirQuestions(t *testing.T) {
	d := replay.New(load(t, record(t, capture.Header{}, conversation)), replay.Exact{})
	h := connect(t, d)
	h.enumerate()
	var urbs [3]usb.URB
	var ended [3]<-chan struct{}
	for i := range urbs {
		urbs[i] = usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 64)}
		ended[i] = usbtest.Start(h, &urbs[i])
	}
	for i, text := range []string{"hello", "again"} {
		select {
		case <-ended[i]:
			t.Fatalf("answer %d came before its question", i)
		default:
		}
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte(text)})
		<-ended[i]
	}
	d.Cancel(&urbs[2])
	<-ended[2]
	if urbs[2].Status != usb.ECONNRESET || urbs[2].Actual != 0 {
		t.Errorf("the URB without an answer: %v, %d bytes", urbs[2].Status, urbs[2].Actual)
	}
}

func TestEndsOfEveryKindAreReplayed(t *testing.T) {
	file := record(t, capture.Header{}, func(d *usb.Device, p usb.Port) {
		h := connect(t, p)
		h.enumerate()
		usbtest.Control(h, usb.Setup{RequestType: 0xC0, Request: 0x55}, make([]byte, 4)) // stalls
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("x")})
		d.In(usbtest.InterruptIn).Halt()
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 8)})
		usbtest.Control(h, usb.Setup{RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature, Index: usbtest.InterruptIn}, nil)
		u := &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 8)}
		ended := usbtest.Start(h, u)
		p.Cancel(u)
		<-ended
		ended = usbtest.Start(h, &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 8)})
		d.Unplug()
		<-ended
		p.Disconnect()
	})
	d := replay.New(load(t, file), replay.Exact{})
	h := connect(t, d)
	h.enumerate()
	if u := usbtest.Control(h, usb.Setup{RequestType: 0xC0, Request: 0x55}, make([]byte, 4)); u.Status != usb.EPIPE {
		t.Errorf("stalled request: %v", u.Status)
	}
	usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("x")})
	if u := usbtest.Do(h, &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 8)}); u.Status != usb.EPIPE {
		t.Errorf("halted endpoint: %v", u.Status)
	}
	usbtest.Control(h, usb.Setup{RequestType: usb.RecipientEndpoint, Request: usb.ClearFeature, Index: usbtest.InterruptIn}, nil)
	<-h.gone
	d.Disconnect()
	<-d.Done()
	if r := d.Report(); !r.Followed {
		t.Errorf("report %+v", r)
	}
}

// What was blanked in a recording matches anything, and is answered as it is.
func TestRedactedBytesMatchAnything(t *testing.T) {
	file := record(t, capture.Header{Redacted: true}, func(_ *usb.Device, p usb.Port) {
		h := connect(t, p)
		h.enumerate()
		h.talk("pin=****.")
		p.Disconnect()
	})
	for text, follows := range map[string]bool{"pin=1234.": true, "pin=1234!": false, "pim=1234.": false, "pin=123.": false} {
		r := load(t, file)
		if !r.Redacted() {
			t.Fatal("the recording does not say that it is redacted")
		}
		d := replay.New(r, replay.Exact{Redacted: r.Redacted()})
		h := connect(t, d)
		h.enumerate()
		usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte(text)})
		report := d.Report()
		if report.Followed != follows {
			t.Errorf("%q: report %+v", text, report)
		}
		if v := report.Divergence; v != nil && strings.Contains(v.Diff, "31 32 33") {
			t.Errorf("the report shows what was blanked:\n%s", v.Diff)
		}
	}
}

func TestRecordingsThatCannotBeReplayed(t *testing.T) {
	good := record(t, capture.Header{}, conversation)
	tests := map[string]struct {
		file    []byte
		options replay.Options
		want    error
	}{
		"no packets": {record(t, capture.Header{}, func(*usb.Device, usb.Port) {}), replay.Options{}, replay.ErrIncomplete},
		"begun too late": {record(t, capture.Header{}, func(_ *usb.Device, p usb.Port) {
			_, _ = p.Connect()
			usbtest.Control(p, usb.Setup{Request: 9, Value: 1}, nil)
		}), replay.Options{}, replay.ErrIncomplete},
		"cut packets":          {record(t, capture.Header{Snap: 70}, conversation), replay.Options{}, replay.ErrIncomplete},
		"another device":       {good, replay.Options{Bus: 7, Device: 7}, replay.ErrIncomplete},
		"larger than allowed":  {good, replay.Options{MaxBytes: 1000}, replay.ErrTooLarge},
		"two devices, no word": {twoDevices(t), replay.Options{}, replay.ErrAmbiguous},
		"ends within a packet": {good[:len(good)-80], replay.Options{}, capture.ErrTruncated},
		"lost packets":         {lossy(t), replay.Options{}, replay.ErrIncomplete},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			packets, err := capture.NewReader(bytes.NewReader(tt.file))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := replay.Load(packets, tt.options); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	packets, err := capture.NewReader(bytes.NewReader(twoDevices(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := replay.Load(packets, replay.Options{Bus: 1, Device: 4}); err != nil {
		t.Errorf("one of two devices: %v", err)
	}
}

// rewrite returns a recording with every packet twice: as it was, and changed.
func rewrite(t testing.TB, change func(p *capture.Packet) (dropped uint64)) []byte {
	t.Helper()
	packets, err := capture.NewReader(bytes.NewReader(record(t, capture.Header{}, conversation)))
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Header{})
	for err == nil {
		var p *capture.Packet
		if p, err = packets.Next(); err != nil {
			break
		}
		copied := *p
		err = errors.Join(w.Write(p, 0), w.Write(&copied, change(&copied)))
	}
	if err := w.Close(capture.Statistics{}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func twoDevices(t testing.TB) []byte {
	return rewrite(t, func(p *capture.Packet) uint64 {
		p.Device, p.ID = 5, p.ID+1000
		return 0
	})
}

func lossy(t testing.TB) []byte {
	return rewrite(t, func(*capture.Packet) uint64 { return 1 })
}
