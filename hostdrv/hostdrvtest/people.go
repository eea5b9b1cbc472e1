package hostdrvtest

import (
	"crypto/sha256"
	"errors"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// keysets walks from delivery to a signature without a password: people make the
// keysets of all roles, and present them. It ends where it began.
func keysets(t *testing.T, goal Target) {
	dev := dial(t, goal)
	ctx := deadline(t)
	reset(t, dev)
	admin := open(t, dev, command.SlotAdmin)
	must(t, admin.InitHSM(ctx, command.HSMInitRequest{Label: "test", Method: command.AuthQuorum}))
	attended(t, dev, command.RoleSO)
	info, err := dev.Info(ctx)
	must(t, err)
	if info.Method != command.AuthQuorum || info.State != command.HSMInitialised {
		t.Errorf("after initialisation the device says %+v", info)
	}
	if err := admin.Login(ctx, command.RoleSO, passwordSO); !errors.Is(err, command.StatusChallengeNotRequired) {
		t.Errorf("login with a password: %v, want %v", err, command.StatusChallengeNotRequired)
	}
	must(t, admin.Login(ctx, command.RoleSO, nil))
	must(t, admin.CreatePartition(ctx))

	s := open(t, dev, command.SlotPartition)
	if err := s.InitPartition(ctx, command.PartitionInitRequest{Label: "test", Password: passwordPO}); !errors.Is(err, command.StatusArgumentsBad) {
		t.Errorf("initialise the partition with a password: %v, want %v", err, command.StatusArgumentsBad)
	}
	must(t, s.InitPartition(ctx, command.PartitionInitRequest{Label: "test"}))
	must(t, s.Login(ctx, command.RolePO, nil))
	must(t, s.InitRole(ctx, command.RoleCO, nil))
	must(t, s.Logout(ctx))
	must(t, s.Login(ctx, command.RoleCO, nil))
	attended(t, dev, command.RoleCO)
	key := generateEC(t, s, "keysets")
	digest, ecdsa := sha256.Sum256([]byte("keysets")), command.Mechanism{Type: command.MechECDSA}
	signature, err := s.Sign(ctx, ecdsa, key.Private, digest[:])
	must(t, err)
	must(t, s.Verify(ctx, ecdsa, key.Public, digest[:], signature))
	must(t, admin.FactoryReset(ctx))
}

// attended waits for the event that the device waits for people of a role.
func attended(t *testing.T, dev *hostdrv.Device, role command.Role) {
	t.Helper()
	for {
		e, err := dev.NextEvent(deadline(t))
		if err != nil {
			t.Fatalf("the device did not call the people of %s: %v", role, err)
		}
		if e.Code == command.EventAttend && e.Role == role {
			return
		}
	}
}
