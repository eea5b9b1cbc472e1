package boot_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

func sampleRecord() boot.Record {
	return boot.Record{
		Sequence: 7, State: boot.Trial, Last: boot.Updated, Trials: 2, Running: 1, Previous: boot.ROM, Incoming: 2,
		Security: 3, Floor: 1, Slots: [boot.Slots]boot.Slot{1: {5000, fuf.Digest{1}}, 2: {6000, fuf.Digest{2}}},
		Version: fuf.V(7, 9, 3), DataSchema: 2,
	}
}

func TestRecordIsWhatWasEncoded(t *testing.T) {
	want := sampleRecord()
	b := want.Encode()
	if got, err := boot.DecodeRecord(b); err != nil || got != want || len(b) != boot.RecordSize {
		t.Errorf("%+v (%v), want %+v", got, err, want)
	}
}

func TestRecordWithAFlippedBitIsNone(t *testing.T) {
	r := sampleRecord()
	b := r.Encode()
	for bit := range 8 * len(b) {
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, err := boot.DecodeRecord(bad); !errors.Is(err, boot.ErrRecord) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
}

func TestRecordThatContradictsItselfIsNone(t *testing.T) {
	for name, spoil := range map[string]func(*boot.Record){
		"state":                  func(r *boot.Record) { r.State = 9 },
		"outcome":                func(r *boot.Record) { r.Last = 9 },
		"runs an empty slot":     func(r *boot.Record) { r.Running = 0 },
		"runs nothing":           func(r *boot.Record) { r.Running = boot.Nowhere },
		"both are the same":      func(r *boot.Record) { r.Previous = 1 },
		"on trial is nothing":    func(r *boot.Record) { r.Incoming = boot.Nowhere },
		"on trial is what runs":  func(r *boot.Record) { r.Incoming = 1 },
		"idle and something new": func(r *boot.Record) { r.State = boot.Idle },
		"nothing to go back to":  func(r *boot.Record) { r.State, r.Incoming, r.Previous = boot.RollingBack, boot.Nowhere, boot.Nowhere },
	} {
		r := sampleRecord()
		spoil(&r)
		if _, err := boot.DecodeRecord(r.Encode()); !errors.Is(err, boot.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzDecodeRecord decodes arbitrary bytes as a record.
func FuzzDecodeRecord(f *testing.F) {
	r := sampleRecord()
	f.Add(r.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := boot.DecodeRecord(b)
		if err != nil {
			if !errors.Is(err, boot.ErrRecord) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(r.Encode(), b) {
			t.Fatalf("%+v encodes as something else", r)
		}
	})
}

// TestArbitraryFlashIsRefusedOrHarmless opens a bootloader on a flash with anything
// on it: no panic, and no firmware that nobody signed.
func TestArbitraryFlashIsRefusedOrHarmless(t *testing.T) {
	ready := newUnit(t)
	ready.install(newUpdate(t, v793, 2))
	ready.must(newUpdate(t, v794, 2).Upload(ready.Boot))
	rapid.Check(t, func(rt *rapid.T) {
		u := &unit{t: t, chip: ready.chip.Clone()}
		for range rapid.IntRange(1, 4).Draw(rt, "damages") {
			// Most of them where the records, marks and heads are.
			addr := rapid.Int64Range(0, 2<<12).Draw(rt, "addr") + rapid.SampledFrom([]int64{0, 0, 2 << 12, 26 << 12, 30 << 12}).Draw(rt, "part")
			if err := u.chip.Flip(8*addr + rapid.Int64Range(0, 7).Draw(rt, "bit")); err != nil {
				rt.Fatal(err)
			}
		}
		b, err := u.open()
		if err != nil {
			if !errors.Is(err, boot.ErrCorrupt) {
				rt.Fatal(err)
			}
			return
		}
		s, err := b.Status()
		if err != nil {
			rt.Fatal(err)
		}
		if s.Lost == v793 {
			return // it has decayed
		}
		if v := b.Running().Version; v != v793 {
			rt.Fatalf("%v runs", v)
		}
		if b.Running().SecurityVersion != 2 {
			rt.Fatal("it is another one")
		}
	})
}

func TestRegionOfAnotherShapeIsRefused(t *testing.T) {
	for _, g := range []flash.Geometry{
		{PageSize: 16, PagesPerBlock: 16, Blocks: 100}, // a record does not fit a page
		{PageSize: 256, PagesPerBlock: 15, Blocks: 100},
		{PageSize: 256, PagesPerBlock: 16, Blocks: 10},
	} {
		if _, err := boot.NewLayout(g); err == nil {
			t.Errorf("%v: accepted", g)
		}
	}
}

func TestSlotOfTheDefaultChipTakesAnImageOfTwoMegabytes(t *testing.T) {
	g := flash.DefaultGeometry()
	g.Blocks /= 2
	l, err := boot.NewLayout(g)
	if err != nil {
		t.Fatal(err)
	}
	if room := (l.SlotBlocks() - l.ImageBlock(0, fuf.MaxHead) + l.SlotStart(0)) * g.BlockSize(); room < 2<<20 {
		t.Errorf("beside the largest head, an image may have %d bytes", room)
	}
}
