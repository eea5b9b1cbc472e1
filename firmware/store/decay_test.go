package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// tiny is a chip small enough to try every single bit of it.
var tiny = flash.Geometry{PageSize: 64, PagesPerBlock: 4, Blocks: 26}

// smallChange draws a change that fits the tiny chip.
func smallChange(r *rand.Rand) change { return randomChange(r, 120) }

// worn returns a chip around which the log has gone, and what it holds.
func worn(t testing.TB, seed uint64, changes int) (*flash.Memory, state) {
	t.Helper()
	chip := blankChip(t, tiny)
	s := mustOpen(t, chip)
	r := rand.New(rand.NewPCG(seed, 0))
	now := state{values: map[string]string{}}
	for range changes {
		c := smallChange(r)
		switch err := c.run(s); {
		case err == nil:
			now = c.apply(now)
		case !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrTooLarge):
			t.Fatal(err)
		}
	}
	return chip, now
}

// flipEachBit opens the chip once for each bit of the bytes in a range, with
// that bit inverted. The store is refused and not touched, or it holds one of
// the states given and works.
func flipEachBit(t *testing.T, chip *flash.Memory, from, to int64, states ...state) (refused, harmless int) {
	t.Helper()
	for bit := from * 8; bit < to*8; bit++ {
		decayed := chip.Clone()
		if err := decayed.Flip(bit); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(decayed)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("bit %d of byte %#x: %v", bit%8, bit/8, err)
			}
			checkUntouched(t, chip, decayed, bit)
			refused++
			continue
		}
		harmless++
		seen := observe(s)
		known := false
		for _, want := range states {
			known = known || seen.equal(want)
		}
		if !known {
			t.Fatalf("bit %d of byte %#x: the store silently holds something else", bit%8, bit/8)
		}
		if bit%499 == 0 {
			checkLasts(t, decayed, seen)
		}
	}
	return refused, harmless
}

// checkLasts lets the log of a chip go round, so that what is harmless now is
// seen to stay so.
func checkLasts(t *testing.T, chip *flash.Memory, now state) {
	t.Helper()
	r := rand.New(rand.NewPCG(2, 2))
	for i := range 8 {
		s, err := store.Open(chip)
		if err != nil {
			t.Fatalf("a harmless flip did harm in round %d: %v", i, err)
		}
		for range 20 {
			c := smallChange(r)
			switch err := c.run(s); {
			case err == nil:
				now = c.apply(now)
			case !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrTooLarge):
				t.Fatalf("a harmless flip did harm in round %d: %v", i, err)
			}
		}
	}
	if !observe(mustOpen(t, chip)).equal(now) {
		t.Fatal("a harmless flip did harm")
	}
}

// checkUntouched compares a chip, but for one bit, with another.
func checkUntouched(t *testing.T, chip, decayed *flash.Memory, bit int64) {
	t.Helper()
	if bit%7 != 0 {
		return // reading the whole chip is slow; a part of the bits will do
	}
	now := decayed.Clone()
	if err := now.Flip(bit); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(image(t, now), image(t, chip)) {
		t.Fatalf("bit %d of byte %#x: the refused chip was changed", bit%8, bit/8)
	}
}

func TestEverySingleBitFlipIsRefusedOrHarmless(t *testing.T) {
	t.Parallel()
	seeds := uint64(1)
	if *long {
		seeds = 20
	}
	for seed := range seeds {
		chip, now := worn(t, seed, 120+int(seed))
		refused, harmless := flipEachBit(t, chip, 0, tiny.Size(), now)
		t.Logf("%d flips refused, %d harmless", refused, harmless)
		if refused < 1000 {
			t.Error("hardly any flip was noticed")
		}
	}
}

func TestBitFlipAfterAPowerCutLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	chip, old := worn(t, 7, 90)
	c := change{ops: []op{
		{kind: "put", key: "a/1", value: strings.Repeat("1", 130)},
		{kind: "put", key: "a/2", value: strings.Repeat("2", 130)},
	}}
	count := flash.NewPowerCut(chip.Clone(), 0, flash.Outcome{})
	if err := c.run(mustOpen(t, count)); err != nil {
		t.Fatal(err)
	}
	opening := flash.NewPowerCut(chip.Clone(), 0, flash.Outcome{})
	mustOpen(t, opening)
	step := 24
	if *long {
		step = 1
	}
	for at := opening.Operations() + 1; at <= count.Operations(); at += step {
		cut := chip.Clone()
		s := mustOpen(t, flash.NewPowerCut(cut, at, flash.Outcome{Mode: flash.TornBits, Seed: uint64(at)}))
		if err := c.run(s); !errors.Is(err, flash.ErrPowerLost) {
			t.Fatalf("cut at operation %d: %v", at, err)
		}
		flipEachBit(t, cut, 0, tiny.Size(), old, c.apply(old))
	}
}

// TestBatchThatRecoveryAcceptedIsAsSafeAsAnyOther tears the seal of a batch.
// Once the store has been opened with the batch in it, no flip may lose it.
func TestBatchThatRecoveryAcceptedIsAsSafeAsAnyOther(t *testing.T) {
	chip, old := worn(t, 4, 60)
	c := change{ops: []op{{kind: "put", key: "a/1", value: "small"}}}
	accepted := 0
	for seed := range uint64(6) {
		torn := chip.Clone()
		s := mustOpen(t, flash.NewTap(torn, func(o flash.Operation) error {
			if o.Kind != flash.ProgramPage || !bytes.HasPrefix(o.Data, []byte("SEAL")) {
				return nil
			}
			how := flash.Outcome{Mode: flash.TornBits, Seed: seed}
			return errors.Join(o.Perform(torn, how), flash.ErrPowerLost)
		}))
		if err := c.run(s); !errors.Is(err, flash.ErrPowerLost) {
			t.Fatal(err)
		}
		seen := observe(mustOpen(t, torn))
		if !seen.equal(c.apply(old)) {
			continue
		}
		accepted++
		from, to := changed(t, chip, torn)
		flipEachBit(t, torn, from, to, seen)
	}
	if accepted == 0 {
		t.Error("no torn seal was accepted")
	}
}

// changed returns the range of bytes in which two chips differ.
func changed(t *testing.T, a, b flash.Device) (from, to int64) {
	t.Helper()
	x, y := image(t, a), image(t, b)
	from = int64(len(x))
	for i := range x {
		if x[i] != y[i] {
			from, to = min(from, int64(i)), int64(i)+1
		}
	}
	return from, to
}

func TestBlankChipWithADirtyBitIsNotTakenForAStore(t *testing.T) {
	chip := blankChip(t, tiny)
	if err := chip.Flip(int64(tiny.BlockSize()) * 8 * 5); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(chip); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}

func TestForeignChipIsRefused(t *testing.T) {
	content := bytes.Repeat([]byte("something else  "), int(tiny.Size())/16)
	chip, err := flash.Load(tiny, content)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(chip); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
	if !bytes.Equal(image(t, chip), content) {
		t.Error("the refused chip was changed")
	}
}

func TestChipTooSmallForAStoreIsRefused(t *testing.T) {
	for _, g := range []flash.Geometry{
		{PageSize: 64, PagesPerBlock: 8, Blocks: 25},
		{PageSize: 16, PagesPerBlock: 8, Blocks: 100},
		{PageSize: 1 << 16, PagesPerBlock: 16, Blocks: 30},
	} {
		if _, err := store.Open(blankChip(t, g)); err == nil {
			t.Errorf("%v: accepted", g)
		}
	}
}
