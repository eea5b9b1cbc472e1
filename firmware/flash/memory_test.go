package flash_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/flash"
)

// small is a chip that tests can compare byte by byte.
var small = flash.Geometry{PageSize: 16, PagesPerBlock: 4, Blocks: 5}

func newMemory(t testing.TB, g flash.Geometry) *flash.Memory {
	t.Helper()
	m, err := flash.NewMemory(g)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// content reads a whole chip.
func content(t testing.TB, d flash.Device) []byte {
	t.Helper()
	b := make([]byte, d.Geometry().Size())
	if err := d.Read(0, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlankChipReadsErased(t *testing.T) {
	if b := content(t, newMemory(t, small)); !bytes.Equal(b, bytes.Repeat([]byte{flash.Erased}, len(b))) {
		t.Error("a new chip is not erased")
	}
}

func TestProgrammingOnlyClearsBits(t *testing.T) {
	m := newMemory(t, small)
	for _, step := range []struct {
		name string
		addr int64
		data []byte
		want error
	}{
		{"clear bits", 62, []byte{0xF0, 0x0F, 0xAA}, nil},
		{"clear more", 62, []byte{0xF0, 0x0C, 0x00}, nil},
		{"set a bit again", 63, []byte{0x0F}, flash.ErrNotErased},
		{"set a bit in the second block", 63, []byte{0x00, 0x01}, flash.ErrNotErased},
		{"beyond the end", small.Size() - 1, []byte{0, 0}, flash.ErrRange},
		{"before the start", -1, []byte{0}, flash.ErrRange},
	} {
		before := content(t, m)
		if err := m.Program(step.addr, step.data); !errors.Is(err, step.want) {
			t.Errorf("%s: %v, want %v", step.name, err, step.want)
		}
		if step.want != nil && !bytes.Equal(content(t, m), before) {
			t.Errorf("%s: a refused program changed the chip", step.name)
		}
	}
	if got := content(t, m)[62:65]; !bytes.Equal(got, []byte{0xF0, 0x0C, 0x00}) {
		t.Errorf("chip holds % x", got)
	}
}

func TestEraseSetsOneBlockAndCountsWear(t *testing.T) {
	m := newMemory(t, small)
	if err := m.Program(0, make([]byte, small.Size())); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := m.Erase(2); err != nil {
			t.Fatal(err)
		}
	}
	want := make([]byte, small.Size())
	copy(want[128:192], bytes.Repeat([]byte{flash.Erased}, 64))
	if !bytes.Equal(content(t, m), want) {
		t.Error("another range than block 2 is erased")
	}
	if m.Wear(2) != 3 || m.Wear(1) != 0 {
		t.Errorf("wear %d and %d, want 3 and 0", m.Wear(2), m.Wear(1))
	}
	for _, block := range []int{-1, small.Blocks} {
		if err := m.Erase(block); !errors.Is(err, flash.ErrRange) {
			t.Errorf("block %d: %v", block, err)
		}
	}
}

// TestClonesAreIndependent compares a family of clones with plain copies.
func TestClonesAreIndependent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		chips := []*flash.Memory{newMemory(t, small)}
		models := [][]byte{content(t, chips[0])}
		pick := rapid.IntRange(0, 7)
		rt.Repeat(map[string]func(*rapid.T){
			"clone": func(rt *rapid.T) {
				i := pick.Draw(rt, "chip") % len(chips)
				chips = append(chips, chips[i].Clone())
				models = append(models, bytes.Clone(models[i]))
			},
			"program": func(rt *rapid.T) {
				i := pick.Draw(rt, "chip") % len(chips)
				addr := rapid.IntRange(0, int(small.Size())-1).Draw(rt, "addr")
				p := rapid.SliceOfN(rapid.Byte(), 1, 80).Draw(rt, "data")
				p = p[:min(len(p), len(models[i])-addr)]
				for j := range p {
					p[j] &= models[i][addr+j]
				}
				if err := chips[i].Program(int64(addr), p); err != nil {
					rt.Fatal(err)
				}
				copy(models[i][addr:], p)
			},
			"erase": func(rt *rapid.T) {
				i := pick.Draw(rt, "chip") % len(chips)
				block := rapid.IntRange(0, small.Blocks-1).Draw(rt, "block")
				if err := chips[i].Erase(block); err != nil {
					rt.Fatal(err)
				}
				copy(models[i][block*64:], bytes.Repeat([]byte{flash.Erased}, 64))
			},
			"flip": func(rt *rapid.T) {
				i := pick.Draw(rt, "chip") % len(chips)
				bit := rapid.Int64Range(0, small.Size()*8-1).Draw(rt, "bit")
				if err := chips[i].Flip(bit); err != nil {
					rt.Fatal(err)
				}
				models[i][bit/8] ^= 1 << (bit % 8)
			},
			"": func(rt *rapid.T) {
				for i, m := range chips {
					if !bytes.Equal(content(t, m), models[i]) {
						rt.Fatalf("chip %d of %d differs", i, len(chips))
					}
				}
			},
		})
	})
}

func TestLoadTakesExactlyAChip(t *testing.T) {
	image := bytes.Repeat([]byte{1, 2, 3, 4}, int(small.Size())/4)
	m, err := flash.Load(small, image)
	if err != nil || !bytes.Equal(content(t, m), image) {
		t.Errorf("loaded chip differs (%v)", err)
	}
	if _, err := flash.Load(small, image[1:]); !errors.Is(err, flash.ErrRange) {
		t.Errorf("short image: %v", err)
	}
}

func TestFlipOutsideTheChipIsRefused(t *testing.T) {
	for _, bit := range []int64{-1, small.Size() * 8} {
		if err := newMemory(t, small).Flip(bit); !errors.Is(err, flash.ErrRange) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
}

func TestGeometryOutOfRangeIsRefused(t *testing.T) {
	for _, g := range []flash.Geometry{
		{},
		{PageSize: 8, PagesPerBlock: 1, Blocks: 1},
		{PageSize: 48, PagesPerBlock: 1, Blocks: 1},
		{PageSize: 1 << 17, PagesPerBlock: 1, Blocks: 1},
		{PageSize: 16, PagesPerBlock: 0, Blocks: 1},
		{PageSize: 16, PagesPerBlock: 1, Blocks: -1},
		{PageSize: 1 << 16, PagesPerBlock: 1 << 15, Blocks: 1},
		{PageSize: 256, PagesPerBlock: 16, Blocks: 1 << 19},
	} {
		if _, err := flash.NewMemory(g); err == nil {
			t.Errorf("%v: accepted", g)
		}
	}
	if err := flash.DefaultGeometry().Check(); err != nil || flash.DefaultGeometry().Size() != 16<<20 {
		t.Errorf("default geometry: %d bytes, %v", flash.DefaultGeometry().Size(), err)
	}
}

func TestWhatIsErased(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "\xff": true, "\xff\xff\xff": true,
		"\x00": false, "\x00\x00": false, "\xfe\xff": false, "\xff\xff\x7f": false, "\xff\x00\xff": false,
	} {
		if got := flash.IsErased([]byte(text)); got != want {
			t.Errorf("%x: %v", text, got)
		}
	}
}

func BenchmarkClone(b *testing.B) {
	m := newMemory(b, flash.DefaultGeometry())
	for b.Loop() {
		m = m.Clone()
		if err := m.Program(0, []byte{0}); err != nil {
			b.Fatal(err)
		}
	}
}
