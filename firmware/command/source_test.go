package command_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// What the specification says of constants and payloads is read from the
// source, because that has the comments too.

// parse reads one file of the package.
func parse(t *testing.T, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// constant is one constant as the source declares it.
type constant struct {
	name    string
	value   uint32
	meaning string // its comment
}

// constants reads the constants of a type.
func constants(t *testing.T, file, typ string) (all []constant) {
	t.Helper()
	ast.Inspect(parse(t, file), func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || fmt.Sprint(spec.Type) != typ {
			return true
		}
		value, err := strconv.ParseUint(spec.Values[0].(*ast.BasicLit).Value, 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, constant{spec.Names[0].Name, uint32(value), strings.TrimSpace(spec.Comment.Text())})
		return false
	})
	if len(all) == 0 {
		t.Fatalf("%s declares no %s", file, typ)
	}
	return all
}

// field is one field of a payload as the source declares it.
type field struct {
	name     string
	typ      ast.Expr
	key      string // of the CBOR map
	optional bool
	comment  string
}

// readStructs reads the payload types from the source, which also has what the
// comments say of their fields.
func readStructs(t *testing.T) map[string][]field {
	t.Helper()
	structs := map[string][]field{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(parse(t, name), func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if body, ok := spec.Type.(*ast.StructType); ok {
				structs[spec.Name.Name] = readFields(t, body)
			}
			return false
		})
	}
	return structs
}

func readFields(t *testing.T, body *ast.StructType) []field {
	t.Helper()
	var fields []field
	for _, f := range body.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		key, options, _ := strings.Cut(reflect.StructTag(tag).Get("cbor"), ",")
		if key == "-" {
			continue
		}
		for _, name := range f.Names {
			fields = append(fields, field{
				name: name.Name, typ: f.Type, key: key,
				optional: strings.Contains(options, "omitempty"), comment: strings.TrimSpace(f.Comment.Text()),
			})
		}
	}
	return fields
}
