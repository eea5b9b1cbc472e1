package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// With returns the table with rows in place of those that have their numbers, or
// besides them. What a row of the table is bound to (Under, Excludes, Quorum) and
// its effect stay.
func (t Table) With(rows ...Policy) Table {
	next := slices.Clone(t)
	for _, row := range rows {
		if old := next.Lookup(row.ID); old != nil {
			row.Under, row.Excludes, row.Quorum, row.Effect = old.Under, old.Excludes, old.Quorum, old.Effect
			*old = row
			continue
		}
		next = append(next, row)
	}
	slices.SortFunc(next, func(a, b Policy) int { return cmp.Compare(a.ID, b.ID) })
	return next
}

// Without returns the table without the rows of some numbers.
func (t Table) Without(ids ...ID) Table {
	return slices.DeleteFunc(slices.Clone(t), func(p Policy) bool { return slices.Contains(ids, p.ID) })
}

// Check reports what makes no sense in a table.
func (t Table) Check() error {
	for i := range t {
		p := &t[i]
		switch {
		case int(p.ID) >= len(Values{}):
			return fmt.Errorf("policy %d: numbers end at %d", p.ID, len(Values{})-1)
		case i > 0 && t[i-1].ID >= p.ID:
			return fmt.Errorf("policy %d is not in its place", p.ID)
		case p.Changeable() && (p.Default < p.Least || p.Default > p.Most || p.isSwitch() && p.Default > p.Capability):
			return fmt.Errorf("policy %d: %d cannot be its default", p.ID, p.Default)
		}
	}
	return nil
}
