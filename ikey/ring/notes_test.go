package ring

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"usbhsm7/ikey"
	"usbhsm7/ikey/internal/folder"
)

// over returns hands with the keys of a folder, as it is found when a program starts.
func over(t testing.TB, f folder.Folder) *hands {
	t.Helper()
	port := ikey.NewPort()
	r, err := open(f, port, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return &hands{Ring: r, t: t, port: port, device: ikey.NewReader(port)}
}

// wears wants a key to take exactly so many writes more.
func (h *hands) wears(name string, writes int) {
	h.t.Helper()
	h.do(h.Insert(name))
	for i := range writes {
		if err := h.device.Write(h.t.Context(), contents(1), nil); err != nil {
			h.t.Fatalf("write %d of %d to %s: %v", i+1, writes, name, err)
		}
	}
	if err := h.device.Write(h.t.Context(), contents(2), nil); !errors.Is(err, ikey.ErrWorn) {
		h.t.Errorf("write to %s after %d: %v, want %v", name, writes, err, ikey.ErrWorn)
	}
	h.do(h.Remove())
}

func TestFaultsOfAKeyStayWhenTheRingIsOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	h := openHands(t, path)
	h.make("worn", "damaged", "whole")
	h.do(h.Wear("worn", 3))
	h.write("worn", contents(1), nil)
	h.do(h.Damage("damaged"))
	h.Close()

	h = openHands(t, path)
	h.do(h.Insert("damaged"))
	if _, err := h.device.Identify(t.Context()); !errors.Is(err, ikey.ErrDamaged) {
		t.Errorf("the damaged key: %v, want %v", err, ikey.ErrDamaged)
	}
	h.do(h.Remove())
	h.wears("worn", 2)
	h.Close()

	h = openHands(t, path)
	h.wears("worn", 0)
	for range 5 {
		h.write("whole", contents(1), nil)
	}
}

func TestAWornKeyStaysWornWhateverHappensToIt(t *testing.T) {
	h := newHands(t)
	h.do(h.Make("one", "blue"))
	h.do(h.Wear("one", 1))
	h.do(h.Lose("one"))
	h.do(h.Find("one"))
	h.do(h.Sticker("one", "red", "worn"))
	h.do(h.Rename("one", "two"))
	h.do(h.Copy("two", "fresh"))
	h.make("one")
	h.wears("two", 1)
	for _, name := range []string{"fresh", "one"} { // these are other keys
		for range 3 {
			h.write(name, contents(1), nil)
		}
	}
	if got, want := h.key("two"), (Key{Name: "two", Colour: "red", Text: "worn"}); got != want {
		t.Errorf("key %+v, want %+v", got, want)
	}
}

// outage is a folder whose power fails at its n-th change from now, before or after
// that is done.
type outage struct {
	folder.Folder
	left int
	done bool
}

var errOutage = errors.New("power failed")

func (o *outage) change(do func() error) error {
	o.left--
	switch {
	case o.left > 0:
		return do()
	case o.left == 0 && o.done:
		return errors.Join(do(), errOutage)
	}
	return errOutage
}

// Replace implements folder.Folder.
func (o *outage) Replace(name string, content []byte) error {
	return o.change(func() error { return o.Folder.Replace(name, content) })
}

// Rename implements folder.Folder.
func (o *outage) Rename(from, to string) error {
	return o.change(func() error { return o.Folder.Rename(from, to) })
}

// cuts has power fail at each change that do makes in a folder with the key "one",
// which is blue, holds contents(1) and takes three writes more. Then it looks at
// what is left.
func cuts(t *testing.T, do func(*hands) error, look func(*hands)) {
	t.Helper()
	for n, last := 1, false; !last; n++ {
		for _, done := range []bool{false, true} {
			files := &folder.Memory{}
			h := over(t, files)
			h.do(h.Make("one", "blue"))
			h.do(h.Wear("one", 4))
			h.write("one", contents(1), nil)
			h.Close()
			cut := &outage{files, n, done}
			if err := do(over(t, cut)); err == nil {
				last = true
				if n < 3 {
					t.Errorf("power failed only %d times", n-1)
				}
			}
			look(over(t, files))
		}
	}
}

func TestAPowerCutNeverGivesAWriteBack(t *testing.T) {
	write := func(h *hands) error {
		h.do(h.Insert("one"))
		err := h.device.Write(t.Context(), contents(2), nil)
		h.do(h.Remove())
		return err
	}
	cuts(t, write, func(h *hands) {
		h.do(h.Insert("one"))
		holds := h.holds(nil)
		h.do(h.Remove())
		left := *h.notes.get("one").Writes
		switch {
		case equal(holds, contents(1)) && (left == 3 || left == 2): // at worst a write is lost
		case equal(holds, contents(2)) && left == 2:
		default:
			t.Errorf("%d writes are left, the key holds %+v", left, holds)
		}
		h.wears("one", left)
	})
}

func TestAPowerCutNeverPartsAKeyFromItsNote(t *testing.T) {
	rename := func(h *hands) error { return h.Rename("one", "two") }
	cuts(t, rename, func(h *hands) {
		keys := h.keys()
		if len(keys) != 1 || keys[0].Name != "one" && keys[0].Name != "two" || keys[0].Colour != "blue" {
			t.Fatalf("keys %+v", keys)
		}
		h.wears(keys[0].Name, 3)
	})
}

// A key that was pulled out ends what it had begun before its file gets another name.
func TestAKeyThatSlippedOutIsWhereItWasRenamedTo(t *testing.T) {
	h := newHands(t)
	h.make("one")
	h.do(h.PullAfter("one", 100))
	h.do(h.Insert("one"))
	if err := h.device.Write(t.Context(), contents(1), nil); err == nil {
		t.Fatal("it did not slip out")
	}
	h.do(h.Rename("one", "two"))
	if keys := h.keys(); len(keys) != 1 || keys[0].Name != "two" {
		t.Errorf("keys %+v", keys)
	}
}

// seeded writes a key with a PIN and another one after that, and returns the files.
func seeded(t *testing.T, f folder.Folder, seed string) map[string]string {
	t.Helper()
	port := ikey.NewPort()
	r, err := open(f, port, []byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	h := &hands{Ring: r, t: t, port: port, device: ikey.NewReader(port)}
	for i, name := range []string{"one", "two"} {
		if !h.has(name + keySuffix) {
			h.make(name)
		}
		h.write(name, contents(uint8(i+1)), pin)
	}
	names, err := f.Names()
	h.do(err)
	files := map[string]string{}
	for _, name := range names {
		content, err := f.Load(name)
		h.do(err)
		files[name] = string(content)
	}
	return files
}

func TestASeedDecidesWhatIsInTheFiles(t *testing.T) {
	folders := map[string]*folder.Memory{"first": {}, "again": {}, "other": {}}
	first, again, other := seeded(t, folders["first"], "a"), seeded(t, folders["again"], "a"), seeded(t, folders["other"], "b")
	if len(first) != 3 {
		t.Errorf("%d files, want two keys and the notes", len(first))
	}
	for name, content := range first {
		if again[name] != content {
			t.Errorf("%s: the same seed gives %x, then %x", name, content, again[name])
		}
	}
	if first["one.ikey"] == other["one.ikey"] {
		t.Error("another seed makes no difference")
	}
	salt := func(file string) string { return file[9:25] } // docs/ikey-format.md
	later := seeded(t, folders["first"], "a")
	seen := map[string]bool{}
	for _, file := range []string{first["one.ikey"], first["two.ikey"], later["one.ikey"], later["two.ikey"]} {
		if seen[salt(file)] {
			t.Error("a ring that is opened again repeats a salt")
		}
		seen[salt(file)] = true
	}
	if bytes.Equal([]byte(salt(first["one.ikey"])), make([]byte, 16)) {
		t.Error("there is no salt")
	}
}
