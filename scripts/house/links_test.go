package house

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fencePattern  = regexp.MustCompile("(?ms)^```.*?^```$")
	titlePattern  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	linkPattern   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	outOfAnchor   = regexp.MustCompile(`[^\pL\pN _-]`)
	targetPattern = regexp.MustCompile("`make ([a-z-]+)")
)

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(text string) (all []string) {
	times := map[string]int{}
	for _, title := range titlePattern.FindAllStringSubmatch(fencePattern.ReplaceAllString(text, ""), -1) {
		anchor := strings.ReplaceAll(outOfAnchor.ReplaceAllString(strings.ToLower(title[1]), ""), " ", "-")
		if times[anchor]++; times[anchor] > 1 {
			anchor = fmt.Sprintf("%s-%d", anchor, times[anchor]-1)
		}
		all = append(all, anchor)
	}
	return all
}

// links returns where the links of a page lead, from the top of the tree, without
// those that leave it.
func links(name, text string) (targets []string) {
	for _, found := range linkPattern.FindAllStringSubmatch(text, -1) {
		file, anchor, _ := strings.Cut(found[1], "#")
		switch {
		case strings.Contains(found[1], "://"):
			continue
		case file == "":
			file = path.Base(name)
		}
		targets = append(targets, path.Join(path.Dir(name), file)+"#"+anchor)
	}
	return targets
}

// read returns the README and the documents by their names from the top of the tree.
func read(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, name := range append(names, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimPrefix(filepath.ToSlash(name), "../../")] = string(text)
	}
	return texts
}

func TestEveryLinkOfADocumentLeadsSomewhere(t *testing.T) {
	texts, headings := read(t), map[string][]string{}
	for name, text := range texts {
		headings[name] = anchors(text)
	}
	followed := 0
	for name, text := range texts {
		for _, target := range links(name, text) {
			followed++
			file, anchor, _ := strings.Cut(target, "#")
			if _, err := os.Stat("../../" + file); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if anchor != "" && !slices.Contains(headings[file], anchor) {
				t.Errorf("%s: %s has no heading %q", name, file, anchor)
			}
		}
	}
	if followed < 300 {
		t.Errorf("the documents have %d links: this check is blind", followed)
	}
}

// A page to which no link leads is read by nobody.
func TestEveryDocumentIsReachedFromTheREADME(t *testing.T) {
	texts := read(t)
	reached := []string{"README.md"}
	for i := 0; i < len(reached); i++ {
		for _, target := range links(reached[i], texts[reached[i]]) {
			if file, _, _ := strings.Cut(target, "#"); texts[file] != "" && !slices.Contains(reached, file) {
				reached = append(reached, file)
			}
		}
	}
	for name := range texts {
		if !slices.Contains(reached, name) {
			t.Errorf("no link leads to %s", name)
		}
	}
}

func TestEveryTargetThatADocumentNamesIsInTheMakefile(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range read(t) {
		for _, found := range targetPattern.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+found[1]+":") {
				t.Errorf("%s: the Makefile has no target %s", name, found[1])
			}
		}
	}
}

func TestAnchorsAreThoseOfTheHeadings(t *testing.T) {
	page := "# A page\n## What is `guaranteed` (firmware/boot)\n```sh\n# no heading\n```\n## Step 1: Ü\n### A page\n### A page\n"
	want := []string{"a-page", "what-is-guaranteed-firmwareboot", "step-1-ü", "a-page-1", "a-page-2"}
	if got := anchors(page); !slices.Equal(got, want) {
		t.Errorf("the anchors are %q, want %q", got, want)
	}
}

func TestLinksAreTakenFromWhereThePageStands(t *testing.T) {
	text := "[a](b.md) [b](../README.md#use-it) [c](#here) [d](https://example.org/x.md)"
	want := []string{"docs/b.md#", "README.md#use-it", "docs/a.md#here"}
	if got := links("docs/a.md", text); !slices.Equal(got, want) {
		t.Errorf("the links are %q, want %q", got, want)
	}
}
