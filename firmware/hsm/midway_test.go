package hsm_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"testing"

	"usbhsm7/firmware/command"
)

// hook is an entropy source that calls during, once it is set, at the first
// read of a size, by default that of a key: while a command computes and before
// it commits.
type hook struct {
	during func()
	size   int // bytes; 0 means 32
}

func (h *hook) Read(p []byte) (int, error) {
	if f := h.during; f != nil && len(p) == cmp.Or(h.size, 32) {
		h.during = nil
		f()
	}
	return rand.Read(p)
}

// TestWhatHappensWhileACommandComputes changes the ground under a key
// generation, after it was authorised and before it is committed.
func TestWhatHappensWhileACommandComputes(t *testing.T) {
	for name, c := range map[string]struct {
		during func(*unit, context.CancelFunc)
		want   command.Status
	}{
		"nothing":    {func(*unit, context.CancelFunc) {}, command.StatusOK},
		"cancelled":  {func(_ *unit, cancel context.CancelFunc) { cancel() }, command.StatusFunctionCanceled},
		"host gone":  {func(u *unit, _ context.CancelFunc) { u.host.Close() }, command.StatusFunctionCanceled},
		"device off": {func(u *unit, _ context.CancelFunc) { u.hsm.Close() }, command.StatusDeviceError},
		"logged out": {func(u *unit, _ context.CancelFunc) { u.ok(command.CodeLogout, u.user, nil, nil) }, command.StatusUserNotLoggedIn},
		"logged out, in": {func(u *unit, _ context.CancelFunc) {
			u.ok(command.CodeLogout, u.user, nil, nil)
			u.logIn(command.RoleCO)
		}, command.StatusUserNotLoggedIn},
		"session closed": {func(u *unit, _ context.CancelFunc) { u.ok(command.CodeSessionClose, u.user, nil, nil) }, command.StatusSessionHandleInvalid},
		"HSM zeroized":   {func(u *unit, _ context.CancelFunc) { u.ok(command.CodeHSMZeroize, u.admin, nil, nil) }, command.StatusSessionHandleInvalid},
		"partition gone": {func(u *unit, _ context.CancelFunc) { u.ok(command.CodePartitionDelete, u.admin, nil, nil) }, command.StatusSessionHandleInvalid},
		"role reset":     {resetCO, command.StatusUserNotLoggedIn},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hook{}
			u := powerOnWith(t, stage(t).ready.Clone(), h)
			u.user = u.open(command.SlotPartition, false)
			u.open(command.SlotPartition, false) // the login outlives u.user
			u.logIn(command.RoleSO).logIn(command.RoleCO)
			payload, err := command.Marshal(&command.GenerateKeyRequest{
				Mechanism: command.Mechanism{Type: command.MechAESKeyGen}, Template: token("x", command.AttrValueLen, uint64(32)),
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			h.during = func() { c.during(u, cancel) }
			status, answer := u.host.Execute(ctx, command.CodeGenerateKey, u.user, payload)
			if status != c.want {
				t.Errorf("%v, want %v%s", status, c.want, reason(answer))
			}
			made := c.want == command.StatusOK
			if n := u.reboot().info().Objects; (n == 1) != made {
				t.Errorf("%d objects after %v", n, status)
			}
		})
	}
}

// resetCO gives the Crypto Officer another password, from another host.
func resetCO(u *unit, _ context.CancelFunc) {
	other := u.hsm.Connect()
	session := u.openOn(other, command.SlotPartition, false)
	u.on(other, command.StatusOK, command.CodeLogin, session, &command.LoginRequest{Role: command.RolePO, Password: []byte(poPassword)}, nil)
	u.on(other, command.StatusOK, command.CodeRoleReset, session, &command.RoleResetRequest{Role: command.RoleCO, Password: []byte("a new password")}, nil)
}
