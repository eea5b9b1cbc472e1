package replay_test

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/replay"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// recording returns a file of the packets of an enumeration and then others.
func recording(t testing.TB, packets ...capture.Packet) []byte {
	t.Helper()
	setup := &usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: usb.DescriptorDevice << 8, Length: 18}
	device := []byte{18, 1, 0, 2, 0, 0, 0, 64, 9, 18, 1, 0, 0, 1, 0, 0, 0, 1}
	head := []capture.Packet{
		{ID: 1, Event: capture.Submission, Type: usb.Control, Endpoint: 0x80, Setup: setup, Length: 18},
		{ID: 1, Event: capture.Completion, Type: usb.Control, Endpoint: 0x80, Length: 18, Data: device},
	}
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Header{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(head, packets...) {
		if err := w.Write(&p, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(capture.Statistics{}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// replaying returns a host of the device in a recording, behind the enumeration.
func replaying(t testing.TB, packets ...capture.Packet) (*host, *replay.Device) {
	t.Helper()
	d := replay.New(load(t, recording(t, packets...)), replay.Exact{})
	h := connect(t, d)
	usbtest.Descriptor(h, usb.DescriptorDevice, 18)
	return h, d
}

func out(id uint64, data string) capture.Packet {
	return capture.Packet{ID: id, Event: capture.Submission, Type: usb.Bulk, Endpoint: usbtest.BulkOut, Length: len(data), Data: []byte(data)}
}

func ended(id uint64, endpoint uint8, actual int, status usb.Status, data string) capture.Packet {
	p := capture.Packet{ID: id, Event: capture.Completion, Type: usb.Bulk, Endpoint: endpoint, Length: actual, Status: status}
	if endpoint&usb.DirIn != 0 {
		p.Data = []byte(data)
	}
	return p
}

func TestURBThatTheRecordedHostTookBack(t *testing.T) {
	h, d := replaying(t, out(2, "hello"), ended(2, usbtest.BulkOut, 3, usb.ECONNRESET, ""))
	u := &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("hello")}
	done := usbtest.Start(h, u)
	select {
	case <-done:
		t.Fatal("it ended by itself")
	default:
	}
	d.Cancel(u)
	if <-done; u.Status != usb.ECONNRESET || u.Actual != 3 {
		t.Errorf("%v, %d bytes", u.Status, u.Actual)
	}
}

func TestPartOfATransferThatWasTakenBack(t *testing.T) {
	h, d := replaying(t, ended(2, usbtest.BulkIn, 4, usb.ECONNRESET, "part"), ended(3, usbtest.BulkIn, 4, usb.OK, "rest"))
	u := &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 64)}
	done := usbtest.Start(h, u)
	d.Cancel(u)
	if <-done; u.Status != usb.ECONNRESET || string(u.Buffer[:u.Actual]) != "part" {
		t.Errorf("%v, %q", u.Status, u.Buffer[:u.Actual])
	}
	if u := usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkIn, Buffer: make([]byte, 64)}); string(u.Buffer[:u.Actual]) != "rest" {
		t.Errorf("then %v, %q", u.Status, u.Buffer[:u.Actual])
	}
}

func TestAnswersAndTheRoomForThem(t *testing.T) {
	tests := map[string]struct {
		urb    usb.URB
		status usb.Status
		data   string
	}{
		"enough":            {usb.URB{Buffer: make([]byte, 64)}, usb.OK, "answer"},
		"just enough":       {usb.URB{Buffer: make([]byte, 6)}, usb.OK, "answer"},
		"too little":        {usb.URB{Buffer: make([]byte, 4)}, usb.EOVERFLOW, "answ"},
		"short not allowed": {usb.URB{Buffer: make([]byte, 64), Flags: usb.ShortNotOK}, usb.EREMOTEIO, "answer"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, _ := replaying(t, ended(2, usbtest.BulkIn, 6, usb.OK, "answer"))
			u := tt.urb
			u.Endpoint = usbtest.BulkIn
			if usbtest.Do(h, &u); u.Status != tt.status || string(u.Buffer[:u.Actual]) != tt.data {
				t.Errorf("%v, %q", u.Status, u.Buffer[:u.Actual])
			}
		})
	}
}

// What was submitted to a device that had gone is nothing that a host has to do.
func TestURBsThatNeverReachedTheBusAreForgotten(t *testing.T) {
	failed := capture.Packet{ID: 2, Event: capture.Failure, Type: usb.Bulk, Endpoint: usbtest.BulkOut, Status: usb.ENODEV}
	h, d := replaying(t, out(2, "lost"), failed, out(3, "hello"), ended(3, usbtest.BulkOut, 5, usb.OK, ""))
	if u := usbtest.Do(h, &usb.URB{Endpoint: usbtest.BulkOut, Buffer: []byte("hello")}); u.Status != usb.OK || u.Actual != 5 {
		t.Errorf("%v, %d bytes", u.Status, u.Actual)
	}
	if r := d.Report(); !r.Followed || r.Recorded != 2 {
		t.Errorf("report %+v", r)
	}
}

func TestIsochronousTransfers(t *testing.T) {
	end := capture.Packet{
		ID: 2, Event: capture.Completion, Type: usb.Isochronous, Endpoint: 0x83, Length: 6, Data: []byte("abcd....ef"),
		Packets: []usb.IsoPacket{{Offset: 0, Length: 4, Actual: 4}, {Offset: 8, Length: 2, Actual: 2}},
	}
	h, _ := replaying(t, end)
	u := usbtest.Do(h, &usb.URB{
		Endpoint: 0x83, Buffer: make([]byte, 32),
		Packets: []usb.IsoPacket{{Offset: 0, Length: 16}, {Offset: 16, Length: 8}, {Offset: 24, Length: 8}},
	})
	if u.Status != usb.OK || u.Actual != 6 || string(u.Buffer[:4]) != "abcd" || string(u.Buffer[16:18]) != "ef" {
		t.Errorf("%v, %d bytes, %q", u.Status, u.Actual, u.Buffer)
	}
	if p := u.Packets; p[0].Actual != 4 || p[1].Actual != 2 || p[1].Status != usb.OK || p[2].Actual != 0 || p[2].Status != usb.EXDEV {
		t.Errorf("packets %+v", p)
	}
}

func TestSpeedFollowsFromTheDescriptors(t *testing.T) {
	configuration := func(packet byte) []byte {
		return []byte{9, 2, 25, 0, 1, 1, 0, 128, 50, 9, 4, 0, 0, 1, 255, 0, 0, 0, 7, 5, 0x81, 2, packet, 0, 0}
	}
	answer := func(id uint64, kind uint16, data []byte) []capture.Packet {
		setup := &usb.Setup{RequestType: usb.DirIn, Request: usb.GetDescriptor, Value: kind << 8, Length: 255}
		return []capture.Packet{
			{ID: id, Event: capture.Submission, Type: usb.Control, Endpoint: 0x80, Setup: setup, Length: 255},
			{ID: id, Event: capture.Completion, Type: usb.Control, Endpoint: 0x80, Length: len(data), Data: data},
		}
	}
	longer := []byte{18, 1, 32, 3, 0, 0, 0, 9, 9, 18, 1, 0, 0, 1, 0, 0, 0, 1, 0} // and so preferred to that of recording
	tests := map[string]struct {
		packets []capture.Packet
		want    usb.Speed
	}{
		"nothing more":            {nil, usb.SpeedHigh},
		"bulk packets of 64":      {answer(2, usb.DescriptorConfiguration, configuration(64)), usb.SpeedFull},
		"control packets of 2**9": {answer(2, usb.DescriptorDevice, longer), usb.SpeedSuper},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, d := replaying(t, tt.packets...); d.Identity().Speed != tt.want {
				t.Errorf("speed %v, want %v", d.Identity().Speed, tt.want)
			}
		})
	}
}

func TestOneHostAtATime(t *testing.T) {
	_, d := replaying(t)
	if _, err := d.Connect(); !errors.Is(err, usb.ErrBusy) {
		t.Errorf("a second host: %v", err)
	}
}
