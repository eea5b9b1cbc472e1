package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// stuck is a Sink that takes no packet until it is told to.
type stuck struct {
	memory
	entered chan struct{} // holds a token when the sink has been called
	goOn    chan struct{} // closed when it may take packets
}

func newStuck() *stuck { return &stuck{entered: make(chan struct{}, 1), goOn: make(chan struct{})} }

func (s *stuck) Write(p *capture.Packet, dropped uint64) error {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.goOn
	return s.memory.Write(p, dropped)
}

// The bus goes on while the reader of a capture does not, and the reader is told
// what it missed: with the packet behind the gap, and in the end.
func TestSlowReaderLosesPacketsAndIsTold(t *testing.T) {
	d, tap, sink := usbtest.NewDevice(t), capture.NewTap(), newStuck()
	h := connect(t, tap.Port(d, capture.Place{}))
	c := tap.Start(sink, capture.Options{MaxQueued: 20_000})
	configurationDescriptor(h)
	<-sink.entered
	for range 1000 {
		configurationDescriptor(h)
	}
	before := c.Statistics()
	close(sink.goOn)
	transfers := uint64(1001)
	for c.Statistics().Packets == before.Packets { // until there is room again
		configurationDescriptor(h)
		transfers++
	}
	configurationDescriptor(h)
	transfers++
	s, err := c.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if before.Dropped == 0 || s.Packets+s.Dropped != 2*transfers || sink.closed != s || int(s.Packets) != len(sink.packets) {
		t.Errorf("%+v of %d transfers, %d packets written, the sink was told %+v", s, transfers, len(sink.packets), sink.closed)
	}
	var told uint64
	for _, gap := range sink.dropped {
		told += gap
	}
	if told < before.Dropped || told > s.Dropped {
		t.Errorf("the packets tell of %d dropped ones, there were %d, then %d", told, before.Dropped, s.Dropped)
	}
}

// A redaction that follows a protocol needs to see what is dropped, too, and must
// not reach the URB.
func TestRedactionSeesPacketsThatAreDropped(t *testing.T) {
	d, tap, sink := usbtest.NewDevice(t), capture.NewTap(), newStuck()
	h := connect(t, tap.Port(d, capture.Place{}))
	seen := 0
	c := tap.Start(sink, capture.Options{MaxQueued: 1000, Redact: func(p *capture.Packet) {
		seen++
		clear(p.Data)
	}})
	for range 100 {
		if d := configurationDescriptor(h); d[1] != usb.DescriptorConfiguration {
			t.Fatalf("the host got % x", d)
		}
	}
	close(sink.goOn)
	if s, err := c.Stop(); err != nil || s.Dropped == 0 || seen != 200 {
		t.Errorf("%+v, %v; the redaction saw %d packets of 200", s, err, seen)
	}
}

// full is a Sink that fails.
type full struct {
	memory
	err error
}

func (f *full) Write(*capture.Packet, uint64) error { return f.err }

func TestFailureOfTheSinkEndsTheCaptureAlone(t *testing.T) {
	d, tap, sink := usbtest.NewDevice(t), capture.NewTap(), &full{err: errors.New("no space left")}
	h := connect(t, tap.Port(d, capture.Place{}))
	c := tap.Start(sink, capture.Options{})
	configurationDescriptor(h)
	<-c.Failed()
	configurationDescriptor(h)
	for range 2 {
		if _, err := c.Stop(); !errors.Is(err, sink.err) {
			t.Errorf("error %v", err)
		}
	}
}

func TestDroppedPacketsAreInTheFile(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Header{})
	if err != nil {
		t.Fatal(err)
	}
	p := &capture.Packet{Event: capture.Submission, Type: usb.Bulk}
	if err := errors.Join(w.Write(p, 0), w.Write(p, 7), w.Flush(capture.Statistics{Packets: 2, Dropped: 7})); err != nil {
		t.Fatal(err)
	}
	if _, r := readAll(t, file.Bytes()); r.Dropped() != 7 {
		t.Errorf("the packets tell of %d dropped ones", r.Dropped())
	}
	if err := w.Flush(capture.Statistics{Packets: 2, Dropped: 9}); err != nil { // two more, and no packet after them
		t.Fatal(err)
	}
	if _, r := readAll(t, file.Bytes()); r.Dropped() != 9 {
		t.Errorf("the statistics tell of %d dropped ones", r.Dropped())
	}
}

func TestEveryFlushLeavesAWholeFile(t *testing.T) {
	var file bytes.Buffer
	w, err := capture.NewWriter(&file, capture.Header{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		if packets, _ := readAll(t, file.Bytes()); len(packets) != n {
			t.Fatalf("%d packets after %d were written", len(packets), n)
		}
		p := &capture.Packet{Event: capture.Submission, Type: usb.Bulk, Data: make([]byte, 10*n)}
		if err := errors.Join(w.Write(p, 0), w.Flush(capture.Statistics{})); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesRotate(t *testing.T) {
	tests := map[string]struct {
		options capture.FileOptions
		want    string // names with the packets in each
	}{
		"one file":            {capture.FileOptions{}, "trace.pcapng:10"},
		"by packets":          {capture.FileOptions{MaxPackets: 4}, "trace_00001.pcapng:4 trace_00002.pcapng:4 trace_00003.pcapng:2"},
		"by age":              {capture.FileOptions{MaxAge: 2 * time.Second}, "trace_00001.pcapng:3 trace_00002.pcapng:3 trace_00003.pcapng:3 trace_00004.pcapng:1"},
		"keep two":            {capture.FileOptions{MaxPackets: 4, Keep: 2}, "trace_00002.pcapng:4 trace_00003.pcapng:2"},
		"smaller than one":    {capture.FileOptions{MaxBytes: 1, Keep: 3}, "trace_00008.pcapng:1 trace_00009.pcapng:1 trace_00010.pcapng:1"},
		"larger than all":     {capture.FileOptions{MaxBytes: 1 << 20}, "trace_00001.pcapng:10"},
		"by size, two a file": {capture.FileOptions{MaxBytes: 3000, Keep: 1}, "trace_00005.pcapng:2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.options.Path = filepath.Join(t.TempDir(), "trace.pcapng")
			names := writeFiles(t, tt.options, 10)
			var got []string
			for _, name := range names {
				got = append(got, describeFile(t, name, tt.options.MaxBytes))
			}
			if list := strings.Join(got, " "); list != tt.want {
				t.Errorf("files %s, want %s", list, tt.want)
			}
			if there, _ := filepath.Glob(filepath.Join(filepath.Dir(tt.options.Path), "*")); !slices.Equal(there, names) {
				t.Errorf("there are %q, reported are %q", there, names)
			}
		})
	}
}

// writeFiles writes n packets of 1,000 bytes, one a second.
func writeFiles(t *testing.T, o capture.FileOptions, n int) []string {
	t.Helper()
	files, err := capture.NewFiles(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p := &capture.Packet{Time: time.Unix(int64(i), 0), Event: capture.Submission, Type: usb.Bulk, Data: make([]byte, 1000)}
		if err := files.Write(p, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(capture.Statistics{}); err != nil {
		t.Fatal(err)
	}
	return files.Names()
}

// describeFile returns the name of a file and its number of packets.
func describeFile(t *testing.T, name string, most int64) string {
	t.Helper()
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
	}
	packets, _ := readAll(t, file)
	if most > 0 && len(packets) > 1 && info.Size() > most {
		t.Errorf("%s has %d bytes, more than %d", name, info.Size(), most)
	}
	return fmt.Sprintf("%s:%d", filepath.Base(name), len(packets))
}

// What Wireshark reads live is each packet as it comes.
func TestCopyPassesPacketsOnAsTheyCome(t *testing.T) {
	p := capture.Packet{Event: capture.Submission, Type: usb.Bulk, Data: []byte("hello")}
	file := write(t, capture.Header{}, p, p, p)
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	sink := &memory{}
	total, err := capture.Copy(sink, r, 2)
	if err != nil || total.Packets != 2 || total.Bytes != 10 || len(sink.packets) != 2 || sink.closed != total {
		t.Errorf("%+v, %v, %d packets, closed with %+v", total, err, len(sink.packets), sink.closed)
	}
}

// The next file of a capture cannot be made: the capture ends, and nothing else.
func TestFileThatCannotBeOpenedEndsTheCapture(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := capture.NewFiles(capture.FileOptions{Path: filepath.Join(folder, "trace.pcapng"), MaxPackets: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	d, tap := usbtest.NewDevice(t), capture.NewTap()
	h := connect(t, tap.Port(d, capture.Place{}))
	c := tap.Start(files, capture.Options{})
	configurationDescriptor(h)
	configurationDescriptor(h)
	<-c.Failed()
	if _, err := c.Stop(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := capture.NewFiles(capture.FileOptions{Path: filepath.Join(folder, "trace.pcapng")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the first file: %v", err)
	}
}
