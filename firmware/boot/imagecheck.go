package boot

import (
	"cmp"
	"fmt"

	"usbhsm7/fuf"
)

func (m *Image) rules() []rule {
	return []rule{
		{m.Schema == ImageSchema, fmt.Sprintf("the schema must be %d", ImageSchema)},
		{isName(m.Name), "it must have a name"},
		{m.migrationsOK(), "migrations must lead from one data schema to the next, up to its own"},
		{ascending(m.Policies, comparePolicies), "policies must be sorted by table and number"},
		{every(m.Policies, policyOK), "a policy must have a name and sound values, or be withheld"},
		{ascending(m.Mechanisms, func(a, b Mechanism) int { return cmp.Compare(a.Type, b.Type) }), "mechanisms must be sorted"},
		{ascending(m.Models, func(a, b Model) int { return cmp.Compare(a.Name, b.Name) }), "models must be sorted"},
		{every(m.Models, func(m Model) bool { return isName(m.Name) && m.Storage >= 0 }), "a model must have a name and storage"},
		{ascending(m.Modules, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) }), "modules must be sorted"},
		{every(m.Modules, func(m Module) bool { return m.isWhole() }), "a module must have a name and code"},
	}
}

func (m *Image) migrationsOK() bool {
	for i, step := range m.Migrations {
		last := i == len(m.Migrations)-1
		if i > 0 && step.From != m.Migrations[i-1].From+1 || last && step.From+1 != m.DataSchema {
			return false
		}
		if step.Class != fuf.MigrateInPlace && step.Class != fuf.MigrateCopy || len(step.Note) > maxNote {
			return false
		}
	}
	return len(m.Migrations) <= maxList
}

func comparePolicies(a, b Policy) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.ID, b.ID))
}

func policyOK(p Policy) bool {
	if p.Withheld {
		return p.Table.isKnown() && p == Policy{Table: p.Table, ID: p.ID, Withheld: true}
	}
	return p.Table.isKnown() && isName(p.Name) && p.Least <= p.Most && p.Destroys <= 3
}
