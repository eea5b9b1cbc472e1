package flash_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/flash"
)

// filled is a small chip with a pattern on all of it.
func filled(t testing.TB) *flash.Memory {
	t.Helper()
	m := newMemory(t, small)
	if err := m.Program(0, bytes.Repeat([]byte{0x5A, 0xC3, 0x0F, 0x99}, int(small.Size())/4)); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCodeCorrectsWhatItCanAndReportsTheRest(t *testing.T) {
	for _, c := range []struct {
		wrong, correct int
		want           error
	}{{0, 0, nil}, {1, 0, flash.ErrDecayed}, {3, 3, nil}, {4, 3, flash.ErrDecayed}} {
		m := filled(t)
		good := content(t, m)
		d := flash.NewDecay(m, 7, c.correct)
		d.AgePage(2, c.wrong)
		got := make([]byte, small.Size())
		err := d.Read(0, got)
		if !errors.Is(err, c.want) {
			t.Errorf("%d wrong bits, %d corrected: %v", c.wrong, c.correct, err)
		}
		if different := bitsBetween(got, good); c.want == nil && different != 0 || c.want != nil && different != c.wrong {
			t.Errorf("%d wrong bits, %d corrected: %d differ", c.wrong, c.correct, different)
		}
		if err := d.Read(0, got[:32]); err != nil {
			t.Errorf("pages before the one that decayed: %v", err)
		}
		if err := errors.Join(d.Erase(0), d.Read(0, got)); err != nil {
			t.Errorf("erasing does not help: %v", err)
		}
	}
}

func TestDecayIsRepeatable(t *testing.T) {
	read := func() []byte {
		d := flash.NewDecay(filled(t), 3, 0)
		d.Age(50)
		p := make([]byte, small.Size())
		if err := d.Read(0, p); !errors.Is(err, flash.ErrDecayed) {
			t.Fatal(err)
		}
		return p
	}
	if !bytes.Equal(read(), read()) {
		t.Error("the same seed let other bits decay")
	}
}

func bitsBetween(a, b []byte) (n int) {
	for i := range a {
		for x := a[i] ^ b[i]; x != 0; x &= x - 1 {
			n++
		}
	}
	return n
}

func TestBadBlocksFailInTheirWay(t *testing.T) {
	for _, c := range []struct {
		how                  flash.Failure
		read, program, erase error
		content              byte // of block 1 after it was filled with 0F, programmed with 0 and erased
	}{
		{flash.ProgramFails, nil, flash.ErrBadBlock, nil, 0xFF},
		{flash.EraseFails, nil, nil, flash.ErrBadBlock, 0x00},
		{flash.ReadFails, flash.ErrBadBlock, nil, nil, 0xFF},
		{flash.ProgramIgnored, nil, nil, nil, 0xFF},
		{flash.EraseIgnored, nil, nil, nil, 0x00},
	} {
		m := newMemory(t, small)
		if err := m.Program(64, bytes.Repeat([]byte{0x0F}, 64)); err != nil {
			t.Fatal(err)
		}
		b := flash.NewBadBlocks(m, map[int]flash.Failure{1: c.how})
		if err := b.Program(60, make([]byte, 10)); !errors.Is(err, c.program) {
			t.Errorf("%v: program: %v", c.how, err)
		}
		if err := b.Erase(1); !errors.Is(err, c.erase) {
			t.Errorf("%v: erase: %v", c.how, err)
		}
		if err := b.Read(50, make([]byte, 20)); !errors.Is(err, c.read) {
			t.Errorf("%v: read: %v", c.how, err)
		}
		if err := errors.Join(b.Read(0, make([]byte, 64)), b.Erase(2), b.Program(200, []byte{0})); err != nil {
			t.Errorf("%v: other blocks: %v", c.how, err)
		}
		if got := content(t, m)[64]; got != c.content {
			t.Errorf("%v: the block holds %#x, want %#x", c.how, got, c.content)
		}
	}
}

func TestBlocksWearOut(t *testing.T) {
	m := newMemory(t, small)
	worn := flash.NewWorn(m, 3, flash.EraseFails)
	for i := range 3 {
		if err := errors.Join(worn.Erase(0), worn.Erase(1)); err != nil {
			t.Fatalf("erasure %d: %v", i+1, err)
		}
	}
	if err := worn.Erase(0); !errors.Is(err, flash.ErrBadBlock) {
		t.Errorf("erasure 4: %v", err)
	}
	if err := worn.Erase(2); err != nil {
		t.Errorf("a block that is not worn: %v", err)
	}
}

func TestMisdirectedProgramLandsInOnePageElsewhere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		at, seed := rapid.IntRange(1, 5).Draw(rt, "at"), rapid.Uint64().Draw(rt, "seed")
		right, wrong, again := newMemory(t, small), newMemory(t, small), newMemory(t, small)
		astray := errors.Join(exercise(flash.NewMisdirected(wrong, at, seed)), exercise(flash.NewMisdirected(again, at, seed)))
		if err := exercise(right); err != nil || astray != nil && !errors.Is(astray, flash.ErrNotErased) {
			rt.Fatal(err, astray) // a later program may find bits cleared
		}
		if !bytes.Equal(content(t, wrong), content(t, again)) {
			rt.Fatal("the same seed went astray differently")
		}
		if at >= 4 && bytes.Equal(content(t, wrong), content(t, right)) {
			rt.Fatal("nothing went astray") // what goes astray before the erasure may be erased
		}
	})
}

func TestStuckBitsDoNotChange(t *testing.T) {
	m := newMemory(t, small)
	s := flash.NewStuck(m, 0, 0)
	s.Stick(8*70, false)
	s.Stick(8*70+7, true)
	for _, step := range []struct {
		do   func() error
		want byte
	}{
		{func() error { return nil }, 0xFE},
		{func() error { return s.Program(70, []byte{0}) }, 0x80},
		{func() error { return s.Erase(1) }, 0xFE},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := content(t, s)[70]; got != step.want {
			t.Errorf("reads %#x, want %#x", got, step.want)
		}
	}
	if a, b := content(t, flash.NewStuck(filled(t), 20, 5)), content(t, filled(t)); bytes.Equal(a, b) {
		t.Error("no bit is stuck")
	}
}

func TestTornWordChangesNothingBehindTheWord(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(64) {
		m := newMemory(t, small)
		o := flash.Operation{Kind: flash.ProgramPage, Addr: 16, Data: make([]byte, 16)}
		if err := o.Perform(m, flash.Outcome{Mode: flash.TornWord, Seed: seed}); err != nil {
			t.Fatal(err)
		}
		first, second := content(t, m)[16:24], content(t, m)[24:32]
		done, blank := make([]byte, 8), bytes.Repeat([]byte{flash.Erased}, 8)
		if !bytes.Equal(first, done) && !bytes.Equal(second, blank) {
			t.Fatalf("seed %d: % x % x", seed, first, second)
		}
		seen[fmt.Sprintf("%x%x", first, second)] = true
	}
	if len(seen) < 20 {
		t.Errorf("only %d different tears of 64", len(seen))
	}
}

func TestUnsteadyWordsReadDifferentlyUntilErased(t *testing.T) {
	m := newMemory(t, small)
	if err := m.Program(0, make([]byte, small.Size())); err != nil {
		t.Fatal(err)
	}
	o := flash.Operation{Kind: flash.EraseBlock, Addr: 64}
	if err := o.Perform(m, flash.Outcome{Mode: flash.TornUnsteady, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	fork := m.Clone()
	first, second := content(t, m), content(t, m)
	different, c := map[string]bool{}, m.Clone()
	for range 20 {
		different[string(content(t, c))] = true
	}
	if len(different) < 2 {
		t.Error("twenty reads are the same")
	}
	if !bytes.Equal(first[:64], second[:64]) || !bytes.Equal(first[128:], second[128:]) {
		t.Error("another block is unsteady")
	}
	if !bytes.Equal(content(t, fork), first) || !bytes.Equal(content(t, fork), second) {
		t.Error("equal chips read differently")
	}
	if err := m.Erase(1); err != nil {
		t.Fatal(err)
	}
	if got := content(t, m)[64:128]; !bytes.Equal(got, bytes.Repeat([]byte{flash.Erased}, 64)) || !bytes.Equal(content(t, m)[64:128], got) {
		t.Error("erasing does not make it steady")
	}
	if err := m.Unsettle(small.Blocks, 0); !errors.Is(err, flash.ErrRange) {
		t.Errorf("a block beyond the end: %v", err)
	}
}
