package token

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usbhsm7/ikey"
)

// files are key files of every form.
func files(t testing.TB) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		"blank": blank(t).content, "plain": with(t, nil).content, "with a PIN": with(t, right).content,
	}
}

// wantDamaged expects that no operation takes a file for a key, or makes it one.
func wantDamaged(t *testing.T, file []byte, what string) {
	t.Helper()
	m := newMemory(bytes.Clone(file))
	key := chip(m)
	_, identified := key.Identify()
	_, read := key.Read(right)
	for name, err := range map[string]error{
		"identify": identified, "read": read, "change": key.ChangePIN(right, nil),
		"write": key.Write(ikey.SO, data, nil), "erase": key.Erase(),
	} {
		if !errors.Is(err, ikey.ErrDamaged) {
			t.Errorf("%s: %s: %v, want %v", what, name, err, ikey.ErrDamaged)
		}
	}
	if !bytes.Equal(m.content, file) {
		t.Errorf("%s: the file was changed", what)
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	for form, file := range files(t) {
		for bit := range 8 * len(file) {
			flipped := bytes.Clone(file)
			flipped[bit/8] ^= 1 << (bit % 8)
			wantDamaged(t, flipped, form)
		}
	}
}

func TestEveryOtherLengthIsNoticed(t *testing.T) {
	for form, file := range files(t) {
		for n := range file {
			wantDamaged(t, file[:n], form)
		}
		wantDamaged(t, append(bytes.Clone(file), 0), form)
		wantDamaged(t, append(bytes.Clone(file), file...), form)
	}
	wantDamaged(t, make([]byte, 1<<20), "zeros")
}

func TestAMemoryThatCannotBeReadIsDamaged(t *testing.T) {
	m := with(t, nil)
	m.off = true
	if _, err := chip(m).Identify(); !errors.Is(err, ikey.ErrDamaged) || !errors.Is(err, errCut) {
		t.Errorf("error %v, want %v", err, ikey.ErrDamaged)
	}
}

// A file with a right checksum may still say what no token writes.
func TestFieldsThatDoNotGoTogetherAreNoticed(t *testing.T) {
	const versionAt, kindAt, flagsAt, triesAt, costAt, saltAt = 4, 5, 6, 7, 8, 9
	all := files(t)
	for name, test := range map[string]struct {
		file string
		at   int
		to   byte
	}{
		"another magic":           {"plain", 0, 'I'},
		"another version":         {"plain", versionAt, 2},
		"a blank key with data":   {"plain", kindAt, 0},
		"a blank key with a PIN":  {"blank", flagsAt, 1},
		"an unknown flag":         {"plain", flagsAt, 2},
		"tries without a PIN":     {"plain", triesAt, 1},
		"a cost without a PIN":    {"plain", costAt, minCost},
		"a salt without a PIN":    {"plain", saltAt, 1},
		"a salt of a blank key":   {"blank", saltAt, 1},
		"too many tries":          {"with a PIN", triesAt, ikey.MaxTries + 1},
		"a cost that is too low":  {"with a PIN", costAt, minCost - 1},
		"a cost that is too high": {"with a PIN", costAt, maxCost + 1},
		"another length":          {"plain", headerSize - 2, 1},
	} {
		file := bytes.Clone(all[test.file])
		file[test.at] = test.to
		body := file[:len(file)-sha256.Size]
		sum := sha256.Sum256(body)
		wantDamaged(t, append(body, sum[:]...), name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range files(f) {
		f.Add(file[:len(file)-sha256.Size])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body) // which a fuzzer does not find
		file := append(bytes.Clone(body), sum[:]...)
		r, err := decode(file)
		if err != nil {
			if !errors.Is(err, ikey.ErrDamaged) {
				t.Fatalf("error %v, want %v", err, ikey.ErrDamaged)
			}
			return
		}
		if again := r.encode(); !bytes.Equal(again, file) {
			t.Errorf("decoded % x, encoded % x", file, again)
		}
	})
}

var update = flag.Bool("update", false, "write the key files under testdata anew")

// Key files outlive the program that wrote them. Those under testdata hold what
// support_test.go says, with PIN 12345678 where there is one.
func TestKeyFilesKeepTheirFormat(t *testing.T) {
	for form, file := range files(t) {
		path := filepath.Join("testdata", strings.ReplaceAll(form, " ", "-")+".ikey")
		if *update {
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(file, want) {
			t.Errorf("a key %s is written as\n% x\nwant\n% x", form, file, want)
		}
		got, err := chip(newMemory(want)).Read(right)
		if blank := form == "blank"; blank != errors.Is(err, ikey.ErrBlank) || !blank && !bytes.Equal(got, data) {
			t.Errorf("a key %s holds %q, %v", form, got, err)
		}
	}
}
