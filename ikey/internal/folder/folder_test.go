package folder

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// folders are both kinds, empty.
func folders(t *testing.T) map[string]Folder {
	t.Helper()
	disk, err := Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Folder{"disk": disk, "memory": &Memory{}}
}

func replace(t *testing.T, f Folder, name, content string) {
	t.Helper()
	if err := f.Replace(name, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

func TestFilesKeepWhatTheyWereGiven(t *testing.T) {
	for kind, f := range folders(t) {
		t.Run(kind, func(t *testing.T) {
			replace(t, f, "b", "first")
			replace(t, f, "a", "other")
			replace(t, f, "b", "second")
			if names, err := f.Names(); err != nil || !slices.Equal(names, []string{"a", "b"}) {
				t.Errorf("names %q, error %v", names, err)
			}
			if err := f.Rename("b", "c"); err != nil {
				t.Fatal(err)
			}
			if got, err := (File{f, "c"}).Load(); err != nil || string(got) != "second" {
				t.Errorf("after it was renamed the file holds %q, error %v", got, err)
			}
			if _, err := f.Load("b"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("load the old name: %v, want %v", err, fs.ErrNotExist)
			}
			if err := f.Rename("b", "d"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("rename the old name: %v, want %v", err, fs.ErrNotExist)
			}
		})
	}
}

func TestAFileOnTheDiskIsForItsOwnerOnly(t *testing.T) {
	disk := folders(t)["disk"].(*Disk)
	replace(t, disk, "key", "secret")
	for path, want := range map[string]fs.FileMode{disk.path: 0o700, disk.at("key"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, error %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestAFileThatNoFolderWroteIsNotLoaded(t *testing.T) {
	disk := folders(t)["disk"].(*Disk)
	if err := os.WriteFile(disk.at("long"), make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(disk.at("inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"long", "inner"} {
		if content, err := disk.Load(name); err == nil {
			t.Errorf("%s: loaded %d bytes", name, len(content))
		}
	}
}

var errCut = errors.New("power failed")

// outage carries out steps until power fails at one of them, and leaves behind
// what a disk may then hold: of content that was not synced any beginning, of a
// name that was not synced the old state or the new one.
type outage struct {
	at     int    // the step at which power fails; steps count from 0
	keep   int    // bytes that the disk has of content that was not synced
	before bool   // a rename that was not synced did not happen
	undo   func() // takes back what is not durable yet
	step   int
}

func (o *outage) cut() bool {
	o.step++
	return o.step == o.at+1
}

func (o *outage) write(path string, content []byte) error {
	o.undo = func() { _ = os.WriteFile(path, content[:min(o.keep, len(content))], 0o600) }
	if o.cut() {
		o.undo()
		return errCut
	}
	return system{}.write(path, content)
}

func (o *outage) sync(path string) error {
	if o.cut() {
		o.undo()
		return errCut
	}
	o.undo = nil
	return system{}.sync(path)
}

func (o *outage) rename(from, to string) error {
	old, err := os.ReadFile(to)
	o.undo = func() {
		if !o.before {
			return
		}
		_ = os.Rename(to, from)
		if err == nil {
			_ = os.WriteFile(to, old, 0o600)
		}
	}
	if o.cut() {
		return errCut
	}
	return system{}.rename(from, to)
}

// outages are the ways in which power can fail while content is written.
func outages(content int) []outage {
	const steps = 4 // write, sync, rename, sync of the folder
	var all []outage
	for at := range steps {
		for keep := range content + 1 {
			for _, before := range []bool{true, false} {
				all = append(all, outage{at: at, keep: keep, before: before})
			}
		}
	}
	return all
}

// After power failed at any step the file is whole: what it was before, or what
// was written. The next write goes through whatever was left behind.
func TestAPowerCutLeavesTheOldContentOrTheNew(t *testing.T) {
	before, after := []byte("before"), []byte("after")
	for _, first := range [][]byte{nil, before} {
		seen := map[string]bool{}
		for _, cut := range outages(len(after)) {
			disk, err := Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if first != nil {
				replace(t, disk, "key", string(first))
			}
			disk.steps = &cut
			if err := disk.Replace("key", after); !errors.Is(err, errCut) {
				t.Fatalf("%+v: error %v, want %v", cut, err, errCut)
			}
			again, err := Open(disk.path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := again.Load("key")
			whole := bytes.Equal(got, after) || bytes.Equal(got, first)
			if first == nil && errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
			if err != nil || !whole {
				t.Errorf("%+v: the file holds %q, error %v", cut, got, err)
			}
			seen[string(got)] = true
			if names, _ := again.Names(); len(names) > 1 {
				t.Errorf("%+v: files %q", cut, names)
			}
			replace(t, again, "key", "once more")
		}
		if len(seen) != 2 {
			t.Errorf("the cuts left %d different contents, want the old one and the new one", len(seen))
		}
	}
}

// TestNothingOutsideTheFolderIsTouched: neither where a link leads, nor a file that
// was laid there for others to read along.
func TestNothingOutsideTheFolderIsTouched(t *testing.T) {
	top := t.TempDir()
	elsewhere, inside := filepath.Join(top, "elsewhere"), filepath.Join(top, "keys")
	disk, err := Open(inside)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.WriteFile(elsewhere, []byte("untouched"), 0o644),
		os.Symlink(elsewhere, filepath.Join(inside, "a"+suffix)),
		os.Symlink(elsewhere, filepath.Join(inside, "link")),
		os.WriteFile(filepath.Join(inside, "b"+suffix), nil, 0o666),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	replace(t, disk, "a", "secret")
	replace(t, disk, "b", "secret")
	if got, err := os.ReadFile(elsewhere); string(got) != "untouched" {
		t.Errorf("elsewhere there is %q now, %v", got, err)
	}
	if got, err := disk.Load("link"); err == nil {
		t.Errorf("a link gives %q", got)
	}
	for _, name := range []string{"a", "b"} {
		info, err := os.Lstat(filepath.Join(inside, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v; want a file for its owner alone", name, info.Mode(), err)
		}
	}
}
