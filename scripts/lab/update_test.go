//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
	"usbhsm7/scripts/lab"
)

// cutsOfACheck is how many times the power is cut in one check.
const cutsOfACheck = 5

// updateChecks cut the power of updates under a real kernel: 50 times together.
// scripts/rehearse counts them by their details.
func updateChecks() (checks []check) {
	for i := range 10 {
		checks = append(checks, check{
			fmt.Sprintf("power cuts in an update leave the old firmware or the new, part %d", i+1),
			func(ctx context.Context, t *testing.T, b *bench) string { return updateCut(ctx, t, b, uint64(i)) },
		})
	}
	return checks
}

const (
	oldFirmware = "7.9.2"
	newFirmware = "7.9.3"
)

// cutUnit is a unit whose power fails at a chosen operation on its flash.
type cutUnit struct {
	*simulator
	t        *testing.T
	chip     *flash.Memory
	device   *device.Device
	lost     chan struct{} // closed when the power fails
	restarts chan struct{} // has a value when the device wants to be restarted
	cuts     int
}

// on switches the unit on. The power fails at the at-th operation, torn as the seed
// says; 0 means never. If that is while the device starts, it is switched on again.
func (u *cutUnit) on(at int, seed uint64) {
	u.t.Helper()
	for {
		u.lost, u.restarts = make(chan struct{}), make(chan struct{}, 1)
		cut := flash.NewPowerCut(u.chip, at, flash.Outcome{Mode: flash.TornBits, Seed: seed})
		count, lost, restarts := 0, u.lost, u.restarts
		tap := flash.NewTap(cut, func(flash.Operation) error {
			if count++; count == at {
				close(lost)
			}
			return nil
		})
		d, err := device.New(device.Config{Flash: tap, Serial: serial, Restart: func() { restarts <- struct{}{} }})
		if err == nil {
			u.device = d
			break
		}
		if !cut.Lost() {
			u.t.Fatalf("the device does not start any more: %v", err)
		}
		u.cuts++
		u.chip, at = u.chip.Clone(), 0
	}
	if err := u.server.Export(busID, u.device.USB()); err != nil {
		u.t.Fatal(err)
	}
}

// off takes the power away.
func (u *cutUnit) off() {
	u.server.Unexport(busID)
	u.device.USB().Unplug()
	_ = u.device.Close() // of a device that has lost power this fails
	u.chip = u.chip.Clone()
	u.device = nil
}

// updateFile returns an update of three chunks.
func updateFile(t *testing.T) []byte {
	t.Helper()
	m := boottest.Image(fuf.V(7, 9, 3), 2, 2*fuf.ChunkSize+1000, 1)
	file, err := boottest.SignImage(m, boottest.Release(m))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// updateCut updates the device again and again with hsm7 in the guest, and cuts the
// power some operations after it came back, until there were enough cuts. What is
// found each time is the old firmware or the new, and hsm7 goes on with the upload.
func updateCut(ctx context.Context, t *testing.T, b *bench, part uint64) string {
	for name, content := range map[string][]byte{"/tmp/update.fuf": updateFile(t), "/tmp/update.txt": []byte(boottest.Code.Text() + "\n")} {
		if err := b.Put(ctx, name, 0o600, content); err != nil {
			t.Fatal(err)
		}
	}
	chip, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		t.Fatal(err)
	}
	u := &cutUnit{simulator: export(t, nil), t: t, chip: chip}
	t.Cleanup(func() {
		if u.device != nil {
			u.off()
		}
	})
	w := b.supervise(ctx, t, "--usbip", u.address)
	u.on(0, 0)
	b.awaitDevice(ctx, t)
	b.run(ctx, t, hsm7Path, "hsm", "init", "--label", "lab", "--via", "usb", "--password-file", b.password(ctx, t))
	fresh := func() *flash.Memory {
		u.off()
		b.awaitNoDevice(ctx, t)
		return u.chip
	}
	made := fresh()
	random := rand.New(rand.NewPCG(part, 50))
	found := map[string]int{}
	for u.cuts < cutsOfACheck {
		u.on(1+random.IntN(80), random.Uint64())
		u.applyOnce(ctx, t, b, random)
		_, _, runs := u.device.Identity()
		found[runs]++
		if runs == newFirmware {
			u.off()
			u.chip = made.Clone()
		} else if runs != oldFirmware {
			t.Fatalf("firmware %s runs", runs)
		} else {
			u.off()
		}
		b.awaitNoDevice(ctx, t)
	}
	// Without a cut it comes to its end, whatever is there.
	u.on(0, 0)
	b.awaitDevice(ctx, t)
	u.applyOnce(ctx, t, b, random)
	if _, _, runs := u.device.Identity(); runs != newFirmware {
		t.Errorf("firmware %s runs at the end", runs)
	}
	b.awaitDevice(ctx, t)
	want(t, b.run(ctx, t, hsm7Path, "info", "--via", "usb").Stdout, `label "lab"`, newFirmware)
	w.stop(ctx, t)
	return fmt.Sprintf("%d power cuts, then %s ran %d times and %s %d times", u.cuts, oldFirmware, found[oldFirmware], newFirmware, found[newFirmware])
}

// applyOnce has hsm7 update the device, which restarts in between and may lose power.
func (u *cutUnit) applyOnce(ctx context.Context, t *testing.T, b *bench, random *rand.Rand) {
	t.Helper()
	b.awaitDevice(ctx, t)
	p, err := b.Start(ctx, lab.Command{Argv: []string{
		hsm7Path, "fuf", "apply", "/tmp/update.fuf", "--authcode", "/tmp/update.txt", "--via", "usb", "--password-file", "/tmp/password", "--timeout", "40s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	type end struct {
		r   lab.Result
		err error
	}
	ended := make(chan end, 1)
	go func() {
		r, err := p.Wait()
		ended <- end{r, err}
	}()
	for {
		select {
		case <-u.lost:
			u.cuts++
			u.off()
			b.awaitNoDevice(ctx, t)
			u.on(0, 0)
		case <-u.restarts:
			u.off()
			b.awaitNoDevice(ctx, t)
			u.on(random.IntN(8), random.Uint64()) // what starts writes little
		case e := <-ended:
			said := e.r.Stdout + e.r.Stderr
			if e.r.Code != 0 && !slices.ContainsFunc([]string{"went away", "disconnected", "no answer", "no device", "did not answer", "DEVICE", "flash"}, func(word string) bool {
				return strings.Contains(said, word)
			}) {
				t.Errorf("hsm7 ended with %d (%v): %s", e.r.Code, e.err, said)
			}
			return
		}
	}
}
