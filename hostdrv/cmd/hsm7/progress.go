package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// progressWidth is the number of characters of a full bar.
const progressWidth = 30

// progress shows on a terminal how far a long work has got. On anything else, and
// with --json, it shows nothing.
type progress struct {
	to    io.Writer
	what  string
	total int
	shown int // tenths of a percent
}

// progress returns the progress of a work of total steps.
func (a *app) progress(what string, total int) *progress {
	p := &progress{what: what, total: max(total, 1), shown: -1}
	if file, ok := a.errs.(*os.File); ok && !a.json && term.IsTerminal(int(file.Fd())) {
		p.to = file
	}
	return p
}

// step says that done of the steps are done.
func (p *progress) step(done int) {
	at := 1000 * done / p.total
	if p.to == nil || at == p.shown {
		return
	}
	p.shown = at
	full := progressWidth * done / p.total
	fmt.Fprintf(p.to, "\r%s [%s%s] %3d %%", p.what, strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), at/10)
}

// end takes the bar away, so that what comes next has the line.
func (p *progress) end() {
	if p.to != nil && p.shown >= 0 {
		fmt.Fprintf(p.to, "\r%s\r", strings.Repeat(" ", len(p.what)+progressWidth+9))
	}
}
