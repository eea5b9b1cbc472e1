// Package hostdrvtest holds the tests of the driver and the device together:
// they run the same over every transport.
//
//	func TestDriver(t *testing.T) {
//		hostdrvtest.Run(t, func(t *testing.T) hostdrvtest.Target { ... })
//	}
//
// The tests return the device to the state of delivery: never point them at
// one that holds keys worth keeping.
package hostdrvtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/transport"
)

// firstPasswordsStay turns HSM policy 21 off: nobody has to change the password
// that another role has set.
var firstPasswordsStay = []command.PolicySetting{{ID: 21, Value: 0}}

// Target is a device to run the tests against.
type Target struct {
	Bus      transport.Bus
	Selector transport.Selector

	// Unplug makes the device vanish and Plug brings it back. Without them
	// what happens to a device that vanishes is not tested.
	Unplug, Plug func()

	// Attended says that people at the device make and present the keysets that
	// they are asked for. Without them quorum authentication is not tested.
	Attended bool
}

// limit bounds each test: generous, because the kernel of the lab is emulated.
const limit = 2 * time.Minute

// tests lists the tests by what they show.
var tests = []struct {
	name string
	run  func(*testing.T, Target)
}{
	{"the device says who it is and what it can do", introduces},
	{"a new device becomes a working HSM", scenario},
	{"keys sign for crypto/x509", certificates},
	{"a secret key encrypts, decrypts and authenticates", secretKeys},
	{"eight callers share the link", pipelines},
	{"a call whose context ends returns at once and leaves the link whole", cancels},
	{"the longest message goes there and back", longest},
	{"a message that is too long is refused", oversize},
	{"large and small messages take turns", turns},
	{"a wrong password is told as such, and the last one locks", wrongPassword},
	{"a refusal says what to do", refusals},
	{"an event reaches who waits for it", events},
	{"closing the driver logs out", logsOut},
	{"reconnecting starts afresh", reconnects},
	{"a host that vanished under load leaves nothing behind", vanishedHost},
}

// pluggable lists the tests that need Target.Unplug.
var pluggable = []struct {
	name string
	run  func(*testing.T, Target)
}{
	{"a device that vanishes ends every call, and can be reconnected", vanishes},
}

// withPeople lists the tests that need Target.Attended.
var withPeople = []struct {
	name string
	run  func(*testing.T, Target)
}{
	{"people with iKeys take the place of passwords", keysets},
}

// Run runs every test against a target of its own.
func Run(t *testing.T, target func(*testing.T) Target) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, target(t)) })
	}
	for _, test := range pluggable {
		if goal := target(t); goal.Unplug != nil {
			t.Run(test.name, func(t *testing.T) { test.run(t, goal) })
		}
	}
	for _, test := range withPeople {
		if goal := target(t); goal.Attended {
			t.Run(test.name, func(t *testing.T) { test.run(t, goal) })
		}
	}
}

// Passwords of the roles. They guard nothing.
var (
	passwordSO = []byte("security-officer")
	passwordPO = []byte("partition-officer")
	passwordCO = []byte("crypto-officer")
	wrong      = []byte("not-the-password")
)

// deadline returns a context that ends with the test or when it takes too long.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// dial opens the target's device and closes it with the test.
func dial(t *testing.T, goal Target) *hostdrv.Device {
	t.Helper()
	dev, err := hostdrv.Dial(deadline(t), goal.Bus, goal.Selector, hostdrv.Options{Client: "hostdrvtest"})
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil && !errors.Is(err, transport.ErrDisconnected) {
			t.Errorf("close: %v", err)
		}
	})
	return dev
}

// open opens a session with slot.
func open(t *testing.T, dev *hostdrv.Device, slot command.Slot) *hostdrv.Session {
	t.Helper()
	s, err := dev.OpenSession(deadline(t), slot, hostdrv.SessionOptions{})
	if err != nil {
		t.Fatalf("open a session with slot %d: %v", slot, err)
	}
	return s
}

// must fails the test if err is not nil.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reset returns the device to the state of delivery. A device that earlier tests
// have initialised lets only its HSM SO do that.
func reset(t *testing.T, dev *hostdrv.Device) {
	t.Helper()
	ctx := deadline(t)
	info, err := dev.Info(ctx)
	must(t, err)
	admin := open(t, dev, command.SlotAdmin)
	if info.State == command.HSMInitialised {
		must(t, admin.Login(ctx, command.RoleSO, passwordSO))
	}
	must(t, admin.FactoryReset(ctx))
}

// initialise brings the device from any state to one with all three roles, and
// returns a session in which the Crypto Officer is logged in.
func initialise(t *testing.T, dev *hostdrv.Device) *hostdrv.Session {
	t.Helper()
	ctx := deadline(t)
	reset(t, dev)
	admin := open(t, dev, command.SlotAdmin)
	must(t, admin.InitHSM(ctx, command.HSMInitRequest{Label: "test", Password: passwordSO, Policies: firstPasswordsStay}))
	must(t, admin.Login(ctx, command.RoleSO, passwordSO))
	must(t, admin.CreatePartition(ctx))

	s := open(t, dev, command.SlotPartition)
	must(t, s.InitPartition(ctx, command.PartitionInitRequest{Label: "partition", Password: passwordPO}))
	must(t, s.Login(ctx, command.RolePO, passwordPO))
	must(t, s.InitRole(ctx, command.RoleCO, passwordCO))
	must(t, s.Logout(ctx))
	must(t, s.Login(ctx, command.RoleCO, passwordCO))
	return s
}
