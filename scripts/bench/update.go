package main

import (
	"cmp"
	"context"

	"usbhsm7/firmware/boot/boottest"
	"usbhsm7/firmware/command"
	"usbhsm7/fuf"
	"usbhsm7/hostdrv"
)

// updateCases measure an update of 1 MiB, verified chunk by chunk and written to the
// flash in memory, against a device on the same bus that throws away what comes.
func updateCases(plan) ([]benchCase, func(), error) {
	b, err := newBench()
	if err != nil {
		return nil, nil, err
	}
	ours, err := b.uploads()
	raw := &builder{wire: b.wire, kind: hostKinds[1]}
	theirs := raw.load("tcp", bulkOut(), queued)
	if err := cmp.Or(err, raw.err); err != nil {
		b.close()
		return nil, nil, err
	}
	return []benchCase{
		comparison{"usbip/update-1m", "MB", "bulk OUT over USB/IP to a device that drops everything", 0.5, ours, theirs},
	}, b.close, nil
}

// uploads sends an update of 1 MiB and gives it up again.
func (b *bench) uploads() (load, error) {
	update, err := boottest.New(boottest.Image(fuf.V(7, 9, 3), 2, 1<<20, 1))
	if err != nil {
		return load{}, err
	}
	ctx := context.Background()
	so, err := b.tcp.device.OpenSession(ctx, command.SlotAdmin, hostdrv.SessionOptions{}) // whose SO is logged in
	file := boottest.File{Update: update}
	return load{units: 1.048576, do: func(int) error {
		if err := so.Upload(ctx, file, boottest.Code[:], nil); err != nil {
			return err
		}
		return so.AbortUpdate(ctx)
	}}, err
}
