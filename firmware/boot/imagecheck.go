package boot

import (
	"cmp"
	"fmt"
	"slices"
	"unicode"

	"usbhsm7/fuf"
)

// check reports the first thing about an image that makes no sense.
func (m *Image) check() error {
	for _, rule := range []struct {
		ok   bool
		must string
	}{
		{m.Schema == ImageSchema, fmt.Sprintf("the schema must be %d", ImageSchema)},
		{isName(m.Name), "it must have a name"},
		{m.migrationsOK(), "migrations must lead from one data schema to the next, up to its own"},
		{ascending(m.Policies, comparePolicies), "policies must be sorted by table and number"},
		{every(m.Policies, policyOK), "a policy must have a name and sound values, or be withheld"},
		{ascending(m.Mechanisms, func(a, b Mechanism) int { return cmp.Compare(a.Type, b.Type) }), "mechanisms must be sorted"},
		{ascending(m.Models, func(a, b Model) int { return cmp.Compare(a.Name, b.Name) }), "models must be sorted"},
		{every(m.Models, func(m Model) bool { return isName(m.Name) && m.Storage >= 0 }), "a model must have a name and storage"},
		{ascending(m.Modules, func(a, b Module) int { return cmp.Compare(a.Name, b.Name) }), "modules must be sorted"},
		{every(m.Modules, func(m Module) bool { return m.check() == nil }), "a module must have a name and code"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: %s", ErrImage, rule.must)
		}
	}
	return nil
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
	known := p.Table == HSMPolicies || p.Table == PartitionPolicies
	if p.Withheld {
		return known && p == Policy{Table: p.Table, ID: p.ID, Withheld: true}
	}
	return known && isName(p.Name) && p.Least <= p.Most && p.Destroys <= 3
}

// ascending holds if list is sorted, names nothing twice and is not too long.
func ascending[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return len(list) <= maxList
}

func every[T any](list []T, ok func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !ok(v) })
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && !slices.ContainsFunc([]rune(s), func(c rune) bool { return !unicode.IsPrint(c) })
}
