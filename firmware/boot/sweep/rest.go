package sweep

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
)

// refuse has the device refuse files: at the beginning of a scenario, and in the
// middle of an upload.
func (p *player) refuse(s *scenario, chip *flash.Memory, report *Report) {
	for _, busy := range []bool{false, true} {
		for _, r := range p.world.refusals {
			c := chip.Clone()
			if err := p.offer(c, r, busy); err != nil {
				report.Faults = append(report.Faults, Fault{Refusal, s.name + ":", fmt.Sprintf("%s: %v", r.name, err)})
			}
			report.Refusals++
		}
	}
}

var errWritten = errors.New("the flash was written")

func (p *player) offer(chip *flash.Memory, r refusal, busy bool) error {
	b, err := p.world.open(chip)
	if err != nil {
		return err
	}
	defer b.Close()
	if r.number > 0 && p.newest(b) <= r.number {
		return nil // it would be taken, and rightly
	}
	if busy {
		h := &host{Boot: b, world: p.world, chip: chip, facts: &facts{}, defect: &Defect{}}
		err := h.send(len(p.world.editions)-1, 1)
		if reason := boot.Reason(""); errors.As(err, &reason) {
			return nil // the device does not take this file now, and need not
		}
		if err != nil {
			return err
		}
	}
	before := chip.Digest()
	if p.defect.eager {
		if err := chip.Erase(2 + slotBlocks); err != nil { // slot 1
			return err
		}
	}
	switch err := b.Begin(r.head, r.code, p.world.facts); {
	case err == nil:
		return errors.New("it was taken")
	case chip.Digest() != before:
		return errWritten
	}
	return nil
}

// newest returns which firmware has the security version that was confirmed.
func (p *player) newest(b *boot.Boot) int {
	s, err := b.Status()
	if err != nil {
		return 0
	}
	for i, f := range p.world.editions {
		if f.security == s.Security {
			return i
		}
	}
	return 0
}

// decayTrials is how many times the firmware of a scenario decays.
const decayTrials = 24

// decay flips bits all over the region, from one to many at a time: the device must not
// run what nobody made, but start, and take an update if it has nothing to run.
func (p *player) decay(s *scenario, chip *flash.Memory, seed uint64, report *Report) {
	random := rand.New(rand.NewPCG(seed, 5))
	for trial := range decayTrials {
		c := chip.Clone()
		for range 1 + 2*trial {
			if err := c.Flip(p.world.bit(random)); err != nil {
				report.Faults = append(report.Faults, Fault{DecayIsFound, s.name + ":", err.Error()})
			}
		}
		o := p.observe(c)
		wrong := cmp.Or(o.broken, o.strange)
		if wrong == "" && !o.confirmed && o.state == boot.Idle.String() {
			wrong = p.mend(c)
		}
		if wrong != "" {
			report.Faults = append(report.Faults, Fault{DecayIsFound, s.name + ":", wrong})
		}
		report.Decayed++
	}
}

// mend installs the last firmware there is on a device that has none to run, and returns
// what is wrong with that.
func (p *player) mend(chip *flash.Memory) string {
	last := p.world.editions[len(p.world.editions)-1]
	if last.update == nil {
		return ""
	}
	b, err := p.world.install(last.update, chip)
	if err != nil {
		return "it takes no update: " + err.Error()
	}
	defer b.Close()
	if v := b.Running().Version; v != last.version {
		return fmt.Sprintf("an update that mends it leaves %v", v)
	}
	return ""
}

// decayed returns a chip on which the firmware has decayed that runs.
func (w *world) decayed(chip *flash.Memory) (*flash.Memory, error) {
	for slot := range boot.Slots {
		c := chip.Clone()
		image := w.region.first + 2 + slot*slotBlocks + slotBlocks - imageSize/geometry.BlockSize()
		if err := c.Flip(8 * int64(image*geometry.BlockSize())); err != nil {
			return nil, err
		}
		b, err := w.open(c)
		if err != nil {
			return nil, err
		}
		s, err := b.Status()
		b.Close()
		if err != nil || s.Recovers {
			return c, err
		}
	}
	return nil, fmt.Errorf("%w: no firmware decays", ErrSubject)
}
