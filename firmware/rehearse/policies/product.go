package policies

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

// product is what is combined with what, and the answers that must come.
type product struct {
	name   string
	axes   []Axis
	oracle oracle
	open   func(*Defect) (desk, error)
}

// desk is where questions are asked.
type desk interface {
	// ask returns the answer to a combination, and whether the flash was written.
	ask(combination) (answer string, wrote bool, err error)
	close()
}

// combination has a value for each axis, by names.
type combination map[string]string

// Answers besides the reasons and statuses of refusals.
const (
	Taken      = "taken"      // it was not refused
	impossible = "impossible" // in an oracle: no device can be like that, so that none is asked
)

var (
	//go:embed bootloader.txt
	bootloaderText string
	//go:embed procedure.txt
	procedureText string
)

// products returns all products, in the order in which they are gone through.
func products() ([]product, error) {
	boot := describe(bootAxes())
	offers, orders := append(situation(), offering()...), append(situation(), ordering()...)
	bootloader, err := parseOracle(bootloaderText, boot)
	procedure, err2 := parseOracle(procedureText, append(offering(), orders...))
	return []product{
		{"bootloader", boot, bootloader, newBootDesk},
		{"offers", offers, procedure, newUnitDesk},
		{"orders", orders, procedure, newUnitDesk},
	}, errors.Join(err, err2)
}

// total is how many combinations there are, with those that are impossible.
func (p *product) total() int {
	n := 1
	for _, a := range p.axes {
		n *= len(a.Values)
	}
	return n
}

// combination returns the n-th combination: the first axis changes least often, so
// that what it costs much to make is made once.
func (p *product) combination(n int) combination {
	c := combination{}
	for i := len(p.axes) - 1; i >= 0; i-- {
		a := p.axes[i]
		c[a.Name] = a.Values[n%len(a.Values)]
		n /= len(a.Values)
	}
	return c
}

// text writes a combination, in the order of the axes.
func (p *product) text(c combination) string {
	parts := make([]string, len(p.axes))
	for i, a := range p.axes {
		parts[i] = a.Name + "=" + c[a.Name]
	}
	return p.name + ":" + strings.Join(parts, ",")
}

// find returns the product and the combination that text wrote.
func find(text string) (*product, combination, error) {
	all, err := products()
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		p := &all[i]
		c := combination{}
		_, rest, _ := strings.Cut(text, ":")
		for part := range strings.SplitSeq(rest, ",") {
			if name, value, _ := strings.Cut(part, "="); has(p.axes, name, value) {
				c[name] = value
			}
		}
		if len(c) == len(p.axes) && p.text(c) == text {
			return p, c, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: %q", ErrCombination, text)
}

func has(axes []Axis, name, value string) bool {
	for _, a := range axes {
		for _, v := range a.Values {
			if a.Name == name && v == value {
				return true
			}
		}
	}
	return false
}
