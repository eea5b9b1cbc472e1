package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"usbhsm7/firmware/flash"
)

// fuzzed is the chip whose content the fuzzer chooses.
var fuzzed = flash.Geometry{PageSize: 64, PagesPerBlock: 4, Blocks: 26}

// open opens a store on arbitrary content. Whatever is accepted must work, and
// whatever is refused must be left alone.
func openArbitrary(t *testing.T, content []byte) {
	image := bytes.Repeat([]byte{flash.Erased}, int(fuzzed.Size()))
	copy(image, content)
	chip, err := flash.Load(fuzzed, image)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(chip)
	if err != nil {
		after := make([]byte, len(image))
		if err := chip.Read(0, after); err != nil || !bytes.Equal(image, after) {
			t.Fatalf("the refused chip was changed (%v)", err)
		}
		return
	}
	var b Batch
	b.Put("key", []byte("value"))
	if err := s.Commit(&b); errors.Is(err, ErrFull) {
		return
	} else if err != nil {
		t.Fatalf("the store was opened but does not work: %v", err)
	}
	if s, err = Open(chip); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	if value, _ := s.Get("key"); string(value) != "value" {
		t.Fatal("a commit was lost")
	}
}

// seedImage returns a chip that holds a small store.
func seedImage(t testing.TB, commits int) []byte {
	chip, err := flash.NewMemory(fuzzed)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	for i := range commits {
		var b Batch
		b.Put(string(rune('a'+i%5)), bytes.Repeat([]byte{byte(i)}, 40+i))
		b.Delete(string(rune('a' + (i+2)%5)))
		if err := s.Commit(&b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ReplaceRootKey(bytes.Repeat([]byte{byte(commits)}, RootKeySize)); err != nil {
		t.Fatal(err)
	}
	image := make([]byte, fuzzed.Size())
	if err := chip.Read(0, image); err != nil {
		t.Fatal(err)
	}
	return image
}

func FuzzOpen(f *testing.F) {
	for _, commits := range []int{0, 1, 7, 90} {
		f.Add(seedImage(f, commits))
	}
	f.Fuzz(openArbitrary)
}

// FuzzOpenForged opens chips whose checks all match, so that what the checks
// guard is arbitrary instead. Each 16 bytes of edits change one place of a
// valid image before its block and batch headers are given valid checks.
func FuzzOpenForged(f *testing.F) {
	f.Add(uint8(7), []byte{})
	f.Add(uint8(90), append(binary.LittleEndian.AppendUint64(nil, 256*5+8), 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0))
	f.Add(uint8(90), append(binary.LittleEndian.AppendUint64(nil, 256*9+24), 3, 0, 0, 0, 2, 0, 4, 0))
	f.Fuzz(func(t *testing.T, commits uint8, edits []byte) {
		image := seedImage(t, int(commits%100))
		for ; len(edits) >= 16; edits = edits[16:] {
			at := le.Uint64(edits) % uint64(len(image)-8)
			copy(image[at:], edits[8:16])
		}
		forgeChecks(image)
		openArbitrary(t, image)
	})
}

// forgeChecks makes every block header, batch header and seal valid.
func forgeChecks(image []byte) {
	for at := 0; at+blockHeaderSize <= len(image); at += unit {
		b := image[at:]
		switch string(b[:4]) {
		case blockMagic:
			le.PutUint32(b[4:], checksum(b[8:blockHeaderSize]))
		case batchMagic:
			if n := int(le.Uint32(b[16:])); n >= 0 && n <= len(b)-batchHeaderSize {
				le.PutUint32(b[20:], checksum(b[batchHeaderSize:batchHeaderSize+n]))
			}
			le.PutUint32(b[4:], checksum(b[8:batchHeaderSize]))
		case sealMagic:
			le.PutUint32(b[12:], checksum(b[:12]))
		}
	}
}

func FuzzParseRecords(f *testing.F) {
	var b Batch
	b.Put("key", []byte("value"))
	b.Delete("other")
	b.DeletePrefix("")
	f.Add(b.body)
	f.Add(b.body[:len(b.body)-1])
	f.Add([]byte{opPut, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, body []byte) {
		records, err := parseRecords(body)
		if err != nil {
			return
		}
		var again Batch
		for _, r := range records {
			var value []byte
			if r.op == opPut {
				value = r.entry.value
			}
			again.add(r.op, r.key, value)
		}
		if again.err != nil || !bytes.Equal(again.body, body) {
			t.Fatalf("% x became % x (%v)", body, again.body, again.err)
		}
	})
}
