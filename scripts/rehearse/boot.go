package main

import (
	"fmt"
	"regexp"
	"time"

	"usbhsm7/firmware/boot/sweep"
)

// sweepBoot adds what cutting the power of the bootloader finds: every scenario with
// a second cut in each recovery, and one again without remembering what was proven.
func (r *report) sweepBoot(seed uint64, short bool, only *regexp.Regexp) error {
	fmt.Println("bootloader:")
	r.askPolicies()
	if short {
		return r.addBoot(sweep.Options{Plan: sweep.Single, Seed: seed, Scenarios: only})
	}
	if err := r.addBoot(sweep.Options{Plan: sweep.Fast, Seed: seed, Scenarios: only}); err != nil || only.String() != "" {
		return err
	}
	plan := sweep.Fast
	plan.Memoless = true
	return r.addBoot(sweep.Options{Plan: plan, Seed: seed + 1, Scenarios: regexp.MustCompile("^(update|rollback|floor)$")})
}

// askPolicies compares what may be installed where with a table, in every
// combination.
func (r *report) askPolicies() {
	combinations, mismatches := sweep.Policies()
	fmt.Printf("  %d combinations of release and device, %d answers that differ from the table\n", combinations, len(mismatches))
	r.PolicyCombinations += combinations
	r.PolicyMismatches += len(mismatches)
	for _, m := range mismatches[:min(len(mismatches), mostFindings-len(r.Findings))] {
		r.Findings = append(r.Findings, "policies: "+m)
	}
}

func (r *report) addBoot(o sweep.Options) error {
	begin := time.Now()
	found, err := sweep.Run(o)
	if err != nil {
		return err
	}
	memory := ""
	if o.Plan.Memoless {
		memory = " without remembering"
		r.Memoless += found.CrashStates
	}
	fmt.Printf("  %d scenarios, %d crash states%s, %d findings in %.0f s\n",
		len(found.Scenarios), found.CrashStates, memory, len(found.Faults), time.Since(begin).Seconds())
	r.CrashStates += found.CrashStates
	for _, f := range found.Faults {
		*r.fieldOf(f.Rule)++
		if len(r.Findings) < mostFindings {
			r.Findings = append(r.Findings, "bootloader: "+f.String())
			fmt.Printf("  %s\n", f)
		}
	}
	return nil
}

// canary rehearses a bootloader that is known to be wrong in the way in which sound
// ones are: if it does not fail, nothing that a rehearsal says is worth anything.
func canary(seed uint64) error {
	r := &report{Seed: seed, Findings: []string{}}
	defect := &sweep.Defects()[0]
	fmt.Printf("a bootloader of which is known that %s:\n", defect.Name)
	if err := r.addBoot(sweep.Options{Plan: sweep.Single, Seed: seed, Defect: defect, Scenarios: regexp.MustCompile(defect.Scenarios)}); err != nil {
		return err
	}
	return r.verdict()
}

// fieldOf returns where a broken rule of the bootloader is counted.
func (r *report) fieldOf(rule sweep.Rule) *int {
	switch rule {
	case sweep.Brick:
		return &r.Bricks
	case sweep.Mixture, sweep.Premature, sweep.WayBack:
		return &r.Mixtures
	case sweep.Lost:
		return &r.LostAcknowledged
	case sweep.Security:
		return &r.CountersBack
	}
	return &r.Others
}

// plantBoot counts which defects of a bootloader are noticed.
func (r *report) plantBoot(seed uint64) error {
	for _, d := range sweep.Defects() {
		found, err := d.Sweep(seed)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		r.noteDefect(d.Name, found.Count(d.Rule) > 0)
	}
	return nil
}
