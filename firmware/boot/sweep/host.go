package sweep

import (
	"errors"
	"fmt"
	"slices"

	"usbhsm7/firmware/boot"
	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/flash"
	"usbhsm7/fuf"
)

// host is who uses the device while it is on: the host, the operator, and the rest
// of the device.
type host struct {
	*boot.Boot
	world  *world
	chip   flash.Device
	facts  *facts
	defect *Defect
	pause  func() bool // after something was acknowledged; true = the power goes now
}

// step is what is done in one power-on of a scenario. It returns whether the
// scenario is over; if not, the device is switched off and on.
type step func(h *host, s boot.Status) (done bool, err error)

// errPaused ends a power-on that need not go on.
var errPaused = errors.New("paused")

// acknowledged is called when the device has answered.
func (h *host) acknowledged() error {
	if h.pause != nil && h.pause() {
		return errPaused
	}
	return nil
}

// update brings firmware to its confirmation.
func update(n int) step {
	return func(h *host, s boot.Status) (bool, error) {
		switch {
		case h.world.number(s.Running) == n && s.Confirmed:
			return true, nil
		case s.State == boot.Trial:
			return true, h.confirm()
		case s.State == boot.Staged && h.world.numberOf(s.Incoming) == n:
			return false, h.activate()
		}
		return false, h.install(n)
	}
}

// fail installs firmware that never confirms itself.
func fail(n int) step {
	return func(h *host, s boot.Status) (bool, error) {
		switch {
		case s.Last == boot.FellBack:
			return true, nil
		case s.State == boot.Trial:
			return false, nil
		case s.State == boot.Staged:
			return false, h.activate()
		}
		return false, h.install(n)
	}
}

// change begins one update, and then makes another.
func change(from, to int) step {
	return func(h *host, s boot.Status) (bool, error) {
		if s.State == boot.Idle && s.Confirmed && h.world.number(s.Running) != to {
			if err := h.send(from, len(h.world.editions[from].update.Chunks)-1); err != nil {
				return false, err
			}
		}
		h.facts.leaving = true
		return update(to)(h, s)
	}
}

// goBack rolls back.
func goBack(h *host, s boot.Status) (bool, error) {
	switch {
	case s.Last == boot.RolledBack:
		return true, nil
	case s.State != boot.RollingBack:
		h.facts.returns = true
		if err := h.Rollback(false); err != nil {
			return false, err
		}
		h.facts.returning = true
		if err := h.acknowledged(); err != nil {
			return false, err
		}
	}
	if !h.defect.keepsKeys {
		if err := h.world.eraseState(h.chip); err != nil {
			return false, err
		}
	}
	if err := h.Erased(); err != nil {
		return false, err
	}
	h.facts.returned = true
	return true, nil
}

// raise raises the floor.
func raise(floor uint32) step {
	return func(h *host, s boot.Status) (bool, error) {
		if s.Floor < floor {
			if err := h.RaiseFloor(floor); err != nil {
				return false, err
			}
		}
		h.facts.floor = floor
		return true, nil
	}
}

// install does all that comes before the next power-on.
func (h *host) install(n int) error {
	if err := h.send(n, len(h.world.editions[n].update.Chunks)); err != nil {
		return err
	}
	if !h.facts.staged {
		if err := h.Stage(); err != nil {
			return fmt.Errorf("stage: %w", err)
		}
		h.facts.staged = true
		if err := h.acknowledged(); err != nil {
			return err
		}
	}
	return h.activate()
}

// send sends so many chunks of an update, the last ones first.
func (h *host) send(n, count int) error {
	u, f := h.world.editions[n].update, h.facts
	if f.upload != n {
		f.upload, f.acked, f.staged = n, chunks{}, false
	}
	if err := h.Begin(u.Head, h.world.code, h.world.facts); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := h.acknowledged(); err != nil {
		return err
	}
	s, err := h.Status()
	if err != nil {
		return err
	}
	if s.State == boot.Staged {
		f.staged = true
		return nil
	}
	for i, have := range s.Have {
		if have {
			f.acked.add(i)
		}
	}
	last := h.defect.resumeAt(s.Have, f.leaving)
	var wanted []int
	for i := len(u.Chunks) - count; i < len(u.Chunks); i++ {
		if !s.Have[i] && i <= last {
			wanted = append(wanted, i)
		}
	}
	for len(wanted) > 0 {
		n := lastRun(wanted)
		if err := h.sendRun(u, wanted[len(wanted)-n:]); err != nil {
			return err
		}
		wanted = wanted[:len(wanted)-n]
	}
	return nil
}

// lastRun returns how many of the last chunks are in a row, and are sent together.
func lastRun(wanted []int) int {
	if n := len(wanted); n > 1 && wanted[n-2]+1 == wanted[n-1] {
		return 2
	}
	return 1
}

// sendRun sends chunks that are in a row.
func (h *host) sendRun(u *boottest.Update, run []int) error {
	if err := h.Chunks(run[0], slices.Concat(u.Chunks[run[0]:run[0]+len(run)]...)); err != nil {
		return fmt.Errorf("chunks from %d on: %w", run[0], err)
	}
	for _, i := range run {
		h.facts.acked.add(i)
	}
	return h.acknowledged()
}

func (h *host) activate() error {
	h.facts.trying, h.facts.staged = true, true
	if err := h.Activate(); err != nil {
		return fmt.Errorf("activate: %w", err)
	}
	h.facts.tried = true
	return h.acknowledged()
}

func (h *host) confirm() error {
	h.facts.confirms = true
	if err := h.Confirm(); err != nil {
		return fmt.Errorf("confirm: %w", err)
	}
	h.facts.confirmed = true
	return nil
}

// refusal is an upload that must not begin.
type refusal struct {
	name   string
	head   []byte
	code   fuf.Authcode
	number int // of the firmware, if it must be refused only where a later one was confirmed
}

// refused makes what any device must refuse from a file that it takes.
func (w *world) refused(good []byte) []refusal {
	forged := append([]byte(nil), good...)
	forged[len(forged)/3] ^= 4
	return []refusal{
		{"a forged head", forged, w.code, 0},
		{"another authentication code", good, fuf.Authcode{}, 0},
		{"half a head", good[:1000], w.code, 0},
	}
}
