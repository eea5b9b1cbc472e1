package hsmtest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/hostdrv/hsmtest"
)

// virtual gives a device the clock of the test's bubble.
var virtual = hsmtest.Config(func(c *device.Config) {
	c.Clock, c.Wait = time.Now, dialoguetest.Clock{}.Wait
})

// TestTheKeyIsPulledOutWhileAnUpdateIsConfirmed has the operator pull the iKey of the
// HSM SO out while the screen asks whether the firmware may change, and then not
// allow it. Nothing has changed, and it can be tried again without another login.
func TestTheKeyIsPulledOutWhileAnUpdateIsConfirmed(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   command.Status
	}{
		"and no is pressed":  {"remove, no", command.StatusFunctionCanceled},
		"and it is given up": {"remove, cancel", command.StatusFunctionCanceled},
		"and nobody answers": {"remove, wait", command.StatusTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				script := "once confirm \"Update\": " + c.script + "\nonce confirm \"Update\": yes\nonce confirm \"back\": " + c.script + "\n" + hsmtest.Custodians
				dev := hsmtest.Start(t, hsmtest.Quorum(script), virtual)
				officer := dev.Login(t, command.RoleCO)
				generate(t, officer)
				if err := officer.Logout(t.Context()); err != nil {
					t.Fatal(err)
				}
				so := dev.Login(t, command.RoleSO)
				if err := so.Upload(t.Context(), release(t, newer(), nil), boottest.Code[:], nil); err != nil {
					t.Fatal(err)
				}
				untouched(t, dev, so.ApplyUpdate(t.Context()), c.want)
				if s := firmware(t, so); s.State != command.UpdateStaged || s.Running != "7.9.2" {
					t.Errorf("status %+v", s)
				}
				if err := so.ApplyUpdate(t.Context()); err != nil {
					t.Fatalf("once more: %v", err)
				}
				dev = dev.PowerCycle(t, virtual)
				so = dev.Login(t, command.RoleSO)
				untouched(t, dev, so.RollbackFirmware(t.Context()), c.want)
				if s := firmware(t, so); s.Running != "7.9.3" || s.Rollback != "7.9.2" {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// untouched wants a change of the firmware to have failed and the HSM to hold its key.
func untouched(t *testing.T, dev *hsmtest.Device, err error, want command.Status) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	if in := dev.Keys().InPort(); in != "" {
		t.Errorf("the iKey %s is in the port", in)
	}
	if info, err := dev.Driver.Info(t.Context()); err != nil || info.State != command.HSMInitialised {
		t.Errorf("%+v, %v", info, err)
	}
	officer := dev.Login(t, command.RoleCO)
	if found, err := officer.Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
	if err := officer.Logout(t.Context()); err != nil {
		t.Error(err)
	}
}
