package fuf

import (
	"fmt"
	"slices"
)

// Kind is what a file carries. Its text is firmware, capability or module.
type Kind uint8

// The kinds of files. The names of the real product's files are FUF, CUF and FM.
const (
	Firmware   Kind = 1 // replaces the firmware
	Capability Kind = 2 // changes what the device is permitted to do
	Module     Kind = 3 // adds a functional module
)

// Migration is how an update brings stored data to a new data schema. Its text is
// none, in-place or copy.
type Migration uint8

// The classes of migrations.
const (
	MigrateNone    Migration = 0 // the data schema stays
	MigrateInPlace Migration = 1 // records are rewritten one by one
	MigrateCopy    Migration = 2 // a second copy is made before the first one goes: takes free storage
)

// Rollback is what going back to the firmware before does. Its text is destroys
// or impossible.
type Rollback uint8

// The effects of a rollback.
const (
	RollbackDestroys   Rollback = 1 // zeroizes the HSM
	RollbackImpossible Rollback = 2 // there is no way back
)

// The names of each enumeration, by number; "" is no value.
var (
	kindNames      = []string{"", "firmware", "capability", "module"}
	migrationNames = []string{"none", "in-place", "copy"}
	rollbackNames  = []string{"", "destroys", "impossible"}
)

func (k Kind) String() string      { return nameOf(kindNames, k) }
func (m Migration) String() string { return nameOf(migrationNames, m) }
func (r Rollback) String() string  { return nameOf(rollbackNames, r) }

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalText is String.
func (m Migration) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// MarshalText is String.
func (r Rollback) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a kind by its name.
func (k *Kind) UnmarshalText(text []byte) error { return numberOf(k, kindNames, text) }

// UnmarshalText reads a class of migration by its name.
func (m *Migration) UnmarshalText(text []byte) error { return numberOf(m, migrationNames, text) }

// UnmarshalText reads an effect of a rollback by its name.
func (r *Rollback) UnmarshalText(text []byte) error { return numberOf(r, rollbackNames, text) }

func known[T ~uint8](names []string, v T) bool { return int(v) < len(names) && names[v] != "" }

func nameOf[T ~uint8](names []string, v T) string {
	if !known(names, v) {
		return fmt.Sprintf("unknown %d", v)
	}
	return names[v]
}

func numberOf[T ~uint8](v *T, names []string, text []byte) error {
	i := slices.Index(names, string(text))
	if i < 0 || len(text) == 0 {
		return fmt.Errorf("%q is not one of %q", text, slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" }))
	}
	*v = T(i)
	return nil
}
