package ring

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"usbhsm7/ikey"
	"usbhsm7/ikey/internal/folder"
	"usbhsm7/ikey/token"
)

// Errors.
var (
	ErrName     = errors.New("the name of a key has 1 to 64 letters, digits, dashes and underscores")
	ErrColour   = errors.New("there is no sticker of this colour")
	ErrText     = fmt.Errorf("the text on a sticker has at most %d characters, in one line", MaxText)
	ErrNoSuch   = errors.New("there is no key of this name")
	ErrLost     = errors.New("the key is lost: find it first")
	ErrNotLost  = errors.New("the key is not lost")
	ErrExists   = errors.New("there is a key of this name")
	ErrInPort   = errors.New("the key is in the port: pull it out first")
	ErrStickers = errors.New("the file of stickers is unreadable")
)

// Files of a folder.
const (
	keySuffix  = ".ikey"
	lostSuffix = ".lost"
)

// Key is a key as people see it.
type Key struct {
	Name   string `json:"name"`
	Colour string `json:"colour"` // of the sticker, "" = none
	Text   string `json:"text"`   // on the sticker
	InPort bool   `json:"in_port"`
	Lost   bool   `json:"lost"`
}

// Ring is a set of keys. Its methods may be called from any goroutine.
type Ring struct {
	folder  folder.Folder
	port    *ikey.Port
	changes chan struct{}
	notes   *notes
	entropy io.Reader // for keys

	mu      sync.Mutex
	leads   map[string]int // by name, of the keys to be pulled out: after how many bytes
	plugged *plugged       // the key of this ring that was last put into the port
}

// Open returns the keys in the folder at path, which it makes if there is none.
// They go into port. With a seed, which is nil for none, all that is random on keys
// follows from it and from what is in the folder: for tests only. Close the ring. The
// error may wrap ErrStickers.
func Open(path string, port *ikey.Port, seed []byte) (*Ring, error) {
	disk, err := folder.Open(path)
	if err != nil {
		return nil, fmt.Errorf("folder of iKeys: %w", err)
	}
	return open(disk, port, seed)
}

// New returns a ring without keys that is lost with the process. The seed is that of
// Open. Close the ring.
func New(port *ikey.Port, seed []byte) *Ring {
	r, _ := open(&folder.Memory{}, port, seed) // an empty folder has nothing to complain of
	return r
}

func open(f folder.Folder, port *ikey.Port, seed []byte) (*Ring, error) {
	n, err := loadNotes(f)
	if err != nil {
		return nil, err
	}
	random, err := entropy(f, seed)
	if err != nil {
		return nil, err
	}
	r := &Ring{folder: f, port: port, changes: make(chan struct{}, 1), notes: n, entropy: random, leads: map[string]int{}}
	port.Notify(r.changes)
	return r, nil
}

// Close pulls the key of this ring that is in the port, and waits for its end.
func (r *Ring) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unplug()
}

// Changes holds a token whenever something changed in what Keys returns, or in
// the port, since the last one was taken. It belongs to one receiver.
func (r *Ring) Changes() <-chan struct{} { return r.changes }

func (r *Ring) changed() {
	select {
	case r.changes <- struct{}{}:
	default:
	}
}

// Keys returns all keys, sorted by name as people do: so-2 comes before so-10.
func (r *Ring) Keys() ([]Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names, err := r.folder.Names()
	if err != nil {
		return nil, fmt.Errorf("list iKeys: %w", err)
	}
	inside, notes := r.inside(), r.notes.all()
	var keys []Key
	for _, file := range names {
		name, found := strings.CutSuffix(file, keySuffix)
		name, lost := strings.CutSuffix(name, lostSuffix)
		if found == lost || !validName(name) {
			continue
		}
		s := notes[name]
		keys = append(keys, Key{Name: name, Colour: s.Colour, Text: s.Text, InPort: name == inside, Lost: lost})
	}
	slices.SortFunc(keys, func(a, b Key) int { return inOrder(a.Name, b.Name) })
	return keys, nil
}

// Make makes a blank key with a sticker. Errors: ErrName, ErrColour, ErrExists.
func (r *Ring) Make(name, colour string) error {
	return r.add(name, sticker{Colour: colour}, func() error {
		return token.Format(folder.File{Folder: r.folder, Name: name + keySuffix})
	})
}

// Copy makes a key of which no device can tell that it is not the other one.
// Errors: ErrName, ErrExists, ErrNoSuch, ErrLost.
func (r *Ring) Copy(name, as string) error {
	return r.add(as, r.notes.get(name).sticker, func() error {
		if err := r.reach(name); err != nil {
			return err
		}
		content, err := r.folder.Load(name + keySuffix)
		if err != nil {
			return fmt.Errorf("copy the key %s: %w", name, err)
		}
		defer clear(content)
		return r.folder.Replace(as+keySuffix, content)
	})
}

// Check tells why there can be no key of that name with a sticker of that colour:
// ErrName or ErrColour.
func Check(name, colour string) error {
	if !validName(name) {
		return fmt.Errorf("%w: %q", ErrName, name)
	}
	return sticker{Colour: colour}.check()
}

// add adds a key, whose file create makes.
func (r *Ring) add(name string, s sticker, create func() error) error {
	if err := Check(name, s.Colour); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has(name+keySuffix) || r.has(name+lostSuffix) {
		return fmt.Errorf("%w: %s", ErrExists, name)
	}
	if err := create(); err != nil {
		return err
	}
	defer r.changed()
	return r.notes.change(name, func(n *note) error { *n = note{sticker: s}; return nil })
}

// Rename gives a key another name. Errors: ErrName, ErrExists, ErrNoSuch,
// ErrLost, ErrInPort.
func (r *Ring) Rename(name, to string) error {
	if !validName(to) {
		return fmt.Errorf("%w: %q", ErrName, to)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has(to+keySuffix) || r.has(to+lostSuffix) {
		return fmt.Errorf("%w: %s", ErrExists, to)
	}
	if err := r.free(name); err != nil {
		return err
	}
	defer r.changed()
	// Noted under both names in between, so that no loss of power parts them.
	was := r.notes.get(name)
	if err := r.notes.change(to, func(n *note) error { *n = was; return nil }); err != nil {
		return err
	}
	if err := r.folder.Rename(name+keySuffix, to+keySuffix); err != nil {
		return err
	}
	return r.notes.forget(name)
}

// Sticker puts another sticker on a key. Errors: ErrColour, ErrText, ErrNoSuch.
func (r *Ring) Sticker(name, colour, text string) error {
	s := sticker{Colour: colour, Text: text}
	if err := s.check(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(name+keySuffix) && !r.has(name+lostSuffix) {
		return fmt.Errorf("%w: %s", ErrNoSuch, name)
	}
	defer r.changed()
	return r.notes.change(name, func(n *note) error { n.sticker = s; return nil })
}

// Lose takes a key away from everybody. Errors: ErrNoSuch, ErrLost, ErrInPort.
func (r *Ring) Lose(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.free(name); err != nil {
		return err
	}
	defer r.changed()
	return r.folder.Rename(name+keySuffix, name+lostSuffix)
}

// Find brings a lost key back. Errors: ErrNoSuch, ErrNotLost.
func (r *Ring) Find(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch err := r.reach(name); {
	case err == nil:
		return fmt.Errorf("%w: %s", ErrNotLost, name)
	case !errors.Is(err, ErrLost):
		return err
	}
	defer r.changed()
	return r.folder.Rename(name+lostSuffix, name+keySuffix)
}

// free tells why a key is not at hand, or ErrInPort. If it was pulled out, what it
// had begun has ended. r.mu is held.
func (r *Ring) free(name string) error {
	if err := r.reach(name); err != nil {
		return err
	}
	if r.inside() == name {
		return fmt.Errorf("%w: %s", ErrInPort, name)
	}
	if r.inside() == "" {
		r.unplug()
	}
	return nil
}

// reach tells why a key is not at hand: ErrNoSuch or ErrLost. Names that lead out
// of the folder are those of no key. r.mu is held.
func (r *Ring) reach(name string) error {
	switch {
	case !validName(name):
	case r.has(name + keySuffix):
		return nil
	case r.has(name + lostSuffix):
		return fmt.Errorf("%w: %s", ErrLost, name)
	}
	return fmt.Errorf("%w: %s", ErrNoSuch, name)
}

// has reports whether there is a file of this name, whatever is in it: one that no
// token can read is a damaged key. r.mu is held.
func (r *Ring) has(file string) bool {
	names, err := r.folder.Names()
	return err == nil && slices.Contains(names, file)
}

// validName reports whether a key may have this name, which is that of a file.
func validName(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return name != "" && len(name) <= 64 && strings.Trim(name, allowed) == ""
}

// chip returns the token in the file of a key.
func (r *Ring) chip(name string) *token.Token {
	file := folder.File{Folder: r.folder, Name: name + keySuffix}
	return token.New(&memory{Memory: file, notes: r.notes, name: name}, r.entropy)
}
