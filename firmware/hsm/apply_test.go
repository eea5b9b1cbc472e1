package hsm_test

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/peopletest"
)

// A person allows the update that the screen names. One that another host puts in
// its place while the screen waits is not what was allowed.
func TestOnlyTheUpdateThatAPersonAllowedIsApplied(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*command.UpdateStatus)
		want      command.Status
	}{
		"the same":      {func(*command.UpdateStatus) {}, command.StatusOK},
		"another":       {func(s *command.UpdateStatus) { s.ID = []byte{2} }, command.StatusOperationRestricted},
		"none any more": {func(s *command.UpdateStatus) { s.State = command.UpdateIdle }, command.StatusOperationRestricted},
	} {
		people := new(peopletest.People)
		l := &loader{status: command.UpdateStatus{State: command.UpdateStaged, ID: []byte{1}, Running: "7.9.2", Incoming: "7.9.3"}}
		u := powerOnConfig(t, newChip(t, 128), hsm.Config{Entropy: rand.Reader, Serial: "7000001", Path: people, Boot: l})
		u.ok(command.CodeHSMInit, u.admin, &command.HSMInitRequest{Label: "x", Method: command.AuthQuorum}, nil)
		u.ok(command.CodeLogin, u.admin, &command.LoginRequest{Role: command.RoleSO}, nil)
		people.When(func(context.Context, hsm.Subject) error {
			c.meanwhile(&l.status)
			return nil
		})
		u.do(c.want, command.CodeUpdateApply, u.admin, nil, nil)
		if applied := slices.Contains(l.told, "activate"); applied != (c.want == command.StatusOK) {
			t.Errorf("%s: applied: %t", name, applied)
		}
	}
}
