// Rehearse cuts the power of the device at every operation of its flash, in
// every command, and writes what it found as JSON.
//
//	go run ./scripts/rehearse -out build/rehearsal.json
//	go run ./scripts/rehearse -short -only login -seed 7
//	go run ./scripts/rehearse -canary
//
// Packages firmware/rehearse and, for the bootloader, firmware/boot/sweep say what
// is cut and how it is judged. The same seed
// gives the same report, but for the seconds that it took. The exit status is 1 if anything was found, or if
// a planted defect was not.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"usbhsm7/firmware/rehearse"
)

// report is the whole of the output file.
type report struct {
	Commit             string   `json:"commit"`
	Seed               uint64   `json:"seed"`
	Seconds            float64  `json:"seconds"`
	Commands           int      `json:"commands"` // scenes
	CrashStates        int      `json:"crash_states"`
	Memoless           int      `json:"memoless_states"` // of these, proven each by itself
	Bricks             int      `json:"bricks"`
	Mixtures           int      `json:"mixtures"`
	LostAcknowledged   int      `json:"lost_acknowledged"`
	CountersBack       int      `json:"counters_back"`
	FreeGuesses        int      `json:"free_guesses"`
	BrokenLogs         int      `json:"broken_logs"`
	Unrecorded         int      `json:"unrecorded"`
	Remains            int      `json:"keys_left"` // after they were to go
	Others             int      `json:"others"`
	FileMutants        int      `json:"file_mutants"`
	Accepted           int      `json:"accepted"` // of these
	Writes             int      `json:"flash_writes_before_auth"`
	TransferFaults     int      `json:"transfer_faults"`
	PolicyCombinations int      `json:"policy_combinations"` // of a release and a device
	PolicyMismatches   int      `json:"policy_mismatches"`
	LabCuts            int      `json:"lab_cuts"`       // under a real kernel; 0: make lab has not run
	UpdateOfBulk       float64  `json:"update_of_bulk"` // speed of an update through a kernel, of that of bare bulk transfers; 0: make lab-bench has not run
	PlantedDefects     int      `json:"planted_defects"`
	Caught             int      `json:"caught"`
	Findings           []string `json:"findings"` // the first ones, for people
}

// mostFindings bounds what is written out.
const mostFindings = 50

func main() {
	out := flag.String("out", "", "file to write the report to")
	seed := flag.Uint64("seed", 1, "of the device, and of the tears")
	short := flag.Bool("short", false, "tear less, and do not cut the recovery")
	only := flag.String("only", "", "play only scenes that match this regular expression")
	bird := flag.Bool("canary", false, "rehearse a bootloader that is known to be wrong, which must fail, and nothing else")
	flag.Parse()
	do := func() error { return run(*out, *seed, *short, *only) }
	if *bird {
		do = func() error { return canary(*seed) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "rehearse:", err)
		os.Exit(1)
	}
}

func run(out string, seed uint64, short bool, only string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	plan := rehearse.Full
	if short {
		plan = rehearse.Fast
	}
	begin := time.Now()
	r := &report{Commit: commit(), Seed: seed, Findings: []string{}}
	for _, rig := range []rehearse.Rig{rehearse.Core(), rehearse.Assembled()} {
		if err := r.sweep(rehearse.Options{Rig: rig, Plan: plan, Seed: seed, Scenes: pattern, Progress: progress}); err != nil {
			return err
		}
	}
	if err := r.sweepBoot(seed, short, pattern); err != nil {
		return err
	}
	if only == "" {
		if err := errors.Join(r.start(seed, short), r.spoil(short), r.combine(short), r.disturb(short), r.countLabCuts("build/lab.json"), r.noteUpdateSpeed("build/lab-bench.json")); err != nil {
			return err
		}
	}
	if err := r.plant(seed); err != nil {
		return err
	}
	r.Seconds = math.Round(time.Since(begin).Seconds()*10) / 10
	if out != "" {
		if err := r.write(out); err != nil {
			return err
		}
	}
	return r.verdict()
}

// sweep adds what a rehearsal finds.
func (r *report) sweep(o rehearse.Options) error {
	fmt.Printf("%s:\n", o.Rig.Name)
	found, err := rehearse.Run(o)
	if err != nil {
		return err
	}
	fmt.Printf("  %d scenes, %d crash states, %d findings in %.0f s\n", found.Scenes, found.CrashStates, len(found.Faults), found.Took.Seconds())
	r.Commands = max(r.Commands, found.Scenes)
	r.CrashStates += found.CrashStates
	for kind, field := range map[rehearse.Kind]*int{
		rehearse.Brick: &r.Bricks, rehearse.Mixture: &r.Mixtures, rehearse.Lost: &r.LostAcknowledged,
		rehearse.Backwards: &r.CountersBack, rehearse.FreeGuess: &r.FreeGuesses, rehearse.BrokenLog: &r.BrokenLogs,
		rehearse.Unrecorded: &r.Unrecorded, rehearse.Unexplained: &r.Others, rehearse.Remains: &r.Remains,
	} {
		*field += found.Count(kind)
	}
	for _, f := range found.Faults {
		if len(r.Findings) < mostFindings {
			r.Findings = append(r.Findings, found.Rig+": "+f.String())
			fmt.Printf("  %s\n", f)
		}
	}
	return nil
}

// plant counts which of the planted defects are noticed.
func (r *report) plant(seed uint64) error {
	fmt.Println("planted defects:")
	for _, d := range rehearse.Defects() {
		found, err := rehearse.Run(rehearse.Options{Rig: d.Rig(), Plan: rehearse.Fast, Seed: seed, Scenes: regexp.MustCompile(d.Scenes)})
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		r.noteDefect(d.Name, found.Count(d.Kind) > 0)
	}
	return errors.Join(r.plantBoot(seed), r.plantFile())
}

// noteDefect counts a planted defect.
func (r *report) noteDefect(name string, noticed bool) {
	r.PlantedDefects++
	verdict := "NOT NOTICED"
	if noticed {
		r.Caught++
		verdict = "noticed"
	}
	fmt.Printf("  %-72s %s\n", name, verdict)
}

func (r *report) write(out string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o644)
}

// verdict is an error if there is anything to do.
func (r *report) verdict() error {
	fmt.Printf("%d crash states, %d of %d planted defects noticed, %.0f s\n", r.CrashStates, r.Caught, r.PlantedDefects, r.Seconds)
	if len(r.Findings) > 0 {
		return errors.New("there are findings")
	}
	if r.Caught < r.PlantedDefects {
		return errors.New("a planted defect was not noticed")
	}
	return nil
}

func progress(done, scenes int, name string, states int) {
	fmt.Printf("  %3d/%d  %-55s %7d crash states\n", done, scenes, name, states)
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
