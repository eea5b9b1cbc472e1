package policies

import (
	"errors"
	"fmt"
	"strings"

	"usbhsm7/firmware/boot"
	"usbhsm7/fuf"
)

// Options say what is asked.
type Options struct {
	// Progress is called now and then with how many combinations are done; an error
	// ends the run. May be nil.
	Progress func(done, total int) error
}

// Result is what came of it.
type Result struct {
	Combinations int            `json:"policy_combinations"`
	Mismatches   int            `json:"policy_mismatches"`
	Axes         []Axis         `json:"axes"`
	Reasons      map[string]int `json:"reasons"` // answers by reason; taken = it was not refused
	Failures     []Failure      `json:"failures"`
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

// Taken is the answer to an update that is not refused.
const Taken = "taken"

// maxFailures bounds the failures that are kept.
const maxFailures = 50

// ErrCombination reports a text that is no combination.
var ErrCombination = errors.New("there is no such combination")

// Run asks about all combinations. The error tells that they could not be asked
// about; what is wrong with the answers is in the result.
func Run(o Options) (*Result, error) {
	t, err := newTable(nil)
	if err != nil {
		return nil, err
	}
	return t.run(o)
}

func (t *table) run(o Options) (*Result, error) {
	defer t.desk.close()
	total := 1
	r := &Result{Reasons: map[string]int{}, Failures: []Failure{}}
	for _, a := range t.axes {
		total *= len(a.values)
		r.Axes = append(r.Axes, describe(a))
	}
	for n := range total {
		if err := t.ask(t.combination(n), r); err != nil {
			return nil, err
		}
		if t.desk.defect != nil && r.Mismatches > 0 {
			break // it is noticed
		}
		if o.Progress != nil && n%1000 == 0 {
			if err := o.Progress(n, total); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

func describe(a axis) Axis {
	names := make([]string, len(a.values))
	for i, v := range a.values {
		names[i] = v.name
	}
	return Axis{a.name, names}
}

// Replay asks about one combination again, and returns what is wrong with the answer,
// empty if nothing is.
func Replay(combination string) (string, error) {
	t, err := newTable(nil)
	if err != nil {
		return "", err
	}
	defer t.desk.close()
	chosen, err := t.parse(combination)
	if err != nil {
		return "", err
	}
	r := &Result{Reasons: map[string]int{}}
	if err := t.ask(chosen, r); err != nil || len(r.Failures) == 0 {
		return "", err
	}
	return r.Failures[0].Detail, nil
}

// table is the axes, the oracle, and who is asked.
type table struct {
	axes   []axis
	oracle oracle
	desk   *desk
}

func newTable(defect *Defect) (*table, error) {
	t := &table{axes: axes()}
	var err error
	if t.oracle, err = parseOracle(oracleText, t.axes); err != nil {
		return nil, err
	}
	t.desk, err = newDesk(defect)
	return t, err
}

// combination returns the n-th combination: the first axis changes least often, so
// that a file is made once.
func (t *table) combination(n int) []int {
	chosen := make([]int, len(t.axes))
	for i := len(t.axes) - 1; i >= 0; i-- {
		chosen[i] = n % len(t.axes[i].values)
		n /= len(t.axes[i].values)
	}
	return chosen
}

// name writes a combination as text.
func (t *table) name(chosen []int) string {
	parts := make([]string, len(chosen))
	for i, v := range chosen {
		parts[i] = t.axes[i].name + "=" + t.axes[i].values[v].name
	}
	return strings.Join(parts, ",")
}

// parse reads what name writes.
func (t *table) parse(text string) ([]int, error) {
	parts := strings.Split(text, ",")
	chosen := make([]int, len(t.axes))
	for i, a := range t.axes {
		chosen[i] = -1
		for v := range a.values {
			if i < len(parts) && parts[i] == a.name+"="+a.values[v].name {
				chosen[i] = v
			}
		}
		if chosen[i] < 0 || len(parts) != len(t.axes) {
			return nil, fmt.Errorf("%w: %q", ErrCombination, text)
		}
	}
	return chosen, nil
}

// ask compares one answer with the oracle's.
func (t *table) ask(chosen []int, r *Result) error {
	s, file := base(), strings.Builder{}
	names := map[string]string{}
	for i, v := range chosen {
		a := t.axes[i]
		a.values[v].set(&s)
		names[a.name] = a.values[v].name
		if a.signed {
			fmt.Fprint(&file, v, ",")
		}
	}
	got, wrote, err := t.desk.ask(&s, file.String())
	if err != nil {
		return fmt.Errorf("policies: %s: %w", t.name(chosen), err)
	}
	r.Combinations++
	r.Reasons[got]++
	want := t.oracle.answer(names)
	if want == "" {
		want = Taken
	}
	switch {
	case got != want:
		r.fail(t.name(chosen), fmt.Sprintf("the answer is %s, and should be %s", got, want))
	case got != Taken && wrote:
		r.fail(t.name(chosen), "it was refused, and the flash was written")
	}
	return nil
}

func (r *Result) fail(combination, detail string) {
	r.Mismatches++
	if len(r.Failures) < maxFailures {
		r.Failures = append(r.Failures, Failure{combination, detail})
	}
}

// reasonOf returns the reason that an error carries.
func reasonOf(err error) (string, error) {
	var (
		device boot.Reason
		file   fuf.Reason
	)
	switch {
	case err == nil:
		return Taken, nil
	case errors.As(err, &device):
		return string(device), nil
	case errors.As(err, &file):
		return string(file), nil
	}
	return "", err
}
