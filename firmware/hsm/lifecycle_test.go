package hsm_test

import (
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

func TestFromFactoryToSignature(t *testing.T) {
	u := ready(t)
	pair := u.ec("signer", p256)
	hash := make([]byte, 32)
	ecdsa := command.Mechanism{Type: command.MechECDSA}
	sig := u.sign(ecdsa, pair.Private, hash)
	u.ok(command.CodeVerify, u.user, &command.VerifyRequest{Mechanism: ecdsa, Key: pair.Public, Data: hash, Signature: sig}, nil)

	u = u.again()
	if got := u.find(token("signer")); len(got) != 2 {
		t.Fatalf("found %d objects after a reboot, want 2", len(got))
	}
	u.sign(ecdsa, pair.Private, hash)
}

func TestInfoFollowsTheLifeCycle(t *testing.T) {
	u := newUnit(t)
	check := func(hsm command.HSMState, partition command.PartitionState, label, partitionLabel string) {
		t.Helper()
		for _, v := range []*unit{u, u.reboot()} {
			i := v.info()
			if i.State != hsm || i.Partition != partition || i.Label != label || i.PartitionLabel != partitionLabel {
				t.Errorf("info %+v", i)
			}
			if i.Serial != "7000001" || i.Model == "" || i.Firmware == "" || i.StorageFree == 0 || i.StorageFree > i.StorageTotal {
				t.Errorf("identity %+v", i)
			}
		}
	}
	check(command.HSMFactory, command.PartitionAbsent, "", "")
	u.initialise()
	check(command.HSMInitialised, command.PartitionAbsent, "hsm-label", "")
	u.createPartition()
	check(command.HSMInitialised, command.PartitionCreated, "hsm-label", "")
	u.initPartition()
	check(command.HSMInitialised, command.PartitionInitialised, "hsm-label", "partition-label")
	u.ok(command.CodePartitionDelete, u.admin, nil, nil)
	check(command.HSMInitialised, command.PartitionAbsent, "hsm-label", "")
	u.ok(command.CodeHSMZeroize, u.admin, nil, nil)
	check(command.HSMZeroized, command.PartitionAbsent, "", "")
	u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil)
	check(command.HSMFactory, command.PartitionAbsent, "", "")
}

func TestIdentityIsWhatInfoTells(t *testing.T) {
	u := newUnit(t)
	model, serial, firmware := u.hsm.Identity()
	if i := u.info(); model != i.Model || serial != i.Serial || firmware != i.Firmware || serial != "7000001" {
		t.Errorf("identity %q, %q, %q, info %+v", model, serial, firmware, i)
	}
}

func TestHardInitRefusals(t *testing.T) {
	u := newUnit(t)
	good := []byte(soPassword)
	for name, c := range map[string]struct {
		request command.HSMInitRequest
		want    command.Status
	}{
		"no label":       {command.HSMInitRequest{Password: good}, command.StatusArgumentsBad},
		"long label":     {command.HSMInitRequest{Label: strings.Repeat("x", 33), Password: good}, command.StatusArgumentsBad},
		"long domain":    {command.HSMInitRequest{Label: "x", Password: good, Domain: make([]byte, 129)}, command.StatusArgumentsBad},
		"no password":    {command.HSMInitRequest{Label: "x"}, command.StatusPINLenRange},
		"short password": {command.HSMInitRequest{Label: "x", Password: good[:7]}, command.StatusPINLenRange},
		"bad password":   {command.HSMInitRequest{Label: "x", Password: []byte("back\\slash")}, command.StatusPINInvalid},
	} {
		t.Run(name, func(t *testing.T) { u.do(c.want, command.CodeHSMInit, u.admin, &c.request, nil) })
	}
	if s := u.info().State; s != command.HSMFactory {
		t.Errorf("state %v", s)
	}
}

func TestSoftInitKeepsTheSOAndDestroysThePartition(t *testing.T) {
	u := ready(t).logIn(command.RoleSO)
	u.aes("lost")
	again := &command.HSMInitRequest{Label: "second"}
	u.do(command.StatusArgumentsBad, command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "second", Password: []byte(soPassword)}, nil)
	u.do(command.StatusArgumentsBad, command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "second", Domain: []byte("d")}, nil)
	u.ok(command.CodeHSMInit, u.admin, again, nil)
	i := u.info()
	if i.Label != "second" || i.Partition != command.PartitionAbsent || i.Objects != 0 || i.Sessions != 1 {
		t.Errorf("info %+v", i)
	}
	u.do(command.StatusSessionHandleInvalid, command.CodeSessionInfo, u.user, nil, nil)
	u.ok(command.CodePartitionCreate, u.admin, nil, nil) // the SO is still logged in
	u = u.reboot()
	u.do(command.StatusUserNotLoggedIn, command.CodeHSMInit, u.admin, again, nil)
	u.logIn(command.RoleSO)
}

func TestPartitionInit(t *testing.T) {
	u := powerOn(t, stage(t).created.Clone())
	u.user = u.open(command.SlotPartition, false)
	request := func(label, password string) *command.PartitionInitRequest {
		return &command.PartitionInitRequest{Label: label, Password: []byte(password), Domain: []byte("domain")}
	}
	u.do(command.StatusArgumentsBad, command.CodePartitionInit, u.user, request("", poPassword), nil)
	u.do(command.StatusPINLenRange, command.CodePartitionInit, u.user, request("p", "short"), nil)
	u.login(command.StatusPINNotInitialized, u.user, command.RolePO, poPassword)
	u.ok(command.CodePartitionInit, u.user, request("p", poPassword), nil)
	u.do(command.StatusUserNotLoggedIn, command.CodePartitionInit, u.user, request("q", poPassword), nil)
	u.login(command.StatusPINNotInitialized, u.user, command.RoleCO, coPassword)
}

func TestPartitionInitAgainDestroysItsObjects(t *testing.T) {
	u := ready(t)
	u.aes("lost")
	u.ok(command.CodeLogout, u.user, nil, nil)
	u.logIn(command.RolePO)
	u.ok(command.CodePartitionInit, u.user, &command.PartitionInitRequest{Label: "again", Password: []byte("another-po")}, nil)
	i := u.info()
	if i.Objects != 0 || i.PartitionLabel != "again" || i.Label != "hsm-label" {
		t.Errorf("info %+v", i)
	}
	u.login(command.StatusPINIncorrect, u.user, command.RolePO, poPassword)
	u.login(command.StatusPINNotInitialized, u.user, command.RoleCO, coPassword)
	u.login(command.StatusOK, u.user, command.RolePO, "another-po")
	u.logIn(command.RoleSO)
}

func TestPartitionCreateAndDelete(t *testing.T) {
	u := powerOn(t, stage(t).initialised.Clone()).logIn(command.RoleSO)
	u.do(command.StatusTokenNotPresent, command.CodePartitionDelete, u.admin, nil, nil)
	u.do(command.StatusTokenNotPresent, command.CodeSessionOpen, 0, &command.SessionOpenRequest{Slot: command.SlotPartition}, nil)
	u.createPartition()
	u.do(command.StatusTooManyContainers, command.CodePartitionCreate, u.admin, nil, nil)
	u.ok(command.CodePartitionDelete, u.admin, nil, nil)
	u.do(command.StatusSessionHandleInvalid, command.CodeSessionInfo, u.user, nil, nil)
	u.createPartition()
	if u.user == 0 {
		t.Error("no session with the new partition")
	}
}

func TestFactoryResetNeedsTheSOWhileThereIsOne(t *testing.T) {
	u := powerOn(t, stage(t).ready.Clone())
	u.do(command.StatusUserNotLoggedIn, command.CodeHSMFactoryReset, u.admin, nil, nil)
	u.logIn(command.RoleSO)
	u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil)
	if i := u.info(); i.State != command.HSMFactory || i.Serial != "7000001" {
		t.Errorf("info %+v", i)
	}
	u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil)
	u.login(command.StatusPINNotInitialized, u.admin, command.RoleSO, soPassword)
	u.initialise()
}

func TestEventsTellOfChanges(t *testing.T) {
	u := newUnit(t)
	expect := func(codes ...command.EventCode) {
		t.Helper()
		for _, want := range codes {
			if e := u.event(); e.Code != want {
				t.Errorf("event %v, want %v", e.Code, want)
			}
		}
		if len(u.events) != 0 {
			t.Errorf("one more event: %v", <-u.events)
		}
	}
	u.initialise()
	expect(command.EventStateChanged)
	u.createPartition().initPartition()
	expect(command.EventStateChanged, command.EventStateChanged)
	u.ok(command.CodePartitionDelete, u.admin, nil, nil)
	expect(command.EventStateChanged)
	u.ok(command.CodeHSMZeroize, u.admin, nil, nil)
	expect(command.EventZeroized)
	u.ok(command.CodeHSMFactoryReset, u.admin, nil, nil)
	expect(command.EventStateChanged)
}

// event returns the next event; they are sent before a command returns.
func (u *unit) event() command.Event {
	u.t.Helper()
	select {
	case e := <-u.events:
		return e
	default:
		u.t.Fatal("no event")
		return command.Event{}
	}
}
