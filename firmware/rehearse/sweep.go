package rehearse

import (
	"fmt"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
)

// sweep plays one scene and judges every crash state.
type sweep struct {
	rig  Rig
	plan Plan
	seed uint64
	verdict
	states int    // crash states
	key    []byte // the root key before a command that effaces it; nil: it is not to go
}

// play carries the scene out on a chip of its stage.
func (s *sweep) play(stages *stages) error {
	chip := stages.chip(s.scene.Stage)
	tape := record(chip)
	m, err := s.rig.start(tape, s.seed)
	if err != nil {
		return err
	}
	o := newOperator(m)
	before, status := s.perform(o, tape, chip)
	if o.err != nil {
		return o.err
	}
	if status != s.scene.Status {
		return fmt.Errorf("%s: %v, want %v", s.scene.Code, status, s.scene.Status)
	}
	after := chip.Clone()
	live, err := observe(m)
	if err != nil {
		return err
	}
	if err := m.off(); err != nil {
		return err
	}
	if s.scene.Quiet != "" {
		if len(tape.points) > 0 {
			s.add(Unexplained, tape.points[0].operation.String(), "it says: %s", s.scene.Quiet)
		}
		return nil
	}
	return s.judgeAll(tape, before, after, live)
}

// perform brings the situation about and carries the command out, on tape.
func (s *sweep) perform(o *Operator, tape *recorder, chip *flash.Memory) (before *flash.Memory, status command.Status) {
	if s.scene.Before != nil {
		s.scene.Before(o)
	}
	var request any
	if s.scene.Request != nil {
		request = s.scene.Request(o)
	}
	session := o.Session(s.scene.Slot)
	if row, ok := command.Lookup(s.scene.Code); ok && row.Need == command.NeedNothing {
		session = 0
	}
	before = chip.Clone()
	tape.armed = true
	if s.scene.Finding != 0 {
		o.Tamper(s.scene.Finding)
	} else {
		status = o.Do(s.scene.Code, session, request, nil)
	}
	tape.answered.Store(true)
	tape.armed = false
	return before, status
}

// judgeAll judges every crash state against those before and after.
func (s *sweep) judgeAll(tape *recorder, before, after *flash.Memory, live *Observation) (err error) {
	if len(tape.points) == 0 {
		s.add(Unexplained, "no power cut", "it wrote nothing, and does not say why")
	}
	if s.old, _, err = s.restart(before, nil); err != nil {
		return err
	}
	if s.new, _, err = s.restart(after, nil); err != nil {
		s.add(Brick, "no power cut", "%v", err)
		return nil
	}
	s.judgeEnds(live)
	if s.scene.Effaces {
		if s.key, err = rootKey(before); err != nil {
			return err
		}
	}
	err = crashes(tape.points, s.plan.Tears, s.seed, func(c crash) error { return s.survive(c, s.plan.Recoveries) })
	if err == nil {
		s.judgeGuess()
	}
	return err
}

// survive powers a crash state on and judges it. The power may be cut again, so
// many times, while the device recovers.
func (s *sweep) survive(c crash, again int) error {
	s.states++
	tape := record(c.chip)
	got, points, err := s.restart(c.chip, tape)
	if err != nil {
		s.add(Brick, c.where, "%v", err)
		return nil
	}
	s.judge(got, c.where, c.answered)
	s.judgeRemains(c.chip, got, c.where)
	if again == 0 {
		return nil
	}
	return crashes(points, 1, s.seed+1, func(second crash) error {
		second.answered, second.where = c.answered, c.where+"; then "+second.where
		return s.survive(second, again-1)
	})
}

// restart powers a chip on and observes the device. What the power-on itself
// does to the chip is recorded, if there is a tape.
func (s *sweep) restart(chip *flash.Memory, tape *recorder) (*Observation, []point, error) {
	var on flash.Device = chip
	if tape != nil {
		tape.armed = true
		on = tape
	}
	m, err := s.rig.start(on, s.seed+2)
	if err != nil {
		return nil, nil, err
	}
	var points []point
	if tape != nil {
		tape.armed, points = false, tape.points
	}
	got, err := observe(m)
	if off := m.off(); err == nil {
		err = off
	}
	return got, points, err
}
