package policies

import (
	"errors"
	"fmt"
	"strings"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// unitDesk is where an assembled HSM is asked, with a bootloader behind it.
type unitDesk struct {
	defect   *Defect
	verifier boot.Verifier
	files    offers
	incoming *boottest.Update
	chips    map[past]*flash.Memory
	unit     *unit     // nil: none is on
	like     present   // what the unit is like
	crew     [2]string // who is logged in to the HSM, and to the partition
}

// past is what a unit has gone through when it is switched on, and present is what it
// is like when it is asked; the fields are values of the axes.
type (
	past    struct{ slots, modules, floor string }
	present struct {
		past
		incoming, transport string
	}
)

func newUnitDesk(defect *Defect) (desk, error) {
	image := boottest.Image(fuf.V(7, 9, 5), incomingSecurity, payloadSize, 3)
	release := boottest.Release(image)
	release.NotBefore, release.NotAfter = begins.Unix(), ends.Unix()
	incoming, err := boottest.Make(image, release)
	if err != nil {
		return nil, fmt.Errorf("policies: prepare: %w", err)
	}
	return &unitDesk{
		defect: defect, verifier: newClerk(boottest.Verifier()), files: offers{}, incoming: incoming, chips: map[past]*flash.Memory{},
	}, nil
}

// ask sends the command of a combination to a unit that is like that.
func (d *unitDesk) ask(c combination) (answer string, wrote bool, err error) {
	c = d.defect.mistake(c)
	if err := d.arrange(c); err != nil {
		return "", false, err
	}
	u := d.unit
	if u.now = sooner; c["time"] == "over" {
		u.now = later
	}
	before := u.writes
	status, err := d.send(c)
	wrote = u.writes != before
	if row, _ := command.Lookup(codes[c["command"]]); status == command.StatusOK && row.Write {
		d.close() // it is no longer like that
	}
	return nameOf(status), wrote, err
}

// send sends the command and returns the status of the answer.
func (d *unitDesk) send(c combination) (command.Status, error) {
	request, err := d.request(c, d.unit.core.Boot.Running().SecurityVersion)
	if err != nil {
		return 0, err
	}
	code, session := codes[c["command"]], d.unit.Session(slots[c["session"]])
	if code != command.CodeUpdatePlan {
		return d.unit.Do(code, session, request, nil), d.unit.Err()
	}
	var plan command.UpdatePlanResponse
	status := d.unit.Do(code, session, request, &plan)
	for _, check := range plan.Checks {
		if status == command.StatusOK {
			status = check.Status
		}
	}
	return status, d.unit.Err()
}

// nameOf returns a status as the oracle has it.
func nameOf(s command.Status) string {
	if s == command.StatusOK {
		return Taken
	}
	name, ok := s.Name()
	if !ok {
		return s.Error()
	}
	return strings.TrimPrefix(name, "LUNA_RET_")
}

// arrange has a unit that is like that, with those people at it.
func (d *unitDesk) arrange(c combination) error {
	like := present{past{c["slots"], c["modules"], c["floor"]}, c["incoming"], c["transport"]}
	if d.unit == nil || d.like != like {
		d.close()
		if err := d.start(like); err != nil {
			return fmt.Errorf("prepare: %w", err)
		}
		d.like, d.crew = like, [2]string{nobody, nobody}
	}
	for i, axis := range []string{"admin", "user"} {
		if err := d.change(&d.crew[i], c[axis]); err != nil {
			return fmt.Errorf("login of %s: %w", c[axis], err)
		}
	}
	return nil
}

// change has one role log out and another one in. A device that has no roles at
// present, or admits none, has nobody log in.
func (d *unitDesk) change(from *string, to string) error {
	if *from == to {
		return nil
	}
	if role, ok := roles[*from]; ok {
		d.unit.Do(command.CodeLogout, d.unit.Session(role.Slot()), nil, nil)
	}
	*from = to
	role, ok := roles[to]
	if !ok || d.unit.Session(role.Slot()) == 0 {
		return nil
	}
	switch status := d.unit.Try(role); status {
	case command.StatusOK, command.StatusSTMCommand, command.StatusPINNotInitialized:
		return d.unit.Err()
	default:
		return status
	}
}

// start switches on a unit that is like that, with nobody at it.
func (d *unitDesk) start(like present) error {
	chip, err := d.chip(like.past)
	if err != nil {
		return err
	}
	u := &unit{chip: chip.Clone(), verifier: d.verifier, defect: d.defect, now: sooner}
	if err := u.on(); err != nil {
		return err
	}
	d.unit = u // from here on somebody closes it
	if err := u.receive(d.incoming, like.incoming); err != nil {
		return err
	}
	if like.slots == "rolling-back" {
		return u.goBack()
	}
	if like.transport == "on" {
		return u.ship()
	}
	return nil
}

// chip returns the flash of a unit that is off.
func (d *unitDesk) chip(p past) (*flash.Memory, error) {
	if p.slots == "rolling-back" {
		p.slots = "updated" // and then it begins
	}
	if chip := d.chips[p]; chip != nil {
		return chip, nil
	}
	chip, err := flash.NewMemory(unitGeometry)
	if err != nil {
		return nil, err
	}
	if err := d.fill(chip, p.slots); err != nil {
		return nil, err
	}
	u := &unit{chip: chip, verifier: d.verifier, now: sooner}
	if err := u.on(); err != nil {
		return nil, err
	}
	defer u.off()
	if err := u.live(p.modules); err != nil {
		return nil, err
	}
	if p.floor == "raised" {
		if err := u.raiseFloor(); err != nil {
			return nil, err
		}
	}
	d.chips[p] = chip
	return chip, nil
}

// fill brings the slots of a new flash to where they are to be.
func (d *unitDesk) fill(chip *flash.Memory, slots string) error {
	if slots == "delivered" {
		return nil
	}
	_, images, err := boot.Divide(chip)
	if err != nil {
		return err
	}
	image := boottest.Image(fuf.V(7, 9, 3), updatedSecurity, payloadSize, 1)
	release := boottest.Release(image)
	if slots == "final" {
		release.Rollback = fuf.RollbackImpossible
	}
	update, err := boottest.Make(image, release)
	if err != nil {
		return err
	}
	config := boottest.Config()
	config.Verifier = d.verifier
	b, err := update.Install(func() (*boot.Boot, error) { return boot.Open(images, config) })
	if err != nil || slots != "rolled-back" {
		return err
	}
	return errors.Join(b.Rollback(false), b.Erased())
}

func (d *unitDesk) close() {
	if d.unit != nil {
		d.unit.off()
	}
	d.unit = nil
}
