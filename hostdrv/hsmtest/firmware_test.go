package hsmtest_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/hsm/peopletest"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

// newer returns firmware with a policy that there was none of, and without a
// mechanism that there was.
func newer() *boot.Image {
	image := boottest.Image(fuf.V(7, 9, 3), 2, 100_000, 1)
	image.Policies = []boot.Policy{{Table: boot.HSMPolicies, ID: 58, Name: "Allow what is new", Capability: 1, Most: 1}}
	image.Mechanisms = []boot.Mechanism{{Type: uint32(command.MechSHA1), Withheld: true}}
	return image
}

// release returns an update to an image, described otherwise than usual.
func release(t *testing.T, image *boot.Image, change func(*fuf.Release)) boottest.File {
	t.Helper()
	r := boottest.Release(image)
	if change != nil {
		change(&r)
	}
	update, err := boottest.Make(image, r)
	if err != nil {
		t.Fatal(err)
	}
	return boottest.File{Update: update}
}

// install updates the firmware and switches the device off and on.
func install(t *testing.T, dev *hsmtest.Device, f boottest.File) *hsmtest.Device {
	t.Helper()
	so := dev.Login(t, command.RoleSO)
	if err := so.Upload(t.Context(), f, boottest.Code[:], nil); err != nil {
		t.Fatal(err)
	}
	if err := so.ApplyUpdate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dev.PowerCycle(t)
}

func firmware(t *testing.T, s *hostdrv.Session) command.UpdateStatus {
	t.Helper()
	status, err := s.Firmware(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func TestAnUpdateChangesWhatTheDeviceReportsAndKeepsItsKeys(t *testing.T) {
	dev := hsmtest.Start(t)
	generate(t, dev.Login(t, command.RoleCO))
	dev = install(t, dev, release(t, newer(), nil))
	if got := dev.Driver.Capabilities().Firmware; got != "7.9.3" {
		t.Errorf("firmware %s", got)
	}
	so, keys := dev.Login(t, command.RoleSO), dev.Login(t, command.RoleCO)
	if err := so.ChangeHSMPolicies(t.Context(), command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 58, Value: 1}}}); err != nil {
		t.Errorf("the policy that the firmware brings: %v", err)
	}
	if _, err := keys.Digest(t.Context(), command.MechSHA1, nil); !errors.Is(err, command.StatusMechanismInvalid) {
		t.Errorf("the mechanism that the firmware withholds: %v", err)
	}
	if s := firmware(t, so); s.State != command.UpdateIdle || s.Last != command.UpdateDone || s.Rollback != "7.9.2" || s.Security != 2 {
		t.Errorf("status %+v", s)
	}
	if found, err := keys.Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
}

func TestRollbackBringsTheFirmwareBackAndDestroysEverything(t *testing.T) {
	dev := install(t, hsmtest.Start(t), release(t, newer(), nil))
	so := dev.Login(t, command.RoleSO)
	if err := so.RollbackFirmware(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := dev.Driver.Info(t.Context()); err != nil || info.State != command.HSMZeroized || info.Firmware != "7.9.3" {
		t.Errorf("before the restart: %+v, %v", info, err)
	}
	dev = dev.PowerCycle(t)
	if info, err := dev.Driver.Info(t.Context()); err != nil || info.State != command.HSMZeroized || info.Firmware != "7.9.2" {
		t.Errorf("after the restart: %+v, %v", info, err)
	}
	s := admin(t, dev)
	if got := firmware(t, s); got.Last != command.UpdateRolledBack || got.Rollback != "" || got.Security != 2 {
		t.Errorf("status %+v", got)
	}
}

// Later firmware brings what older firmware withholds: mechanisms that can be used at
// once, and a policy.
func TestFirmwareBringsMechanismsAndARollbackTakesThemAway(t *testing.T) {
	lattice := []command.MechanismType{command.MechMLKEMKeyPairGen, command.MechMLKEM, command.MechMLDSAKeyPairGen, command.MechMLDSA}
	older, later := boottest.Image(fuf.V(7, 9, 3), 1, 1000, 1), boottest.Image(fuf.V(7, 9, 4), 1, 1000, 2)
	older.Policies = []boot.Policy{{Table: boot.HSMPolicies, ID: 57, Withheld: true}}
	for _, m := range lattice {
		older.Mechanisms = append(older.Mechanisms, boot.Mechanism{Type: uint32(m), Withheld: true})
	}
	dev := hsmtest.Start(t)
	all := mechanisms(t, dev)
	sign := func() error {
		set, labelled := command.Template{command.AttrParameterSet: command.MLDSA65}, command.Template{command.AttrLabel: "later"}
		co := dev.Login(t, command.RoleCO)
		pair, err := co.GenerateKeyPair(t.Context(), command.Mechanism{Type: command.MechMLDSAKeyPairGen}, set, labelled)
		if err != nil {
			return err
		}
		_, err = co.Sign(t.Context(), command.Mechanism{Type: command.MechMLDSA}, pair.Private, []byte("text"))
		return err
	}
	turnOn := func() error {
		on := command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: 57, Value: 1}}}
		so := dev.Login(t, command.RoleSO)
		err := so.ChangeHSMPolicies(t.Context(), on)
		return errors.Join(err, so.Logout(t.Context()))
	}

	dev = install(t, dev, release(t, older, nil))
	if got := mechanisms(t, dev); len(got) != len(all)-len(lattice) || slices.Contains(got, command.MechMLDSA) {
		t.Errorf("older firmware has %d mechanisms of %d", len(got), len(all))
	}
	if err := sign(); !errors.Is(err, command.StatusMechanismInvalid) {
		t.Errorf("a key of a mechanism that is withheld: %v", err)
	}
	if err := turnOn(); err == nil {
		t.Error("a policy that is withheld was turned on")
	}

	dev = install(t, dev, release(t, later, nil))
	if got := mechanisms(t, dev); !slices.Equal(got, all) {
		t.Errorf("later firmware has %d mechanisms of %d", len(got), len(all))
	}
	if err := errors.Join(sign(), turnOn()); err != nil {
		t.Errorf("what later firmware brings: %v", err)
	}

	if err := dev.Login(t, command.RoleSO).RollbackFirmware(t.Context()); err != nil {
		t.Fatal(err)
	}
	dev = dev.PowerCycle(t)
	if got := mechanisms(t, dev); len(got) != len(all)-len(lattice) {
		t.Errorf("after the rollback there are %d mechanisms of %d", len(got), len(all))
	}
}

func mechanisms(t *testing.T, dev *hsmtest.Device) (list []command.MechanismType) {
	t.Helper()
	infos, err := dev.Driver.Mechanisms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		list = append(list, info.Type)
	}
	return list
}

// What an update demands must hold when it is applied, however long ago it was sent.
func TestAnUpdateIsRefusedIfItsConditionsHoldNoMore(t *testing.T) {
	const metrics = 49
	dev := hsmtest.Start(t)
	so := dev.Login(t, command.RoleSO)
	f := release(t, newer(), func(r *fuf.Release) { r.Requires.PoliciesOff = []uint32{metrics} })
	if err := so.Upload(t.Context(), f, boottest.Code[:], nil); err != nil {
		t.Fatal(err)
	}
	turn := func(to uint16) {
		change := command.PolicyChangeRequest{Settings: []command.PolicySetting{{ID: metrics, Value: to}}}
		if err := so.ChangeHSMPolicies(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	turn(1)
	if err := so.ApplyUpdate(t.Context()); !errors.Is(err, command.StatusOperationRestricted) {
		t.Errorf("with the policy on: %v", err)
	}
	if s := firmware(t, so); s.State != command.UpdateStaged {
		t.Errorf("status %+v", s)
	}
	turn(0)
	if err := so.ApplyUpdate(t.Context()); err != nil {
		t.Errorf("with the policy off again: %v", err)
	}
}

// unfit are images in which the HSM does not start.
var unfit = map[string]func(*boot.Image){
	"a data schema that nobody knows":     func(m *boot.Image) { m.DataSchema = 99 },
	"a mechanism more, not built in":      func(m *boot.Image) { m.Mechanisms = []boot.Mechanism{{Type: 0xDEADBEEF}} },
	"a mechanism less, not built in":      func(m *boot.Image) { m.Mechanisms = []boot.Mechanism{{Type: 0xDEADBEEF, Withheld: true}} },
	"a policy beyond the last number":     func(m *boot.Image) { m.Policies[0].ID = 64 },
	"a policy that cannot have its value": func(m *boot.Image) { m.Policies[0].Default, m.Policies[0].Capability = 1, 0 },
	"a module that does not run":          func(m *boot.Image) { m.Modules = []boot.Module{{Name: "calls", Code: []byte("no code")}} },
}

// unfitUpdate returns an update to an image in which the HSM does not start.
func unfitUpdate(t *testing.T, spoil func(*boot.Image)) boottest.File {
	t.Helper()
	image := newer()
	spoil(image)
	return release(t, image, func(r *fuf.Release) {
		if r.Data.To != 1 {
			r.Data.From, r.Data.Class = 1, fuf.MigrateInPlace
		}
	})
}

// No power-on is spent on firmware of which it can be told before that it does not start.
func TestFirmwareInWhichTheHSMWouldNotStartIsNotStaged(t *testing.T) {
	dev := hsmtest.Start(t)
	so := dev.Login(t, command.RoleSO)
	for name, spoil := range unfit {
		if err := so.Upload(t.Context(), unfitUpdate(t, spoil), boottest.Code[:], nil); !errors.Is(err, command.StatusInvalidFUFVersion) {
			t.Errorf("%s: %v", name, err)
		}
		if s := firmware(t, so); s.State != command.UpdateIdle || s.Last != command.UpdateNever {
			t.Errorf("%s leaves %+v", name, s)
		}
		if err := so.ApplyUpdate(t.Context()); !errors.Is(err, command.StatusOperationRestricted) {
			t.Errorf("%s, applied nevertheless: %v", name, err)
		}
	}
}

// Firmware that does not start is given up without anybody's help. This one was staged
// by a bootloader that does not ask.
func TestFirmwareThatDoesNotStartGivesWayToTheOneBefore(t *testing.T) {
	dev := hsmtest.Start(t)
	generate(t, dev.Login(t, command.RoleCO))
	_, images, err := boot.Divide(dev.Flash())
	if err != nil {
		t.Fatal(err)
	}
	b, err := boot.Open(images, boottest.Config())
	if err != nil {
		t.Fatal(err)
	}
	update := unfitUpdate(t, unfit["a data schema that nobody knows"])
	if err := errors.Join(update.Update.Upload(b), b.Activate()); err != nil {
		t.Fatal(err)
	}
	dev = dev.PowerCycle(t)
	so := dev.Login(t, command.RoleSO)
	if s := firmware(t, so); s.Running != "7.9.2" || s.Last != command.UpdateFellBack || s.Security != 1 {
		t.Errorf("status %+v", s)
	}
	if found, err := dev.Login(t, command.RoleCO).Find(t.Context(), command.Template{command.AttrLabel: "key"}); err != nil || len(found) != 1 {
		t.Errorf("keys %v, %v", found, err)
	}
}

func TestAnUploadGoesOnWhereThePowerFailed(t *testing.T) {
	dev, f := hsmtest.Start(t), release(t, newer(), nil)
	so := dev.Login(t, command.RoleSO)
	cut := errors.New("the host dies")
	half := interrupted{File: f, after: 3, err: cut}
	if err := so.Upload(t.Context(), half, boottest.Code[:], nil); !errors.Is(err, cut) {
		t.Fatal(err)
	}
	dev = dev.PowerCycle(t)
	so = dev.Login(t, command.RoleSO)
	before := firmware(t, so)
	if before.State != command.UpdateReceiving || len(before.Missing) == 0 || len(before.Missing) >= int(before.Chunks) {
		t.Fatalf("status %+v", before)
	}
	if err := so.ApplyUpdate(t.Context()); !errors.Is(err, command.StatusOperationRestricted) {
		t.Errorf("half an update is applied: %v", err)
	}
	var steps []int
	if err := so.Upload(t.Context(), f, boottest.Code[:], func(done, _ int) { steps = append(steps, done) }); err != nil {
		t.Fatal(err)
	}
	if len(steps) == 0 || steps[0] <= int(before.Chunks)-len(before.Missing) || !slices.IsSorted(steps) || steps[len(steps)-1] != int(before.Chunks) {
		t.Errorf("progress %v, %d chunks were missing of %d", steps, len(before.Missing), before.Chunks)
	}
	if s := firmware(t, so); s.State != command.UpdateStaged {
		t.Errorf("status %+v", s)
	}
}

// interrupted has no chunk but the first few.
type interrupted struct {
	boottest.File
	after int
	err   error
}

func (f interrupted) Chunk(i int) ([]byte, error) {
	if i >= f.after {
		return nil, f.err
	}
	return f.File.Chunk(i)
}

// Chunks of one file do not pass for those of another, wherever they are put.
func TestChunksOfTwoFilesDoNotMix(t *testing.T) {
	dev, f := hsmtest.Start(t), release(t, newer(), nil)
	other := release(t, boottest.Image(fuf.V(7, 9, 4), 2, 100_000, 2), nil)
	so := dev.Login(t, command.RoleSO)
	for name, mixed := range map[string]hostdrv.UpdateFile{
		"chunks of another file":     interrupted{File: boottest.File{Update: &boottest.Update{Head: f.Update.Head, Chunks: other.Chunks}}, after: 99},
		"chunks in the wrong places": interrupted{File: boottest.File{Update: &boottest.Update{Head: f.Update.Head, Chunks: swapped(f.Chunks)}}, after: 99},
	} {
		if err := so.Upload(t.Context(), mixed, boottest.Code[:], nil); !errors.Is(err, command.StatusInvalidFUFHeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := so.Upload(t.Context(), f, boottest.Code[:], nil); err != nil {
		t.Errorf("the right chunks afterwards: %v", err)
	}
}

func swapped(chunks [][]byte) [][]byte {
	list := slices.Clone(chunks)
	list[0], list[1] = list[1], list[0]
	return list
}

// A second host has the HSM SO begin another update: the first one is given up, and
// what its host still sends is refused.
func TestAnotherUpdateTakesThePlaceOfTheFirst(t *testing.T) {
	dev, f := hsmtest.Start(t), release(t, newer(), nil)
	other := release(t, boottest.Image(fuf.V(7, 9, 4), 2, 50_000, 2), nil)
	so := dev.Login(t, command.RoleSO)
	meddle := &meddling{File: f, before: 3, do: func() error {
		second, err := dev.Driver.OpenSession(t.Context(), command.SlotAdmin, hostdrv.SessionOptions{})
		if err != nil {
			return err
		}
		return second.Upload(t.Context(), other, boottest.Code[:], nil)
	}}
	if err := so.Upload(t.Context(), meddle, boottest.Code[:], nil); !errors.Is(err, command.StatusInvalidFUFHeader) && !errors.Is(err, command.StatusOperationRestricted) {
		t.Errorf("the first host: %v", err)
	}
	if s := firmware(t, so); s.State != command.UpdateStaged || s.Incoming != "7.9.4" {
		t.Errorf("status %+v", s)
	}
}

// meddling does something before it hands a chunk out.
type meddling struct {
	boottest.File
	before int
	do     func() error
}

func (m *meddling) Chunk(i int) ([]byte, error) {
	if i == m.before {
		if err := m.do(); err != nil {
			return nil, fmt.Errorf("meddle: %w", err)
		}
	}
	return m.File.Chunk(i)
}

// With quorum authentication somebody at the device has the last word.
func TestPeopleAtTheDeviceMayRefuseAnUpdate(t *testing.T) {
	people := new(peopletest.People)
	dev := hsmtest.Start(t, hsmtest.AsDelivered(), hsmtest.Config(func(c *device.Config) { c.Path = people }))
	so := admin(t, dev)
	if err := so.InitHSM(t.Context(), command.HSMInitRequest{Label: "hsm", Method: command.AuthQuorum}); err != nil {
		t.Fatal(err)
	}
	if err := so.Login(t.Context(), command.RoleSO, nil); err != nil {
		t.Fatal(err)
	}
	if err := so.Upload(t.Context(), release(t, newer(), nil), boottest.Code[:], nil); err != nil {
		t.Fatal(err)
	}
	people.Refuse(command.StatusFunctionCanceled.With("somebody pressed no", ""))
	if err := so.ApplyUpdate(t.Context()); !errors.Is(err, command.StatusFunctionCanceled) {
		t.Errorf("refused: %v", err)
	}
	if s := firmware(t, so); s.State != command.UpdateStaged {
		t.Errorf("status %+v", s)
	}
	people.Refuse(nil)
	asked := people.Times()
	if err := so.ApplyUpdate(t.Context()); err != nil || people.Times() == asked {
		t.Errorf("allowed: %v, asked %d times", err, people.Times()-asked)
	}
	if s := firmware(t, so); s.State != command.UpdateTrial {
		t.Errorf("status %+v", s)
	}
}
