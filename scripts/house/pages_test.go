package house

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testNames maps the name of each test, fuzz target and benchmark to the folders
// that have one of that name, from the top of the tree.
func testNames(t *testing.T) map[string][]string {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	names := map[string][]string{}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && (name == "build" || name == ".git") {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		for _, found := range declaration.FindAllSubmatch(text, -1) {
			names[string(found[1])] = append(names[string(found[1])], path.Dir(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// page goes through a document and knows of which package it speaks.
type page struct {
	section string // the package that the heading of the section names, or ""
	names   map[string][]string
}

var (
	headingPattern = regexp.MustCompile("(?m)\\A## .*?(?:\\(`([a-z0-9/]+)`\\))?$")
	testPattern    = regexp.MustCompile("`(?:([a-z0-9]+)\\.)?((?:Test|Fuzz|Benchmark)[A-Z]\\w*)(?:/[^`]*)?`")
	folderPattern  = regexp.MustCompile("in `((?:firmware|hostdrv|usbip|ikey|fuf|touchscreen|scripts)/[a-z0-9/]+)`|`((?:firmware|hostdrv|usbip|ikey|fuf|touchscreen|scripts)/[a-z0-9/]+)`: ")
)

// missing returns the tests that a paragraph or a row names and that are not
// where it says: in the package before the dot, or in one that the paragraph or
// the heading of the section names. Where nobody names one, any package will do.
func (p *page) missing(paragraph string) []string {
	if heading := headingPattern.FindStringSubmatch(paragraph); heading != nil {
		p.section = heading[1]
	}
	folders := []string{p.section}
	for _, found := range folderPattern.FindAllStringSubmatch(paragraph, -1) {
		folders = append(folders, found[1]+found[2])
	}
	folders = slices.DeleteFunc(folders, func(folder string) bool { return folder == "" })
	var missing []string
	for _, found := range testPattern.FindAllStringSubmatch(paragraph, -1) {
		qualifier, name := found[1], found[2]
		if !slices.ContainsFunc(p.names[name], func(folder string) bool {
			if qualifier != "" {
				return filepath.Base(folder) == qualifier
			}
			return len(folders) == 0 || slices.Contains(folders, folder)
		}) {
			missing = append(missing, found[0])
		}
	}
	return missing
}

// paragraphs cuts a document: rows of a table stand for themselves, and lines of
// a paragraph belong together.
func paragraphs(text string) []string {
	return regexp.MustCompile(`\n\s*\n|\n\|`).Split(text, -1)
}

// A guarantee in the documents is worth as much as the test behind it.
func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	names := testNames(t)
	named := 0
	for file, text := range read(t) {
		p := page{names: names}
		for _, paragraph := range paragraphs(text) {
			named += len(testPattern.FindAllString(paragraph, -1))
			for _, name := range p.missing(paragraph) {
				t.Errorf("%s: there is no %s where the page says; it is in %q", file, name, names[strings.Trim(name, "`")])
			}
		}
	}
	if named < 100 {
		t.Errorf("the documents name %d tests: this check is blind", named)
	}
}

func TestTestsThatDoNotExistAreNoticed(t *testing.T) {
	names := map[string][]string{"TestOne": {"usbip/usb"}, "FuzzTwo": {"usbip/proto"}}
	for paragraph, missing := range map[string]int{
		"`TestOne`, `FuzzTwo`":          0,
		"`usb.TestOne` `proto.FuzzTwo`": 0,
		"`proto.TestOne`":               1,
		"`TestNone`, `TestNone/part`":   2,
		"`TestOne` in `usbip/usb`":      0,
		"`usbip/proto`: `TestOne`":      1,
	} {
		p := page{names: names}
		if got := p.missing(paragraph); len(got) != missing {
			t.Errorf("%s: %q are missing, want %d", paragraph, got, missing)
		}
	}
	p := page{names: names}
	p.missing("## Messages (`usbip/proto`)")
	p.missing("### Their limits")
	if got := p.missing("| row | `TestOne`, `FuzzTwo` |"); !slices.Equal(got, []string{"`TestOne`"}) {
		t.Errorf("in a section on usbip/proto %q are missing", got)
	}
}
