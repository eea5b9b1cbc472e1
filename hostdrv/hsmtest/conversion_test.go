package hsmtest_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv/hsmtest"
)

// converting returns an update that brings the data to schema 2, in so many minutes.
func converting(t *testing.T, minutes uint32) boottest.File {
	t.Helper()
	image := newer()
	image.DataSchema = 2
	image.Migrations = []boot.Migration{{From: 1, Class: fuf.MigrateInPlace, Note: "objects are padded"}}
	return release(t, image, func(r *fuf.Release) {
		r.Data = fuf.DataChange{From: 1, To: 2, Class: fuf.MigrateInPlace, Minutes: minutes}
	})
}

// used returns how many bytes the objects take.
func used(t *testing.T, dev *hsmtest.Device) uint64 {
	t.Helper()
	info, err := dev.Driver.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.PartitionUsed
}

func TestAnUpdateConvertsTheDataAndKeysGoOnSigning(t *testing.T) {
	dev := hsmtest.Start(t)
	generate(t, dev.Login(t, command.RoleCO))
	before := used(t, dev)
	dev = install(t, dev, converting(t, 0))
	if after := used(t, dev); after <= before {
		t.Errorf("objects took %d bytes, and take %d padded", before, after)
	}
	keys := dev.Login(t, command.RoleCO)
	if found, err := keys.Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Fatalf("keys %v, %v", found, err)
	}
	converted := used(t, dev)
	generate(t, keys)
	if again := used(t, dev.PowerCycle(t)); again != converted*2 {
		t.Errorf("another pair takes %d bytes, not %d", again-converted, converted)
	}
}

// While the data are converted the device says so, and does little else. A power cut
// costs the time that it took so far, and nothing more.
func TestAConversionTakesItsTimeAndOutlivesPowerCuts(t *testing.T) {
	var passed atomic.Int64 // minutes
	now := func() time.Time { return noon.Add(time.Duration(passed.Load()) * time.Minute) }
	clock := hsmtest.Config(func(c *device.Config) { c.Clock = now })
	dev := hsmtest.Start(t, clock)
	generate(t, dev.Login(t, command.RoleCO))
	so := dev.Login(t, command.RoleSO)
	if err := so.Upload(t.Context(), converting(t, 15), []byte{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, nil); err != nil {
		t.Fatal(err)
	}
	if err := so.ApplyUpdate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, minutes := range []int64{10, 14} { // the power fails after so many
		dev = dev.PowerCycle(t, clock)
		if got := halt(t, dev); got != command.HaltConversion {
			t.Errorf("the device says %q", got)
		}
		passed.Add(minutes)
		s := admin(t, dev)
		if err := s.Login(t.Context(), command.RoleSO, hsmtest.Password(command.RoleSO)); !errors.Is(err, command.StatusOperationRestricted) {
			t.Errorf("a login meanwhile: %v", err)
		}
	}
	passed.Add(1)
	if got := halt(t, dev); got != 0 {
		t.Errorf("after its time the device says %q", got)
	}
	if found, err := dev.Login(t, command.RoleCO).Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
	if got := halt(t, dev.PowerCycle(t, clock)); got != 0 {
		t.Errorf("after another power cycle the device says %q", got)
	}
}

func halt(t *testing.T, dev *hsmtest.Device) command.Halt {
	t.Helper()
	info, err := dev.Driver.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Halt
}
