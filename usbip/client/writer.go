package client

import (
	"fmt"
	"time"
)

const (
	spareSize = 4 << 20         // larger send buffers are not kept
	smallSize = 64 << 10        // smaller ones are kept for ever
	restTime  = 5 * time.Second // others are kept so long after their last use
)

// announce wakes the writer.
func (d *Device) announce() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// write sends requests, all that are queued at a time, until stop is closed or
// the connection fails.
func (d *Device) write(stop <-chan struct{}) {
	rest := time.NewTimer(restTime)
	defer rest.Stop()
	for {
		select {
		case <-d.wake:
		case <-rest.C:
			d.slim()
			continue
		case <-stop:
			return
		}
		large, err := d.flush()
		if err != nil {
			d.stop(fmt.Errorf("sending to the USB/IP server: %w", err))
			return
		}
		if large {
			rest.Reset(restTime)
		}
	}
}

// flush sends what is queued. It reports whether the buffers have become large.
func (d *Device) flush() (large bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queued) > 0 {
		batch := d.queued
		d.queued = d.spare[:0]
		d.mu.Unlock()
		_, err := d.conn.Write(batch)
		d.mu.Lock()
		if err != nil {
			return false, err
		}
		if d.spare = batch; cap(batch) > spareSize {
			d.spare = nil
		}
	}
	return cap(d.queued)+cap(d.spare) > smallSize, nil
}

// slim frees the buffers of busy times.
func (d *Device) slim() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spare = nil
	if len(d.queued) == 0 {
		d.queued = nil
	}
}
