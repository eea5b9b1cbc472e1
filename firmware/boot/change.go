package boot

import (
	"fmt"

	"usbhsm7/fuf"
)

// Activate has the staged firmware run on trial from the next power-on: at most
// TrialBoots times, if it is not confirmed.
func (b *Boot) Activate() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.change(EventActivate, func(r *Record) { r.Trials = TrialBoots })
}

// Confirm makes the firmware on trial the one that runs, and the one before it the
// one to go back to, unless that has decayed: then the one to go back to stays as it
// is. With that, and not before, its security version becomes the lowest that may be
// installed. Only the firmware itself can be confirmed: what runs must be on trial.
func (b *Boot) Confirm() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records.current
	if r.State == Trial && b.place != r.Incoming {
		return fmt.Errorf("%w: it has not run yet", ErrState)
	}
	var release fuf.Release
	if r.State == Trial {
		u, err := b.readHead(r.Incoming)
		if err != nil {
			return err
		}
		release = u.Manifest().Release
	}
	_, damage := b.readImage(r.Running)
	return b.change(EventConfirm, func(r *Record) {
		if !isDamage(damage) {
			r.Previous = r.Running
		}
		r.Running = r.Incoming
		if release.Rollback == fuf.RollbackImpossible {
			r.Previous = Nowhere
		}
		r.Version, r.DataSchema = release.Version, release.Data.To
		r.Security = max(r.Security, release.SecurityVersion)
		r.Last = Updated
	})
}

// Rollback decides to go back to the firmware before. Its caller then erases all
// state of the HSM, and calls Erased; should the power fail in between, the next
// power-on finds the bootloader rolling back, and its caller goes on with that.
// modules says whether functional modules were ever enabled: they rule it out.
func (b *Boot) Rollback(modules bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records.current
	if _, err := r.State.next(EventRollback); err != nil {
		return err
	}
	if modules {
		return ErrModules
	}
	if r.Previous == Nowhere {
		return ErrNoRollback
	}
	image, err := b.readImage(r.Previous)
	if isDamage(err) {
		return fmt.Errorf("%w: it has decayed", ErrNoRollback)
	}
	if err != nil {
		return err
	}
	if image.SecurityVersion < r.Floor {
		return fmt.Errorf("%w: %d, the floor is %d", ErrDowngrade, image.SecurityVersion, r.Floor)
	}
	return b.change(EventRollback, nil)
}

// Erased says that the state of the HSM is erased, and has the firmware before run.
// There is then none to go back to until another update. If it has decayed meanwhile,
// the firmware stays that runs.
func (b *Boot) Erased() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records.current
	if _, err := r.State.next(EventErased); err != nil {
		return err
	}
	image, err := b.readImage(r.Previous)
	if isDamage(err) {
		return b.change(EventErased, func(r *Record) { r.Previous, r.Last = Nowhere, Decayed })
	}
	if err != nil {
		return err
	}
	err = b.change(EventErased, func(r *Record) {
		r.Running, r.Previous, r.Last = r.Previous, Nowhere, RolledBack
		r.Version, r.DataSchema = image.Version, image.DataSchema
	})
	if err == nil {
		b.running, b.place, b.recovers = image, r.Previous, false
	}
	return err
}

// RaiseFloor sets the lowest security version that an operator allows. It never
// falls, and cannot exceed that of the firmware that runs.
func (b *Boot) RaiseFloor(floor uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records.current
	if floor < r.Floor || floor > b.running.SecurityVersion {
		return fmt.Errorf("%w: %d; it is %d, and the firmware has %d", ErrFloor, floor, r.Floor, b.running.SecurityVersion)
	}
	return b.change(EventFloor, func(r *Record) { r.Floor = floor })
}
