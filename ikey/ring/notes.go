package ring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"sync"

	"usbhsm7/ikey/internal/folder"
	"usbhsm7/ikey/token"
)

// notesFile is where notes are kept.
const notesFile = "ring.json"

// note is what a ring knows of a key and no device can read.
type note struct {
	sticker
	Writes *int `json:"writes_left,omitempty"` // that its memory still takes; nil: any number
}

// notes are those of all keys, in a file. A key that was renamed or is lost keeps
// its own. The file is read whenever a note is wanted: the ring of another device, to
// which people carry their keys, may have the same folder.
type notes struct {
	folder folder.Folder

	mu sync.Mutex      // a key that writes does not wait for the ring, which may wait for it
	of map[string]note // as last read
}

// loadNotes returns what the file says.
func loadNotes(f folder.Folder) (*notes, error) {
	n := &notes{folder: f}
	return n, n.read()
}

// read reads the file; after an error the notes are as they were. Stickers that make
// no sense are taken off: somebody else wrote them.
func (n *notes) read() error {
	of := map[string]note{}
	b, err := n.folder.Load(notesFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.of = of
		return nil
	case err == nil:
		err = json.Unmarshal(b, &of)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrStickers, notesFile, err)
	}
	if of == nil { // the file says null
		of = map[string]note{}
	}
	for name, note := range of {
		if note.check() != nil {
			note.sticker = sticker{}
			of[name] = note
		}
	}
	n.of = of
	return nil
}

// all returns the notes of all keys, as last read if the file is unreadable now.
func (n *notes) all() map[string]note {
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = n.read()
	return maps.Clone(n.of)
}

// get returns the note of a key, which is empty if there is none.
func (n *notes) get(name string) note { return n.all()[name] }

// change changes the note of a key, durably, unless change fails.
func (n *notes) change(name string, change func(*note) error) error {
	return n.edit(func(of map[string]note) error {
		note := of[name]
		err := change(&note)
		of[name] = note
		return err
	})
}

// forget drops a note.
func (n *notes) forget(name string) error {
	return n.edit(func(of map[string]note) error { delete(of, name); return nil })
}

// edit changes the notes of all keys, durably, unless do fails.
func (n *notes) edit(do func(map[string]note) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.read(); err != nil {
		return err
	}
	if err := do(n.of); err != nil {
		return err
	}
	return n.save()
}

func (n *notes) save() error {
	b, err := json.MarshalIndent(n.of, "", "  ")
	if err != nil {
		return err
	}
	return n.folder.Replace(notesFile, append(b, '\n'))
}

// memory is that of a key: it takes as many writes as the note of the key says.
type memory struct {
	token.Memory
	notes *notes
	name  string
}

var errWorn = errors.New("the memory is worn out")

// Replace implements token.Memory. A write is counted before it is begun, so that no
// loss of power gives one back.
func (m *memory) Replace(b []byte) error {
	if m.notes.get(m.name).Writes != nil {
		if err := m.notes.change(m.name, (*note).spend); err != nil {
			return err
		}
	}
	return m.Memory.Replace(b)
}

// spend counts a write.
func (n *note) spend() error {
	if n.Writes == nil {
		return nil
	}
	if *n.Writes <= 0 {
		return errWorn
	}
	fewer := *n.Writes - 1
	n.Writes = &fewer
	return nil
}
