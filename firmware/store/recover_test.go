package store

import (
	"bytes"
	"errors"
	"testing"

	"usbhsm7/firmware/flash"
)

// TestWipedBatchIsNoticedByTheBlockAfterIt destroys the newest sealed batch
// and its seal while an interrupted batch has already opened the next block.
func TestWipedBatchIsNoticedByTheBlockAfterIt(t *testing.T) {
	chip, err := flash.NewMemory(fuzzed)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	var from, to int64
	for range 4 {
		var b Batch
		b.Put("key", bytes.Repeat([]byte{1}, 30))
		from = s.log.addr(s.log.pos)
		if err := s.Commit(&b); err != nil {
			t.Fatal(err)
		}
		to = from + int64(b.Size())
	}
	if s.log.pos-uint64(to-from) < (s.log.next-1)*s.log.room {
		t.Fatal("the newest batch does not lie within one block")
	}
	cut := flash.NewTap(chip, func(o flash.Operation) error {
		if o.Kind == flash.ProgramPage && bytes.HasPrefix(o.Data, []byte(sealMagic)) {
			return flash.ErrPowerLost
		}
		return nil
	})
	if s, err = Open(cut); err != nil {
		t.Fatal(err)
	}
	var crossing Batch
	crossing.Put("long", make([]byte, 220))
	if err := s.Commit(&crossing); !errors.Is(err, flash.ErrPowerLost) {
		t.Fatal(err)
	}
	if s, err = Open(chip.Clone()); err != nil || s.index.Load().get("key") == nil {
		t.Fatalf("before the damage: %v", err)
	}
	if err := chip.Program(from, make([]byte, to-from)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(chip); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}
