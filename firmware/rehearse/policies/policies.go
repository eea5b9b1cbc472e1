package policies

import (
	"errors"
	"fmt"
)

// Options say what is asked.
type Options struct {
	// Every is that one in so many combinations is asked about; 0 means all.
	Every int

	// Progress is called now and then with how many combinations are done; an error
	// ends the run. May be nil.
	Progress func(done, total int) error
}

// Result is what came of it.
type Result struct {
	Combinations int       `json:"policy_combinations"`
	Mismatches   int       `json:"policy_mismatches"`
	Products     []Product `json:"products"`
	Failures     []Failure `json:"failures"`
}

// Product is what was combined with what.
type Product struct {
	Name         string         `json:"name"`
	Combinations int            `json:"combinations"`
	Axes         []Axis         `json:"axes"`
	Answers      map[string]int `json:"answers"` // how many combinations had each
}

// Axis is something that was varied.
type Axis struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Failure is an answer that should be another.
type Failure struct {
	Combination string `json:"combination"` // for Replay
	Detail      string `json:"detail"`
}

// maxFailures bounds the failures that are kept.
const maxFailures = 50

// ErrCombination reports a text that is no combination.
var ErrCombination = errors.New("there is no such combination")

// Run asks about all combinations. The error tells that they could not be asked
// about; what is wrong with the answers is in the result.
func Run(o Options) (*Result, error) {
	all, err := products()
	if err != nil {
		return nil, err
	}
	total := 0
	for i := range all {
		total += all[i].total()
	}
	r, before := &Result{Failures: []Failure{}}, 0
	for i := range all {
		p := &all[i]
		err := r.add(p, nil, o.Every, func(n int) error {
			if o.Progress == nil {
				return nil
			}
			return o.Progress(before+n, total)
		})
		if err != nil {
			return nil, err
		}
		before += p.total()
	}
	return r, nil
}

// add asks about a product.
func (r *Result) add(p *product, d *Defect, every int, progress func(done int) error) error {
	desk, err := p.open(d)
	if err != nil {
		return err
	}
	defer desk.close()
	found := Product{Name: p.name, Axes: p.axes, Answers: map[string]int{}}
	for n, total := 0, p.total(); n < total; n += max(1, every) {
		c := p.combination(n)
		if !d.concerns(c) {
			continue
		}
		if err := r.ask(p, desk, c, &found); err != nil {
			return err
		}
		if d != nil && r.Mismatches > 0 {
			break // it is noticed
		}
		if n%1000 == 0 {
			if err := progress(n); err != nil {
				return err
			}
		}
	}
	r.Products = append(r.Products, found)
	return nil
}

// ask compares one answer with the oracle's.
func (r *Result) ask(p *product, desk desk, c combination, found *Product) error {
	want := p.oracle.answer(c)
	if want == impossible {
		return nil
	}
	got, wrote, err := desk.ask(c)
	if err != nil {
		return fmt.Errorf("policies: %s: %w", p.text(c), err)
	}
	r.Combinations++
	found.Combinations++
	found.Answers[got]++
	switch {
	case got != want:
		r.fail(p.text(c), fmt.Sprintf("the answer is %s, and should be %s", got, want))
	case got != Taken && wrote:
		r.fail(p.text(c), "it was refused, and the flash was written")
	}
	return nil
}

func (r *Result) fail(combination, detail string) {
	r.Mismatches++
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, Failure{combination, detail})
	}
}

// Replay asks about one combination again, and returns what is wrong with the answer,
// empty if nothing is.
func Replay(text string) (string, error) { return (*Defect)(nil).Replay(text) }

// Replay is the function of that name with the defect planted.
func (d *Defect) Replay(text string) (string, error) {
	p, c, err := find(text)
	if err != nil {
		return "", err
	}
	desk, err := p.open(d)
	if err != nil {
		return "", err
	}
	defer desk.close()
	r, found := &Result{}, Product{Answers: map[string]int{}}
	if err := r.ask(p, desk, c, &found); err != nil || len(r.Failures) == 0 {
		return "", err
	}
	return r.Failures[0].Detail, nil
}
