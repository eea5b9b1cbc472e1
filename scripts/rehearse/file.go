package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/flash"
	"usbhsm7/firmware/rehearse/mutants"
	"usbhsm7/firmware/rehearse/policies"
	"usbhsm7/firmware/rehearse/starts"
	"usbhsm7/firmware/rehearse/transfers"
	"usbhsm7/fuf"
	"usbhsm7/fuf/testkeys"
)

// samplePayload is the size of the firmware whose file is spoilt, bytes: large enough
// for 628,000 mutants.
const samplePayload = 66 << 10

// sample returns what is spoilt: an update, another one of the same size, and a new
// device.
func sample(size int) (mutants.Options, error) {
	o := mutants.Options{Trust: testkeys.Trust()}
	chip, err := flash.NewMemory(flash.DefaultGeometry())
	if err != nil {
		return o, err
	}
	o.Subject = sweep.Subject{
		Config: boottest.Config(), Chip: chip,
		Facts: boot.Facts{FreePercent: 100}, Code: boottest.Code,
	}
	for content, file := range map[uint64]*[]byte{1: &o.Subject.File, 2: &o.Other} {
		m := boottest.Image(fuf.V(7, 9, 3), 2, size, content)
		if *file, err = boottest.SignImage(m, boottest.Release(m)); err != nil {
			return o, err
		}
	}
	return o, nil
}

// spoil adds what comes of mutants of an update file.
func (r *report) spoil(short bool) error {
	fmt.Println("update file:")
	size := samplePayload
	if short {
		size /= 16
	}
	o, err := sample(size)
	if err != nil {
		return err
	}
	if short {
		o.Head, o.Every = 31, 101
	}
	begin := time.Now()
	found, err := mutants.Run(context.Background(), o)
	if err != nil {
		return err
	}
	fmt.Printf("  %d mutants, %d accepted, %d writes before anything was authentic, in %.0f s\n",
		found.Tried, found.Accepted, found.Writes, time.Since(begin).Seconds())
	r.FileMutants, r.Accepted, r.Writes = found.Tried, found.Accepted, found.Writes
	for _, f := range found.Failures {
		r.find("update file: mutants/" + f.Mutant + ": " + f.Detail)
	}
	return nil
}

// combine adds what comes of every combination of update, device, state and roles.
func (r *report) combine(short bool) error {
	o := policies.Options{}
	if short {
		o.Every = 101
	}
	found, err := policies.Run(o)
	if err != nil {
		return err
	}
	for _, p := range found.Products {
		fmt.Printf("  %d combinations of %s\n", p.Combinations, p.Name)
	}
	fmt.Printf("  %d combinations of update, device, state and roles, %d mismatches\n", found.Combinations, found.Mismatches)
	r.PolicyCombinations += found.Combinations
	r.PolicyMismatches += found.Mismatches
	for _, f := range found.Failures {
		r.find("policies/" + f.Combination + ": " + f.Detail)
	}
	return nil
}

// disturb adds what comes of transfers over USB that go wrong.
func (r *report) disturb(short bool) error {
	o := transfers.Options{}
	if short {
		o.Every = 10
	}
	update, err := sample(40_000)
	if err != nil {
		return err
	}
	o.Subject = update.Subject
	o.Subject.Facts.Client = fuf.V(1, 0, 0)
	found, err := transfers.Run(context.Background(), o)
	if err != nil {
		return err
	}
	fmt.Printf("  %d faults in the %d transfers of an update, %d findings\n", found.Tried, found.Transfers, len(found.Failures))
	r.TransferFaults = found.Tried
	for _, f := range found.Failures {
		r.find("transfers/" + f.Case + ": " + f.Detail)
	}
	return nil
}

// start adds what comes of power cuts in the first start of an update that converts the
// data, at once and in half an hour.
func (r *report) start(seed uint64, short bool) error {
	for _, minutes := range []uint32{0, 30} {
		o, err := starting(seed, minutes)
		if err != nil {
			return err
		}
		if o.Most = 5000; short {
			o.Most = 200
		}
		found, err := starts.Run(context.Background(), o)
		if err != nil {
			return err
		}
		fmt.Printf("  %d crash states of a first start that converts the data in %d min, %d findings\n", found.Tried(), minutes, len(found.Failures))
		r.CrashStates += found.Tried()
		for _, f := range found.Failures {
			r.find(fmt.Sprintf("start/%s: %s: %s", f.Cuts, f.Rule, f.Detail))
		}
	}
	return nil
}

// starting is a device with many objects, and an update that converts them.
func starting(seed uint64, minutes uint32) (starts.Options, error) {
	o := starts.Options{Seed: seed}
	var err error
	if o.Subject, err = starts.Sample(seed, minutes); err == nil {
		o.Prepared, err = o.Subject.Prepare()
	}
	return o, err
}

// find notes a finding.
func (r *report) find(text string) {
	if len(r.Findings) < mostFindings {
		r.Findings = append(r.Findings, text)
		fmt.Println("  " + text)
	}
}

// plantFile counts which defects of the verification and of the rules are noticed.
func (r *report) plantFile() error {
	o, err := sample(20_000)
	if err != nil {
		return err
	}
	o.Head, o.Every = 31, 100_000
	for _, d := range mutants.Defects() {
		o.Defect = &d
		found, err := mutants.Run(context.Background(), o)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		r.noteDefect(d.Name, len(found.Failures) > 0)
	}
	for _, d := range policies.Defects() {
		noticed, err := d.Noticed()
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		r.noteDefect(d.Name, noticed)
	}
	return errors.Join(r.plantTransfers(o), r.plantStarts())
}

func (r *report) plantStarts() error {
	o, err := starting(1, 0)
	if err != nil {
		return err
	}
	o.Most = 200
	for _, d := range starts.Defects() {
		o.Defect = &d
		found, err := starts.Run(context.Background(), o)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		r.noteDefect(d.Name, slices.ContainsFunc(found.Failures, func(f starts.Failure) bool { return f.Rule == d.Rule }))
	}
	return nil
}

func (r *report) plantTransfers(update mutants.Options) error {
	o := transfers.Options{Subject: update.Subject, Every: 4}
	o.Subject.Facts.Client = fuf.V(1, 0, 0)
	for _, d := range transfers.Defects() {
		o.Defect = &d
		found, err := transfers.Run(context.Background(), o)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
		r.noteDefect(d.Name, len(found.Failures) > 0)
	}
	return nil
}
