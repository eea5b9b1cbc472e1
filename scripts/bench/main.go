// Bench measures this product against its peers and against the limit, both
// sides interleaved in one run, and writes the raw figures as JSON.
//
//	go run ./scripts/bench -out build/bench.json
//	go run ./scripts/bench -short -only rsa
//	go run ./scripts/bench -figures docs/testing.md
//
// Most figures are rates: more is better, and the ratio is ours divided by
// theirs. Each side is run for a slice of time, one after the other, several
// times over; the medians are reported. Where less is better, such as memory,
// theirs is what is allowed, and the ratio is theirs divided by ours. A ratio
// above 1 is always in our favour. An aim is the ratio that a case has to reach.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

// report is the whole of the output file.
type report struct {
	Commit  string   `json:"commit"`
	Machine string   `json:"machine"`
	Load    float64  `json:"load"` // average of the minute before the run: other work of the machine
	Results []result `json:"results"`
}

func main() {
	out := flag.String("out", "", "file to write the report to")
	figures := flag.String("figures", "", "document whose table of figures to rewrite")
	short := flag.Bool("short", false, "few and short runs: does everything work?")
	profile := flag.String("cpuprofile", "", "file to write a CPU profile to")
	only := flag.String("only", "", "measure only cases that match this regular expression")
	flag.Parse()
	if *profile != "" {
		stop, err := startProfile(*profile)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		defer stop()
	}
	if err := run(*out, *figures, *short, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(out, figures string, short bool, only string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	plan := plan{runs: 9, slice: 300 * time.Millisecond}
	if short {
		plan.runs, plan.slice = 1, 100*time.Millisecond
	}
	r := report{Commit: commit(), Machine: machine(), Load: loadAverage()}
	if err := r.fill(plan, chosen); err != nil {
		return err
	}
	if figures != "" {
		if err := r.writeFigures(figures); err != nil {
			return err
		}
	}
	if out == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o644)
}

// fill measures the chosen cases.
func (r *report) fill(p plan, chosen *regexp.Regexp) error {
	fmt.Printf("%s\n%-44s %-12s %14s %14s %7s\n", r.Machine, "", "", "ours", "theirs", "ratio")
	for _, group := range groups {
		cases, closeGroup, err := group(p)
		if err != nil {
			return err
		}
		err = r.add(p, chosen, cases)
		closeGroup()
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *report) add(p plan, chosen *regexp.Regexp, cases []benchCase) error {
	for _, c := range cases {
		if !chosen.MatchString(c.title()) {
			continue
		}
		result, err := c.measure(p)
		if err != nil {
			return fmt.Errorf("%s: %w", c.title(), err)
		}
		r.Results = append(r.Results, result)
		result.print()
	}
	return nil
}

// print writes r as a line of text.
func (r *result) print() {
	verdict := ""
	switch {
	case r.Aim == 0:
	case r.Ratio >= r.Aim:
		verdict = fmt.Sprintf(", aim %g", r.Aim)
	default:
		verdict = fmt.Sprintf(", aim %g MISSED", r.Aim)
	}
	fmt.Printf("%-44s %-12s %14.5g %14.5g %7.2f   against %s%s\n", r.Name, r.Unit, r.Ours, r.Theirs, r.Ratio, r.Against, verdict)
}

// startProfile records where processor time goes until stop is called.
func startProfile(name string) (stop func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

// groups make the cases. Each sets up what its cases share and returns what
// takes that down again.
var groups = []func(plan) (cases []benchCase, closeGroup func(), err error){wireCases, idleCases, commandCases, signCases, mechanismCases, operationCases, objectCases, updateCases, ceremonyCases}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// machine describes what the figures depend on.
func machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d processors, %s, %s/%s", model, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// loadAverage returns how many processes wanted a processor on average in the
// last minute, 0 if that is not known.
func loadAverage() float64 {
	var load float64
	if f, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(f), &load)
	}
	return load
}
