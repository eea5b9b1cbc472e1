package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/store"
)

// TestBlockThatATornErasureLeftIsErasedBeforeItIsUsed makes every block that reads
// as erased unsteady: the store must not trust what it reads there.
func TestBlockThatATornErasureLeftIsErasedBeforeItIsUsed(t *testing.T) {
	chip := blankChip(t, small)
	s := mustOpen(t, chip)
	model := state{values: map[string]string{}}
	r := rand.New(rand.NewPCG(2, 2))
	change := func(n int) {
		for range n {
			c := randomChange(r, 400)
			switch err := c.run(s); {
			case err == nil:
				model = c.apply(model)
			case !errors.Is(err, store.ErrFull):
				t.Fatal(err)
			}
		}
	}
	change(300) // the log has gone round
	block := make([]byte, small.BlockSize())
	unsteady := 0
	for i := range small.Blocks {
		if err := chip.Read(int64(i*len(block)), block); err != nil {
			t.Fatal(err)
		}
		if bytes.Count(block, []byte{flash.Erased}) == len(block) {
			if err := chip.Unsettle(i, uint64(i)); err != nil {
				t.Fatal(err)
			}
			unsteady++
		}
	}
	s = mustOpen(t, chip)
	change(300)
	if !observe(mustOpen(t, chip)).equal(model) || unsteady == 0 {
		t.Errorf("after %d blocks were unsteady, store and model differ", unsteady)
	}
}

// TestBadBlockCostsNothingAcknowledged has each block go bad in each way while the
// store is in use: from some change on none is made, and what was acknowledged is
// there when the chip is read without the fault.
func TestBadBlockCostsNothingAcknowledged(t *testing.T) {
	for how := flash.ProgramFails; how <= flash.EraseIgnored; how++ {
		failed := 0
		for block := range small.Blocks {
			chip := blankChip(t, small)
			if err := newWorkload(1).run(mustOpen(t, chip), 40); err != nil {
				t.Fatal(err)
			}
			s := mustOpen(t, chip)
			before := observe(s)
			s.Close()
			load := newWorkload(2)
			load.next = before
			s, err := store.Open(flash.NewBadBlocks(chip, map[int]flash.Failure{block: how}))
			if err == nil {
				err = load.run(s, 150)
			} else {
				load.old = before
			}
			if err != nil {
				failed++
			}
			got := observe(mustOpen(t, chip))
			if !got.equal(load.next) && (err == nil || !got.equal(load.old)) {
				t.Errorf("block %d, %v: the store holds something else (%v)", block, how, err)
			}
		}
		if failed == 0 {
			t.Errorf("%v: nobody noticed", how)
		}
	}
}
