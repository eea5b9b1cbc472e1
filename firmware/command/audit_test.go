package command_test

import (
	"errors"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

func TestAuditMasks(t *testing.T) {
	tests := []struct {
		text string
		want string // "" = refused
	}{
		{"f,s,a", "f,s,a"},
		{"a, s ,f", "f,s,a"},
		{"l", "l"},
		{"f,s,a,m,k,u,r,x,g", "l"},
		{"n", "n"},
		{"u,s", "s,u"},
		{"u", ""},
		{"", ""},
		{"f,s,q", ""},
		{"F,s", ""},
	}
	for _, test := range tests {
		m, err := command.ParseAuditMask(test.text)
		switch {
		case test.want == "" && !errors.Is(err, command.StatusArgumentsBad):
			t.Errorf("%q: %v, %v", test.text, m, err)
		case test.want != "" && (err != nil || m.String() != test.want):
			t.Errorf("%q: %v, %v, want %s", test.text, m, err, test.want)
		}
	}
	if err := command.AuditMask(0x8000).Check(); err == nil {
		t.Error("unknown bits pass")
	}
}

func TestAuditMaskWantsClassAndOutcome(t *testing.T) {
	m, err := command.ParseAuditMask("f,u,a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		class command.AuditClass
		ok    bool
		want  bool
	}{
		{command.AuditUsage, false, true},
		{command.AuditUsage, true, false},
		{command.AuditAccess, false, true},
		{command.AuditManage, false, false},
	} {
		if got := m.Wants(c.class, c.ok); got != c.want {
			t.Errorf("%s with success %v: %v", c.class, c.ok, got)
		}
	}
	if command.AuditMask(0).Wants(command.AuditUsage, true) {
		t.Error("an empty mask wants something")
	}
}

func TestAuditLineIsForPeopleAndMachines(t *testing.T) {
	r := command.AuditRecord{
		Number: 1, Before: make([]byte, 16), Code: make([]byte, 32),
		Event: command.AuditEvent{
			Time: 1_800_000_000, Class: command.AuditAccess, Slot: command.SlotAdmin, Session: 7, Role: command.RoleSO,
			Operation: command.CodeLogin, Status: command.StatusPINIncorrect, Message: "with, commas",
		},
	}
	line, err := r.Line("7000001")
	const want = `1,27/01/15 08:00:00,S/N 7000001 session 7 slot 1 role so access operation login returned LUNA_RET_UM_PIN_INCORRECT(0x00a00000) message "with, commas",0000`
	if err != nil || !strings.HasPrefix(line, want) {
		t.Errorf("line %q, %v", line, err)
	}
	back, err := command.ParseAuditLine(line)
	if err != nil || back.Number != 1 || back.Event != r.Event {
		t.Errorf("the line reads as %+v, %v", back, err)
	}
	for _, bad := range []string{"", ",", "1,2,3", line[:len(line)-1], line + "00"} {
		if _, err := command.ParseAuditLine(bad); !errors.Is(err, command.StatusArgumentsBad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
