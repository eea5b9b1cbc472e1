package capture_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// write returns a file with those packets.
func write(t rapid.TB, h capture.Header, packets ...capture.Packet) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range packets {
		if err := w.Write(&packets[i], 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(capture.Statistics{Packets: uint64(len(packets))}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// anyPacket draws a packet such as a Tap shows.
func anyPacket(t *rapid.T) capture.Packet {
	p := capture.Packet{
		Time: time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "seconds"), 1000*rapid.Int64Range(0, 999_999).Draw(t, "microseconds")).UTC(),
		ID:   rapid.Uint64().Draw(t, "id"), Endpoint: rapid.Uint8().Draw(t, "endpoint"),
		Event:  rapid.SampledFrom([]capture.Event{capture.Submission, capture.Completion, capture.Failure}).Draw(t, "event"),
		Type:   rapid.SampledFrom([]usb.EndpointType{usb.Control, usb.Isochronous, usb.Bulk, usb.Interrupt}).Draw(t, "type"),
		Bus:    rapid.Uint16().Draw(t, "bus"),
		Device: rapid.Uint8().Draw(t, "device"),
		Status: usb.Status(rapid.Int32().Draw(t, "status")),
		Flags:  usb.TransferFlags(rapid.Uint32().Draw(t, "flags")),
		Frame:  rapid.Int32().Draw(t, "frame"), Interval: rapid.Int32().Draw(t, "interval"),
		Length: rapid.IntRange(0, 1<<20).Draw(t, "length"),
	}
	carries := p.Event == capture.Submission != p.In() && p.Event != capture.Failure
	if carries {
		p.Data = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "data")
	}
	switch {
	case p.Type == usb.Control && p.Event == capture.Submission:
		setup := usb.ParseSetup([8]byte(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "setup")))
		p.Setup = &setup
	case p.Type == usb.Isochronous:
		p.Errors = rapid.IntRange(0, 1024).Draw(t, "errors")
		p.Packets = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) usb.IsoPacket { return anyIsoPacket(t, p.Event) }), 0, 20).Draw(t, "packets")
	}
	p.Comments = rapid.SliceOfN(rapid.StringN(1, 40, 100), 0, 2).Draw(t, "comments")
	return p
}

func anyIsoPacket(t *rapid.T, event capture.Event) usb.IsoPacket {
	p := usb.IsoPacket{Offset: rapid.IntRange(0, 1<<20).Draw(t, "offset"), Length: rapid.IntRange(0, 3072).Draw(t, "length")}
	if p.Status = usb.EXDEV; event != capture.Submission {
		p.Status, p.Actual = usb.Status(rapid.Int32().Draw(t, "status")), p.Length
	}
	return p
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		packets := rapid.SliceOfN(rapid.Custom(anyPacket), 0, 10).Draw(t, "packets")
		got, r := readAll(t, write(t, capture.Header{}, packets...))
		if len(got) != len(packets) || r.Redacted() || r.Dropped() != 0 {
			t.Fatalf("%d packets, redacted %v, dropped %d", len(got), r.Redacted(), r.Dropped())
		}
		for i, want := range packets {
			want.Number = i + 1
			if len(want.Data) == 0 {
				want.Data, got[i].Data = nil, nil
			}
			if len(want.Packets) == 0 {
				want.Packets = nil
			}
			if len(want.Comments) == 0 {
				want.Comments = nil
			}
			if !reflect.DeepEqual(*got[i], want) {
				t.Fatalf("wrote\n%+v\nread\n%+v", want, *got[i])
			}
		}
	})
}

func TestPacketsAreCutToTheSnapLength(t *testing.T) {
	p := capture.Packet{Event: capture.Submission, Type: usb.Bulk, Endpoint: usbtest.BulkOut, Length: 1000, Data: bytes.Repeat([]byte("x"), 1000)}
	for snap, want := range map[int]int{0: 1000, 64 + 100: 100, 64: 0, 1: 0, 5000: 1000} {
		packets, _ := readAll(t, write(t, capture.Header{Snap: snap}, p))
		got := packets[0]
		if len(got.Data) != want || got.Length != 1000 || got.Cut != 1000-want {
			t.Errorf("snap %d: %d bytes of data of %d, %d cut, want %d", snap, len(got.Data), got.Length, got.Cut, want)
		}
		if again, _ := readAll(t, write(t, capture.Header{Snap: snap}, *got)); again[0].Cut != got.Cut {
			t.Errorf("snap %d: written again, %d bytes are cut", snap, again[0].Cut)
		}
	}
	iso := isochronous(10, 0x83)[1]
	if packets, _ := readAll(t, write(t, capture.Header{Snap: 64 + 3*16 + 5}, iso)); len(packets[0].Packets) != 3 || len(packets[0].Data) != 0 {
		t.Errorf("an isochronous packet that was cut: %+v", packets[0])
	}
}

func TestFileSaysWhetherItIsRedacted(t *testing.T) {
	for _, redacted := range []bool{false, true} {
		if _, r := readAll(t, write(t, capture.Header{Redacted: redacted})); r.Redacted() != redacted {
			t.Errorf("the reader says %v of a file written with %v", r.Redacted(), redacted)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	whole := write(t, capture.Header{}, capture.Packet{Event: capture.Submission, Type: usb.Bulk, Data: []byte("hello")})
	wrong := bytes.Replace(whole, []byte{'S', 3, 0}, []byte{'X', 3, 0}, 1)
	tests := map[string]struct {
		file []byte
		want error
		says string
	}{
		"nothing":                     {nil, capture.ErrFormat, "empty"},
		"text":                        {[]byte("this is no capture at all"), capture.ErrFormat, ""},
		"pcap":                        {[]byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00"), capture.ErrFormat, "editcap"},
		"gzip":                        {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), capture.ErrFormat, "gunzip"},
		"ends within a packet":        {whole[:len(whole)-60], capture.ErrTruncated, ""},
		"packet that is not usbmon's": {wrong, capture.ErrPacket, "packet 1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := readError(tt.file)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %v with %q", err, tt.want, tt.says)
			}
		})
	}
}

// readError returns the first error that is not the end of the file.
func readError(file []byte) error {
	r, err := capture.NewReader(bytes.NewReader(file))
	for err == nil {
		_, err = r.Next()
	}
	return err
}

func TestErrorOfTheFileIsNotTakenForDamage(t *testing.T) {
	failure := errors.New("the disk has gone")
	whole := write(t, capture.Header{}, capture.Packet{Event: capture.Submission, Type: usb.Bulk})
	r, err := capture.NewReader(io.MultiReader(bytes.NewReader(whole[:len(whole)-90]), errorReader{failure}))
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, failure) || errors.Is(err, capture.ErrFormat) {
		t.Errorf("error %v", err)
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }

// The bytes of a packet as Linux's usbmon defines them: submission of a control
// transfer, GET_DESCRIPTOR(device), to device 5 on bus 2.
func TestLayoutIsThatOfUsbmon(t *testing.T) {
	setup := usb.Setup{RequestType: 0x80, Request: 6, Value: 0x0100, Length: 18}
	file := write(t, capture.Header{}, capture.Packet{
		ID: 0x1122334455667788, Event: capture.Submission, Type: usb.Control, Endpoint: 0x80, Device: 5, Bus: 2,
		Time: time.Unix(0x66554433, 999_000).UTC(), Status: capture.InProgress, Setup: &setup, Length: 18, Flags: 0x200,
	})
	want := "\x88\x77\x66\x55\x44\x33\x22\x11" + "S\x02\x80\x05" + "\x02\x00" + "\x00<" +
		"\x33\x44\x55\x66\x00\x00\x00\x00" + "\xe7\x03\x00\x00" + "\x8d\xff\xff\xff" + "\x12\x00\x00\x00" + "\x00\x00\x00\x00" +
		"\x80\x06\x00\x01\x00\x00\x12\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x02\x00\x00" + "\x00\x00\x00\x00"
	if len(want) != 64 || !bytes.Contains(file, []byte(want)) {
		t.Errorf("the file does not hold\n% x\nbut\n% x", want, file)
	}
}

// Link type 189 is usbmon's header of 48 bytes, as libpcap reads it where it
// cannot map the buffer.
func TestShortHeadersAreReadToo(t *testing.T) {
	want := capture.Packet{
		Number: 2, ID: 7, Event: capture.Completion, Type: usb.Interrupt, Endpoint: usbtest.InterruptIn, Device: 4, Bus: 1,
		Time: time.Unix(1e9, 5000).UTC(), Length: 5, Data: []byte("event"),
	}
	long := write(t, capture.Header{}, want)
	at := bytes.Index(long, []byte("C\x01\x82\x04")) - 8
	short := append(slices.Clone(long[at:at+48]), "event"...)

	var file bytes.Buffer
	w, err := pcapgo.NewNgWriter(&file, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.AddInterface(pcapgo.NgInterface{LinkType: 189})
	if err != nil {
		t.Fatal(err)
	}
	for link, data := range [][]byte{make([]byte, 60), short} { // a packet of another link comes first
		info := gopacket.CaptureInfo{InterfaceIndex: link, CaptureLength: len(data), Length: len(data)}
		if err := w.WritePacket(info, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	packets, _ := readAll(t, file.Bytes())
	if len(packets) != 1 || !reflect.DeepEqual(*packets[0], want) {
		t.Errorf("read %+v, want %+v", packets, want)
	}
}
