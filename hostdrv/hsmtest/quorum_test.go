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

// twoOfThree is the script of Custodians of whom two of three present the keyset of
// the Crypto Officer, once all the rules in first are used up.
func twoOfThree(first string) string {
	return first + `
key co-1
key co-2
key co-3
once create/m "Crypto Officer": number 2
once create/n "Crypto Officer": number 3
when write/insert "iKey 1 of 3": insert co-1
when write/insert "iKey 2 of 3": insert co-2
when write/insert "iKey 3 of 3": insert co-3
when present/insert "Crypto Officer": insert co-1
when present/next "Crypto Officer": insert co-2
` + hsmtest.Custodians
}

// What was wrong with the last iKey is told as far as the program that waits, and
// costs the role none of its attempts.
func TestTheProgramIsToldWhichKeyDidNotCount(t *testing.T) {
	for _, c := range []struct {
		name   string
		script string // of the login that fails
		damage string // an iKey
		want   command.Status
	}{
		{"another keyset", "once present/insert \"Crypto Officer\": insert co-1\nonce present/next: insert cu\nonce present/other-set: ok\nonce present/next: cancel", "", command.StatusVectorOfDifferentSet},
		{"twice the same", "once present/insert \"Crypto Officer\": insert co-1\nonce present/next: insert co-1\nonce present/same-key: ok\nonce present/next: cancel", "", command.StatusVectorDuplicate},
		{"another kind", "once present/insert \"Crypto Officer\": insert domain\nonce read/other-kind: ok\nonce present/insert \"Crypto Officer\": cancel", "", command.StatusVectorTypeInvalid},
		{"a damaged one", "once present/insert \"Crypto Officer\": insert co-3\nonce read/damaged: ok\nonce present/insert \"Crypto Officer\": cancel", "co-3", command.StatusSplitDataInvalid},
		{"none", "once present/insert \"Crypto Officer\": cancel", "", command.StatusFunctionCanceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			const before = "once present/insert \"Crypto Officer\": insert co-1\nonce present/next: insert co-2\n"
			dev := hsmtest.Start(t, hsmtest.Quorum(twoOfThree(before+c.script)))
			officer := dev.Login(t, command.RoleCO)
			if err := errors.Join(officer.InitRole(t.Context(), command.RoleCU, nil), officer.Logout(t.Context())); err != nil {
				t.Fatal(err)
			}
			if c.damage != "" {
				if err := dev.Keys().Damage(c.damage); err != nil {
					t.Fatal(err)
				}
			}
			attempts := func() uint {
				state, err := officer.RoleState(t.Context(), command.RoleCO)
				if err != nil {
					t.Fatal(err)
				}
				return state.AttemptsLeft
			}
			had := attempts()
			if err := officer.Login(t.Context(), command.RoleCO, nil); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if left := attempts(); left != had {
				t.Errorf("%d attempts left, had %d", left, had)
			}
			if err := officer.Login(t.Context(), command.RoleCO, nil); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
