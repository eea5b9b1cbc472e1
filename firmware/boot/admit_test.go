package boot_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/fuf"
)

func TestUpdatesAreRefusedForTheFirstReason(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		change func(*fuf.Release, *boot.Target)
		want   error
	}{
		{"nothing is wrong", func(*fuf.Release, *boot.Target) {}, nil},
		{"capability update", func(r *fuf.Release, _ *boot.Target) { r.Kind = fuf.Capability }, boot.ErrKind},
		{"functional module", func(r *fuf.Release, _ *boot.Target) { r.Kind = fuf.Module }, boot.ErrKind},
		{"another product", func(r *fuf.Release, _ *boot.Target) { r.Product = "other" }, boot.ErrTarget},
		{"another model", func(_ *fuf.Release, t *boot.Target) { t.Model = "U790" }, boot.ErrTarget},
		{"below every range", func(_ *fuf.Release, t *boot.Target) { t.Running = fuf.V(7, 6, 9) }, boot.ErrPath},
		{"between ranges", func(_ *fuf.Release, t *boot.Target) { t.Running = fuf.V(7, 8, 0) }, boot.ErrPath},
		{"end of a range", func(_ *fuf.Release, t *boot.Target) { t.Running = fuf.V(7, 7, 2) }, nil},
		{"its own version", func(_ *fuf.Release, t *boot.Target) { t.Running = fuf.V(7, 9, 3) }, boot.ErrPath},
		{"later bootloader", func(r *fuf.Release, _ *boot.Target) { r.MinBootloader = fuf.V(1, 1, 6) }, boot.ErrBootloader},
		{"later client", func(r *fuf.Release, _ *boot.Target) { r.MinClient = fuf.V(10, 9, 1) }, boot.ErrClient},
		{"old security version", func(_ *fuf.Release, t *boot.Target) { t.Security = 5 }, boot.ErrDowngrade},
		{"same security version", func(_ *fuf.Release, t *boot.Target) { t.Security = 4 }, nil},
		{"data too old", func(_ *fuf.Release, t *boot.Target) { t.DataSchema = 0 }, boot.ErrSchema},
		{"data too new", func(_ *fuf.Release, t *boot.Target) { t.DataSchema = 3 }, boot.ErrSchema},
		{"too early", func(r *fuf.Release, t *boot.Target) { r.NotBefore = now.Unix() + 1 }, boot.ErrTime},
		{"too late", func(r *fuf.Release, t *boot.Target) { r.NotAfter = now.Unix() - 1 }, boot.ErrTime},
		{"just in time", func(r *fuf.Release, t *boot.Target) { r.NotBefore, r.NotAfter = now.Unix(), now.Unix() }, nil},
		{"policy is on", func(_ *fuf.Release, t *boot.Target) { t.PoliciesOn = []uint32{7, 46} }, boot.ErrPolicies},
		{"full", func(_ *fuf.Release, t *boot.Target) { t.FreePercent = 39 }, boot.ErrCapacity},
		{"two reasons", func(r *fuf.Release, t *boot.Target) { r.Product, t.FreePercent = "other", 0 }, boot.ErrTarget},
	} {
		r := fuf.Release{
			Kind: fuf.Firmware, Product: "usbhsm7", Models: []string{"U700", "U750"}, Version: fuf.V(7, 9, 3), SecurityVersion: 4,
			ValidFrom:     []fuf.Range{{From: fuf.V(7, 7, 0), To: fuf.V(7, 7, 2)}, {From: fuf.V(7, 9, 0), To: fuf.V(7, 9, 2)}},
			MinBootloader: fuf.V(1, 1, 5), MinClient: fuf.V(10, 9, 0), Data: fuf.DataChange{From: 1, To: 2, Class: fuf.MigrateInPlace},
			Requires: fuf.Requirements{PoliciesOff: []uint32{46, 50}, FreePercent: 40},
		}
		target := boot.Target{
			Facts:   boot.Facts{Now: now, Client: fuf.V(10, 9, 0), PoliciesOn: []uint32{7}, FreePercent: 40},
			Product: "usbhsm7", Model: "U700", Bootloader: boot.Version(), Running: fuf.V(7, 9, 2), DataSchema: 1, Security: 4,
		}
		c.change(&r, &target)
		if err := boot.Admit(&r, target); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestRefusedFileLeavesTheFlashAsItIs has every refusal before the first erasure.
func TestRefusedFileLeavesTheFlashAsItIs(t *testing.T) {
	good := newUpdate(t, v794, 2)
	huge := build(t, boottest.Image(v794, 2, 128<<10, 1))
	forged := append([]byte(nil), good.Head...)
	forged[len(forged)/2] ^= 1
	old := newUpdate(t, v794, 1)
	for _, c := range []struct {
		name string
		head []byte
		code fuf.Authcode
		want error
	}{
		{"forged head", forged, boottest.Code, nil},
		{"half a head", good.Head[:100], boottest.Code, fuf.ErrLength},
		{"no head", nil, boottest.Code, fuf.ErrLength},
		{"another authentication code", good.Head, fuf.Authcode{}, fuf.ErrAuthcode},
		{"downgrade", old.Head, boottest.Code, boot.ErrDowngrade},
		{"larger than a slot", huge.Head, boottest.Code, boot.ErrRoom},
	} {
		u := newUnit(t)
		u.install(newUpdate(t, v793, 2))
		before := u.chip.Digest()
		err := u.Begin(c.head, c.code, facts())
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if u.chip.Digest() != before {
			t.Errorf("%s: the flash was written", c.name)
		}
	}
}

func TestWrongChunksLeaveTheFlashAsItIs(t *testing.T) {
	u, update, other := newUnit(t), newUpdate(t, v793, 2), newUpdate(t, v794, 2)
	u.must(u.Begin(update.Head, boottest.Code, facts()))
	flipped := append([]byte(nil), update.Chunks[0]...)
	flipped[100] ^= 1
	before := u.chip.Digest()
	for name, err := range map[string]error{
		"flipped bit":                    u.Chunks(0, flipped),
		"another place":                  u.Chunks(0, update.Chunks[1]),
		"another file":                   u.Chunks(0, other.Chunks[0]),
		"cut short":                      u.Chunks(0, update.Chunks[0][:100]),
		"no such chunk":                  u.Chunks(3, update.Chunks[0]),
		"negative number":                u.Chunks(-1, update.Chunks[0]),
		"nothing":                        u.Chunks(0, nil),
		"the second of a row is another": u.Chunks(0, slices.Concat(update.Chunks[0], other.Chunks[1])),
		"the second of a row is cut":     u.Chunks(0, slices.Concat(update.Chunks[0], update.Chunks[1][:100])),
		"something after the last":       u.Chunks(2, append(slices.Clone(update.Chunks[2]), 0)),
		"a row that goes on after it":    u.Chunks(1, slices.Concat(update.Chunks[1], update.Chunks[2], update.Chunks[0])),
	} {
		if !errors.Is(err, fuf.ErrChunk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if u.chip.Digest() != before {
		t.Error("the flash was written")
	}
}
