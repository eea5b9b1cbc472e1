package command_test

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// cddlType says a Go type in CDDL. Named types have rules of their own in the
// specification.
func cddlType(t *testing.T, expr ast.Expr) string {
	t.Helper()
	switch e := expr.(type) {
	case *ast.Ident:
		switch e.Name {
		case "string":
			return "tstr"
		case "bool", "uint8", "uint32", "uint64":
			return e.Name
		case "uint":
			return "uint64"
		}
		return kebab(e.Name)
	case *ast.StarExpr:
		return cddlType(t, e.X)
	case *ast.ArrayType:
		if ident, ok := e.Elt.(*ast.Ident); ok && ident.Name == "byte" {
			return "bstr"
		}
		return "[* " + cddlType(t, e.Elt) + "]"
	}
	t.Fatalf("no CDDL for %T", expr)
	return ""
}

// cddl returns the rule of a payload: a map with integer keys.
func cddl(t *testing.T, name string, fields []field) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s = {\n", name)
	for _, f := range fields {
		mark := "  "
		if f.optional {
			mark = "? "
		}
		comment := kebab(f.name)
		if f.comment != "" {
			comment += ": " + f.comment
		}
		fmt.Fprintf(&b, "  %s%-2s %-22s ; %s\n", mark, f.key+":", cddlType(t, f.typ)+",", comment)
	}
	return b.String() + "}\n"
}

var humps = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

// kebab turns StorageTotal into storage-total and HSMState into hsm-state.
func kebab(name string) string {
	return strings.ToLower(humps.ReplaceAllString(name, "$1$3-$2$4"))
}
