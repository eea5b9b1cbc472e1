package starts

import (
	"errors"
	"strings"

	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// Defect is a way to get the first start of firmware wrong: an HSM whose storage does
// something else than it was told.
type Defect struct {
	Name string
	Rule Rule   // that is broken
	Like string // a report of such a defect somewhere; "" = none is known

	commit func(to vault.Storage, b *store.Batch) error
}

// Defects returns defects that a run has to notice.
func Defects() []Defect {
	return []Defect{
		{Name: "the data count as converted before the last of them are", Rule: Schema, commit: schemaFirst},
		{Name: "an object is deleted before it is written in its new form", Rule: Kept, commit: deleteFirst},
		{Name: "the conversion leaves an object out", Rule: Schema, commit: leaveOut},
		{Name: "new firmware forgets which attempts at passwords failed", Rule: Kept, commit: forgetAttempts},
	}
}

// storage plants the defect.
func (d *Defect) storage(s vault.Storage) vault.Storage { return faulty{s, d} }

type faulty struct {
	vault.Storage
	defect *Defect
}

// Commit implements vault.Storage.
func (f faulty) Commit(b *store.Batch) error { return f.defect.commit(f.Storage, b) }

func isObject(key string) bool   { return strings.Contains(key, "/object/") }
func isFirmware(key string) bool { return key == "plain/firmware" }

// names returns which keys of a batch are meant.
func names(b *store.Batch, mean func(string) bool) (keys []string) {
	b.Split(func(key string) bool {
		if mean(key) {
			keys = append(keys, key)
		}
		return false
	})
	return keys
}

func schemaFirst(to vault.Storage, b *store.Batch) error {
	first, second := b.Split(isFirmware)
	return errors.Join(to.Commit(first), to.Commit(second))
}

func deleteFirst(to vault.Storage, b *store.Batch) error {
	var first store.Batch
	for _, key := range names(b, isObject) {
		first.Delete(key)
	}
	return errors.Join(to.Commit(&first), to.Commit(b))
}

func leaveOut(to vault.Storage, b *store.Batch) error {
	_, left := b.Split(func(key string) bool { return strings.HasSuffix(key, "/object/00000002") })
	return to.Commit(left)
}

func forgetAttempts(to vault.Storage, b *store.Batch) error {
	if len(names(b, isFirmware)) > 0 {
		for key := range to.Keys("") {
			if strings.Contains(key, "/attempts/") {
				b.Delete(key)
			}
		}
	}
	return to.Commit(b)
}
