package fm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The modules of testdata are there as text, for people, and as the bytes that an
// assembler made of it: one of Debian's (wabt), which make setup installs. The -update
// flag has it make them anew.
func TestModulesOfTestdataAreWhatTheirTextSays(t *testing.T) {
	texts, err := filepath.Glob("testdata/*.wat")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Glob("testdata/*.wasm")
	if err != nil || len(texts) == 0 || len(texts) != len(modules) {
		t.Fatalf("%d texts of %d modules (%v)", len(texts), len(modules), err)
	}
	for _, text := range texts {
		made := filepath.Join(t.TempDir(), "module")
		if out, err := exec.Command("wat2wasm", text, "-o", made).CombinedOutput(); err != nil {
			t.Fatalf("wat2wasm %s: %v (scripts/setup test installs it)\n%s", text, err, out)
		}
		want, err := os.ReadFile(made)
		if err != nil {
			t.Fatal(err)
		}
		module := strings.TrimSuffix(text, ".wat") + ".wasm"
		if *update {
			err = os.WriteFile(module, want, 0o644)
		}
		if got, readErr := os.ReadFile(module); err != nil || readErr != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s gives: go test ./firmware/fm -run Testdata -update (%v, %v)", module, text, err, readErr)
		}
	}
}
