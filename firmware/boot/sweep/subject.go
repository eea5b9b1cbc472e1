package sweep

import (
	"errors"
	"fmt"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// Subject is an update file and a device that somebody has, to be rehearsed with
// each other. The chip is divided as boot.Divide does.
type Subject struct {
	boot.Config               // of the device's bootloader
	Chip        *flash.Memory // the device; only clones of it are changed
	Facts       boot.Facts
	File        []byte // the whole file
	Code        fuf.Authcode
}

// ErrSubject reports a device or a file with which no update can be rehearsed.
var ErrSubject = errors.New("this cannot be rehearsed")

// ErrAlike is the ErrSubject of an update whose version the device has already: a
// rehearsal tells firmware by its version which one runs after a power cut.
var ErrAlike = fmt.Errorf("%w: two images have one version and cannot be told apart", ErrSubject)

// Rehearsal is a subject that is ready. It may be used by several goroutines.
type Rehearsal struct {
	world     *world
	activated *flash.Memory // about to restart in the update
	after     *flash.Memory // with the update installed and confirmed
}

// Prepare makes a rehearsal of a subject: the file is installed on a clone, once. If
// the device refuses the file, the error carries the reason, a boot.Reason or a
// fuf.Reason; if nothing can be said about the two, it is an ErrSubject.
func (s Subject) Prepare() (*Rehearsal, error) {
	chip := s.Chip.Clone()
	half := chip.Geometry().Blocks / 2
	w := &world{
		chip: chip, region: part{half, chip.Geometry().Blocks - half}, config: s.Config,
		code: s.Code, facts: s.Facts,
	}
	w.config.Verifier = newMemory(s.Verifier, s.Code)
	w.state = written(chip, half)
	w.keys = func(c flash.Device) bool { return len(written(c, half, w.state...)) > 0 }
	if err := w.settle(); err != nil {
		return nil, err
	}
	u, err := s.split()
	if err != nil {
		return nil, err
	}
	r := &Rehearsal{world: w}
	if err := r.meet(u); err != nil {
		return nil, err
	}
	w.refusals = w.refused(u.Head)
	return r, nil
}

// Sweep cuts the power, as Run does.
func (r *Rehearsal) Sweep(o Options) (*Report, error) {
	o.Defect = nil
	return r.world.sweep(o)
}

// Replay plays what a token of Sweep tells of, as Replay does.
func (r *Rehearsal) Replay(token string) ([]Fault, error) { return r.world.replay(token, &Defect{}) }

// Scenarios returns the names of what is played.
func (r *Rehearsal) Scenarios() []string {
	var names []string
	for _, s := range r.world.scenarios {
		names = append(names, s.name)
	}
	return names
}

// Activated returns the device as it is about to restart in the update: a clone.
func (r *Rehearsal) Activated() *flash.Memory { return r.activated.Clone() }

// Installed returns the device after the update, which its bootloader has confirmed and
// in which no HSM has started yet: a clone.
func (r *Rehearsal) Installed() *flash.Memory { return r.after.Clone() }

// split takes the file apart.
func (s *Subject) split() (*boottest.Update, error) {
	u, err := boottest.Split(s.File)
	if err != nil {
		return nil, err
	}
	if len(u.Chunks) > maxChunks {
		return nil, fmt.Errorf("%w: the file has %d chunks, more than %d", ErrSubject, len(u.Chunks), maxChunks)
	}
	return u, nil
}

// settle notes what is on the chip, and gives up an upload that was under way.
func (w *world) settle() error {
	b, err := w.open(w.chip)
	if err != nil {
		return err
	}
	defer b.Close()
	status, err := b.Status()
	if err != nil {
		return err
	}
	if status.Recovers {
		return fmt.Errorf("%w: firmware %v has decayed and does not run: install it again first", ErrSubject, status.Lost)
	}
	switch status.State {
	case boot.Idle:
	case boot.Receiving, boot.Staged:
		if err := b.Abort(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w: the bootloader is in the state %v: end that first", ErrSubject, status.State)
	}
	w.security = status.Security
	if status.Rollback != nil {
		w.installed = 1
		if err := w.know(status.Rollback, nil); err != nil {
			return err
		}
	}
	return w.know(b.Running(), nil)
}

// know adds an edition.
func (w *world) know(m *boot.Image, u *boottest.Update) error {
	e, err := editionOf(m)
	if err != nil {
		return err
	}
	if w.number(e.version) >= 0 {
		return fmt.Errorf("%w: the device has firmware %v already", ErrAlike, e.version)
	}
	e.update = u
	w.editions = append(w.editions, e)
	return nil
}

// meet installs the update on clones, to know it, and says what is played.
func (r *Rehearsal) meet(u *boottest.Update) error {
	w := r.world
	r.activated = w.chip.Clone()
	if err := u.ActivateWith(w.code, w.facts, func() (*boot.Boot, error) { return w.open(r.activated) }); err != nil {
		return err
	}
	r.after = r.activated.Clone()
	b, err := w.open(r.after)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Confirm(); err != nil {
		return err
	}
	if err := w.know(b.Running(), u); err != nil {
		return err
	}
	pages := len(u.Chunks) * fuf.ChunkSize / w.chip.Geometry().PageSize
	w.operations = maxOperations + maxPowerOns*pages
	last := len(w.editions) - 1
	run, before := last-1, last-2
	installed := []int{run}[:w.installed]
	w.scenarios = []scenario{
		{name: "update", before: installed, do: update(last), to: last, rollback: run},
		{name: "update never confirmed", before: installed, do: fail(last), to: run, rollback: before},
	}
	if s, err := b.Status(); err == nil && s.Rollback != nil {
		w.scenarios = append(w.scenarios, scenario{name: "rollback", before: append(installed[:w.installed:w.installed], last), do: goBack, to: run, rollback: -1, erases: true})
	}
	return nil
}

// install installs an update on a chip, to the confirmation.
func (w *world) install(u *boottest.Update, chip flash.Device) (*boot.Boot, error) {
	return u.InstallWith(w.code, w.facts, func() (*boot.Boot, error) { return w.open(chip) })
}

// written returns which blocks before another one hold anything, of some or all.
func written(chip flash.Device, before int, some ...int) []int {
	blocks := []int{}
	if some == nil {
		for i := range before {
			some = append(some, i)
		}
	}
	content := make([]byte, chip.Geometry().BlockSize())
	for _, i := range some {
		if err := chip.Read(int64(i*len(content)), content); err != nil || !flash.IsErased(content) {
			blocks = append(blocks, i)
		}
	}
	return blocks
}
