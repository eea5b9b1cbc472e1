package rehearse

import (
	"errors"
	"iter"
	"strings"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

// Defect is a way of getting it wrong: the core on a chip or on a storage that
// does something else than it was told.
type Defect struct {
	Name    string
	Kind    Kind                                     // of the fault that has to be found
	Scenes  string                                   // regular expression: in which scenes it shows, among others
	chip    func(flash.Device) (flash.Device, error) // nil: as it is
	storage func(vault.Storage) vault.Storage        // nil: as it is
}

// Rig returns the core with the defect.
func (d Defect) Rig() Rig { return coreWith(d) }

// Defects returns defects that a rehearsal has to notice.
func Defects() []Defect {
	return []Defect{
		{
			Name: "an attempt is counted after the password was looked at", Kind: FreeGuess, Scenes: "^login of",
			storage: func(s vault.Storage) vault.Storage { return &late{Storage: s, holds: contains("/attempts/")} },
		},
		{
			Name: "the root key is replaced before the key encryption key is written", Kind: Mixture, Scenes: "^(zeroize|partition deletion)$",
			storage: func(s vault.Storage) vault.Storage { return &late{Storage: s, holds: ends("/kek")} },
		},
		{
			Name: "the audit record is written by a change of its own", Kind: Unrecorded, Scenes: "^(zeroize|partition creation|change of an attribute)$",
			storage: func(s vault.Storage) vault.Storage { return &torn{Storage: s, first: begins("plain/audit/")} },
		},
		{
			Name: "the objects of a change are written one after the other", Kind: Mixture, Scenes: "^generation of a key pair$",
			storage: func(s vault.Storage) vault.Storage { return &torn{Storage: s, first: ends("/object/00000005")} },
		},
		{
			Name: "the host is answered before the change is durable", Kind: Lost, Scenes: "^(generation of a key|change of an attribute)$",
			chip: newLazy,
		},
		{
			Name: "a copy of the root key is left behind", Kind: Remains, Scenes: "^(zeroize|rollback of the firmware)$",
			chip: func(chip flash.Device) (flash.Device, error) { return &hoarder{chip}, nil },
		},
		{
			Name: "attempts are forgotten at power-on", Kind: Backwards, Scenes: "^wrong password",
			storage: func(s vault.Storage) vault.Storage { return forget(s, contains("/attempts/")) },
		},
		{
			Name: "handles of objects start again at power-on", Kind: Backwards, Scenes: "^destruction of an object$",
			storage: func(s vault.Storage) vault.Storage { return forget(s, ends("/last-handle")) },
		},
		{
			Name: "the audit log starts again at power-on", Kind: Lost, Scenes: "^generation of a key$",
			storage: func(s vault.Storage) vault.Storage { return forget(s, begins("plain/audit")) },
		},
	}
}

func contains(part string) func(string) bool {
	return func(key string) bool { return strings.Contains(key, part) }
}

func begins(part string) func(string) bool {
	return func(key string) bool { return strings.HasPrefix(key, part) }
}

func ends(part string) func(string) bool {
	return func(key string) bool { return strings.HasSuffix(key, part) }
}

// late holds some changes back until something else is written. Of two that it
// holds back the first is forgotten.
type late struct {
	vault.Storage
	holds func(key string) bool
	held  *store.Batch
}

// Commit writes what is not held back, and behind what was.
func (l *late) Commit(b *store.Batch) error {
	held, others := b.Split(l.holds)
	if held.Size() == new(store.Batch).Size() {
		return errors.Join(l.release(), l.Storage.Commit(b))
	}
	l.held = held
	return l.Storage.Commit(others)
}

// ReplaceRootKey writes what was held back when it is too late.
func (l *late) ReplaceRootKey(key []byte) error {
	return errors.Join(l.Storage.ReplaceRootKey(key), l.release())
}

func (l *late) release() error {
	held := l.held
	if l.held = nil; held == nil {
		return nil
	}
	return l.Storage.Commit(held)
}

// lazy is a chip that shows what was done to it at once, and does it one sync
// later.
type lazy struct {
	*flash.Tap // what is shown
	chip       flash.Device
	due, next  []flash.Operation
}

func newLazy(chip flash.Device) (flash.Device, error) {
	image := make([]byte, chip.Geometry().Size())
	if err := chip.Read(0, image); err != nil {
		return nil, err
	}
	shown, err := flash.Load(chip.Geometry(), image)
	if err != nil {
		return nil, err
	}
	l := &lazy{chip: chip}
	l.Tap = flash.NewTap(shown, l.queue)
	return l, nil
}

func (l *lazy) queue(o flash.Operation) error {
	o.Data = append([]byte(nil), o.Data...)
	l.next = append(l.next, o)
	if o.Kind != flash.SyncDevice {
		return nil
	}
	for _, o := range l.due {
		if err := o.Perform(l.chip, flash.Outcome{Mode: flash.After}); err != nil {
			return err
		}
	}
	l.due, l.next = l.next, nil
	return nil
}

// hoarder copies what is erased from the first block to the last.
type hoarder struct{ flash.Device }

// Erase implements flash.Device.
func (h *hoarder) Erase(block int) error {
	g := h.Geometry()
	if block == 0 {
		page := make([]byte, g.PageSize)
		if err := h.Read(0, page); err != nil {
			return err
		}
		last := g.Blocks - 1
		if err := errors.Join(h.Device.Erase(last), h.Program(int64(last*g.BlockSize()), page)); err != nil {
			return err
		}
	}
	return h.Device.Erase(block)
}

// torn makes one change in two steps.
type torn struct {
	vault.Storage
	first func(key string) bool
}

// Commit writes what goes first by itself.
func (t *torn) Commit(b *store.Batch) error {
	first, second := b.Split(t.first)
	return errors.Join(t.Storage.Commit(first), t.Storage.Commit(second))
}

// forget hides what was there at power-on.
func forget(s vault.Storage, hides func(key string) bool) vault.Storage {
	f := &forgetful{Storage: s, hidden: map[string]bool{}}
	for key := range s.Keys("") {
		if hides(key) {
			f.hidden[key] = true
		}
	}
	return f
}

// forgetful is a storage that does not show some of its records until they are
// written again.
type forgetful struct {
	vault.Storage
	hidden map[string]bool
}

func (f *forgetful) Get(key string) ([]byte, bool) {
	if f.hidden[key] {
		return nil, false
	}
	return f.Storage.Get(key)
}

func (f *forgetful) Keys(prefix string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for key := range f.Storage.Keys(prefix) {
			if !f.hidden[key] && !yield(key) {
				return
			}
		}
	}
}

func (f *forgetful) Commit(b *store.Batch) error {
	b.Split(func(key string) bool {
		delete(f.hidden, key)
		return false
	})
	return f.Storage.Commit(b)
}
