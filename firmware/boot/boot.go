package boot

import (
	"sync"

	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// TrialBoots is how many power-ons new firmware has to be confirmed.
const TrialBoots = 3

// Config says what a bootloader is part of.
type Config struct {
	Verifier Verifier
	Factory  *Image // in read-only memory; nil means Factory()
	Product  string // as files name it
	Model    string // as files name it

	// Fits reports why the device does not start in an image that is about to be staged.
	// Nil means that nobody knows before it is tried.
	Fits func(*Image) error
}

// Boot is the bootloader of a device that is switched on. It may be used by
// several goroutines; one change is made after the other.
type Boot struct {
	flash    flash.Device
	layout   Layout
	verifier Verifier
	factory  *Image
	product  string
	model    string
	fits     func(*Image) error

	mu       sync.Mutex
	records  *records
	running  *Image
	place    Place  // of running
	recovers bool   // running is in the place of confirmed firmware that has decayed
	previous *Image // to go back to; nil = there is none, or it was not looked at yet
	upload   *upload
}

// Open switches the bootloader on: it decides which firmware runs, verifies it,
// counts the trials of firmware that is not confirmed, and gives up what cannot be
// gone on with. Firmware that has decayed does not run: the one before does, or
// nothing but what takes an update, see Status.Recovers. A region that was never used is
// that of a new device. The error carries ErrCorrupt if both records are lost; nothing
// has changed then. The region stays the caller's.
func Open(region flash.Device, c Config) (*Boot, error) {
	layout, err := NewLayout(region.Geometry())
	if err != nil {
		return nil, err
	}
	if c.Factory == nil {
		c.Factory = Factory()
	}
	b := &Boot{flash: region, layout: layout, verifier: c.Verifier, factory: c.Factory, product: c.Product, model: c.Model, fits: c.Fits}
	if b.fits == nil {
		b.fits = func(*Image) error { return nil }
	}
	fresh := Record{Running: ROM, Previous: Nowhere, Incoming: Nowhere, Security: c.Factory.SecurityVersion, Version: c.Factory.Version, DataSchema: c.Factory.DataSchema}
	if b.records, err = openRecords(region, fresh); err != nil {
		return nil, err
	}
	if err := b.start(); err != nil {
		return nil, err
	}
	return b, nil
}

// start chooses the firmware that runs.
func (b *Boot) start() error {
	r := b.records.current
	if r.State == Trial {
		started, err := b.tryIncoming(r)
		if started || err != nil {
			return err
		}
		if err := b.change(EventFallBack, func(r *Record) { r.Last = FellBack }); err != nil {
			return err
		}
	}
	if err := b.runConfirmed(); err != nil {
		return err
	}
	if r := b.records.current; r.State == Receiving || r.State == Staged {
		return b.resume(r)
	}
	return nil
}

// tryIncoming runs the firmware on trial, if it has a trial left and is intact.
func (b *Boot) tryIncoming(r Record) (started bool, err error) {
	if r.Trials == 0 {
		return false, nil
	}
	image, err := b.readImage(r.Incoming)
	if err != nil {
		return false, nil // it gives way to the one before
	}
	r.Trials--
	if err := b.records.save(r); err != nil {
		return false, err
	}
	b.running, b.place = image, r.Incoming
	return true, nil
}

// resume finds an upload as it was left. One that has decayed is given up.
func (b *Boot) resume(r Record) error {
	u, err := b.readHead(r.Incoming)
	if err == nil && r.State == Staged {
		_, err = b.readImage(r.Incoming)
	}
	if isDamage(err) {
		return b.change(EventAbort, nil)
	}
	if err != nil {
		return err
	}
	have, err := b.readMarks(r.Incoming, u)
	b.upload = &upload{update: u, have: have}
	return err
}

// change makes a transition: it has edit change the record in force, and writes
// that. When it returns, the change is durable.
func (b *Boot) change(e Event, edit func(*Record)) error {
	next := b.records.current
	var err error
	if next.State, err = next.State.next(e); err != nil {
		return err
	}
	if edit != nil {
		edit(&next)
	}
	if next.State == Idle || next.State == RollingBack {
		next.Incoming, next.Trials = Nowhere, 0
	}
	for p := range next.Slots {
		if place := Place(p); place != next.Running && place != next.Previous && place != next.Incoming {
			next.Slots[p] = Slot{}
		}
	}
	if next.Previous != b.records.current.Previous {
		b.previous = nil
	}
	if err := b.records.save(next); err != nil {
		return err
	}
	if next.Incoming == Nowhere {
		b.forgetUpload()
	}
	return nil
}

// readPrevious returns the firmware to go back to, or nil if there is none, or it has
// decayed. Reading it takes long, so that it is kept.
func (b *Boot) readPrevious() (_ *Image, err error) {
	if p := b.records.current.Previous; b.previous == nil && p != Nowhere {
		b.previous, err = b.readImage(p)
	}
	if isDamage(err) {
		return nil, nil
	}
	return b.previous, err
}

// Running returns the firmware that runs, which nobody may change.
func (b *Boot) Running() *Image {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}

// Release returns what the file of the firmware that runs said about it; nil if that
// is in read-only memory.
func (b *Boot) Release() (*fuf.Release, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.place.isSlot() {
		return nil, nil
	}
	u, err := b.readHead(b.place)
	if err != nil {
		return nil, err
	}
	release := u.Manifest().Release
	return &release, nil
}

// Close wipes what is secret in memory. The region stays open.
func (b *Boot) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetUpload()
}

// Status is what there is to know of the bootloader.
type Status struct {
	State     State
	Last      Outcome
	Running   fuf.Version // of the firmware that runs
	Recovers  bool        // the confirmed firmware has decayed: the device takes an update, and does nothing else
	Lost      fuf.Version // of that firmware; zero if the device does not recover
	Confirmed bool        // it is not on trial
	Trials    int         // power-ons that are left to confirm firmware on trial
	Security  uint32      // highest security version that was ever confirmed
	Floor     uint32      // lowest security version that the operator allows
	Rollback  *Image      // the firmware to go back to; nil = none
	Incoming  *fuf.Update // what is being uploaded, is staged or is on trial; nil = nothing
	Have      []bool      // which chunks of it are here, while it is being uploaded
}

// Status returns what there is to know.
func (b *Boot) Status() (Status, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records.current
	s := Status{
		State: r.State, Last: r.Last, Running: b.running.Version, Recovers: b.recovers, Lost: b.lost(), Confirmed: b.place == r.Running,
		Trials: int(r.Trials), Security: r.Security, Floor: r.Floor,
	}
	if b.upload != nil {
		s.Incoming, s.Have = b.upload.update, append([]bool(nil), b.upload.have...)
	}
	var err error
	s.Rollback, err = b.readPrevious()
	if r.State == Trial && err == nil {
		s.Incoming, err = b.readHead(r.Incoming)
	}
	return s, err
}
