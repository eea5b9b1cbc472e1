package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/hsm/vault"
	"usbhsm7/firmware/store"
)

func newChip(t testing.TB) *flash.Memory {
	t.Helper()
	chip, err := flash.NewMemory(flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 64})
	if err != nil {
		t.Fatal(err)
	}
	return chip
}

func open(t testing.TB, chip flash.Device, entropy io.Reader) (*vault.Vault, bool) {
	t.Helper()
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	v, interrupted, err := vault.Open(records, entropy)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Bury(); err != nil {
		t.Fatal(err)
	}
	return v, interrupted
}

func change(records map[string]string, deletes ...string) *vault.Change {
	var c vault.Change
	for _, name := range slices.Sorted(maps.Keys(records)) {
		c.Put(name, []byte(records[name]))
	}
	for _, name := range deletes {
		c.Delete(name)
	}
	return &c
}

func contents(t testing.TB, v *vault.Vault) map[string]string {
	t.Helper()
	got := map[string]string{}
	for name := range v.Names("") {
		value, ok, err := v.Get(name)
		if err != nil || !ok {
			t.Fatalf("%s: %v, %v", name, ok, err)
		}
		got[name] = string(value)
	}
	return got
}

func expect(t testing.TB, v *vault.Vault, want map[string]string) {
	t.Helper()
	if got := contents(t, v); !maps.Equal(got, want) {
		t.Fatalf("records %v, want %v", got, want)
	}
}

func TestRecordsOutliveTheVault(t *testing.T) {
	chip := newChip(t)
	v, interrupted := open(t, chip, rand.Reader)
	if interrupted {
		t.Error("a blank store counts as interrupted")
	}
	if err := v.Commit(change(map[string]string{"a/1": "one", "a/2": "two", "b": ""})); err != nil {
		t.Fatal(err)
	}
	if err := v.Commit(change(map[string]string{"a/2": "zwei"}, "a/1", "none")); err != nil {
		t.Fatal(err)
	}
	if err := v.PutPlain("serial", []byte("7")); err != nil {
		t.Fatal(err)
	}
	v, interrupted = open(t, chip, rand.Reader)
	expect(t, v, map[string]string{"a/2": "zwei", "b": ""})
	if names := slices.Collect(v.Names("a/")); !slices.Equal(names, []string{"a/2"}) || interrupted {
		t.Errorf("names %v, interrupted %v", names, interrupted)
	}
	if _, ok, err := v.Get("none"); ok || err != nil {
		t.Errorf("a record that is not there: %v, %v", ok, err)
	}
	if got, ok := v.Plain("serial"); !ok || string(got) != "7" {
		t.Errorf("plain record %q, %v", got, ok)
	}
}

func TestReplaceLeavesNothingOfTheOldGeneration(t *testing.T) {
	chip := newChip(t)
	v, _ := open(t, chip, rand.Reader)
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	old := records.RootKey()
	if err := v.Commit(change(map[string]string{"kept": "k", "dropped": "d"})); err != nil {
		t.Fatal(err)
	}
	if err := v.PutPlain("serial", []byte("7")); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Replace(change(map[string]string{"kept": "new"})); err != nil {
		t.Fatal(err)
	}
	expect(t, v, map[string]string{"kept": "new"})
	image := make([]byte, chip.Geometry().Size())
	if err := chip.Read(0, image); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(image, old) {
		t.Error("the old root key is still on the flash")
	}
	v, _ = open(t, chip, rand.Reader)
	expect(t, v, map[string]string{"kept": "new"})
	if _, ok := v.Plain("serial"); !ok {
		t.Error("the plain record is gone")
	}
}

// TestPowerCutDuringReplace cuts the power at every operation of a Replace and
// wants the old records or the new ones, never a mixture and never none.
func TestPowerCutDuringReplace(t *testing.T) {
	before, after := map[string]string{"a": "old", "b": "old"}, map[string]string{"a": "new", "c": "new"}
	base := newChip(t)
	v, _ := open(t, base, rand.Reader)
	if err := v.Commit(change(before)); err != nil {
		t.Fatal(err)
	}
	outcomes := []flash.Mode{flash.Before, flash.TornPrefix, flash.TornBits, flash.TornWord, flash.TornUnsteady, flash.After}
	seen := map[string]int{}
	for at, lost := 1, true; lost; at++ {
		for _, mode := range outcomes {
			chip := base.Clone()
			cut := flash.NewPowerCut(chip, at, flash.Outcome{Mode: mode, Seed: uint64(at)})
			err := replaceOn(cut, after)
			lost = cut.Lost()
			v, interrupted := open(t, chip, rand.Reader)
			got := contents(t, v)
			if interrupted || !maps.Equal(got, before) && !maps.Equal(got, after) || err == nil && !maps.Equal(got, after) {
				t.Fatalf("cut %s operation %d (error %v): records %v, interrupted %v", mode, at, err, got, interrupted)
			}
			seen[got["a"]]++
		}
	}
	if seen["old"] == 0 || seen["new"] == 0 {
		t.Errorf("outcomes seen: %v", seen)
	}
}

// replaceOn opens a vault and replaces its records.
func replaceOn(chip flash.Device, records map[string]string) error {
	s, err := store.Open(chip)
	if err != nil {
		return err
	}
	v, _, err := vault.Open(s, rand.Reader)
	if err != nil {
		return err
	}
	_, err = v.Replace(change(records))
	return err
}

// refusing is a store that has no room for the records of a new generation.
type refusing struct {
	*store.Store
	commits int
}

func (r *refusing) Commit(b *store.Batch) error {
	if r.commits--; r.commits >= 0 {
		return store.ErrFull
	}
	return r.Store.Commit(b)
}

func TestReplaceDestroysEvenWithoutRoom(t *testing.T) {
	chip := newChip(t)
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	full := &refusing{Store: records}
	v, _, err := vault.Open(full, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Commit(change(map[string]string{"a": "old"})); err != nil {
		t.Fatal(err)
	}
	full.commits = 1
	if destroyed, err := v.Replace(change(map[string]string{"a": "new"})); !destroyed || err != nil {
		t.Fatalf("destroyed %v, error %v", destroyed, err)
	}
	expect(t, v, map[string]string{"a": "new"})

	full.commits = 100
	if destroyed, err := v.Replace(change(map[string]string{"a": "newer"})); !destroyed || !errors.Is(err, store.ErrFull) {
		t.Fatalf("destroyed %v, error %v", destroyed, err)
	}
	v, interrupted := open(t, chip, rand.Reader)
	expect(t, v, map[string]string{})
	if !interrupted {
		t.Error("a generation of which nothing is left does not count as interrupted")
	}
	if _, interrupted = open(t, chip, rand.Reader); interrupted {
		t.Error("what is left was not cleared away")
	}
}

func TestTamperedRecordsDoNotOpen(t *testing.T) {
	chip := newChip(t)
	v, _ := open(t, chip, rand.Reader)
	if err := v.Commit(change(map[string]string{"a": "one", "b": "two"})); err != nil {
		t.Fatal(err)
	}
	records, err := store.Open(chip)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key := range records.Keys("") {
		if !strings.HasSuffix(key, "/kek") {
			keys = append(keys, key)
		}
	}
	a, _ := records.Get(keys[0])
	b, _ := records.Get(keys[1])
	for name, forged := range map[string][]byte{
		"another record": b, "a flipped bit": append(a[:len(a)-1:len(a)-1], a[len(a)-1]^1),
		"a stump": a[:5], "nothing": {},
	} {
		var batch store.Batch
		batch.Put(keys[0], forged)
		if err := records.Commit(&batch); err != nil {
			t.Fatal(err)
		}
		v, _, err := vault.Open(records, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := v.Get("a"); !errors.Is(err, vault.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// limited gives n bytes of entropy and then fails.
func limited(n int64) io.Reader {
	return io.MultiReader(io.LimitReader(rand.Reader, n), iotest.ErrReader(errors.New("no noise")))
}

func TestFailingEntropyChangesNothing(t *testing.T) {
	want := map[string]string{"a": "one"}
	chip := newChip(t)
	v, _ := open(t, chip, rand.Reader)
	if err := v.Commit(change(want)); err != nil {
		t.Fatal(err)
	}
	for n := range int64(2*vault.KeySize + 2*12) { // two keys, the nonces of one and of the record
		v, _ := open(t, chip, limited(n))
		if n < 12 && v.Commit(change(map[string]string{"a": "two"})) == nil {
			t.Errorf("commit with %d bytes of entropy", n)
		}
		v, _ = open(t, chip, limited(n))
		if destroyed, err := v.Replace(change(map[string]string{"a": "two"})); destroyed || err == nil {
			t.Errorf("replace with %d bytes of entropy: %v, %v", n, destroyed, err)
		}
		expect(t, v, want)
	}
}

func TestNoncesDoNotRepeat(t *testing.T) {
	s, err := vault.NewSealer(make([]byte, vault.KeySize), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i := range 1000 {
		sealed, err := s.Seal("name", []byte("value"))
		if err != nil || len(sealed) != len("value")+28 || seen[string(sealed[:12])] {
			t.Fatalf("seal %d: %x, %v", i, sealed, err)
		}
		seen[string(sealed[:12])] = true
	}
	if _, err := vault.NewSealer(make([]byte, 5), rand.Reader); err == nil {
		t.Error("a key of five bytes was taken")
	}
}

func TestNamesTellNothingOfTheContents(t *testing.T) {
	chip := newChip(t)
	v, _ := open(t, chip, rand.Reader)
	if err := v.Commit(change(map[string]string{"a": strings.Repeat("canary", 4)})); err != nil {
		t.Fatal(err)
	}
	image := make([]byte, chip.Geometry().Size())
	if err := chip.Read(0, image); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(image, []byte("canary")) {
		t.Error("a record is on the flash in clear")
	}
	if fmt.Sprint(v.Usage().Total) == "0" {
		t.Error("no room at all")
	}
}
