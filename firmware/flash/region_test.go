package flash_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/flash"
)

func TestRegionIsAChipWithinAChip(t *testing.T) {
	m := filled(t)
	before := content(t, m)
	r, err := flash.NewRegion(m, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if g := r.Geometry(); g.Blocks != 2 || g.BlockSize() != small.BlockSize() || !bytes.Equal(content(t, r), before[128:256]) {
		t.Errorf("region of %v with another content", g)
	}
	if err := errors.Join(r.Erase(1), r.Program(64, []byte{1, 2}), r.Sync(), r.Close()); err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(before)
	copy(want[192:], append([]byte{1, 2}, bytes.Repeat([]byte{flash.Erased}, 62)...))
	if !bytes.Equal(content(t, m), want) || m.Wear(3) != 1 {
		t.Error("the chip has another content")
	}
	for name, err := range map[string]error{
		"read before":   r.Read(-1, make([]byte, 1)),
		"read behind":   r.Read(120, make([]byte, 9)),
		"program":       r.Program(128, []byte{0}),
		"erase before":  r.Erase(-1),
		"erase behind":  r.Erase(2),
		"no room":       second(flash.NewRegion(m, 4, 2)),
		"empty":         second(flash.NewRegion(m, 4, 0)),
		"before a chip": second(flash.NewRegion(m, -1, 2)),
	} {
		if !errors.Is(err, flash.ErrRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ *flash.Region, err error) error { return err }

// TestDigestIsThatOfTheContent changes, clones and erases chips: two have the
// same digest if and only if they read the same.
func TestDigestIsThatOfTheContent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chips := []*flash.Memory{newMemory(t, wide), newMemory(t, wide)}
		pick := rapid.IntRange(0, 3)
		rt.Repeat(map[string]func(*rapid.T){
			"clone": func(rt *rapid.T) {
				chips[pick.Draw(rt, "to")%len(chips)] = chips[pick.Draw(rt, "from")%len(chips)].Clone()
			},
			"program": func(rt *rapid.T) {
				chip := chips[pick.Draw(rt, "chip")%len(chips)]
				at := rapid.Int64Range(0, 3).Draw(rt, "page") * 1040
				if err := chip.Program(at, []byte{0xF0}); err != nil {
					rt.Fatal(err)
				}
			},
			"erase": func(rt *rapid.T) {
				chip := chips[pick.Draw(rt, "chip")%len(chips)]
				if err := chip.Erase(rapid.IntRange(0, 3).Draw(rt, "page") * 65); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				same := bytes.Equal(content(t, chips[0]), content(t, chips[1]))
				if digests := chips[0].Digest() == chips[1].Digest(); digests != same {
					rt.Fatalf("same content: %v, same digest: %v", same, digests)
				}
			},
		})
	})
}

// wide is a chip of several groups of blocks.
var wide = flash.Geometry{PageSize: 16, PagesPerBlock: 1, Blocks: 200}

func TestDigestTellsUnsteadyWordsApart(t *testing.T) {
	one, other := filled(t), filled(t)
	if err := one.Unsettle(2, 1); err != nil {
		t.Fatal(err)
	}
	if one.Digest() == other.Digest() {
		t.Error("a chip with unsteady words has the digest of one without")
	}
	before := one.Digest()
	content(t, one)
	if one.Digest() == before {
		t.Error("what comes next is another thing now, and the digest is the same")
	}
}

func TestChipThatNobodyChangesIsClonedByManyAtOnce(t *testing.T) {
	m := filled(t).Clone()
	m.Clone()
	want := m.Digest()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			c := m.Clone()
			if c.Digest() != want {
				t.Error("a clone differs")
			}
			if err := c.Program(int64(i), []byte{0}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if m.Digest() != want {
		t.Error("the chip was changed by its clones")
	}
}

func BenchmarkDigestOfAChangedClone(b *testing.B) {
	m := newMemory(b, flash.DefaultGeometry())
	for b.Loop() {
		m = m.Clone()
		if err := m.Program(0, []byte{0}); err != nil {
			b.Fatal(err)
		}
		m.Digest()
	}
}
