package frame_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"usbhsm7/firmware/frame"
)

func FuzzParseHeader(f *testing.F) {
	for _, v := range readVectors(f, "testdata/headers.txt") {
		f.Add(unhex(f, v.lines[0][1]))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		h, err := frame.ParseHeader(p)
		if err == nil && !bytes.Equal(h.Append(nil), p[:frame.HeaderSize]) {
			t.Fatalf("%x reads as %+v, which writes other bytes", p, h)
		}
	})
}

// FuzzAssembler feeds one transfer twice with a cut somewhere in between. The
// fuzzer cannot guess checks, so the seeds' headers are what it plays with:
// each byte string is also fed with the checks of its headers mended.
func FuzzAssembler(f *testing.F) {
	for _, v := range readVectors(f, "testdata/transfers.txt") {
		for _, line := range v.lines {
			if line[0] == "transfer" {
				f.Add(unhex(f, line[1]), uint16(len(line[1])/3))
			}
		}
	}
	f.Fuzz(func(t *testing.T, p []byte, cut uint16) {
		p = mendChecks(p)
		at := min(int(cut), len(p))
		var a frame.Assembler
		var got recorder
		for _, transfer := range [][]byte{p, p[:at], p[at:]} {
			a.Feed(transfer, &got)
		}
		if messages, total := a.Unfinished(); messages > frame.MaxInFlight || total > frame.MaxUnfinished || a.Held() > 4*len(p) {
			t.Fatalf("%d messages of %d bytes unfinished, %d held", messages, total, a.Held())
		}
		for _, m := range got.messages {
			if m.Tag == 0 && m.Type != frame.TypeResponse && m.Type != frame.TypeEvent {
				t.Fatalf("%v without a tag", m.Type)
			}
			if len(m.Payload) > 2*len(p) {
				t.Fatalf("a payload of %d bytes out of %d", len(m.Payload), len(p))
			}
		}
		for _, fault := range got.faults {
			if fault.Status == 0 || fault.Cause == "" {
				t.Fatalf("fault says nothing: %+v", fault)
			}
		}
	})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mendChecks returns p with the check of whatever follows a magic put right.
func mendChecks(p []byte) []byte {
	p = bytes.Clone(p)
	for i := 0; i+frame.HeaderSize <= len(p); i++ {
		if !bytes.HasPrefix(p[i:], []byte("HSM7")) {
			continue
		}
		covered, check := p[i:i+frame.HeaderSize-4], p[i+frame.HeaderSize-4:]
		binary.LittleEndian.PutUint32(check, crc32.Checksum(covered, castagnoli))
	}
	return p
}
