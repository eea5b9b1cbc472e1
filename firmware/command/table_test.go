package command_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
)

func hex32(s command.Status) string { return fmt.Sprintf("%08x", uint32(s)) }

// statusOf returns the status that err carries.
func statusOf(err error) command.Status {
	var status command.Status
	errors.As(err, &status)
	return status
}

// requireAscending fails unless the keys of rows rise from row to row, which
// makes them unique too.
func requireAscending[R any, K cmp.Ordered](t *testing.T, rows []R, key func(R) K) {
	t.Helper()
	for i := 1; i < len(rows); i++ {
		if key(rows[i-1]) >= key(rows[i]) {
			t.Errorf("row %d (%v) does not come after row %d (%v)", i, key(rows[i]), i-1, key(rows[i-1]))
		}
	}
}

// requireUnique fails if two rows have the same name.
func requireUnique[R any](t *testing.T, rows []R, name func(R) string) {
	t.Helper()
	seen := map[string]bool{}
	for _, row := range rows {
		if n := name(row); n == "" || seen[n] {
			t.Errorf("name %q is empty or stands twice", n)
		}
		seen[name(row)] = true
	}
}

func TestTablesAreOrderedAndUnique(t *testing.T) {
	requireAscending(t, command.Rows, func(r command.Row) command.Code { return r.Code })
	requireUnique(t, command.Rows, func(r command.Row) string { return r.Name })
	requireAscending(t, command.Attributes, func(r command.AttributeRow) command.AttributeType { return r.Type })
	requireUnique(t, command.Attributes, func(r command.AttributeRow) string { return r.Name })
	requireAscending(t, command.MechanismTable, func(r command.MechanismRow) command.MechanismType { return r.Type })
	requireUnique(t, command.MechanismTable, func(r command.MechanismRow) string { return r.Name })
	requireAscending(t, command.Roles, func(r command.Role) command.Role { return r })
}

func TestEveryCommandHasVectorsAndASection(t *testing.T) {
	text, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	vectors := map[string]bool{}
	for _, v := range readVectors(t, "testdata/payloads.txt") {
		vectors[v["vector"]] = true
	}
	for _, row := range command.Rows {
		if row.Request != nil && !vectors[row.Name+" request"] {
			t.Errorf("no vector for the request of %s", row.Name)
		}
		if row.Response != nil && !vectors[row.Name+" response"] {
			t.Errorf("no vector for the response of %s", row.Name)
		}
		heading := regexp.MustCompile(`(?m)^### ` + regexp.QuoteMeta(row.Name) + `$`)
		if n := len(heading.FindAll(text, -1)); n != 1 {
			t.Errorf("docs/protocol.md has %d sections headed %q", n, "### "+row.Name)
		}
	}
}

func TestEveryRowIsFoundByItsCode(t *testing.T) {
	for _, want := range command.Rows {
		got, ok := command.Lookup(want.Code)
		if !ok || got.Name != want.Name {
			t.Errorf("code %#x finds %q, want %q", uint32(want.Code), got.Name, want.Name)
		}
		if want.Code.String() != want.Name {
			t.Errorf("%#x prints as %q", uint32(want.Code), want.Code)
		}
	}
	if _, ok := command.Lookup(0xFFFF); ok {
		t.Error("a command that does not exist was found")
	}
	if got := command.Code(0xFFFF).String(); got != "command 0xffff" {
		t.Errorf("a command that does not exist prints as %q", got)
	}
}

// What a row asks for must be possible: a role that may run the command can
// log in to a slot that the command works with.
func TestRolesMatchTheSlotOfTheCommand(t *testing.T) {
	for _, row := range command.Rows {
		if row.Roles == command.Anyone {
			continue
		}
		if row.Need == command.NeedNothing {
			t.Errorf("%s wants a role but no session", row.Name)
		}
		for _, role := range command.Roles {
			wrongSlot := row.Need == command.NeedAdmin && role.Slot() != command.SlotAdmin ||
				row.Need >= command.NeedPartition && role.Slot() != command.SlotPartition
			if row.Roles.Has(role) && wrongSlot {
				t.Errorf("%s is for %s, who cannot log in to its slot", row.Name, role)
			}
		}
	}
}

func TestNumbersPrintWithNames(t *testing.T) {
	tests := []struct {
		value fmt.Stringer
		want  string
	}{
		{command.RoleNone, "none"},
		{command.RoleSO, "so"},
		{command.RolePO, "po"},
		{command.RoleCO, "co"},
		{command.Role(9), "role 9"},
		{command.HSMFactory, "factory"},
		{command.HSMZeroized, "zeroized"},
		{command.HSMInitialised, "initialised"},
		{command.HSMState(200), "unknown"},
		{command.PartitionAbsent, "absent"},
		{command.PartitionCreated, "created"},
		{command.PartitionInitialised, "initialised"},
		{command.PartitionState(3), "unknown"},
		{command.MechAESGCM, "AES_GCM"},
		{command.MechanismType(0x9999), "mechanism 0x9999"},
		{command.AttrLabel, "label"},
		{command.AttributeType(0x9999), "attribute 0x9999"},
		{command.KindBytes, "byte string"},
		{command.Kind(9), "kind 9"},
		{command.EventStateChanged, "state-changed"},
		{command.EventEventsDropped, "events-dropped"},
		{command.EventCode(0), "event 0"},
		{command.EventCode(0xFFFFFFFF), "event 4294967295"},
	}
	for _, tt := range tests {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("%T prints as %q, want %q", tt.value, got, tt.want)
		}
	}
}

func TestRolesAreParsedByTheirShortNames(t *testing.T) {
	for _, role := range command.Roles {
		if got, err := command.ParseRole(role.String()); err != nil || got != role {
			t.Errorf("%q parses as %v, %v", role, got, err)
		}
	}
	for _, bad := range []string{"", "none", "SO", "user", "5"} {
		if got, err := command.ParseRole(bad); err == nil || got != command.RoleNone {
			t.Errorf("%q parses as %v", bad, got)
		}
	}
}

func TestMechanismsHaveSensibleRows(t *testing.T) {
	for _, row := range command.MechanismTable {
		digest := row.Uses == command.UseDigest
		if digest != (row.MaxBits == 0) || row.MinBits > row.MaxBits {
			t.Errorf("%s works with keys of %d to %d bits", row.Name, row.MinBits, row.MaxBits)
		}
		if digest != (len(row.Keys) == 0) || row.Basis == "" || row.Evidence == "" || row.Except&^row.Uses != 0 {
			t.Errorf("%s lacks keys or a basis, or excepts uses that it does not have", row.Name)
		}
		if row.Uses == 0 {
			t.Errorf("%s has no use", row.Name)
		}
		generates := strings.HasSuffix(row.Name, "KEY_GEN") || strings.HasSuffix(row.Name, "KEY_PAIR_GEN") || row.Type == command.MechPKCS5PBKD2
		if generates != (row.Uses&command.UseGenerate != 0) {
			t.Errorf("%s has uses %b", row.Name, row.Uses)
		}
	}
}

func TestTemplateCheck(t *testing.T) {
	tests := map[string]struct {
		template command.Template
		want     command.Status
	}{
		"empty":                  {command.Template{}, command.StatusOK},
		"nil":                    {nil, command.StatusOK},
		"one of each kind":       {command.Template{command.AttrToken: true, command.AttrClass: uint64(3), command.AttrID: []byte{1}, command.AttrLabel: "ca"}, command.StatusOK},
		"largest number":         {command.Template{command.AttrValueLen: ^uint64(0)}, command.StatusOK},
		"unknown attribute":      {command.Template{0x8000: true}, command.StatusAttributeTypeInvalid},
		"negative number":        {command.Template{command.AttrClass: int64(-3)}, command.StatusAttributeValueInvalid},
		"number of another type": {command.Template{command.AttrClass: 3}, command.StatusAttributeValueInvalid},
		"float":                  {command.Template{command.AttrClass: 3.0}, command.StatusAttributeValueInvalid},
		"null":                   {command.Template{command.AttrLabel: nil}, command.StatusAttributeValueInvalid},
		"array":                  {command.Template{command.AttrID: []any{uint64(1)}}, command.StatusAttributeValueInvalid},
		"text for bytes":         {command.Template{command.AttrID: "1"}, command.StatusAttributeValueInvalid},
		"bytes for text":         {command.Template{command.AttrLabel: []byte("ca")}, command.StatusAttributeValueInvalid},
		"number for truth":       {command.Template{command.AttrToken: uint64(1)}, command.StatusAttributeValueInvalid},
		"truth for number":       {command.Template{command.AttrClass: true}, command.StatusAttributeValueInvalid},
		"lowest defect is named": {command.Template{0x8000: true, command.AttrClass: nil}, command.StatusAttributeValueInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := statusOf(tt.template.Check()); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestTemplateAccessorsTellAbsenceFromValue(t *testing.T) {
	full := command.Template{
		command.AttrToken: false, command.AttrValueLen: uint64(32),
		command.AttrID: []byte{1}, command.AttrLabel: "ca",
	}
	if full.Bool(command.AttrToken, true) || !full.Bool(command.AttrSign, true) {
		t.Error("Bool mixes up absent and false")
	}
	if v, ok := full.Uint(command.AttrValueLen); v != 32 || !ok {
		t.Errorf("Uint returns %d, %v", v, ok)
	}
	if _, ok := full.Uint(command.AttrModulusBits); ok {
		t.Error("Uint finds what is absent")
	}
	if !slices.Equal(full.Bytes(command.AttrID), []byte{1}) || full.Bytes(command.AttrECPoint) != nil {
		t.Error("Bytes is wrong")
	}
	if full.Text(command.AttrLabel) != "ca" || full.Text(command.AttrID) != "" {
		t.Error("Text is wrong")
	}
}
