package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"usbhsm7/firmware/control"
	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/fault"
)

// maxForks bounds the forks of a unit.
const maxForks = 100

// forks are devices that began with the state of another one and go on by
// themselves, in memory. They are exported beside it.
type forks struct {
	mu    sync.Mutex
	units map[string]*unit // by bus ID
}

// handleForks adds the requests about forks:
//
//	POST   /forks/{bus_id}   a device with the state of this moment; its control.Status
//	DELETE /forks/{bus_id}   ends it; then the control.Status of the unit
func (u *unit) handleForks(s *control.Server) {
	s.Handle("POST /forks/{bus_id}", func(w http.ResponseWriter, r *http.Request) error {
		f, err := u.fork(r.Context(), r.PathValue("bus_id"))
		if err != nil {
			return err
		}
		return control.Reply(w, f.Status())
	})
	s.Handle("DELETE /forks/{bus_id}", func(w http.ResponseWriter, r *http.Request) error {
		if err := u.endFork(r.Context(), r.PathValue("bus_id")); err != nil {
			return err
		}
		return control.Reply(w, u.Status())
	})
}

// fork exports a device with the state of this moment under a bus ID.
func (u *unit) fork(ctx context.Context, busID string) (*unit, error) {
	u.forks.mu.Lock()
	defer u.forks.mu.Unlock()
	switch {
	case u.forks.units[busID] != nil:
		return nil, fmt.Errorf("%w: there is a fork %s already", control.ErrRequest, busID)
	case len(u.forks.units) >= maxForks:
		return nil, fmt.Errorf("%w: there are %d forks", control.ErrRequest, maxForks)
	}
	image, err := u.snapshot()
	if err != nil {
		return nil, err
	}
	f := &unit{
		options: u.options, log: u.log, server: u.server, chip: &memoryChip{image}, address: u.address, updates: u.updates,
		faults: fault.New(fault.Options{}), tap: capture.NewTap(),
	}
	f.options.busID = busID
	f.clock.Freeze(u.clock.Frozen()) // before it is set: a moment later a frozen one would show another time
	f.clock.Set(u.clock.Now())
	if err := f.PowerOn(ctx); err != nil {
		return nil, err
	}
	if u.forks.units == nil {
		u.forks.units = map[string]*unit{}
	}
	u.forks.units[busID] = f
	return f, nil
}

func (u *unit) endFork(ctx context.Context, busID string) error {
	u.forks.mu.Lock()
	defer u.forks.mu.Unlock()
	f := u.forks.units[busID]
	if f == nil {
		return fmt.Errorf("%w: there is no fork %s", control.ErrRequest, busID)
	}
	delete(u.forks.units, busID)
	return f.end(ctx)
}

// endForks ends all of them.
func (u *unit) endForks(ctx context.Context) (err error) {
	u.forks.mu.Lock()
	defer u.forks.mu.Unlock()
	for _, f := range u.forks.units {
		err = errors.Join(err, f.end(ctx))
	}
	clear(u.forks.units)
	return err
}

// end switches a fork off for good.
func (u *unit) end(ctx context.Context) error {
	defer u.restarts.Wait()
	return u.PowerOff(ctx)
}
