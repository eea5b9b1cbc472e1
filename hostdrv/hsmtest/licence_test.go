package hsmtest_test

import (
	"errors"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv/hsmtest"
)

// licence returns a capability update that permits HSM policy 51.
func licence(t *testing.T, change func(*boot.Licence)) []byte {
	t.Helper()
	l := &boot.Licence{
		Schema: boot.LicenceSchema, ID: 7, Name: "auto-activation", Storage: 4 << 20,
		Grants: []boot.Grant{{Table: boot.HSMPolicies, ID: 51, Capability: 1}},
	}
	if change != nil {
		change(l)
	}
	file, err := boottest.Licence(l)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestACapabilityUpdatePermitsMoreAndOutlivesAFactoryReset(t *testing.T) {
	dev := hsmtest.Start(t)
	generate(t, dev.Login(t, command.RoleCO))
	so, on := dev.Login(t, command.RoleSO), command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 51, Value: 1}}}
	if err := so.ChangeHSMPolicies(t.Context(), on); !errors.Is(err, command.StatusPolicyChangeIllegal) {
		t.Errorf("before: %v", err)
	}
	if err := so.UpdateCapability(t.Context(), licence(t, nil), boottest.Code[:]); err != nil {
		t.Fatal(err)
	}
	dev = dev.PowerCycle(t)
	so = dev.Login(t, command.RoleSO)
	if err := so.ChangeHSMPolicies(t.Context(), on); err != nil {
		t.Errorf("after: %v", err)
	}
	if found, err := dev.Login(t, command.RoleCO).Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
	if info, err := dev.Driver.Info(t.Context()); err != nil || info.PartitionTotal != 4<<20 {
		t.Errorf("room for %d bytes, %v", info.PartitionTotal, err)
	}
	if err := so.FactoryReset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := admin(t, dev.PowerCycle(t)).Licences(t.Context()); err != nil || len(list) != 1 || list[0].ID != 7 {
		t.Errorf("licences %v, %v", list, err)
	}
}

func TestACapabilityUpdateMayDestroyThePartition(t *testing.T) {
	dev := hsmtest.Start(t)
	so := dev.Login(t, command.RoleSO)
	if err := so.UpdateCapability(t.Context(), licence(t, func(l *boot.Licence) { l.Destroys = true }), boottest.Code[:]); err != nil {
		t.Fatal(err)
	}
	if info, err := dev.Driver.Info(t.Context()); err != nil || info.Partition != command.PartitionAbsent {
		t.Errorf("the partition is %v, %v", info.Partition, err)
	}
}

func TestCapabilityUpdatesAreRefusedWithTheirStatus(t *testing.T) {
	dev := hsmtest.Start(t)
	so := dev.Login(t, command.RoleSO)
	update := release(t, newer(), nil)
	good := licence(t, nil)
	for name, c := range map[string]struct {
		file []byte
		code []byte
		want command.Status
	}{
		"another HSM's":                     {licence(t, func(l *boot.Licence) { l.Serial = "7999999" }), boottest.Code[:], command.StatusBadSerial},
		"of a capability that there is not": {licence(t, func(l *boot.Licence) { l.Grants[0].ID = 63 }), boottest.Code[:], command.StatusLicenceUnknown},
		"firmware":                          {append(update.Update.Head, update.Chunks[0]...), boottest.Code[:], command.StatusInvalidFUFTarget},
		"cut short":                         {good[:len(good)-1], boottest.Code[:], command.StatusInvalidFUFHeader},
		"longer":                            {append(append([]byte(nil), good...), 0), boottest.Code[:], command.StatusInvalidFUFHeader},
		"nothing":                           {nil, boottest.Code[:], command.StatusInvalidFUFHeader},
		"a wrong code":                      {good, []byte("another code"), command.StatusFWUpdateDenied},
		"too large":                         {make([]byte, 64<<10+1), boottest.Code[:], command.StatusArgumentsBad},
	} {
		if err := so.UpdateCapability(t.Context(), c.file, c.code); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := so.UpdateCapability(t.Context(), good, boottest.Code[:]); err != nil {
		t.Fatal(err)
	}
	if err := so.UpdateCapability(t.Context(), good, boottest.Code[:]); !errors.Is(err, command.StatusOnceOnly) {
		t.Errorf("twice: %v", err)
	}
}
