package policies

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// bootDesk is where the bootloader is asked: one in each state.
type bootDesk struct {
	axes   []axis
	config boot.Config
	chips  map[string]*flash.Memory // by state
	open   map[string]*opened       // by state; nil: it is to be switched on
	defect *Defect
	file   string // which head was made last
	head   []byte
}

// opened is a bootloader that is on.
type opened struct {
	*boot.Boot
	writes int
}

func newBootDesk(defect *Defect) (desk, error) {
	d := &bootDesk{axes: bootAxes(), config: boottest.Config(), chips: map[string]*flash.Memory{}, open: map[string]*opened{}, defect: defect}
	d.config.Verifier = newClerk(d.config.Verifier)
	if err := d.prepare(); err != nil {
		return nil, fmt.Errorf("policies: prepare: %w", err)
	}
	return d, nil
}

// geometry is that of the bootloader's part of the flash.
var geometry = flash.Geometry{PageSize: 256, PagesPerBlock: 16, Blocks: 32}

// prepare makes a chip for each state.
func (d *bootDesk) prepare() error {
	chip, err := flash.NewMemory(geometry)
	if err != nil {
		return err
	}
	on := func() (*boot.Boot, error) { return boot.Open(chip, d.config) }
	if _, err := install(fuf.V(7, 9, 3), 2, on); err != nil {
		return err
	}
	b, err := install(running, runSecurity, on)
	if err != nil {
		return err
	}
	d.chips["idle"] = chip.Clone()
	next, err := boottest.New(boottest.Image(fuf.V(7, 9, 5), runSecurity, payloadSize, 3))
	if err != nil {
		return err
	}
	for _, step := range []struct {
		state string
		do    func() error
	}{
		{"receiving", func() error { return b.Begin(next.Head, boottest.Code, boot.Facts{FreePercent: 100}) }},
		{"staged", func() error { return next.Upload(b) }},
		{"trial", b.Activate},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.state, err)
		}
		d.chips[step.state] = chip.Clone()
	}
	back := d.chips["idle"].Clone()
	if b, err = boot.Open(back, d.config); err != nil {
		return err
	}
	d.chips["rolling-back"] = back
	return b.Rollback(false)
}

func install(v fuf.Version, security uint32, on func() (*boot.Boot, error)) (*boot.Boot, error) {
	u, err := boottest.New(boottest.Image(v, security, payloadSize, uint64(security)))
	if err != nil {
		return nil, err
	}
	return u.Install(on)
}

// ask offers the file of a combination to the bootloader in its state.
func (d *bootDesk) ask(c combination) (answer string, wrote bool, err error) {
	s, name := settle(d.axes, c)
	if d.head == nil || d.file != name {
		update, err := boottest.Make(boottest.Image(s.release.Version, s.release.SecurityVersion, payloadSize, 9), s.release)
		if err != nil {
			return "", false, err
		}
		d.file, d.head = name, update.Head
	}
	b, err := d.switchOn(s.state)
	if err != nil {
		return "", false, err
	}
	answer, err = reasonOf(b.Begin(d.head, s.code, d.defect.tell(s.facts)))
	wrote = b.writes > 0
	if answer == Taken || wrote {
		b.Close()
		delete(d.open, s.state)
	}
	return answer, wrote, err
}

func (d *bootDesk) switchOn(state string) (*opened, error) {
	if b := d.open[state]; b != nil {
		return b, nil
	}
	b := &opened{}
	chip := flash.NewTap(d.chips[state].Clone(), func(flash.Operation) error {
		b.writes++
		return nil
	})
	config := d.config
	config.Verifier = d.defect.trust(config.Verifier, chip)
	var err error
	if b.Boot, err = boot.Open(chip, config); err != nil {
		return nil, err
	}
	d.open[state], b.writes = b, 0
	return b, nil
}

func (d *bootDesk) close() {
	for _, b := range d.open {
		b.Close()
	}
}

// reasonOf returns the reason that an error carries.
func reasonOf(err error) (string, error) {
	var (
		device boot.Reason
		file   fuf.Reason
	)
	switch {
	case err == nil:
		return Taken, nil
	case errors.As(err, &device):
		return string(device), nil
	case errors.As(err, &file):
		return string(file), nil
	}
	return "", err
}
