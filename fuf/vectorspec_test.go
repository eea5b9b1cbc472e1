package fuf_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

const specification = "../docs/fuf-format.md"

// block matches a generated part of the specification: its name, and what is
// between the marks.
var block = regexp.MustCompile(`(?s)<!-- generated: ([a-z]+) -->\n(.*?)<!-- end -->`)

// "go test ./fuf -update" writes the parts that are generated.
func TestTheSpecificationSaysWhatTheCodeSays(t *testing.T) {
	text, err := os.ReadFile(specification)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{"manifest": manifestCDDL(t), "reasons": reasonTable(t), "example": exampleDump(t)}
	found := 0
	want := block.ReplaceAllStringFunc(string(text), func(old string) string {
		name := block.FindStringSubmatch(old)[1]
		found++
		return "<!-- generated: " + name + " -->\n" + parts[name] + "<!-- end -->"
	})
	switch {
	case found != len(parts):
		t.Fatalf("the specification has %d generated parts, not %d", found, len(parts))
	case want == string(text):
	case *update:
		if err := os.WriteFile(specification, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("docs/fuf-format.md differs from the code; run: go test ./fuf -update")
	}
}

// The numbers that the specification gives in prose.
func TestTheSpecificationHasTheRightLimits(t *testing.T) {
	for got, want := range map[int]int{
		fuf.MaxHead: 180_248, fuf.ChunkSize: 16_384, fuf.Overhead: 16, fuf.MaxPayload: 16_777_216,
		fuf.PreambleSize: 24, len(testkeys.Models().PublicKey().Bytes()): 1_216,
	} {
		if got != want {
			t.Errorf("%d, the specification says %d", got, want)
		}
	}
}

func source(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

var tagPattern = regexp.MustCompile(`cbor:"(\d+),keyasint(,omitempty)?" json:"([a-z_]+)`)

// manifestCDDL reads the structs of the manifest, comments and all.
func manifestCDDL(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("```cddl\n")
	ast.Inspect(source(t, "manifest.go"), func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if fields, ok := spec.Type.(*ast.StructType); ok {
			fmt.Fprintf(&b, "%s = {\n", kebab(spec.Name.Name))
			for _, f := range fields.Fields.List {
				tag := tagPattern.FindStringSubmatch(f.Tag.Value)
				fmt.Fprintf(&b, "  %s%-3s %-21s ; %s%s\n", map[bool]string{true: "? ", false: "  "}[tag[2] != ""], tag[1]+":",
					cddlType(f.Type)+",", strings.ReplaceAll(tag[3], "_", "-"), colon(f.Comment.Text()))
			}
			b.WriteString("}\n\n")
		}
		return true
	})
	return b.String() + `version = [major: uint16, minor: uint16, patch: uint16]
range = [from: version, to: version]
kind = 1 / 2 / 3            ; firmware, capability, module
migration = 0 / 1 / 2       ; none, in-place, copy
rollback = 1 / 2            ; destroys, impossible
digest = bstr .size 32
uint16 = 0..65535
uint32 = 0..4294967295
int64 = -9223372036854775808..9223372036854775807
` + "```\n"
}

func colon(comment string) string {
	if comment = strings.TrimSpace(comment); comment == "" {
		return ""
	}
	return ": " + comment
}

func cddlType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return cddlType(e.X)
	case *ast.ArrayType:
		if element := cddlType(e.Elt); element != "byte" {
			return "[* " + element + "]"
		}
		return "bstr"
	case *ast.Ident:
		return map[bool]string{true: "tstr", false: kebab(e.Name)}[e.Name == "string"]
	}
	return fmt.Sprintf("%T", e)
}

var humps = regexp.MustCompile(`([a-z])([A-Z])`)

// kebab turns DataChange into data-change.
func kebab(name string) string {
	return strings.Replace(strings.ToLower(humps.ReplaceAllString(name, "$1-$2")), "keyid", "key-id", 1)
}

// reasonTable reads the reasons with their comments.
func reasonTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| Reason | The file |\n|---|---|\n")
	rows := 0
	ast.Inspect(source(t, "reason.go"), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			name := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
			if want := fuf.Reasons()[rows]; string(want) != name {
				t.Errorf("Reasons has %q where %q is declared", string(want), name)
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.TrimSpace(spec.Comment.Text()))
			rows++
		}
		return true
	})
	if rows != len(fuf.Reasons()) {
		t.Errorf("%d reasons are declared", rows)
	}
	return b.String()
}

// exampleDump shows the parts of the smallest vector.
func exampleDump(t *testing.T) string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(vectorDir, "small.fuf"))
	if err != nil {
		t.Fatal(err)
	}
	signed, _, table, chunks, err := fuf.Parts(file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	at := 0
	for _, part := range []struct {
		name string
		b    []byte
		all  bool
	}{
		{"preamble", file[:fuf.PreambleSize], true},
		{"signed part", signed, false},
		{"table, of one entry", table, true},
		{"chunk 0", chunks, true},
	} {
		fmt.Fprintf(&b, "    %06x  %s, %d bytes\n", at, part.name, len(part.b))
		shown := part.b
		if !part.all {
			shown = part.b[:96]
		}
		for i := 0; i < len(shown); i += 16 {
			fmt.Fprintf(&b, "            % x\n", shown[i:min(i+16, len(shown))])
		}
		if !part.all {
			b.WriteString("            ...\n")
		}
		at += len(part.b)
	}
	return b.String() + derivation(t, file)
}

// derivation shows the values on the way to the key of the smallest vector.
func derivation(t *testing.T, file []byte) string {
	t.Helper()
	f := open(t, file, testkeys.Trust())
	m := f.Manifest()
	release, err := fuf.Encode(m.Release)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := fuf.Decapsulate(testkeys.Models(), m.Sealing.Enc)
	if err != nil {
		t.Fatal(err)
	}
	key, err := f.Unlock(testkeys.Models(), code)
	if err != nil {
		t.Fatal(err)
	}
	chunk, tag := key.Secrets()
	binding := sha256.Sum256(release)
	var b strings.Builder
	b.WriteString("\n")
	for _, row := range []struct{ name, value string }{
		{"code", code.Text()},
		{"release", hex.EncodeToString(release)},
		{"binding", hex.EncodeToString(binding[:])},
		{"recipient", m.Sealing.Recipient.String()},
		{"secret", hex.EncodeToString(secret)},
		{"chunk key", hex.EncodeToString(chunk)},
		{"tag key", hex.EncodeToString(tag)},
		{"commitment", m.Sealing.Commitment.String()},
		{"root", m.Sealing.Root.String()},
		{"payload", hex.EncodeToString(payloadOf(t, f))},
	} {
		for i, line := range wrap(row.value, 96) {
			name := map[bool]string{true: row.name}[i == 0]
			fmt.Fprintf(&b, "    %-12s%s\n", name, line)
		}
	}
	return b.String()
}

func wrap(s string, width int) (lines []string) {
	for ; len(s) > width; s = s[width:] {
		lines = append(lines, s[:width])
	}
	return append(lines, s)
}
