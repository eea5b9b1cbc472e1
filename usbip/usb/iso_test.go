package usb_test

import (
	"bytes"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

const (
	isoOut = 0x04
	isoIn  = 0x84
)

// isoExample is the example with isochronous endpoints in alternate setting 2 of
// its second interface.
func isoExample() usb.Descriptors {
	d := example()
	c := &d.Configurations[0]
	c.Interfaces = append(c.Interfaces, usb.Interface{Number: 1, Alternate: 2, Class: 0x03, Endpoints: []usb.Endpoint{
		{Address: isoOut, Type: usb.Isochronous, MaxPacketSize: 100, Interval: 1},
		{Address: isoIn, Type: usb.Isochronous, MaxPacketSize: 700, Mult: 2, Interval: 4, Sync: usb.Asynchronous},
	}})
	return d
}

// isoConnected returns the device with its isochronous endpoints turned on.
func isoConnected(t testing.TB) *usb.Device {
	t.Helper()
	d := newDevice(t, isoExample(), nil)
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
	wantStatus(t, setAlternate(d, 1, 2), usb.OK)
	return d
}

func setAlternate(p usb.Port, number, alternate uint16) *usb.URB {
	return control(p, usb.Setup{RequestType: usb.RecipientInterface, Request: usb.SetInterface, Value: alternate, Index: number}, nil)
}

// layOut returns packets of the given lengths, one after the other.
func layOut(lengths ...int) (packets []usb.IsoPacket, size int) {
	for _, n := range lengths {
		packets = append(packets, usb.IsoPacket{Offset: size, Length: n, Actual: 77, Status: usb.EILSEQ})
		size += n
	}
	return packets, size
}

func isoURB(endpoint uint8, lengths ...int) *usb.URB {
	packets, size := layOut(lengths...)
	return &usb.URB{Endpoint: endpoint, Buffer: make([]byte, max(size, 0)), Packets: packets}
}

// TestIsochronousPackets moves single packets, of which the OUT endpoint takes
// 100 bytes and the IN endpoint gives 3 times 700.
func TestIsochronousPackets(t *testing.T) {
	type result struct {
		actual int
		status usb.Status
	}
	tests := map[string]struct {
		endpoint uint8
		length   int
		supply   []byte // of the function, IN
		want     result
	}{
		"OUT":                        {isoOut, 100, nil, result{100, usb.OK}},
		"OUT, empty":                 {isoOut, 0, nil, result{0, usb.OK}},
		"OUT, too long":              {isoOut, 101, nil, result{0, usb.EXDEV}},
		"IN, full":                   {isoIn, 2100, pattern(2100), result{2100, usb.OK}},
		"IN, short":                  {isoIn, 2100, pattern(9), result{9, usb.OK}},
		"IN, nothing supplied":       {isoIn, 2100, nil, result{0, usb.OK}},
		"IN, more than the interval": {isoIn, 3000, pattern(2101), result{2100, usb.EOVERFLOW}},
		"IN, more than the room":     {isoIn, 50, pattern(51), result{50, usb.EOVERFLOW}},
		"IN, no room":                {isoIn, 0, pattern(1), result{0, usb.EOVERFLOW}},
		"IN, nothing into no room":   {isoIn, 0, nil, result{0, usb.OK}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := isoConnected(t)
			rooms := []int{}
			source := func(room int) []byte {
				rooms = append(rooms, room)
				return test.supply
			}
			if err := errors.Join(d.Source(isoIn, source), d.Sink(isoOut, func([]byte) {})); err != nil {
				t.Fatal(err)
			}
			u := usbtest.Do(d, isoURB(test.endpoint, test.length))
			wantStatus(t, u, usb.OK)
			p := u.Packets[0]
			if got := (result{p.Actual, p.Status}); got != test.want || u.Actual != p.Actual {
				t.Errorf("%+v, URB %d; want %+v", got, u.Actual, test.want)
			}
			if test.endpoint == isoIn && (len(rooms) != 1 || rooms[0] != 2100) {
				t.Errorf("asked for packets of %d, want one of 2100", rooms)
			}
			if !bytes.Equal(u.Buffer[:p.Actual], append(test.supply, u.Buffer...)[:p.Actual]) {
				t.Error("other bytes than the function supplied")
			}
		})
	}
}

// TestIsochronousStreamHasNoGaps: a URB begins in the frame behind the last of
// the one before, however late it comes, and frame numbers begin again.
func TestIsochronousStreamHasNoGaps(t *testing.T) {
	tests := map[string]struct {
		speed    usb.Speed
		interval uint8
		want     []int32 // of URBs of 1, 2, 1000, 2000 and 1 packets
	}{
		"full speed, each frame":               {usb.SpeedFull, 1, []int32{0, 1, 3, 1003, 3003 - 2048}},
		"full speed, each fourth":              {usb.SpeedFull, 3, []int32{0, 4, 12, 4012 % 2048, 12012 % 2048}},
		"high speed, each microframe":          {usb.SpeedHigh, 1, []int32{0, 1, 3, 1003, 3003}},
		"high speed, each frame":               {usb.SpeedHigh, 4, []int32{0, 8, 24, 8024, 24024 - 16384}},
		"SuperSpeed, each second bus interval": {usb.SpeedSuper, 2, []int32{0, 2, 6, 2006, 6006}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, streamer(test.speed, test.interval), nil)
			if _, err := d.Connect(); err != nil {
				t.Fatal(err)
			}
			wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
			wantStatus(t, setAlternate(d, 0, 1), usb.OK)
			for i, n := range []int{1, 2, 1000, 2000, 1} {
				u := usbtest.Do(d, &usb.URB{Endpoint: isoIn, StartFrame: 4711, Packets: make([]usb.IsoPacket, n)})
				if u.Status != usb.OK || u.StartFrame != test.want[i] {
					t.Errorf("URB %d: %v in frame %d, want %d", i, u.Status, u.StartFrame, test.want[i])
				}
			}
			// The other endpoint begins where the bus is now.
			wantStatus(t, setAlternate(d, 0, 0), usb.OK)
			wantStatus(t, setAlternate(d, 0, 1), usb.OK)
			u := usbtest.Do(d, &usb.URB{Endpoint: isoOut, Packets: make([]usb.IsoPacket, 1)})
			v := usbtest.Do(d, &usb.URB{Endpoint: isoIn, Packets: make([]usb.IsoPacket, 1)})
			if u.StartFrame != v.StartFrame {
				t.Errorf("streams begin in frames %d and %d, want the same", u.StartFrame, v.StartFrame)
			}
		})
	}
}

// streamer is a device with two isochronous endpoints.
func streamer(speed usb.Speed, interval uint8) usb.Descriptors {
	out := usb.Endpoint{Address: isoOut, Type: usb.Isochronous, MaxPacketSize: 8, Interval: interval}
	in := out
	in.Address = isoIn
	return usb.Descriptors{Speed: speed, Configurations: []usb.Configuration{{Value: 1, Interfaces: []usb.Interface{
		{Class: 0xff}, {Class: 0xff, Alternate: 1, Endpoints: []usb.Endpoint{out, in}},
	}}}}
}

// TestIsochronousURBsThatAreRefused also shows that nothing of an earlier use is
// left in their packets.
func TestIsochronousURBsThatAreRefused(t *testing.T) {
	far := isoURB(isoIn, 10, 20)
	far.Packets[1].Offset = 11
	twice := isoURB(isoIn, 10, 20)
	twice.Packets[0].Offset, twice.Packets[0].Length = 5, 25
	tests := map[string]struct {
		alternate uint16
		urb       *usb.URB
		want      usb.Status
	}{
		"endpoint of another setting":    {1, isoURB(isoIn, 10), usb.EPIPE},
		"unknown endpoint":               {2, isoURB(0x8f, 10), usb.EPIPE},
		"packets for a bulk endpoint":    {2, isoURB(bulkIn, 10), usb.EINVAL},
		"packets for the control pipe":   {2, isoURB(usb.DirIn, 10), usb.EINVAL},
		"none for an isochronous one":    {2, &usb.URB{Endpoint: isoIn, Buffer: make([]byte, 10)}, usb.EINVAL},
		"an empty list of packets":       {2, &usb.URB{Endpoint: isoIn, Packets: []usb.IsoPacket{}}, usb.EINVAL},
		"packet beyond the buffer":       {2, far, usb.EINVAL},
		"packets longer than the buffer": {2, twice, usb.EINVAL},
		"packet of a negative length":    {2, isoURB(isoIn, 10, -1), usb.EINVAL},
		"packet longer than any address": {2, &usb.URB{Endpoint: isoIn, Packets: []usb.IsoPacket{{Offset: math.MaxInt, Length: math.MaxInt}}}, usb.EINVAL},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := isoConnected(t)
			wantStatus(t, setAlternate(d, 1, test.alternate), usb.OK)
			u := usbtest.Do(d, test.urb)
			wantStatus(t, u, test.want)
			for _, p := range u.Packets {
				if p.Actual != 0 || p.Status != usb.EXDEV || u.Actual != 0 {
					t.Errorf("packet %+v of a URB with %d bytes, want that nothing moved", p, u.Actual)
				}
			}
		})
	}
}

func TestIsochronousEndpointHasNoHalt(t *testing.T) {
	d := isoConnected(t)
	feature := usb.Setup{RequestType: usb.RecipientEndpoint, Request: usb.SetFeature, Value: usb.FeatureEndpointHalt, Index: isoIn}
	wantStatus(t, control(d, feature, nil), usb.EPIPE)
	feature.Request = usb.ClearFeature
	wantStatus(t, control(d, feature, nil), usb.EPIPE)
	status := control(d, usb.Setup{RequestType: usb.DirIn | usb.RecipientEndpoint, Request: usb.GetStatus, Index: isoIn, Length: 2}, nil)
	if wantStatus(t, status, usb.OK); !bytes.Equal(status.Buffer, []byte{0, 0}) {
		t.Errorf("status % x", status.Buffer)
	}
	wantStatus(t, usbtest.Do(d, isoURB(isoIn, 10)), usb.OK)
}

func TestFunctionsBelongToTheirEndpoints(t *testing.T) {
	d := isoConnected(t)
	source, sink := func(int) []byte { return nil }, func([]byte) {}
	for name, err := range map[string]error{
		"source for OUT":         d.Source(isoOut, source),
		"sink for IN":            d.Sink(isoIn, sink),
		"source for bulk":        d.Source(bulkIn, source),
		"sink for bulk":          d.Sink(bulkOut, sink),
		"source for no endpoint": d.Source(0x8f, source),
	} {
		if !errors.Is(err, usb.ErrNoEndpoint) {
			t.Errorf("%s: %v, want %v", name, err, usb.ErrNoEndpoint)
		}
	}
	if d.In(isoIn) != nil || d.Out(isoOut) != nil {
		t.Error("an isochronous endpoint can be read or written")
	}
}

// TestSourceMayUseTheDevice: it runs without a lock, and the URB that it supplies
// keeps its result whatever becomes of the device.
func TestSourceMayUseTheDevice(t *testing.T) {
	d := isoConnected(t)
	if err := d.Source(isoIn, func(int) []byte { d.Unplug(); return pattern(5) }); err != nil {
		t.Fatal(err)
	}
	u := usbtest.Do(d, isoURB(isoIn, 10, 10))
	if wantStatus(t, u, usb.OK); u.Actual != 10 {
		t.Errorf("%d bytes, want 10", u.Actual)
	}
	wantStatus(t, usbtest.Do(d, isoURB(isoIn, 10)), usb.ENODEV)
}

// TestIsochronousURBsTakeTurns submits from several goroutines: one packet at a
// time is supplied, and the packets of a URB belong together.
func TestIsochronousURBsTakeTurns(t *testing.T) {
	d := isoConnected(t)
	var next byte
	var inside atomic.Int32
	source := func(int) []byte {
		if inside.Add(1) != 1 {
			t.Error("two packets are supplied at once")
		}
		defer inside.Add(-1)
		next++
		return []byte{next}
	}
	if err := d.Source(isoIn, source); err != nil {
		t.Fatal(err)
	}
	var hosts sync.WaitGroup
	for range 8 {
		hosts.Go(func() {
			for range 50 {
				u := usbtest.Do(d, isoURB(isoIn, 1, 1, 1))
				if b := u.Buffer; b[1] != b[0]+1 || b[2] != b[0]+2 || u.Status != usb.OK {
					t.Errorf("%v, packets % x", u.Status, b)
				}
			}
		})
	}
	hosts.Wait()
}

// TestIsochronousDoneMaySubmitAgain keeps a stream going from Done, without
// recursion and without allocating.
func TestIsochronousDoneMaySubmitAgain(t *testing.T) {
	d := isoConnected(t)
	data := pattern(2100)
	if err := d.Source(isoIn, func(room int) []byte { return data[:room] }); err != nil {
		t.Fatal(err)
	}
	u := isoURB(isoIn, 2100, 2100, 2100, 2100)
	left := 0
	u.Done = func(u *usb.URB) {
		if left--; left > 0 {
			d.Submit(u)
		}
	}
	stream := func() {
		left = 10_000
		d.Submit(u)
	}
	if n := testing.AllocsPerRun(3, stream); n > 0 || left != 0 || u.Actual != 4*2100 {
		t.Errorf("%v allocations, %d URBs left, %d bytes in the last", n, left, u.Actual)
	}
}

// TestAddressMayChangeItsType: one endpoint address is bulk in one setting and
// isochronous in another.
func TestAddressMayChangeItsType(t *testing.T) {
	descriptors := streamer(usb.SpeedHigh, 1)
	descriptors.Configurations[0].Interfaces[0].Endpoints = []usb.Endpoint{{Address: isoIn, Type: usb.Bulk, MaxPacketSize: 512}}
	d := newDevice(t, descriptors, nil)
	if err := d.Source(isoIn, func(int) []byte { return pattern(3) }); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Connect(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, control(d, usb.Setup{Request: usb.SetConfiguration, Value: 1}, nil), usb.OK)
	wantStatus(t, usbtest.Do(d, isoURB(isoIn, 8)), usb.EINVAL)
	bulk := &usb.URB{Endpoint: isoIn, Buffer: make([]byte, 512)}
	done := usbtest.Start(d, bulk)
	wantStatus(t, setAlternate(d, 0, 1), usb.OK)
	<-done
	wantStatus(t, bulk, usb.ESHUTDOWN)
	if u := usbtest.Do(d, isoURB(isoIn, 8)); u.Actual != 3 {
		t.Errorf("%v, %d bytes; want 3", u.Status, u.Actual)
	}
	wantStatus(t, setAlternate(d, 0, 0), usb.OK)
	written := write(t.Context(), d.In(isoIn), pattern(100))
	u := usbtest.Do(d, &usb.URB{Endpoint: isoIn, Buffer: make([]byte, 512)})
	if err := <-written; err != nil || u.Actual != 100 {
		t.Errorf("%v, %d bytes; want 100", err, u.Actual)
	}
}

// TestAnyResultOfPacketsIsOneThatAHostCanBear completes URBs as a careless Port
// might.
func TestAnyResultOfPacketsIsOneThatAHostCanBear(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		u := isoURB(isoIn, rapid.SliceOfN(rapid.IntRange(0, 50), 1, 20).Draw(r, "lengths")...)
		u.Done = func(*usb.URB) {}
		for i := range u.Packets {
			u.Packets[i].Actual = rapid.IntRange(-10, 60).Draw(r, "actual")
			u.Packets[i].Status = usb.Status(rapid.Int32Range(-200, 200).Draw(r, "status"))
		}
		u.Complete(rapid.Int().Draw(r, "total"), usb.Status(rapid.Int32Range(-200, 200).Draw(r, "URB")))
		total := 0
		for _, p := range u.Packets {
			if p.Actual < 0 || p.Actual > p.Length || p.Status > 0 {
				r.Errorf("packet %+v", p)
			}
			total += p.Actual
		}
		if u.Actual != total || u.Actual > len(u.Buffer) || u.Status > 0 {
			r.Errorf("%v, %d bytes of %d, packets have %d", u.Status, u.Actual, len(u.Buffer), total)
		}
	})
}
