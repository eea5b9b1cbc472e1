package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"usbhsm7/usbip/usb"
)

// idleDevices is how many devices are attached when the memory of one is
// measured.
const idleDevices = 256

// idleCases measure what an attached device costs that does nothing.
func idleCases(plan) ([]benchCase, func(), error) {
	return []benchCase{
		ceiling{"usbip/idle/processor", "% of one core", "what is allowed", 0.1, idleProcessor},
		ceiling{"usbip/idle/memory", "MiB resident", "what is allowed", 1, idleMemory((*wire).parkPeripheral)},
		ceiling{"usbip/idle/memory/hsm", "MiB resident", "what is allowed", 1, idleMemory((*wire).parkHSM)},
	}, func() {}, nil
}

// idleProcessor returns how busy one attached device with a parked URB keeps this
// process, client and server together, in percent of one core.
func idleProcessor(p plan) (float64, error) {
	w, err := newWire()
	if err != nil {
		return 0, err
	}
	defer w.close()
	if err := w.parkPeripheral(); err != nil {
		return 0, err
	}
	runtime.GC()
	before, start := processorTime(), time.Now()
	time.Sleep(max(2*p.slice, time.Second))
	used, elapsed := processorTime()-before, time.Since(start)
	return 100 * used.Seconds() / elapsed.Seconds(), nil
}

// parkPeripheral attaches a device, moves some data and then waits for an
// interrupt transfer that does not come.
func (w *wire) parkPeripheral() error {
	p, err := w.peripheral()
	if err != nil {
		return err
	}
	return w.park(p, bulkOut(), bulkIn())
}

// parkHSM attaches a whole HSM and waits for an event that does not come.
func (w *wire) parkHSM() error {
	hsm, err := newHSM()
	if err != nil {
		return err
	}
	w.closers = append(w.closers, hsm.Close)
	return w.park(hsm.USB())
}

// park attaches p over TCP, carries out urbs and leaves one pending.
func (w *wire) park(p usb.Port, urbs ...usb.URB) error {
	device, err := w.imported("tcp", p)
	if err != nil {
		return err
	}
	for _, u := range urbs {
		if err := submitters(device, u, 1)(0); err != nil {
			return err
		}
	}
	device.Submit(&usb.URB{Endpoint: 0x82, Buffer: make([]byte, 64), Done: func(*usb.URB) {}})
	return nil
}

// processorTime returns how much processor time this process has used.
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail for oneself
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// idleMemory returns what measures how much resident memory an attached device
// takes, device, server and client together, in MiB.
func idleMemory(park func(*wire) error) func(plan) (float64, error) {
	return func(plan) (float64, error) {
		before, err := residentMemory()
		if err != nil {
			return 0, err
		}
		w, err := newWire()
		if err != nil {
			return 0, err
		}
		defer w.close()
		for range idleDevices {
			if err := park(w); err != nil {
				return 0, err
			}
		}
		after, err := residentMemory()
		return float64(after-before) / idleDevices / (1 << 20), err
	}
}

// residentMemory returns how many bytes of this process are in memory, when all
// that can be given back to the system has been.
func residentMemory() (int, error) {
	debug.FreeOSMemory()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident int
	if _, err := fmt.Fscan(strings.NewReader(string(statm)), &size, &resident); err != nil {
		return 0, fmt.Errorf("/proc/self/statm: %w", err)
	}
	return resident * os.Getpagesize(), nil
}

// allocations counts what one URB makes the whole process allocate, where one
// call of l is one URB.
func allocations(name string, l load) benchCase {
	const urbs = 20000
	return ceiling{
		name: name, unit: "allocations", against: "none, but for strays of the runtime", limit: 0.01,
		figure: func(plan) (float64, error) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range urbs {
				if err := l.do(0); err != nil {
					return 0, err
				}
			}
			runtime.ReadMemStats(&after)
			return float64(after.Mallocs-before.Mallocs) / urbs, nil
		},
	}
}
