package policies

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed oracle.txt
var oracleText string

// oracle is the lines of oracle.txt.
type oracle []line

// line is a line of the oracle.
type line struct {
	conditions map[string]string // axis to value
	reason     string
}

// errOracle reports a table that speaks of what there is not.
var errOracle = errors.New("policies: the oracle is wrong")

// parseOracle reads a table, which may speak of the axes alone.
func parseOracle(text string, all []axis) (oracle, error) {
	var o oracle
	for row := range strings.Lines(text) {
		fields := strings.Fields(row)
		if len(fields) == 0 || strings.HasPrefix(row, "#") {
			continue
		}
		l := line{map[string]string{}, fields[len(fields)-1]}
		for _, condition := range fields[:len(fields)-1] {
			name, value, _ := strings.Cut(condition, "=")
			if !has(all, name, value) {
				return nil, fmt.Errorf("%w: %q", errOracle, condition)
			}
			l.conditions[name] = value
		}
		o = append(o, l)
	}
	return o, nil
}

func has(all []axis, name, wanted string) bool {
	for _, a := range all {
		for _, v := range a.values {
			if a.name == name && v.name == wanted {
				return true
			}
		}
	}
	return false
}

// answer returns why a combination is refused, empty if it is taken.
func (o oracle) answer(combination map[string]string) string {
next:
	for _, l := range o {
		for name, value := range l.conditions {
			if combination[name] != value {
				continue next
			}
		}
		return l.reason
	}
	return ""
}
