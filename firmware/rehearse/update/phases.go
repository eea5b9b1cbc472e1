package update

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usbhsm7/firmware/boot/sweep"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/rehearse/mutants"
	"usbhsm7/firmware/rehearse/policies"
	"usbhsm7/firmware/rehearse/report"
	"usbhsm7/firmware/rehearse/starts"
	"usbhsm7/firmware/rehearse/transfers"
	"usbhsm7/fuf"
)

// admit asks the device what stands against the file, installs it once, without any
// fault, and starts the HSM in it.
func admit(ctx context.Context, r *rehearsal, p *report.Phase) error {
	const name = "the bootloader installs the file and confirms it"
	checks, err := transfers.Plan(ctx, r.Subject)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		const answers = "the device says what stands against the update"
		p.Cases = append(p.Cases, report.Case{Name: answers, Tried: 1})
		p.Failures = append(p.Failures, report.Failure{Case: answers, Rule: answers, Detail: err.Error()})
	}
	for _, c := range checks {
		p.Cases = append(p.Cases, report.Case{Name: c.Name, Tried: 1})
		if c.Status != command.StatusOK {
			p.Failures = append(p.Failures, report.Failure{Case: c.Name, Rule: c.Name, Detail: fmt.Sprintf("%s (%v)", c.Detail, c.Status)})
		}
	}
	p.Cases = append(p.Cases, report.Case{Name: name, Tried: 1})
	if r.refused != nil && len(p.Failures) == 0 {
		p.Failures = append(p.Failures, report.Failure{Case: name, Rule: "the device takes the file", Detail: r.refused.Error()})
	}
	if r.refused == nil {
		const keeps = "the HSM starts in the new firmware and keeps all that it holds"
		p.Cases = append(p.Cases, report.Case{Name: keeps, Tried: 1})
		if err := starts.Keeps(ctx, r.starts()); err != nil {
			p.Failures = append(p.Failures, report.Failure{Case: keeps, Rule: keeps, Detail: err.Error()})
		}
	}
	p.Tried = len(p.Cases)
	return nil
}

func replayAdmission(ctx context.Context, r *rehearsal, _ string) ([]string, error) {
	var p report.Phase
	err := admit(ctx, r, &p)
	var wrong []string
	for _, f := range p.Failures {
		wrong = append(wrong, f.Rule+": "+f.Detail)
	}
	return wrong, err
}

// cutPower cuts the power everywhere.
func cutPower(ctx context.Context, r *rehearsal, p *report.Phase) error {
	scenario, part := 0, ""
	found, err := r.cuts.Sweep(sweep.Options{Plan: r.plan(), Seed: r.Seed, Progress: func(name string, done, cuts int) error {
		if name != part {
			scenario, part = scenario+1, name
		}
		all := len(r.cuts.Scenarios()) * cuts
		r.progress(p.Title, (scenario-1)*cuts+done, all)
		return ctx.Err()
	}})
	if err != nil {
		return err
	}
	p.Tried = found.CrashStates
	table := report.Table{Title: "What was going on", Head: []string{"Scenario", "Flash operations", "Crash states", "Different contents", "Most erasures of a block"}}
	for _, s := range found.Scenarios {
		p.Cases = append(p.Cases, report.Case{Name: s.Name, Tried: s.CrashStates})
		table.Rows = append(table.Rows, []string{s.Name, report.Number(s.Operations), report.Number(s.CrashStates), report.Number(s.Distinct), report.Number(int(s.MaxWear))})
	}
	p.Tables = append(p.Tables, table)
	p.Notes = append(p.Notes, "The power was cut at every operation on the flash: before it, and torn in several ways. "+r.second(),
		fmt.Sprintf("Besides, files that must be refused were offered %s times, and the firmware decayed in %s ways.", report.Number(found.Refusals), report.Number(found.Decayed)))
	for _, f := range found.Faults {
		name, _, _ := strings.Cut(f.Token, ":")
		p.Failures = append(p.Failures, report.Failure{Case: name, Rule: string(f.Rule), Detail: f.Detail, Token: f.Token})
	}
	return nil
}

// states is about how many crash states a quick rehearsal tries.
const states = 150_000

// plan says how much is cut.
func (r *rehearsal) plan() sweep.Plan {
	plan := sweep.Plan{Tears: 1, Second: true, Join: true, Every: r.every()}
	if r.Depth == Full {
		plan.Tears = 2
	}
	return plan
}

// every says of how many first cuts one is cut a second time.
func (r *rehearsal) every() int {
	if r.Depth == Full {
		return 1
	}
	// A play has about an operation for each page of the image, and two more for each
	// chunk; each is cut in three ways, and a recovery again at those of one chunk.
	pages := 2 * len(r.Subject.File) / r.Subject.Chip.Geometry().PageSize
	return sweep.Stride(pages * 3 * 100 * 3 / states)
}

func (r *rehearsal) second() string {
	if n := r.every(); n > 1 {
		return fmt.Sprintf("One in %d of these was cut a second time, at every operation of its recovery; --depth full does that to all.", n)
	}
	return "Each of these was cut a second time, at every operation of its recovery."
}

func replayCut(_ context.Context, r *rehearsal, token string) ([]string, error) {
	faults, err := r.cuts.Replay(token)
	var wrong []string
	for _, f := range faults {
		wrong = append(wrong, fmt.Sprintf("%s: %s", f.Rule, f.Detail))
	}
	return wrong, err
}

// startStates is about how many crash states of the first start are tried.
var startStates = map[Depth]int{Quick: 600, Full: 20_000}

func (r *rehearsal) starts() starts.Options {
	return starts.Options{Subject: r.Subject, Prepared: r.cuts, Seed: r.Seed, Most: startStates[r.Depth]}
}

// start cuts the power while the device starts in the new firmware.
func start(ctx context.Context, r *rehearsal, p *report.Phase) error {
	o := r.starts()
	o.Progress = func(done, total int) { r.progress(p.Title, done, total) }
	found, err := starts.Run(ctx, o)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	const whole, once, twice = "the first start without a cut", "one cut", "a second cut while the device recovers"
	p.Cases = append(p.Cases, report.Case{Name: whole, Tried: 1})
	if err != nil {
		p.Failures = append(p.Failures, report.Failure{Case: whole, Rule: string(starts.Starts), Detail: err.Error()})
		return nil
	}
	p.Tried = found.Tried()
	p.Cases = append(p.Cases, report.Case{Name: once, Tried: found.Cuts}, report.Case{Name: twice, Tried: found.Again})
	p.Tables = append(p.Tables, report.Table{Title: "When the power failed", Head: []string{"In a first start with", "Crash states"}, Rows: [][]string{
		{once, report.Number(found.Cuts)}, {twice, report.Number(found.Again)},
	}})
	p.Notes = append(p.Notes, fmt.Sprintf("The first start takes %s operations on the flash: the firmware is tried and confirmed, and the data of the device are made fit for it. "+
		"What the HSM holds after a power cut is compared with what it held before, by digests of all its records.", report.Number(found.Operations)))
	if found.Thinned {
		p.Notes = append(p.Notes, "Of the ways to cut it "+report.Number(found.Tried())+" were tried; --depth full tries more.")
	}
	for _, f := range found.Failures {
		name := map[int]string{0: once, 1: twice}[strings.Count(f.Cuts, ";")]
		if f.Cuts == "" {
			name = whole
		}
		p.Failures = append(p.Failures, report.Failure{Case: name, Rule: string(f.Rule), Detail: f.Detail, Token: f.Cuts})
	}
	return nil
}

func replayStart(ctx context.Context, r *rehearsal, token string) ([]string, error) {
	return one(starts.Replay(ctx, r.starts(), token))
}

// bits is about how many bits of chunks a quick rehearsal flips.
const bits = 200_000

func (r *rehearsal) mutants() mutants.Options {
	o := mutants.Options{Subject: r.Subject, Trust: r.Trust, Head: 7, Every: max(1, 8*len(r.Subject.File)/bits)}
	if r.Depth == Full {
		o.Head, o.Every = 0, 0
	}
	return o
}

// spoil tries mutants of the file.
func spoil(ctx context.Context, r *rehearsal, p *report.Phase) error {
	o := r.mutants()
	o.Progress = func(done, total int) { r.progress(p.Title, done, total) }
	found, err := mutants.Run(ctx, o)
	if err != nil {
		return err
	}
	p.Tried = found.Tried
	for _, f := range found.Families {
		p.Cases = append(p.Cases, report.Case{Name: f.Name, Tried: f.Tried})
	}
	p.Tables = append(p.Tables,
		report.Table{Title: "What was done to the file", Head: []string{"Kind", "Mutants"}, Rows: rowsOf(found.Families)},
		report.Table{Title: "Why it was refused", Head: []string{"Reason", "Mutants"}, Rows: counts(found.Reasons, func(reason string) string {
			return strings.TrimPrefix(fuf.Reason(reason).Error(), "update file refused: ")
		})},
	)
	p.Notes = append(p.Notes, fmt.Sprintf("Accepted: %d. Operations on the flash for the sake of a file that was refused: %d.", found.Accepted, found.Writes))
	if o.Head > 1 || o.Every > 1 {
		p.Notes = append(p.Notes, fmt.Sprintf("Of the bits of the head %s flipped, of those of the chunks %s; --depth full flips all.", share(o.Head), share(o.Every)))
	}
	for _, f := range found.Failures {
		p.Failures = append(p.Failures, report.Failure{Case: f.Family, Rule: "a file that is not genuine is refused, and costs no write", Detail: f.Mutant + ": " + f.Detail, Token: f.Mutant})
	}
	return nil
}

// share says that one in n was done.
func share(n int) string {
	if n <= 1 {
		return "all were"
	}
	return fmt.Sprintf("one in %d was", n)
}

func rowsOf(families []mutants.Family) (rows [][]string) {
	for _, f := range families {
		rows = append(rows, []string{f.Name, report.Number(f.Tried)})
	}
	return rows
}

func replayMutant(_ context.Context, r *rehearsal, token string) ([]string, error) {
	return one(mutants.Replay(r.mutants(), token))
}

// transfersTried is about how many cases a quick rehearsal disturbs.
const transfersTried = 300

func (r *rehearsal) transfers() transfers.Options {
	o := transfers.Options{Subject: r.Subject}
	if chunks := len(r.Subject.File) / fuf.ChunkSize; r.Depth == Quick {
		// Ten faults befall the answer to a chunk, and as many the chunk.
		o.Every = max(1, (20*chunks+240)/transfersTried)
	}
	return o
}

// disturb has transfers go wrong.
func disturb(ctx context.Context, r *rehearsal, p *report.Phase) error {
	o := r.transfers()
	o.Progress = func(done, total int) { r.progress(p.Title, done, total) }
	found, err := transfers.Run(ctx, o)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	const whole = "the update without a fault"
	p.Cases = append(p.Cases, report.Case{Name: whole, Tried: 1})
	if err != nil {
		p.Failures = append(p.Failures, report.Failure{Case: whole, Rule: "a host can update the device", Detail: err.Error()})
		return nil
	}
	p.Tried = found.Tried
	table := report.Table{Title: "What happened to a transfer", Head: []string{"Fault", "Cases"}}
	for _, f := range found.Faults {
		p.Cases = append(p.Cases, report.Case{Name: f.Name, Tried: f.Tried})
		table.Rows = append(table.Rows, []string{f.Name, report.Number(f.Tried)})
	}
	p.Tables = append(p.Tables, table)
	p.Notes = append(p.Notes, fmt.Sprintf("The update takes %d transfers. The host goes on after each fault; the device has every chunk that it acknowledged, and one more at most. "+
		"The HSM on the copy was initialised anew, since its passwords are not known here.", found.Transfers))
	if o.Every > 1 {
		p.Notes = append(p.Notes, fmt.Sprintf("One in %d cases was tried; --depth full tries all.", o.Every))
	}
	for _, f := range found.Failures {
		p.Failures = append(p.Failures, report.Failure{Case: f.Fault, Rule: "a host gets over a transfer that fails", Detail: f.Detail, Token: f.Case})
	}
	return nil
}

func replayTransfer(ctx context.Context, r *rehearsal, token string) ([]string, error) {
	return one(transfers.Replay(ctx, r.transfers(), token))
}

// sampled is that a quick rehearsal asks about one in so many combinations.
const sampled = 7

// combine goes through the conditions of updates.
func combine(ctx context.Context, r *rehearsal, p *report.Phase) error {
	o := policies.Options{Progress: func(done, total int) error {
		r.progress(p.Title, done, total)
		return ctx.Err()
	}}
	if r.Depth == Quick {
		o.Every = sampled
	}
	found, err := policies.Run(o)
	if err != nil {
		return err
	}
	p.Tried = found.Combinations
	for _, product := range found.Products {
		p.Cases = append(p.Cases, report.Case{Name: product.Name, Tried: product.Combinations})
		p.Tables = append(p.Tables, combined(product)...)
	}
	p.Notes = append(p.Notes, "These are updates and devices made for the purpose; the rules are those that the firmware of the device has. "+
		"The bootloader is asked by itself, and then, with an HSM in front of it, about files that are offered and about orders that are given.")
	if o.Every > 1 {
		p.Notes = append(p.Notes, fmt.Sprintf("One in %d combinations was asked about; --depth full asks about all.", o.Every))
	}
	for _, f := range found.Failures {
		product, _, _ := strings.Cut(f.Combination, ":")
		p.Failures = append(p.Failures, report.Failure{Case: product, Rule: "every answer is that of the table", Detail: f.Detail, Token: f.Combination})
	}
	return nil
}

// combined returns the tables about a product.
func combined(p policies.Product) []report.Table {
	axes := report.Table{Title: "What was combined: " + p.Name, Head: []string{"What", "Values"}}
	for _, a := range p.Axes {
		axes.Rows = append(axes.Rows, []string{a.Name, strings.Join(a.Values, ", ")})
	}
	return []report.Table{axes, {
		Title: "The answers: " + p.Name, Head: []string{"Answer", "Combinations"},
		Rows: counts(p.Answers, func(answer string) string { return answer }),
	}}
}

func replayCombination(_ context.Context, _ *rehearsal, token string) ([]string, error) {
	return one(policies.Replay(token))
}

// one returns what is wrong as a list.
func one(detail string, err error) ([]string, error) {
	if err == nil && detail != "" {
		return []string{detail}, nil
	}
	return nil, err
}

func (r *rehearsal) progress(title string, done, total int) {
	if r.Progress != nil {
		r.Progress(title, done, total)
	}
}

// counts returns rows of a table, the most frequent ones first.
func counts(of map[string]int, text func(string) string) (rows [][]string) {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		if of[a] != of[b] {
			return of[b] - of[a]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		rows = append(rows, []string{text(name), report.Number(of[name])})
	}
	return rows
}
