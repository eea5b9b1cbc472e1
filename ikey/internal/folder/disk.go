package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSize bounds a file, in bytes.
const maxSize = 1 << 20

// suffix marks a file that is not yet what it is to become. What is left of one
// after a loss of power is overwritten by the next.
const suffix = ".new"

// Disk is a folder on the disk, readable by its owner only.
type Disk struct {
	path  string
	steps steps
}

// steps are the operations that a loss of power can come between. What was not
// synced may be lost, in whole or in part.
type steps interface {
	write(path string, content []byte) error // creates the file, or empties it first
	sync(path string) error                  // of a file: its content; of a folder: the names in it
	rename(from, to string) error
}

// Open returns the folder at path, which it makes if there is none.
func Open(path string) (*Disk, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return &Disk{path: path, steps: system{}}, nil
}

// Names implements Folder.
func (d *Disk) Names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Load implements Folder. It refuses what is longer than any file written here, and
// follows no links.
func (d *Disk) Load(name string) ([]byte, error) {
	info, err := os.Lstat(d.at(name))
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSize || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %d bytes, or no file at all; want at most %d bytes", name, info.Size(), maxSize)
	}
	return os.ReadFile(d.at(name))
}

// Replace implements Folder: the new content is durable under another name
// before it takes the place of the old one.
func (d *Disk) Replace(name string, content []byte) error {
	fresh := d.at(name) + suffix
	if err := d.steps.write(fresh, content); err != nil {
		return err
	}
	if err := d.steps.sync(fresh); err != nil {
		return err
	}
	if err := d.steps.rename(fresh, d.at(name)); err != nil {
		return err
	}
	return d.steps.sync(d.path)
}

// Rename implements Folder.
func (d *Disk) Rename(from, to string) error {
	if err := d.steps.rename(d.at(from), d.at(to)); err != nil {
		return err
	}
	return d.steps.sync(d.path)
}

func (d *Disk) at(name string) string { return filepath.Join(d.path, name) }

// system carries the steps out.
type system struct{}

// write makes the file anew. Whatever has its name, perhaps a link to elsewhere or a
// file that others may read, is only removed.
func (system) write(path string, content []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Close())
}

func (system) sync(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func (system) rename(from, to string) error { return os.Rename(from, to) }
