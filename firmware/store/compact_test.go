package store

import (
	"fmt"
	"testing"

	"usbhsm7/firmware/flash"
)

// TestBlocksLeftEarlyAreReclaimed wastes nearly all of each block, as power
// cuts in many small commits do, so that the spare blocks are drawn on.
func TestBlocksLeftEarlyAreReclaimed(t *testing.T) {
	chip, err := flash.NewMemory(flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 40})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	least := s.log.free(0)
	for i := range 500 {
		var b Batch
		b.Put("counter", fmt.Append(nil, i))
		s.log.leave()
		if err := s.Commit(&b); err != nil {
			t.Fatalf("commit %d: %v", i, err)
		}
		least = min(least, s.log.free(0))
	}
	if least < s.log.spare() {
		t.Errorf("only %d erased blocks were left, should be %d", least, s.log.spare())
	}
	if s, err = Open(chip); err != nil {
		t.Fatal(err)
	}
	if got := string(s.index.Load().get("counter").value); got != "499" {
		t.Errorf("counter is %s", got)
	}
}
