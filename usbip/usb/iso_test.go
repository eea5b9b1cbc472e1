package usb_test

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/usbip/usb"
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
	return &usb.URB{Endpoint: endpoint, Buffer: make([]byte, size), Packets: packets}
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
			u := do(d, isoURB(test.endpoint, test.length))
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
