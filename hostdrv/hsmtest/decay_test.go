package hsmtest_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

// decayed has a bit of the firmware change that an update has put into the first slot of
// a device, and switches that off and on.
func decayed(t *testing.T, dev *hsmtest.Device, f boottest.File) *hsmtest.Device {
	t.Helper()
	g := dev.Flash().Geometry()
	region := g
	region.Blocks /= 2
	layout, err := boot.NewLayout(region)
	if err != nil {
		t.Fatal(err)
	}
	image := g.Blocks - region.Blocks + layout.ImageBlock(0, len(f.Update.Head))
	if err := dev.Flash().Flip(8 * int64(image*g.BlockSize())); err != nil {
		t.Fatal(err)
	}
	return dev.PowerCycle(t)
}

// A device that cannot run its firmware any more does nothing but take an update, and
// has lost nothing.
func TestADeviceWhoseFirmwareHasDecayedTakesAnUpdate(t *testing.T) {
	dev, f := hsmtest.Start(t), release(t, newer(), func(r *fuf.Release) { r.ValidFrom[0].To = fuf.V(7, 9, 2) })
	generate(t, dev.Login(t, command.RoleCO))
	dev = install(t, dev, f)
	on := command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 58, Value: 1}}}
	if err := dev.Login(t, command.RoleSO).ChangeHSMPolicies(t.Context(), on); err != nil {
		t.Fatal(err)
	}
	dev = decayed(t, dev, f).PowerCycle(t) // and at the next power-on it is no better
	if info, err := dev.Driver.Info(t.Context()); err != nil || info.Halt != command.HaltRecovery {
		t.Fatalf("%+v, %v", info, err)
	}
	user, err := dev.Driver.OpenSession(t.Context(), command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := user.Login(t.Context(), command.RoleCO, hsmtest.Password(command.RoleCO)); !errors.Is(err, command.StatusOperationRestricted) {
		t.Errorf("a login of the CO: %v", err)
	}
	if _, err := user.Random(t.Context(), 1); !errors.Is(err, command.StatusOperationRestricted) {
		t.Errorf("random numbers: %v", err)
	}
	nobody := admin(t, dev)
	if err := nobody.Upload(t.Context(), f, boottest.Code[:], nil); !errors.Is(err, command.StatusUserNotLoggedIn) {
		t.Errorf("an update by nobody: %v", err)
	}
	if s := firmware(t, nobody); s.Lost != "7.9.3" || s.Security != 2 {
		t.Errorf("status %+v", s)
	}
	dev = install(t, dev, f)
	so := dev.Login(t, command.RoleSO)
	if s := firmware(t, so); s.Running != "7.9.3" || s.Lost != "" || s.Rollback != "7.9.2" {
		t.Errorf("status %+v", s)
	}
	if found, err := dev.Login(t, command.RoleCO).Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
	policies, err := so.HSMPolicies(t.Context())
	if err != nil || policyValue(policies, 58) != 1 {
		t.Errorf("policies %v, %v", policies, err)
	}
}

func policyValue(list []command.PolicyInfo, id uint8) uint16 {
	for _, p := range list {
		if p.ID == id {
			return p.Value
		}
	}
	return 0
}

// Nobody is locked out of the recovery: an HSM without an HSM SO gets one.
func TestAZeroizedDeviceWhoseFirmwareHasDecayedTakesAnUpdate(t *testing.T) {
	dev, f := hsmtest.Start(t), release(t, newer(), nil)
	dev = install(t, dev, f)
	if err := dev.Login(t, command.RoleSO).Zeroize(t.Context()); err != nil {
		t.Fatal(err)
	}
	dev = decayed(t, dev, f)
	err := admin(t, dev).InitHSM(t.Context(), command.HSMInitRequest{Label: "hsm", Password: hsmtest.Password(command.RoleSO), Policies: []command.PolicySetting{{ID: 21, Value: 0}}})
	if err != nil {
		t.Fatal(err)
	}
	dev = install(t, dev, f)
	if s := firmware(t, admin(t, dev)); s.Running != "7.9.3" || s.Lost != "" {
		t.Errorf("status %+v", s)
	}
}

// Where the firmware before may run, it does at once, with all that the HSM holds.
func TestTheFirmwareBeforeTakesThePlaceOfOneThatHasDecayed(t *testing.T) {
	image := newer()
	image.SecurityVersion = 1
	dev, f := hsmtest.Start(t), release(t, image, nil)
	generate(t, dev.Login(t, command.RoleCO))
	dev = decayed(t, install(t, dev, f), f)
	if s := firmware(t, dev.Login(t, command.RoleSO)); s.Running != "7.9.2" || s.Last != command.UpdateDecayed || s.Lost != "" {
		t.Errorf("status %+v", s)
	}
	if found, err := dev.Login(t, command.RoleCO).Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
}
