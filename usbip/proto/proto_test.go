package proto_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

func TestLengthsAreRefusedBeforeAnyoneAllocates(t *testing.T) {
	header := func(s proto.Submit) *proto.Header { return (*proto.Header)(s.Append(nil)) }
	reply := func(r proto.SubmitReply) *proto.Header { return (*proto.Header)(r.Append(nil)) }
	direction := header(proto.Submit{})
	direction[15] = 2
	submits := map[string]*proto.Header{
		"negative length":    header(proto.Submit{Length: -1}),
		"length over limit":  header(proto.Submit{Length: proto.MaxTransfer + 1}),
		"too many packets":   header(proto.Submit{Packets: proto.MaxIsoPackets + 1}),
		"negative packets":   header(proto.Submit{Packets: -2}),
		"unknown direction":  direction,
		"another command":    reply(proto.SubmitReply{}),
		"most negative ones": header(proto.Submit{Length: -1 << 31, Packets: -1 << 31}),
	}
	for name, h := range submits {
		if s, err := proto.ParseSubmit(h); !errors.Is(err, proto.ErrMalformed) {
			t.Errorf("SUBMIT with %s: %+v, %v", name, s, err)
		}
	}
	replies := map[string]*proto.Header{
		"negative length": reply(proto.SubmitReply{Actual: -1}),
		"another command": header(proto.Submit{}),
	}
	for name, h := range replies {
		if r, err := proto.ParseSubmitReply(h); !errors.Is(err, proto.ErrMalformed) {
			t.Errorf("reply with %s: %+v, %v", name, r, err)
		}
	}
	if _, err := proto.ParseUnlinkReply(header(proto.Submit{})); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("reply to UNLINK with the command of a SUBMIT: %v", err)
	}
	if _, err := proto.ParseUnlink(header(proto.Submit{})); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("UNLINK with the command of a SUBMIT: %v", err)
	}
}

// TestIsochronousIsToldByThePacketCount has the counts that hosts send for other
// endpoints: 0 from Linux, -1 from Windows.
func TestIsochronousIsToldByThePacketCount(t *testing.T) {
	tests := []struct {
		submit proto.Submit
		iso    bool
		after  int
	}{
		{proto.Submit{Endpoint: 1, Length: 100, Packets: 0}, false, 100},
		{proto.Submit{Endpoint: 1, Length: 100, Packets: -1}, false, 100},
		{proto.Submit{Endpoint: 1, In: true, Length: 100, Packets: -1}, false, 0},
		{proto.Submit{Endpoint: 0, Length: 100, Packets: 7}, false, 100},
		{proto.Submit{Endpoint: 1, Length: 100, Packets: 3}, true, 148},
		{proto.Submit{Endpoint: 1, In: true, Length: 100, Packets: 3}, true, 48},
	}
	for _, test := range tests {
		if test.submit.Iso() != test.iso || test.submit.Payload() != test.after {
			t.Errorf("%+v: isochronous %v, payload %d; want %v, %d",
				test.submit, test.submit.Iso(), test.submit.Payload(), test.iso, test.after)
		}
	}
}

func TestSubmitRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := proto.Submit{
			Seq: rapid.Uint32().Draw(t, "seq"), DevID: rapid.Uint32().Draw(t, "device"),
			In: rapid.Bool().Draw(t, "in"), Endpoint: rapid.Uint32().Draw(t, "endpoint"),
			Flags:      usb.TransferFlags(rapid.Uint32().Draw(t, "flags")),
			Length:     rapid.Int32Range(0, proto.MaxTransfer).Draw(t, "length"),
			StartFrame: rapid.Int32().Draw(t, "start"), Interval: rapid.Int32().Draw(t, "interval"),
			Packets: rapid.Int32Range(-1, proto.MaxIsoPackets).Draw(t, "packets"),
			Setup:   usb.Setup{RequestType: 0x80, Request: 6, Value: rapid.Uint16().Draw(t, "value"), Length: 18},
		}
		if got, err := proto.ParseSubmit((*proto.Header)(want.Append(nil))); err != nil || got != want {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	})
}

func TestDevicesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching("[a-z0-9./-]{1,31}")
		var want []proto.Device
		for range rapid.IntRange(0, 4).Draw(t, "count") {
			d := proto.Device{
				Path: text.Draw(t, "path"), BusID: text.Draw(t, "busid"),
				Bus: rapid.Uint32().Draw(t, "bus"), Number: rapid.Uint32().Draw(t, "number"),
			}
			d.Speed = usb.Speed(rapid.Uint8Range(0, 6).Draw(t, "speed"))
			d.Vendor, d.Product = rapid.Uint16().Draw(t, "vendor"), rapid.Uint16().Draw(t, "product")
			for range rapid.IntRange(0, 3).Draw(t, "interfaces") {
				d.Interfaces = append(d.Interfaces, usb.InterfaceClass{Class: rapid.Uint8().Draw(t, "class")})
			}
			want = append(want, d)
		}
		r := bytes.NewReader(proto.AppendDevices(nil, want))
		if op, err := proto.ReadOp(r); err != nil || op != (proto.Op{Code: proto.OpReplyDevices}) {
			t.Fatalf("%+v, %v", op, err)
		}
		got, err := proto.ReadDevices(r)
		if err != nil || len(got) != len(want) || r.Len() != 0 {
			t.Fatalf("%d devices, %v, %d bytes left; want %d, none", len(got), err, r.Len(), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i].Append(nil), want[i].Append(nil)) || len(got[i].Interfaces) != len(want[i].Interfaces) {
				t.Fatalf("%+v, want %+v", got[i], want[i])
			}
		}
	})
}

func TestTextIsCutAndAlwaysEnds(t *testing.T) {
	d := proto.Device{Path: strings.Repeat("p", 300), BusID: strings.Repeat("b", 300)}
	got, _, err := proto.ParseDevice((*[proto.DeviceSize]byte)(d.Append(nil)))
	if err != nil || len(got.Path) != 255 || len(got.BusID) != 31 {
		t.Errorf("path of %d bytes, bus ID of %d, %v; want 255, 31", len(got.Path), len(got.BusID), err)
	}
}

func TestHandshakeThatBreaksOff(t *testing.T) {
	whole := proto.AppendDevices(nil, []proto.Device{{BusID: "1-1", Identity: usb.Identity{Interfaces: make([]usb.InterfaceClass, 1)}}})
	read := func(b []byte) error {
		r := bytes.NewReader(b)
		_, err := proto.ReadOp(r)
		if err == nil {
			_, err = proto.ReadDevices(r)
		}
		return err
	}
	if err := read(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := read(whole[:n]); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
}

func TestHandshakeRefusals(t *testing.T) {
	if _, err := proto.ReadOp(strings.NewReader("\x01\x06\x80\x05\x00\x00\x00\x00")); !errors.Is(err, proto.ErrVersion) {
		t.Errorf("version 0106: %v, want %v", err, proto.ErrVersion)
	}
	if _, err := proto.ReadBusID(strings.NewReader(strings.Repeat("1", 32))); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("bus ID without an end: %v", err)
	}
	if _, err := proto.ReadDevices(strings.NewReader("\xff\xff\xff\xff")); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("list of 4294967295 devices: %v", err)
	}
	d := proto.Device{BusID: "1-1", Identity: usb.Identity{Speed: 7}}
	if _, err := proto.ReadDevice(bytes.NewReader(d.Append(nil)), false); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("speed 7: %v", err)
	}
}

func TestIsoPacketsMustLieWithinTheBuffer(t *testing.T) {
	asked := []usb.IsoPacket{{Offset: 90, Length: 10, Actual: -1, Status: 7}, {Offset: 0, Length: 90}}
	want := []usb.IsoPacket{{Offset: 90, Length: 10, Status: usb.EXDEV}, {Offset: 0, Length: 90, Status: usb.EXDEV}}
	got := make([]usb.IsoPacket, 2)
	if err := proto.ParseIsoPackets(proto.AppendIsoPackets(nil, asked), got, 100); err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	bad := map[string][]usb.IsoPacket{
		"end beyond the buffer":  {{Offset: 91, Length: 10}},
		"begin beyond it":        {{Offset: 101}},
		"negative offset":        {{Offset: -1, Length: 1}},
		"negative length":        {{Offset: 1, Length: -1}},
		"one place, many times":  {{Length: 60}, {Length: 60}},
		"sum that wraps around":  {{Offset: 100, Length: -1}},
		"nothing where some are": {},
	}
	for name, packets := range bad {
		b := proto.AppendIsoPackets(nil, packets)
		err := proto.ParseIsoPackets(b, make([]usb.IsoPacket, len(packets)), 100)
		if !errors.Is(err, proto.ErrMalformed) || !errors.Is(err, usb.ErrPackets) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := proto.ParseIsoPackets(make([]byte, 17), got[:1], 100); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("17 bytes for one packet: %v", err)
	}
}

func TestIsoResultsMustFitWhatWasAskedFor(t *testing.T) {
	asked := []usb.IsoPacket{{Offset: 0, Length: 10}, {Offset: 90, Length: 10}}
	good := []usb.IsoPacket{{Offset: 0, Length: 10, Actual: 10}, {Offset: 90, Length: 10, Actual: 3, Status: usb.EILSEQ}}
	bad := map[string]struct {
		spoil func(p []usb.IsoPacket)
		total int
	}{
		"more than its length": {func(p []usb.IsoPacket) { p[1].Actual = 11 }, 21},
		"negative length":      {func(p []usb.IsoPacket) { p[1].Actual = -3 }, 7},
		"outside the buffer":   {func(p []usb.IsoPacket) { p[1].Offset = 98 }, 13},
		"sum below the total":  {func(p []usb.IsoPacket) {}, 14},
		"sum above the total":  {func(p []usb.IsoPacket) {}, 12},
	}
	for name, test := range bad {
		reply, got := slices.Clone(good), slices.Clone(asked)
		test.spoil(reply)
		err := proto.ParseIsoResults(proto.AppendIsoPackets(nil, reply), got, 100, test.total)
		if !errors.Is(err, proto.ErrMalformed) || !slices.Equal(got, asked) {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
	got := slices.Clone(asked)
	if err := proto.ParseIsoResults(proto.AppendIsoPackets(nil, good), got, 100, 13); err != nil || !slices.Equal(got, good) {
		t.Errorf("%+v, %v; want %+v", got, err, good)
	}
	if err := proto.ParseIsoResults(make([]byte, 15), got[:1], 100, 0); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("15 bytes for one packet: %v", err)
	}
	b := proto.AppendIsoPackets(nil, good)
	if err := proto.ParseIsoResults(b, got[:1], 100, 13); !errors.Is(err, proto.ErrMalformed) {
		t.Errorf("two results for one packet: %v", err)
	}
	moved := slices.Clone(good)
	moved[0].Offset, moved[0].Length, moved[1].Status = 50, 40, 1
	got, want := slices.Clone(asked), slices.Clone(good)
	want[1].Status = 1 // for Complete to put right
	if err := proto.ParseIsoResults(proto.AppendIsoPackets(nil, moved), got, 100, 13); err != nil || !slices.Equal(got, want) {
		t.Errorf("elsewhere: %+v, %v; want %+v", got, err, want)
	}
	got = slices.Clone(asked)
	if err := proto.ParseIsoResults(b[:proto.IsoPacketSize], got, 100, 10); err != nil || got[0] != good[0] || got[1] != asked[1] {
		t.Errorf("one result for two packets: %+v, %v", got, err)
	}
	if err := proto.ParseIsoResults(nil, got, 100, 5); err != nil {
		t.Errorf("no results: %v", err)
	}
}

func TestStatusTexts(t *testing.T) {
	for status, want := range map[proto.OpStatus]string{
		proto.OpBusy: "USB/IP: device is in use", proto.OpNoDevice: "USB/IP: no such device", 77: "USB/IP: status 77",
	} {
		if status.Error() != want {
			t.Errorf("status %d: %q, want %q", uint32(status), status.Error(), want)
		}
	}
}
