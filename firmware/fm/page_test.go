package fm_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"usbhsm7/firmware/fm"
)

const page = "../../docs/functional-modules.md"

var update = flag.Bool("update", false, "write the table of "+page)

// The table of what modules may import is made from fm.Imports.
func TestPageListsTheImports(t *testing.T) {
	table := "| Import | Parameters | Result |\n|---|---|---|\n"
	for _, f := range fm.Imports {
		table += fmt.Sprintf("| `%s` | %s | %s |\n", f.Name, strings.Join(f.Params, ", "), f.About)
	}
	const begin, end = "<!-- generated: imports -->\n", "<!-- end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	old, after, found := strings.Cut(rest, end)
	switch {
	case !found:
		t.Fatalf("%s has no place for the table", page)
	case old == table:
	case *update:
		if err := os.WriteFile(page, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s differs from fm.Imports: go test ./firmware/fm -run Page -update", page)
	}
}
