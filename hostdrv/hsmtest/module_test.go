package hsmtest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

// modular returns a device on which functional modules are permitted, with a key
// pair for the module orders.
func modular(t *testing.T) *hsmtest.Device {
	t.Helper()
	dev := hsmtest.Start(t)
	permit := licence(t, func(l *boot.Licence) { l.Grants[0].ID = 50 })
	if err := dev.Login(t, command.RoleSO).UpdateCapability(t.Context(), permit, boottest.Code[:]); err != nil {
		t.Fatal(err)
	}
	dev = dev.PowerCycle(t)
	so := dev.Login(t, command.RoleSO)
	on := command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 50, Value: 1}}, Destructive: true}
	if err := errors.Join(so.ChangeHSMPolicies(t.Context(), on), so.CreatePartition(t.Context())); err != nil {
		t.Fatal(err)
	}
	user, err := dev.Driver.OpenSession(t.Context(), command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	po, co := hsmtest.Password(command.RolePO), hsmtest.Password(command.RoleCO)
	err = user.InitPartition(t.Context(), command.PartitionInitRequest{Label: "partition", Password: bytes.Clone(po)})
	err = errors.Join(err, user.Login(t.Context(), command.RolePO, po))
	err = errors.Join(err, user.InitRole(t.Context(), command.RoleCO, co), user.Logout(t.Context()), so.Logout(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

// moduleFile returns the file of one of the modules of package fm.
func moduleFile(t *testing.T, name string) []byte {
	t.Helper()
	code, err := os.ReadFile("../../firmware/fm/testdata/" + name + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	file, err := boottest.Module(&boot.Module{Name: name, Version: fuf.V(1, 0, 0), Code: code})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func loadModule(t *testing.T, dev *hsmtest.Device, name string) {
	t.Helper()
	so := dev.Login(t, command.RoleSO)
	_, err := so.LoadModule(t.Context(), moduleFile(t, name), boottest.Code[:])
	if err := errors.Join(err, so.Logout(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func TestAModuleSignsWhatItsRuleAllows(t *testing.T) {
	dev := modular(t)
	loadModule(t, dev, "orders")
	co := dev.Login(t, command.RoleCO)
	pair, err := co.GenerateKeyPair(t.Context(), command.Mechanism{Type: command.MechECKeyPairGen},
		command.Template{command.AttrLabel: "orders", command.AttrECParams: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}},
		command.Template{command.AttrLabel: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	order := []byte("order 7 apples")
	signature, err := co.CallModule(t.Context(), "orders", "sign", order)
	if err != nil {
		t.Fatal(err)
	}
	if err := co.Verify(t.Context(), command.Mechanism{Type: command.MechECDSASHA256}, pair.Public, order, signature); err != nil {
		t.Error(err)
	}
	if _, err := co.CallModule(t.Context(), "orders", "sign", []byte("letter")); !errors.Is(err, command.StatusCancel) {
		t.Errorf("a letter: %v", err)
	}
	if _, err := dev.Login(t, command.RoleSO).CallModule(t.Context(), "orders", "sign", order); !errors.Is(err, command.StatusSessionHandleInvalid) {
		t.Errorf("the HSM SO: %v", err)
	}
}

func TestAModuleThatRunsOnDelaysNobodyAndEndsWithItsCaller(t *testing.T) {
	dev := modular(t)
	loadModule(t, dev, "hostile")
	co := dev.Login(t, command.RoleCO)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := co.CallModule(ctx, "hostile", "spin", nil)
		ended <- err
	}()
	for range 20 {
		if _, err := co.Random(t.Context(), 16); err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("it came to an end by itself")
	}
	if _, err := co.CallModule(t.Context(), "hostile", "double", nil); !errors.Is(err, command.StatusTimeout) {
		t.Errorf("a call that nobody ends: %v", err)
	}
}

func TestFilesOfModulesAreRefusedWithTheirStatus(t *testing.T) {
	dev := modular(t)
	so := dev.Login(t, command.RoleSO)
	good := moduleFile(t, "orders")
	signed := func(m *boot.Module, change func(*fuf.Release)) []byte {
		payload, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		r := boottest.Release(boot.Factory())
		r.Kind, r.Version = fuf.Module, m.Version
		change(&r)
		file, err := boottest.Sign(r, payload)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	m := &boot.Module{Name: "m", Version: fuf.V(1, 0, 0), Code: []byte("no code")}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		file []byte
		code []byte
		want command.Status
	}{
		"a licence":       {licence(t, nil), boottest.Code[:], command.StatusInvalidFUFTarget},
		"another model's": {signed(m, func(r *fuf.Release) { r.Models = []string{"U790"} }), boottest.Code[:], command.StatusInvalidFUFTarget},
		"for firmware that is not here": {signed(m, func(r *fuf.Release) {
			r.ValidFrom = []fuf.Range{{From: fuf.V(8, 0, 0), To: fuf.V(9, 0, 0)}}
		}), boottest.Code[:], command.StatusBadFWVersion},
		"of another version":   {signed(m, func(r *fuf.Release) { r.Version = fuf.V(1, 0, 1) }), boottest.Code[:], command.StatusInvalidFUFHeader},
		"without WebAssembly":  {signed(m, func(*fuf.Release) {}), boottest.Code[:], command.StatusInvalidFUFHeader},
		"cut short":            {good[:len(good)-1], boottest.Code[:], command.StatusInvalidFUFHeader},
		"with a bit flipped":   {flipped, boottest.Code[:], command.StatusInvalidFUFHeader},
		"nothing":              {nil, boottest.Code[:], command.StatusInvalidFUFHeader},
		"with another code":    {good, []byte("another code"), command.StatusFWUpdateDenied},
		"larger than any file": {bytes.Repeat([]byte{0}, 2<<20+1), boottest.Code[:], command.StatusArgumentsBad},
	} {
		if _, err := so.LoadModule(t.Context(), c.file, c.code); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if list, err := so.Modules(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("modules %v, %v", list, err)
	}
}

func TestModulesOutliveFirmwareUpdatesAndRuleOutRollbacks(t *testing.T) {
	dev := modular(t)
	loadModule(t, dev, "orders")
	dev = install(t, dev, release(t, newer(), nil))
	so := dev.Login(t, command.RoleSO)
	if list, err := so.Modules(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("modules %v, %v", list, err)
	}
	if err := so.RollbackFirmware(t.Context()); !errors.Is(err, command.StatusOperationRestricted) {
		t.Errorf("rollback: %v", err)
	}
	destroys := licence(t, func(l *boot.Licence) { l.ID, l.Destroys = 8, true })
	if err := so.UpdateCapability(t.Context(), destroys, boottest.Code[:]); err != nil {
		t.Fatal(err)
	}
	if list, err := admin(t, dev.PowerCycle(t)).Modules(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("after a capability update that destroys: modules %v, %v", list, err)
	}
}

func TestFirmwareBringsModules(t *testing.T) {
	code, err := os.ReadFile("../../firmware/fm/testdata/calls.wasm")
	if err != nil {
		t.Fatal(err)
	}
	image := newer()
	image.Modules = []boot.Module{{Name: "calls", Version: fuf.V(2, 0, 0), Code: code}}
	dev := install(t, modular(t), release(t, image, nil))
	so := dev.Login(t, command.RoleSO)
	if list, err := so.Modules(t.Context()); err != nil || len(list) != 1 || !list[0].BuiltIn {
		t.Errorf("modules %v, %v", list, err)
	}
	co := dev.Login(t, command.RoleCO)
	if version, err := co.CallModule(t.Context(), "calls", "version", nil); err != nil || string(version[8:]) != "7.9.3" {
		t.Errorf("%q, %v", version, err)
	}
	if err := so.DeleteModule(t.Context(), "calls"); !errors.Is(err, command.StatusOperationRestricted) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := so.LoadModule(t.Context(), moduleFile(t, "calls"), boottest.Code[:]); err != nil {
		t.Error(err)
	}
	if list, err := so.Modules(t.Context()); err != nil || len(list) != 1 || list[0].BuiltIn || list[0].Version != "1.0.0" {
		t.Errorf("with one that was loaded: modules %v, %v", list, err)
	}
	if err := so.DeleteModule(t.Context(), "calls"); err != nil {
		t.Error(err)
	}
}
