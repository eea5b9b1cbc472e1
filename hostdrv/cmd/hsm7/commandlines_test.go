package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commandLine finds what a page says to type: hsm7 and what stands behind it in
// a line of code, up to where the shell goes on with something else.
var commandLine = regexp.MustCompile("(?m)(?:^(?: {4})?(?:sudo )?|`|; |&& |! )(?:build/)?hsm7( [^`#|&;<>\\n]*)")

// wrongIn returns what is wrong with the words behind hsm7: a command that there is
// not, or a flag that it does not have.
func wrongIn(words []string) error {
	if words[len(words)-1] == "..." {
		words = words[:len(words)-1]
	}
	root := new(app).command()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	command, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	command.InitDefaultHelpFlag()
	for _, word := range rest {
		flag, long := strings.CutPrefix(word, "--")
		flag, _, _ = strings.Cut(flag, "=")
		switch {
		case long && command.Flag(flag) == nil:
			return fmt.Errorf("%s has no flag --%s", command.CommandPath(), flag)
		case command.HasSubCommands() && !strings.HasPrefix(word, "-"):
			return fmt.Errorf("%s has no command %s", command.CommandPath(), word)
		}
	}
	return nil
}

func TestEveryCommandLineOfADocumentIsOne(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "../../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLine.FindAllStringSubmatch(string(text), -1) {
			found++
			if err := wrongIn(strings.Fields(line[1])); err != nil {
				t.Errorf("%s: hsm7%s: %v", filepath.Base(page), line[1], err)
			}
		}
	}
	if found < 200 {
		t.Errorf("the documents have %d command lines: this check is blind", found)
	}
}

func TestCommandLinesThatAreNoneAreNoticed(t *testing.T) {
	for line, wrong := range map[string]bool{
		"info": false, "--via usb info --json": false, "sim clock advance 2h": false, "key generate --type ec-p256": false,
		"informations": true, "sim clock rewind": true, "sign --colour red": true, "info --json=true": false,
	} {
		if err := wrongIn(strings.Fields(line)); (err != nil) != wrong {
			t.Errorf("hsm7 %s: %v", line, err)
		}
	}
}
