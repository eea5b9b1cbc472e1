package hsm_test

import (
	"crypto/rand"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
)

func TestModelsAreNamedWithTheirEvidence(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range hsm.Models() {
		if m.Name == "" || m.Firmware == "" || m.Evidence == "" || seen[m.Name] || m.Storage < 0 {
			t.Errorf("%+v", m)
		}
		seen[m.Name] = true
	}
}

// small is an HSM whose model has room for a few objects, with the Crypto Officer
// logged in.
func small(t testing.TB, bytes int64) *unit {
	t.Helper()
	return smallOn(t, powerOnConfig(t, stage(t).ready.Clone(), hsm.Config{Entropy: rand.Reader, Model: hsm.Model{Name: "small", Firmware: "1", Storage: bytes}}))
}

func smallOn(t testing.TB, u *unit) *unit {
	t.Helper()
	u.user = u.open(command.SlotPartition, false)
	return u.logIn(command.RoleCO)
}

func TestAFullPartitionRefusesAndLeavesNothingBehind(t *testing.T) {
	const budget = 8 << 10
	u := small(t, budget)
	var kept []command.Handle
	for u.info().PartitionUsed+2000 < budget {
		kept = append(kept, u.create(data(command.AttrValue, make([]byte, 1000))))
	}
	before := u.info()
	u.refuseCreate(command.StatusObjectStorageFull, data(command.AttrValue, make([]byte, 4000)))
	u.do(command.StatusObjectStorageFull, command.CodeSetAttributes, u.user, &command.SetAttributesRequest{
		Object: kept[0], Attributes: command.Template{command.AttrGeneric1: make([]byte, 1024), command.AttrGeneric2: make([]byte, 1024), command.AttrGeneric3: make([]byte, 1024)},
	}, nil)
	pair := &command.GenerateKeyPairRequest{ // the second half has no room
		Mechanism: command.Mechanism{Type: command.MechECKeyPairGen},
		Public:    token("k", command.AttrECParams, p256), Private: token("k", command.AttrGeneric1, make([]byte, 1024), command.AttrGeneric2, make([]byte, 1024)),
	}
	u.do(command.StatusObjectStorageFull, command.CodeGenerateKeyPair, u.user, pair, nil)
	if after := u.info(); after != before || len(u.find(nil)) != len(kept) {
		t.Errorf("%+v after refusals, before %+v", after, before)
	}
	u.ok(command.CodeDestroyObject, u.user, &command.DestroyObjectRequest{Object: kept[0]}, nil)
	u.create(data(command.AttrValue, make([]byte, 1000)))
	if got := u.info(); got.PartitionUsed != before.PartitionUsed || got.PartitionTotal != budget {
		t.Errorf("%+v, before %+v", got, before)
	}
	again := smallOn(t, powerOnConfig(t, u.flash, hsm.Config{Entropy: rand.Reader, Model: hsm.Model{Name: "small", Firmware: "1", Storage: budget}}))
	if got := again.info(); got.PartitionUsed != before.PartitionUsed {
		t.Errorf("%d bytes used after a restart, were %d", got.PartitionUsed, before.PartitionUsed)
	}
	again.ok(command.CodeLogout, again.user, nil, nil)
	again.logIn(command.RolePO)
	again.ok(command.CodePartitionInit, again.user, &command.PartitionInitRequest{Label: "x", Password: []byte(poPassword)}, nil)
	if got := again.info().PartitionUsed; got != 0 {
		t.Errorf("%d bytes used by a new partition", got)
	}
}
