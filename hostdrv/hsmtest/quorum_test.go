package hsmtest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
	"usbhsm7/hostdrv/hsmtest"
)

func TestQuorumLogsRolesInWithIKeys(t *testing.T) {
	dev := hsmtest.Start(t, hsmtest.Quorum(hsmtest.Custodians))
	info, err := dev.Driver.Info(t.Context())
	if err != nil || info.Method != command.AuthQuorum {
		t.Fatalf("%+v, %v", info, err)
	}
	officer := dev.Login(t, command.RoleCO)
	if err := officer.InitRole(t.Context(), command.RoleCU, nil); err != nil {
		t.Fatal(err)
	}
	again := dev.PowerCycle(t)
	again.Login(t, command.RoleCU)
}

func TestAForkOfADeviceWithQuorumHasNoScreen(t *testing.T) {
	fork := hsmtest.Start(t, hsmtest.Quorum(hsmtest.Custodians)).Fork(t)
	s, err := fork.Driver.OpenSession(t.Context(), command.SlotPartition, hostdrv.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), command.RoleCO, nil); !errors.Is(err, command.StatusPEDUnplugged) {
		t.Errorf("%v, want %v", err, command.StatusPEDUnplugged)
	}
}

// keepers are those whose keyset threeOfFive makes, as the screen calls them. The
// Limited Crypto Officer comes before the Crypto Officer, who has a part of the name.
var keepers = []string{
	"HSM Security Officer", "Auditor", "Partition Security Officer", "Limited Crypto Officer", "Crypto Officer", "Crypto User", "Domain",
}

// threeOfFive is the script of people of whom any three of five present a keyset.
func threeOfFive() string {
	var b strings.Builder
	b.WriteString("once create/reuse \"Domain\": no\nwhen create/reuse \"Domain\": yes\nwhen create/reuse: no\nwhen create/m: number 3\nwhen create/n: number 5\n" +
		"when write/blank: yes\nwhen write/pin: ok\nwhen create/duplicate: no\n")
	for k, keeper := range keepers {
		for i := 1; i <= 5; i++ {
			fmt.Fprintf(&b, "key k%d-%d\nwhen write/insert \"iKey %d of 5 for the %s\": insert k%[1]d-%[2]d\n", k, i, i, keeper)
		}
		fmt.Fprintf(&b, "when present/insert \"%s\": insert k%d-5\nwhen present/next \"%[1]s\" \"1 of 3\": insert k%[2]d-1\nwhen present/next \"%[1]s\" \"2 of 3\": insert k%[2]d-3\n", keeper, k)
	}
	return b.String()
}

// everyRole initialises every role of a device and logs each in.
func everyRole(t testing.TB) {
	dev := hsmtest.Start(t, hsmtest.Quorum(threeOfFive()))
	admin := dev.Login(t, command.RoleSO)
	officer := dev.Login(t, command.RoleCO)
	err := errors.Join(
		admin.Logout(t.Context()),
		admin.InitRole(t.Context(), command.RoleAuditor, nil),
		officer.InitRole(t.Context(), command.RoleLCO, nil),
		officer.InitRole(t.Context(), command.RoleCU, nil),
		officer.Logout(t.Context()),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []command.Role{command.RoleAuditor, command.RolePO, command.RoleLCO, command.RoleCU} {
		if err := dev.Login(t, role).Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThreeOfFivePeopleForEveryRole(t *testing.T) { everyRole(t) }

func BenchmarkThreeOfFivePeopleForEveryRole(b *testing.B) {
	for b.Loop() {
		everyRole(b)
	}
}
