package hsmtest_test

import (
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

// file is an update as the driver takes it.
type file struct{ *boottest.Update }

func (f file) Head() ([]byte, error)       { return f.Update.Head, nil }
func (f file) Chunk(i int) ([]byte, error) { return f.Chunks[i], nil }

// newer returns an update to firmware with a policy that there was none of.
func newer(t *testing.T) file {
	t.Helper()
	image := boottest.Image(fuf.V(7, 9, 3), 2, 100_000, 1)
	image.Policies = []boot.Policy{{Table: boot.HSMPolicies, ID: 58, Name: "Allow what is new", Capability: 1, Most: 1}}
	update, err := boottest.New(image)
	if err != nil {
		t.Fatal(err)
	}
	return file{update}
}

func TestAnUpdateChangesWhatTheDeviceReports(t *testing.T) {
	dev := hsmtest.Start(t)
	generate(t, dev.Login(t, command.RoleCO))
	so := dev.Login(t, command.RoleSO)
	if err := so.Upload(t.Context(), newer(t), boottest.Code[:], nil); err != nil {
		t.Fatal(err)
	}
	if err := so.ApplyUpdate(t.Context()); err != nil {
		t.Fatal(err)
	}
	dev = dev.PowerCycle(t)
	if got := dev.Driver.Capabilities().Firmware; got != "7.9.3" {
		t.Errorf("firmware %s", got)
	}
	so = dev.Login(t, command.RoleSO)
	if policies := hsmPolicies(t, so); !policies[58] {
		t.Errorf("the policy that the firmware brings is missing")
	}
	status, err := so.Firmware(t.Context())
	if err != nil || status.State != command.UpdateIdle || status.Rollback != "7.9.2" || status.Security != 2 {
		t.Errorf("status %+v, %v", status, err)
	}
	if found, err := dev.Login(t, command.RoleCO).Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
}

// hsmPolicies returns the numbers of the policies that the HSM lists.
func hsmPolicies(t *testing.T, s *hostdrv.Session) map[uint8]bool {
	t.Helper()
	list, err := s.HSMPolicies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[uint8]bool{}
	for _, p := range list {
		numbers[p.ID] = true
	}
	return numbers
}
