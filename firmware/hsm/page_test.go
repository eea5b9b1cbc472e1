package hsm_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm"
	"usbhsm7/firmware/hsm/policy"
)

var updatePage = flag.Bool("update", false, "rewrite the generated page")

const rolesPage = "../../docs/roles-and-policies.md"

// TestRolesAndPoliciesPage keeps the page as the tables say.
func TestRolesAndPoliciesPage(t *testing.T) {
	want := rolesAndPolicies()
	if *updatePage {
		if err := os.WriteFile(rolesPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(rolesPage)
	if err != nil || string(got) != want {
		t.Errorf("%s differs from the tables (%v): go test ./firmware/hsm -run RolesAndPoliciesPage -update", rolesPage, err)
	}
}

func rolesAndPolicies() string {
	var b strings.Builder
	b.WriteString(`# Roles and policies

Who may do what, and what the owners of the HSM and of its partition may forbid. The page is generated from the tables in
the code: ` + "`go test ./firmware/hsm -run RolesAndPoliciesPage -update`" + `.

## Roles

One role is logged in to a slot at a time. A password that another role has set is good for changing it, and for nothing
else, while HSM policy 21 is on.

| Role | Short | Slot | First password from | Wrong passwords in a row | Then |
|---|---|---:|---|---|---|
`)
	for i, info := range command.RoleTable {
		fmt.Fprintf(&b, "| %s | `%s` | %d | %s | %s | %s |\n", info.Name, info.Short, info.Slot, firstPasswordOf(info), attemptsOf(hsm.Limits()[i]), effects[hsm.Limits()[i].Effect])
	}
	b.WriteString("\nWhen `co` is locked, `lco` and `cu` are locked with it.\n\n## Commands\n\n| Command |")
	for _, info := range command.RoleTable {
		fmt.Fprintf(&b, " %s |", info.Short)
	}
	b.WriteString(" nobody | Audit |\n|---|" + strings.Repeat(":-:|", len(command.RoleTable)+1) + "---|\n")
	for _, row := range command.Rows {
		fmt.Fprintf(&b, "| [%s](protocol.md#%[1]s) |", row.Name)
		for _, role := range append(command.Roles[:len(command.Roles):len(command.Roles)], command.RoleNone) {
			fmt.Fprintf(&b, " %s |", cell(row, role))
		}
		fmt.Fprintf(&b, " %s |\n", auditOf(row))
	}
	b.WriteString("\n`hsm-init`, `hsm-factory-reset` and `partition-init` want the HSM SO or the Partition SO once there is one; `role-init` wants the role that the first table names.\n")
	writePolicies(&b, "HSM policies", "The HSM SO sets them. A destructive change removes the partition with all it holds.", policy.HSM)
	writePolicies(&b, "Partition policies", "The Partition SO sets them. A destructive change destroys the objects and leaves the roles.", policy.Partition)
	writeState(&b)
	return b.String()
}

var effects = map[hsm.Effect]string{
	hsm.EffectZeroizeHSM:       "the HSM is zeroized",
	hsm.EffectZeroizePartition: "the partition loses its objects and its roles",
	hsm.EffectLock:             "the role is locked until it is reset",
	hsm.EffectDelay:            "the role is locked for a minute",
}

func firstPasswordOf(info command.RoleInfo) string {
	switch {
	case info.Role == command.RoleSO:
		return "`hsm-init`"
	case info.Role == command.RolePO:
		return "`partition-init`"
	case info.By == command.RoleNone:
		return "anyone, once"
	}
	return "`" + info.By.String() + "`"
}

func attemptsOf(l hsm.Limit) string {
	if l.Policy != 0 {
		return fmt.Sprintf("partition policy %d", l.Policy)
	}
	return fmt.Sprint(l.Attempts)
}

func auditOf(row command.Row) string {
	if row.Audit == command.AuditNever {
		return ""
	}
	return row.Audit.String()
}

// cell tells whether a role may run a command in its slot.
func cell(row command.Row, role command.Role) string {
	partition := row.Need == command.NeedPartition || row.Need == command.NeedInitialised
	elsewhere := role != command.RoleNone && (row.Need == command.NeedAdmin && role.Slot() != command.SlotAdmin || partition && role.Slot() != command.SlotPartition)
	if elsewhere || !row.Roles.Has(role) {
		return ""
	}
	return "x"
}

func writePolicies(b *strings.Builder, heading, about string, table policy.Table) {
	fmt.Fprintf(b, "\n## %s\n\n%s A row without a range is a capability only.\n\n| Number | Name | Capability | Default | Values | Destroys | Evidence | Effect |\n|---:|---|---:|---:|---|---|---|---|\n", heading, about)
	for _, p := range table {
		values, standard, effect := "", "", p.Effect
		if p.Changeable() {
			values, standard = fmt.Sprintf("%d to %d", p.Least, min(p.Most, max(p.Capability, p.Least))), fmt.Sprint(p.Default)
		}
		if p.Under != 0 {
			effect += fmt.Sprintf("; off while HSM policy %d is off", p.Under)
		}
		if p.Excludes != 0 {
			effect += fmt.Sprintf("; not together with policy %d", p.Excludes)
		}
		if p.Quorum {
			effect += "; needs quorum authentication"
		}
		if effect == "" {
			effect = "none here"
		}
		fmt.Fprintf(b, "| %d | %s | %d | %s | %s | %s | %s | %s |\n", p.ID, p.Name, p.Capability, standard, values, p.Destroys, p.Basis, strings.TrimPrefix(effect, "; "))
	}
}
