package proto_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"usbhsm7/usbip/proto"
	"usbhsm7/usbip/usb"
)

// messages reads testdata/hid.txt: a name, then lines of hexadecimal.
func messages(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/hid.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := map[string][]byte{}
	name := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		b, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
		switch {
		case strings.HasPrefix(line, "#"):
		case err != nil:
			name = line
		default:
			list[name] = append(list[name], b...)
		}
	}
	return list
}

func TestHIDExampleOfTheProtocolDocument(t *testing.T) {
	list := messages(t)
	in := proto.Submit{Seq: 0xd05, DevID: 0x1000f, In: true, Endpoint: 1, Flags: 0x200, Length: 64, StartFrame: -1, Interval: 4}
	out := proto.Submit{Seq: 0xd06, DevID: 0x1000f, Endpoint: 1, Length: 64, StartFrame: -1, Interval: 4}
	outReply := proto.SubmitReply{Seq: 0xd06, Actual: 64, StartFrame: -1}
	inReply := proto.SubmitReply{Seq: 0xd05, Actual: 64, StartFrame: -1}
	for name, want := range map[string]proto.Submit{"SUBMIT IN": in, "SUBMIT OUT": out} {
		message := list[name]
		got, err := proto.ParseSubmit((*proto.Header)(message))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
		if !bytes.Equal(want.Append(nil), message[:proto.HeaderSize]) {
			t.Errorf("%s encodes as %x", name, want.Append(nil))
		}
		if n := len(message) - proto.HeaderSize; got.Payload() != n {
			t.Errorf("%s: payload of %d bytes, want %d", name, got.Payload(), n)
		}
	}
	for name, want := range map[string]proto.SubmitReply{"REPLY OUT": outReply, "REPLY IN": inReply} {
		got, err := proto.ParseSubmitReply((*proto.Header)(list[name]))
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
		if !bytes.Equal(want.Append(nil), list[name][:proto.HeaderSize]) {
			t.Errorf("%s encodes as %x", name, want.Append(nil))
		}
	}
}

func TestUnlinkLayout(t *testing.T) {
	u := proto.Unlink{Seq: 0x01020304, DevID: 0x00010002, Victim: 0x0a0b0c0d}
	want := "00000002010203040001000200000000000000000a0b0c0d" + strings.Repeat("00", 24)
	if got := hex.EncodeToString(u.Append(nil)); got != want {
		t.Errorf("UNLINK:\n got %s\nwant %s", got, want)
	}
	r := proto.UnlinkReply{Seq: 0x01020304, Status: usb.ECONNRESET}
	want = "0000000401020304000000000000000000000000ffffff98" + strings.Repeat("00", 24)
	if got := hex.EncodeToString(r.Append(nil)); got != want {
		t.Errorf("reply:\n got %s\nwant %s", got, want)
	}
}

func TestDeviceListLayout(t *testing.T) {
	d := proto.Device{
		Path: "/sys/devices/x", BusID: "3-2", Bus: 3, Number: 2,
		Identity: usb.Identity{
			Speed: usb.SpeedHigh, Vendor: 0x1209, Product: 0x0001, Release: 0x0123, Class: 0xef, SubClass: 2, Protocol: 1,
			Configuration: 1, Configurations: 2,
			Interfaces: []usb.InterfaceClass{{Class: 0xff, SubClass: 1, Protocol: 2}, {Class: 3}},
		},
	}
	got := proto.AppendDevices(nil, []proto.Device{d})
	if want := 12 + 312 + 2*4; len(got) != want {
		t.Fatalf("%d bytes, want %d", len(got), want)
	}
	fields := []struct {
		name string
		at   int
		want string
	}{
		{"version, code, status, count", 0, "01110005" + "00000000" + "00000001"},
		{"path", 12, hex.EncodeToString([]byte("/sys/devices/x")) + strings.Repeat("00", 256-14)},
		{"bus ID", 0x10c, "332d32" + strings.Repeat("00", 29)},
		{"bus, number, speed", 0x12c, "00000003" + "00000002" + "00000003"},
		{"vendor, product, release", 0x138, "1209" + "0001" + "0123"},
		{"class, configuration, counts", 0x13e, "ef0201" + "01" + "02" + "02"},
		{"interfaces", 0x144, "ff010200" + "03000000"},
	}
	for _, f := range fields {
		if have := hex.EncodeToString(got[f.at : f.at+len(f.want)/2]); have != f.want {
			t.Errorf("%s: %s, want %s", f.name, have, f.want)
		}
	}
}

func TestImportRequestLayout(t *testing.T) {
	want := "0111800300000000" + "312d31" + strings.Repeat("00", 29)
	if got := hex.EncodeToString(proto.AppendImport(nil, "1-1")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
