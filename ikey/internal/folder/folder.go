// Package folder keeps small named files, each replaced as a whole: after a loss
// of power at any moment a file has its old content or its new one, never a part
// of either.
package folder

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// Folder holds files. Names have no path in them. Its methods may be called from
// any goroutine; errors wrap fs.ErrNotExist and the like.
type Folder interface {
	// Names returns the names of all files, sorted.
	Names() ([]string, error)
	// Load returns the content of a file.
	Load(name string) ([]byte, error)
	// Replace gives a file, which need not exist, a new content. When it returns
	// nil the content is durable. After an error either content may be there.
	Replace(name string, content []byte) error
	// Rename gives a file another name. A file of that name is replaced.
	Rename(from, to string) error
}

// File is one file of a folder.
type File struct {
	Folder Folder
	Name   string
}

// Load returns the content.
func (f File) Load() ([]byte, error) { return f.Folder.Load(f.Name) }

// Replace gives the file a new content, as Folder does.
func (f File) Replace(content []byte) error { return f.Folder.Replace(f.Name, content) }

// Memory is a folder that is lost with the process. The zero value is empty.
type Memory struct {
	mu    sync.Mutex
	files map[string][]byte
}

// Names implements Folder.
func (m *Memory) Names() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files)), nil
}

// Load implements Folder.
func (m *Memory) Load(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return slices.Clone(content), nil
}

// Replace implements Folder.
func (m *Memory) Replace(name string, content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files == nil {
		m.files = map[string][]byte{}
	}
	clear(m.files[name])
	m.files[name] = slices.Clone(content)
	return nil
}

// Rename implements Folder.
func (m *Memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.files[from]
	if !ok {
		return fmt.Errorf("%s: %w", from, fs.ErrNotExist)
	}
	m.files[to] = content
	delete(m.files, from)
	return nil
}
