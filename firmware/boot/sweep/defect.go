package sweep

import (
	"fmt"
	"regexp"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
)

// Defect is a way to get a bootloader wrong: a chip that does something else than
// it was told, a verifier that lets things pass, or a device around it that does
// not do its part.
type Defect struct {
	Name      string
	Rule      Rule   // that it breaks, among others
	Scenarios string // regular expression: where it shows
	Erasures  int    // as of Plan, for it to show
	Like      string // a report of such a defect somewhere; "" = none is known

	chip      func(chip flash.Device, content *flash.Memory) flash.Device // nil: as it is
	verifier  func(boot.Verifier) boot.Verifier                           // nil: as it is
	stale     bool                                                        // a new upload goes on where another one was left
	keepsKeys bool                                                        // a rollback erases nothing
	eager     bool                                                        // a slot is emptied before the file is checked
}

func (d *Defect) device(chip flash.Device, content *flash.Memory) flash.Device {
	if d.chip == nil {
		return chip
	}
	return d.chip(chip, content)
}

func (d *Defect) trust(v boot.Verifier) boot.Verifier {
	if d.verifier == nil {
		return v
	}
	return d.verifier(v)
}

// resumeAt returns the last chunk that is sent.
func (d *Defect) resumeAt(have []bool, another bool) int {
	if d.stale && another {
		return len(have) - 2
	}
	return len(have) - 1
}

// Sweep looks for the defect, until it breaks its rule or all is done.
func (d *Defect) Sweep(seed uint64) (*Report, error) {
	scenarios, err := regexp.Compile(d.Scenarios)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	return Run(Options{Plan: Plan{Tears: 1, Erasures: d.Erasures}, Seed: seed, Defect: d, Enough: 1, Scenarios: scenarios})
}

// Defects returns defects that a sweep has to notice.
func Defects() []Defect {
	return []Defect{
		{
			Name: "there is only one record", Rule: Brick, Scenarios: "^update$", Like: "a single configuration block",
			chip: remap(func(block int) int {
				if block == 1 {
					return 0
				}
				return block
			}),
		},
		{
			Name: "both records are erased before one is written", Rule: Brick, Scenarios: "^update$",
			chip: func(c flash.Device, _ *flash.Memory) flash.Device { return &eraseBoth{c} },
		},
		{
			Name: "a torn record is taken for whole", Rule: Mixture, Scenarios: "^(update|rollback|floor)$", Like: "mcuboot#1966",
			chip: func(c flash.Device, _ *flash.Memory) flash.Device { return &gullible{c} },
		},
		{
			Name: "the security version rises before the confirmation", Rule: Security, Scenarios: "^update$",
			chip: rewrite(func(r *boot.Record) {
				if r.State == boot.Trial {
					r.Security++
				}
			}),
		},
		{
			Name: "firmware counts as confirmed as soon as it is activated", Rule: Premature, Scenarios: "^update$",
			chip: rewrite(func(r *boot.Record) {
				if r.State == boot.Trial {
					r.State, r.Running, r.Previous, r.Incoming, r.Trials = boot.Idle, r.Incoming, r.Running, boot.Nowhere, 0
				}
			}),
		},
		{
			Name: "trials are not counted", Rule: Unconverged, Scenarios: "never confirmed",
			chip: rewrite(func(r *boot.Record) {
				if r.State == boot.Trial {
					r.Trials = boot.TrialBoots
				}
			}),
		},
		{
			Name: "the security version falls with a rollback", Rule: Security, Scenarios: "^rollback$", Like: "pithead#856",
			chip: rewrite(func(r *boot.Record) {
				if r.Last == boot.RolledBack {
					r.Security = 1
				}
			}),
		},
		{
			Name: "a slot counts as complete before its last chunk", Rule: Lost, Scenarios: "^update$",
			chip: rewrite(func(r *boot.Record) {
				if r.State == boot.Receiving {
					r.State = boot.Staged
				}
			}),
		},
		{
			Name: "reading the marks ends at a torn one", Rule: Lost, Scenarios: "^update$", Like: "mcuboot#1966",
			chip: func(c flash.Device, _ *flash.Memory) flash.Device { return &shortSighted{c} },
		},
		{
			Name: "a chunk is marked before it is written", Rule: Unconverged, Scenarios: "^update$",
			chip: func(c flash.Device, _ *flash.Memory) flash.Device { return &markFirst{Device: c} },
		},
		{
			Name: "a chunk is acknowledged before it is marked", Rule: Lost, Scenarios: "^update$",
			chip: func(c flash.Device, _ *flash.Memory) flash.Device { return &markLate{Device: c} },
		},
		{
			Name: "the host is answered before anything is durable", Rule: Lost, Scenarios: "^(update|floor)$", Like: "etcd#16596",
			chip: newLazy,
		},
		{
			Name: "what reads as erased is not erased", Rule: Unconverged, Scenarios: "given up", Erasures: 12,
			chip: func(c flash.Device, _ *flash.Memory) flash.Device { return &blankCheck{c} },
		},
		{
			Name: "a slot is taken for erased", Rule: Unconverged, Scenarios: "given up", Like: "zephyr#51798",
			chip: skipErase(func(at spot) bool { return at.image }),
		},
		{
			Name: "the marks of another upload are kept", Rule: Unconverged, Scenarios: "given up", Like: "zephyr#51798",
			chip: skipErase(func(at spot) bool { return at.marks }),
		},
		{
			Name: "the upload goes into the slot of the firmware to go back to", Rule: WayBack, Scenarios: "shares content",
			chip: remap(func(block int) int {
				if slot := 2 + 2*slotBlocks; block >= slot && block < slot+slotBlocks {
					return block - 2*slotBlocks
				}
				return block
			}),
		},
		{
			Name: "firmware is not verified at power-on", Rule: DecayIsFound, Scenarios: "^update$",
			verifier: func(v boot.Verifier) boot.Verifier { return trustful{v} },
		},
		{
			Name: "an upload goes on at the offset of another one", Rule: Unconverged, Scenarios: "given up", Like: "zephyr#51798",
			stale: true,
		},
		{
			Name: "a rollback leaves the keys", Rule: Resumed, Scenarios: "^rollback$",
			keepsKeys: true,
		},
		{
			Name: "the authentication code is checked after the slot is emptied", Rule: Refusal, Scenarios: "^update$",
			eager: true,
		},
	}
}
