// Package transporttest holds the tests that every transport passes. They run
// against an HSM, simulated or on a cable, and speak the protocol to it frame
// by frame, because that is how the edges of a transfer are reached.
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, func(t *testing.T) transporttest.Target { ... })
//	}
//
// The tests return the device to the state of delivery: never point them at
// one that holds keys worth keeping.
package transporttest

import (
	"context"
	"testing"
	"time"

	"usbhsm7/hostdrv/transport"
	"usbhsm7/usbip/usb"
)

// Target is a device to run the tests against.
type Target struct {
	Bus    transport.Bus
	Device transport.Info // all four fields as an open link reports them

	// Unplug makes the device vanish and Plug brings it back. Without them
	// what happens to a device that vanishes is not tested.
	Unplug, Plug func()

	// Halt has the device halt an endpoint of an open link. Without it halts
	// are not tested.
	Halt func(link transport.Link, e Endpoint)
}

// Endpoint is one of the three endpoints of a link.
type Endpoint int

// Endpoints: what Write, Read and ReadEvent use.
const (
	BulkOut Endpoint = iota
	BulkIn
	InterruptIn
)

// Halter returns a Target.Halt for an HSM in this process.
func Halter(d *usb.Device) func(transport.Link, Endpoint) {
	const bulkOut, bulkIn, interruptIn = 0x01, 0x81, 0x82
	return func(_ transport.Link, e Endpoint) {
		switch e {
		case BulkOut:
			d.Out(bulkOut).Halt()
		case BulkIn:
			d.In(bulkIn).Halt()
		case InterruptIn:
			d.In(interruptIn).Halt()
		}
	}
}

// limit bounds each test: generous, because the kernel of the lab is emulated.
const limit = 60 * time.Second

// tests lists the conformance tests by what they show.
var tests = []struct {
	name string
	run  func(*testing.T, Target)
}{
	{"a device is listed as it will be opened", listed},
	{"a device is opened by each selector", openedBySelectors},
	{"what no selector matches is not found", notFound},
	{"a device has one host at a time", oneHost},
	{"transfers keep their length both ways", lengths},
	{"a transfer holds several frames", severalFrames},
	{"a read that is cancelled loses nothing", cancelledRead},
	{"a write that is cancelled returns", cancelledWrite},
	{"a read that waits ends when the link is closed", closedWhileReading},
	{"a closed link says so", closedLink},
	{"a transfer longer than the buffer is dropped whole", overrun},
	{"an event arrives on its own endpoint", event},
	{"what a host left half done does not reach the next", leftovers},
}

// pluggable lists the tests that need Target.Unplug.
var pluggable = []struct {
	name string
	run  func(*testing.T, Target)
}{
	{"a device that vanishes ends reads and writes", vanishes},
	{"a device that came back is opened again", comesBack},
}

// Run runs every test against a target of its own.
func Run(t *testing.T, target func(*testing.T) Target) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, target(t)) })
	}
	for _, test := range pluggable {
		if goal := target(t); goal.Unplug != nil {
			t.Run(test.name, func(t *testing.T) { test.run(t, goal) })
		}
	}
	if goal := target(t); goal.Halt != nil {
		t.Run("a halted endpoint is cleared, which is told once", func(t *testing.T) { halts(t, goal) })
	}
}

// deadline returns a context that ends with the test or when it takes too long.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// open opens the target's device and closes it with the test.
func open(t *testing.T, goal Target) transport.Link {
	t.Helper()
	link, err := goal.Bus.Open(deadline(t), choose(goal.Device))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := link.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return link
}

// choose returns the selector that fits d and nothing else.
func choose(d transport.Info) transport.Selector {
	return transport.Selector(d)
}
