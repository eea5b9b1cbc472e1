package flash_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"usbhsm7/firmware/flash"
)

func openFile(t testing.TB, path string, g flash.Geometry) *flash.File {
	t.Helper()
	f, err := flash.OpenFile(path, g)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileKeepsContentAndWear(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash")
	f := openFile(t, path, small)
	if err := exercise(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Program(0, []byte{0xFF}); !errors.Is(err, flash.ErrNotErased) {
		t.Errorf("setting a bit: %v", err)
	}
	want, wear := content(t, f), f.Wear(0)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f = openFile(t, path, small)
	defer f.Close()
	if !bytes.Equal(content(t, f), want) || f.Wear(0) != wear || wear != 1 {
		t.Errorf("content or wear (%d, was %d) changed", f.Wear(0), wear)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("draft is still there: %v", err)
	}
}

func TestFileBehavesLikeMemory(t *testing.T) {
	f := openFile(t, filepath.Join(t.TempDir(), "flash"), small)
	defer f.Close()
	m := newMemory(t, small)
	if err := errors.Join(exercise(f), exercise(m)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content(t, f), content(t, m)) {
		t.Error("file and memory differ")
	}
	c := f.Clone()
	if err := c.Erase(0); err != nil || bytes.Equal(content(t, f), content(t, c)) {
		t.Errorf("a clone of a file is not its own (%v)", err)
	}
}

func TestNewFileIsSparseAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash")
	f := openFile(t, path, flash.DefaultGeometry())
	defer f.Close()
	info, err := os.Stat(path)
	if err != nil || info.Size() < flash.DefaultGeometry().Size() || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestDraftOfAnInterruptedCreationIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash")
	if err := os.WriteFile(path+".new", []byte("half a dra"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path, small)
	defer f.Close()
	if b := content(t, f); b[0] != flash.Erased {
		t.Error("the new chip is not erased")
	}
}

// TestDamagedFileIsRefusedAndNotTouched also tries every bit of the header.
func TestDamagedFileIsRefusedAndNotTouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash")
	f := openFile(t, path, small)
	if err := errors.Join(exercise(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"empty":     {},
		"foreign":   bytes.Repeat([]byte("not a flash "), 1000),
		"truncated": good[:len(good)-1],
		"header":    good[:20],
		"longer":    append(bytes.Clone(good), 0),
	}
	for name, damaged := range cases {
		refuse(t, name, path, damaged)
	}
	for bit := range 28 * 8 {
		damaged := bytes.Clone(good)
		damaged[bit/8] ^= 1 << (bit % 8)
		refuse(t, "bit flip in the header", path, damaged)
	}
}

// refuse checks that a file with such content is refused and stays as it is.
func refuse(t *testing.T, name, path string, damaged []byte) {
	t.Helper()
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := flash.OpenFile(path, small); !errors.Is(err, flash.ErrCorrupt) {
		t.Errorf("%s: %v, want ErrCorrupt", name, err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, damaged) {
		t.Errorf("%s: the file was changed (%v)", name, err)
	}
}

func TestFileOfAnotherGeometryIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flash")
	if err := openFile(t, path, small).Close(); err != nil {
		t.Fatal(err)
	}
	other := flash.Geometry{PageSize: 16, PagesPerBlock: 2, Blocks: 10} // the same size
	if _, err := flash.OpenFile(path, other); !errors.Is(err, flash.ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}

func TestFileThatCannotBeOpenedIsReported(t *testing.T) {
	dir := t.TempDir()
	if _, err := flash.OpenFile(dir, small); err == nil {
		t.Error("a directory was opened")
	}
	if _, err := flash.OpenFile(filepath.Join(dir, "no", "such", "place"), small); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
}

// FuzzOpenFile opens arbitrary files as a chip.
func FuzzOpenFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "flash")
	chip := openFile(f, path, small)
	if err := errors.Join(exercise(chip), chip.Close()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:28])
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(t.TempDir(), "flash")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		chip, err := flash.OpenFile(path, small)
		if err != nil {
			if !errors.Is(err, flash.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		content(t, chip)
		chip.Close()
	})
}

func BenchmarkOpenFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "flash")
	f := openFile(b, path, flash.DefaultGeometry())
	for at := int64(0); at < f.Geometry().Size(); at += 4096 {
		if err := f.Program(at, make([]byte, 4000)); err != nil {
			b.Fatal(err)
		}
	}
	f.Close()
	for b.Loop() {
		openFile(b, path, flash.DefaultGeometry()).Close()
	}
}

func BenchmarkCreateFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "flash")
	for b.Loop() {
		openFile(b, path, flash.DefaultGeometry()).Close()
		os.Remove(path)
	}
}
