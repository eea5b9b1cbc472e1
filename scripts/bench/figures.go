package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// figuresBlock is the place of the figures in a document.
var figuresBlock = regexp.MustCompile(`(?s)<!-- generated: figures -->\n.*?<!-- end -->`)

// writeFigures puts the figures of r into a document.
func (r *report) writeFigures(name string) error {
	document, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !figuresBlock.Match(document) {
		return errors.New(name + ": no block of generated figures")
	}
	block := "<!-- generated: figures -->\n" + r.figures(time.Now()) + "<!-- end -->"
	document = figuresBlock.ReplaceAllLiteral(document, []byte(block))
	return os.WriteFile(name, document, 0o644)
}

// figures returns the results as Markdown.
func (r *report) figures(day time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s; load average before the run %.1f.\n\n", r.Machine, day.Format("2 January 2006"), r.Load)
	b.WriteString("| Case | Figure | Against | Ours | Theirs | Ratio | Aim | p50, p99 in µs |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range r.Results {
		aim, latency := "", ""
		if c.Aim != 0 {
			aim = number(c.Aim)
		}
		if c.Latencies != nil && c.Latencies.Ours != nil {
			latency = number(c.Latencies.Ours.P50) + ", " + number(c.Latencies.Ours.P99)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n",
			c.Name, c.Unit, c.Against, number(c.Ours), number(c.Theirs), number(c.Ratio), aim, latency)
	}
	return b.String()
}

// number writes v with as many digits as mean something.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.01:
		return strconv.FormatFloat(v, 'g', 1, 64)
	case v < 100:
		return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
	}
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
