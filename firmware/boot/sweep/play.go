package sweep

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/flash"
)

// Limits of a play: a scenario that takes more does not converge.
const (
	maxPowerOns   = 12
	maxOperations = 4000 // more for each page of a large image
)

// Why a play ends without coming to its end.
var (
	errEndless = errors.New("it goes on for ever")
	errState   = errors.New("the state of the HSM is written, which is not the bootloader's")
)

// point is an operation on the flash, where the power can be cut.
type point struct {
	before    *flash.Memory // nil unless recorded
	operation flash.Operation
	facts     facts // before it
	powerOn   int   // counted from 1
	number    int   // counted from 1 over the whole play
}

// player plays scenarios on one kind of bootloader.
type player struct {
	world  *world
	defect *Defect
}

// play plays a scenario on a chip, from a power-on to its end. See is called before
// each operation, pause after each acknowledgement and before each power-on; both
// may be nil.
func (p *player) play(s *scenario, chip *flash.Memory, f *facts, see func(point) error, pause func() bool) error {
	number := 0
	for powerOn := 1; powerOn <= maxPowerOns; powerOn++ {
		if pause != nil && pause() {
			return nil
		}
		tap := flash.NewTap(chip, func(o flash.Operation) error {
			if number++; number > p.world.operations {
				return errEndless
			}
			if !s.erases && p.world.isState(o) {
				return errState
			}
			if see == nil {
				return nil
			}
			return see(point{operation: o, facts: *f, powerOn: powerOn, number: number})
		})
		done, err := p.powerOn(s, p.defect.device(tap, chip), f, pause)
		if errors.Is(err, errPaused) {
			return nil
		}
		if done || err != nil {
			return err
		}
	}
	return errEndless
}

func (p *player) powerOn(s *scenario, chip flash.Device, f *facts, pause func() bool) (done bool, err error) {
	b, err := p.open(chip)
	if err != nil {
		return false, err
	}
	defer b.Close()
	status, err := b.Status()
	if err != nil {
		return false, err
	}
	f.security = max(f.security, status.Security)
	return s.do(&host{Boot: b, world: p.world, chip: chip, facts: f, defect: p.defect, pause: pause}, status)
}

// open switches the bootloader of a chip on, with the defect.
func (p *player) open(chip flash.Device) (*boot.Boot, error) {
	return p.world.openWith(chip, p.defect.trust(p.world.config.Verifier))
}

// stage returns a chip on which a scenario can begin.
func (p *player) stage(s *scenario) (*flash.Memory, error) {
	chip := p.world.chip.Clone()
	for _, n := range s.before[p.world.installed:] {
		b, err := p.world.install(p.world.editions[n].update, chip)
		if err != nil {
			return nil, fmt.Errorf("install firmware %d: %w", n, err)
		}
		b.Close()
	}
	if s.decays {
		return p.world.decayed(chip)
	}
	return chip, nil
}

// observe powers a clone of the chip on and looks.
func (p *player) observe(chip *flash.Memory) *observation {
	c := chip.Clone()
	device := p.defect.device(c, c)
	o := &observation{rollback: -1, keys: p.world.keys(c)}
	b, err := p.open(device)
	if err != nil {
		o.broken = err.Error()
		return o
	}
	defer b.Close()
	s, err := b.Status()
	if err != nil {
		o.spoilt = err.Error()
	}
	running := s.Running
	if s.Recovers {
		running = s.Lost
	} else if err := p.world.authentic(b.Running()); err != nil {
		o.strange = err.Error()
	}
	o.running, o.confirmed, o.security, o.floor = p.world.number(running), s.Confirmed, s.Security, s.Floor
	o.state, o.last, o.incoming, o.have = s.State.String(), s.Last.String(), p.world.numberOf(s.Incoming), setOf(s.Have)
	if s.Rollback != nil {
		o.rollback = p.world.number(s.Rollback.Version)
		if err := p.world.authentic(s.Rollback); err != nil {
			o.spoilt = err.Error()
		}
	}
	return o
}
