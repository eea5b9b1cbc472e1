package flash_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/flash"
)

func TestTornProgramChangesSomeOfTheBits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMemory(t, small)
		old := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "old")
		data := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "data")
		for i := range data {
			data[i] &= old[i]
		}
		if err := m.Program(16, old); err != nil {
			rt.Fatal(err)
		}
		how := flash.Outcome{
			Mode: rapid.SampledFrom([]flash.Mode{flash.TornPrefix, flash.TornBits}).Draw(rt, "mode"),
			Seed: rapid.Uint64().Draw(rt, "seed"),
		}
		o := flash.Operation{Kind: flash.ProgramPage, Addr: 16, Data: data}
		one, two := m.Clone(), m.Clone()
		if err := errors.Join(o.Perform(one, how), o.Perform(two, how)); err != nil {
			rt.Fatal(err)
		}
		got := content(t, one)
		if !bytes.Equal(got, content(t, two)) {
			rt.Fatal("the same seed tore differently")
		}
		checkBetween(rt, content(t, m), data, got, 16)
	})
}

// checkBetween checks that each bit of got is as before or as in data at addr.
func checkBetween(rt *rapid.T, before, data, got []byte, addr int) {
	want := bytes.Clone(before)
	copy(want[addr:], data)
	for i := range got {
		if (got[i]^before[i])&(got[i]^want[i]) != 0 {
			rt.Fatalf("byte %d is %#x, neither from %#x nor %#x", i, got[i], before[i], want[i])
		}
	}
}

func TestTornEraseLeavesAMix(t *testing.T) {
	for _, mode := range []flash.Mode{flash.TornPrefix, flash.TornBits} {
		different := map[string]bool{}
		for seed := range uint64(20) {
			m := newMemory(t, small)
			if err := m.Program(0, make([]byte, small.Size())); err != nil {
				t.Fatal(err)
			}
			o := flash.Operation{Kind: flash.EraseBlock, Addr: 64}
			if err := o.Perform(m, flash.Outcome{Mode: mode, Seed: seed}); err != nil {
				t.Fatal(err)
			}
			b := content(t, m)
			if !bytes.Equal(b[:64], make([]byte, 64)) || !bytes.Equal(b[128:], make([]byte, len(b)-128)) {
				t.Fatalf("%v: another block changed", mode)
			}
			different[string(b)] = true
		}
		if len(different) < 10 {
			t.Errorf("%v: only %d different tears of 20", mode, len(different))
		}
	}
}

// exercise runs a fixed series of nine operations.
func exercise(d flash.Device) error {
	for _, step := range []func() error{
		func() error { return d.Program(10, make([]byte, 30)) }, // three pages
		func() error { return d.Erase(0) },
		func() error { return d.Program(70, []byte{1, 2, 3}) },
		d.Sync,
		func() error { return d.Program(0, []byte("twenty-four bytes of it.")) }, // two pages
		d.Sync,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestTapShowsEachPageBeforeItIsProgrammed(t *testing.T) {
	m := newMemory(t, small)
	var shown []string
	tap := flash.NewTap(m, func(o flash.Operation) error {
		shown = append(shown, o.String())
		if b := content(t, m); o.Kind == flash.ProgramPage && bytes.Equal(b[o.Addr:o.Addr+int64(len(o.Data))], o.Data) {
			t.Errorf("%v had already happened", o)
		}
		return nil
	})
	if err := exercise(tap); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"program 6 bytes at 0xa", "program 16 bytes at 0x10", "program 8 bytes at 0x20",
		"erase block at 0x0", "program 3 bytes at 0x46", "sync",
		"program 16 bytes at 0x0", "program 8 bytes at 0x10", "sync",
	}
	if !slices.Equal(shown, want) {
		t.Errorf("shown: %q", shown)
	}
}

func TestTapCanRefuse(t *testing.T) {
	m := newMemory(t, small)
	refusal := errors.New("no")
	tap := flash.NewTap(m, func(flash.Operation) error { return refusal })
	if err := tap.Program(0, []byte{0}); !errors.Is(err, refusal) {
		t.Errorf("program: %v", err)
	}
	if content(t, m)[0] != flash.Erased {
		t.Error("a refused operation happened")
	}
	if err := errors.Join(tap.Erase(small.Blocks), tap.Program(small.Size(), []byte{0})); !errors.Is(err, flash.ErrRange) {
		t.Errorf("outside the chip: %v", err)
	}
}

// TestPowerCutStopsAtTheOperation compares what is left after each cut with
// the states that a tap saw.
func TestPowerCutStopsAtTheOperation(t *testing.T) {
	m := newMemory(t, small)
	var states [][]byte
	if err := exercise(flash.NewTap(m, func(flash.Operation) error {
		states = append(states, content(t, m))
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	states = append(states, content(t, m))
	for at := 1; at < len(states); at++ {
		for mode, want := range map[flash.Mode][]byte{flash.Before: states[at-1], flash.After: states[at]} {
			chip := newMemory(t, small)
			cut := flash.NewPowerCut(chip, at, flash.Outcome{Mode: mode})
			if err := exercise(cut); !errors.Is(err, flash.ErrPowerLost) {
				t.Errorf("cut %d: %v", at, err)
			}
			if !bytes.Equal(content(t, chip), want) {
				t.Errorf("cut %v operation %d leaves something else", mode, at)
			}
			checkDead(t, cut)
		}
	}
	uncut := flash.NewPowerCut(newMemory(t, small), 0, flash.Outcome{})
	if err := exercise(uncut); err != nil || uncut.Lost() || uncut.Operations() != len(states)-1 {
		t.Errorf("without a cut: %v after %d operations", err, uncut.Operations())
	}
}

func checkDead(t *testing.T, cut *flash.PowerCut) {
	t.Helper()
	if !cut.Lost() {
		t.Error("power is still there")
	}
	for name, err := range map[string]error{
		"read":    cut.Read(0, make([]byte, 1)),
		"program": cut.Program(0, []byte{0}),
		"erase":   cut.Erase(0),
		"sync":    cut.Sync(),
	} {
		if !errors.Is(err, flash.ErrPowerLost) {
			t.Errorf("%s without power: %v", name, err)
		}
	}
	if err := cut.Close(); err != nil {
		t.Errorf("close without power: %v", err)
	}
}

func TestCacheKeepsWhatWasSyncedAndThePrefixOfEachBlock(t *testing.T) {
	cache := flash.NewCache(newMemory(t, small))
	for _, addr := range []int64{0, 64} {
		if err := cache.Program(addr, []byte{0xF0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := cache.Sync(); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []int64{0, 1, 64, 65} {
		if err := cache.Program(addr, []byte{0x10}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for seed := range uint64(200) {
		m, err := cache.Crash(seed)
		if err != nil {
			t.Fatal(err)
		}
		b := content(t, m)
		seen[fmt.Sprintf("%x %x", b[0:2], b[64:66])] = true
	}
	for _, one := range []string{"f0ff", "10ff", "1010"} {
		for _, other := range []string{"f0ff", "10ff", "1010"} {
			if state := one + " " + other; !seen[state] {
				t.Errorf("never left %s", state)
			}
		}
	}
	if len(seen) != 9 {
		t.Errorf("%d states, want 9: %v", len(seen), seen)
	}
}
