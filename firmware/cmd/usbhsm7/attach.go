package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	"usbhsm7/usbip/socket"
	"usbhsm7/usbip/vhci"
)

// attachment keeps the device attached to this machine's kernel, through its
// power cycles, over sockets that nobody else can reach.
type attachment struct {
	unit *unit
	up   chan struct{} // gets a token when the device can be used
}

func newAttachment(u *unit) *attachment {
	return &attachment{unit: u, up: make(chan struct{}, 1)}
}

// run attaches the device until ctx ends, and then detaches it.
func (a *attachment) run(ctx context.Context) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // the kernel is to leave first
	var served sync.WaitGroup
	defer served.Wait()
	defer stop()
	dial := func(context.Context) (net.Conn, error) {
		ours, kernels, err := socket.Pair()
		if err != nil {
			return nil, err
		}
		served.Go(func() { a.unit.server.ServeConn(serving, ours) })
		return kernels, nil
	}
	err := vhci.Supervisor{
		Remote: vhci.Remote{Address: fmt.Sprint("process:", os.Getpid()), BusID: a.unit.options.busID, Dial: dial},
		Notify: a.notify,
	}.Run(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errAttach, err)
	}
	return nil
}

// awaitUp waits until the device can be used for the first time, or ctx ends.
func (a *attachment) awaitUp(ctx context.Context) {
	select {
	case <-a.up:
	case <-ctx.Done():
	}
}

// notify logs what happens and keeps the port for the unit's status.
func (a *attachment) notify(e vhci.Event) {
	log := a.unit.log
	switch e.Kind {
	case vhci.Attached:
		log.Info().Int("port", e.Port.Number).Str("local", e.Port.Local).Msg("attached to the kernel")
		a.unit.setPort(&e.Port)
		select {
		case a.up <- struct{}{}:
		default: // nobody waits any more
		}
	case vhci.Failed:
		log.Warn().Err(e.Err).Msg("not attached to the kernel yet")
	case vhci.Lost, vhci.Detached:
		log.Info().Int("port", e.Port.Number).Msg("detached from the kernel")
		a.unit.setPort(nil)
	}
}

// setPort notes where the device is attached; nil = nowhere.
func (u *unit) setPort(p *vhci.Port) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kernel = p
}
