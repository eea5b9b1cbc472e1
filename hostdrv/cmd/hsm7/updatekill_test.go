package main

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
)

// TestAnUpdateSurvivesKill9 kills the real firmware binary at random moments of an
// update, from the first chunk to the restart, and starts it again on the same state:
// it always runs, in the old firmware or in the new one, with its key, and has every
// chunk that it ever acknowledged.
func TestAnUpdateSurvivesKill9(t *testing.T) {
	binary, state := buildFirmware(t), t.TempDir()
	update, err := boottest.New(boottest.Image(fuf.V(7, 9, 3), 2, 400_000, 1))
	if err != nil {
		t.Fatal(err)
	}
	first := powerOn(t, binary, "--state-dir", state, "--log-format", "none")
	keyNamed(t, first.logIn(t, true), "kept")
	first.kill()
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	random := rand.New(rand.NewPCG(7, 9))
	missing := len(update.Chunks)
	for round := range rounds {
		f := powerOn(t, binary, "--state-dir", state, "--log-format", "none")
		f.open(t)
		so := session(t, f.device, command.SlotAdmin)
		if err := so.Login(t.Context(), command.RoleSO, []byte("so-password")); err != nil {
			t.Fatal(err)
		}
		missing = stillThere(t, f.device, so, missing)
		if round == rounds-1 || f.device.Capabilities().Firmware == "7.9.3" {
			finish(t, f, so, update)
			_ = f.device.Close()
			keys := f.logIn(t, false)
			if found, err := keys.Find(t.Context(), command.Template{command.AttrLabel: "kept"}); err != nil || len(found) != 1 {
				t.Errorf("keys %v, %v", found, err)
			}
			return
		}
		acknowledged := 0
		time.AfterFunc(time.Duration(random.IntN(60))*time.Millisecond, func() { _ = f.cmd.Process.Kill() })
		err := so.Upload(t.Context(), boottest.File{Update: update}, boottest.Code[:], func(done, _ int) { acknowledged = done })
		if err == nil {
			_ = so.ApplyUpdate(t.Context())
		}
		missing = min(missing, len(update.Chunks)-acknowledged)
		_ = f.cmd.Process.Kill()
		_ = f.cmd.Wait()
	}
}

// stillThere looks at a device that was killed, and returns how many chunks it still
// wants.
func stillThere(t *testing.T, d *hostdrv.Device, so *hostdrv.Session, missing int) int {
	t.Helper()
	status, err := so.Firmware(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Capabilities().Firmware; got != status.Running || got != "7.9.2" && got != "7.9.3" {
		t.Fatalf("firmware %s, status %+v", got, status)
	}
	if status.State == command.UpdateReceiving && len(status.Missing) > missing {
		t.Errorf("%d chunks are missing, and %d were before", len(status.Missing), missing)
	}
	if status.State == command.UpdateReceiving {
		return len(status.Missing)
	}
	return missing
}

// finish brings the update to its end, if it is not there yet.
func finish(t *testing.T, f *firmware, so *hostdrv.Session, update *boottest.Update) {
	t.Helper()
	if f.device.Capabilities().Firmware == "7.9.3" {
		return
	}
	if err := so.Upload(t.Context(), boottest.File{Update: update}, boottest.Code[:], nil); err != nil {
		t.Fatal(err)
	}
	if err := so.ApplyUpdate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := f.device.Follow(ctx); err != nil {
		t.Fatal(err)
	}
	if got := f.device.Capabilities().Firmware; got != "7.9.3" {
		t.Errorf("firmware %s", got)
	}
}

func keyNamed(t *testing.T, keys *hostdrv.Session, label string) {
	t.Helper()
	template := command.Template{command.AttrToken: true, command.AttrLabel: label, command.AttrValueLen: uint64(32)}
	if _, err := keys.GenerateKey(t.Context(), command.Mechanism{Type: command.MechAESKeyGen}, template); err != nil {
		t.Fatal(err)
	}
}
