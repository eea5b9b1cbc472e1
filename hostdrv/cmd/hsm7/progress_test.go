package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestProgressFillsUpAndGoesAway(t *testing.T) {
	var screen bytes.Buffer
	p := &progress{to: &screen, what: "verifying", total: 4, shown: -1}
	for done := 1; done <= 4; done++ {
		p.step(done)
		p.step(done) // the same again shows nothing
	}
	p.end()
	lines := strings.Split(screen.String(), "\r")
	want := []string{
		"", "verifying [#######.......................]  25 %", "verifying [###############...............]  50 %",
		"verifying [######################........]  75 %", "verifying [##############################] 100 %",
		strings.Repeat(" ", len("verifying [##############################] 100 %")), "",
	}
	if len(lines) != len(want) {
		t.Fatalf("%q", lines)
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("%q, not %q", lines[i], want[i])
		}
	}
}

func TestProgressIsForTerminals(t *testing.T) {
	var out bytes.Buffer
	a := &app{errs: &out}
	p := a.progress("verifying", 2)
	p.step(1)
	p.end()
	if out.Len() > 0 {
		t.Errorf("%q", out.String())
	}
}
