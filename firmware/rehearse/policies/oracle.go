package policies

import (
	"errors"
	"fmt"
	"strings"
)

// oracle is the lines of a table of answers.
type oracle []line

// line is a line of the oracle.
type line struct {
	conditions []condition
	answer     string
}

// condition is that an axis has a value, or that it has not.
type condition struct {
	axis, value string
	not         bool
}

// errOracle reports a table that speaks of what there is not.
var errOracle = errors.New("policies: the oracle is wrong")

// parseOracle reads a table, which may speak of the axes alone.
func parseOracle(text string, axes []Axis) (oracle, error) {
	var o oracle
	for row := range strings.Lines(text) {
		fields := strings.Fields(row)
		if len(fields) == 0 || strings.HasPrefix(row, "#") {
			continue
		}
		last := len(fields) - 1
		l := line{answer: fields[last]}
		for _, field := range fields[:last] {
			c := condition{}
			c.axis, c.value, _ = strings.Cut(field, "=")
			c.axis, c.not = strings.CutSuffix(c.axis, "!")
			if !has(axes, c.axis, c.value) {
				return nil, fmt.Errorf("%w: %q", errOracle, field)
			}
			l.conditions = append(l.conditions, c)
		}
		o = append(o, l)
	}
	return o, nil
}

// answer returns the answer that a combination must have.
func (o oracle) answer(c combination) string {
	for _, l := range o {
		if l.fits(c) {
			return l.answer
		}
	}
	return Taken
}

func (l *line) fits(c combination) bool {
	for _, want := range l.conditions {
		if (c[want.axis] == want.value) == want.not {
			return false
		}
	}
	return true
}
