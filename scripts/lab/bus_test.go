//go:build lab

package lab_test

import (
	"context"
	"path"
	"strings"
	"testing"

	"usbhsm7/firmware/device"
	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/fault"
)

// busChecks break the bus on purpose below the kernel, and play a kernel its own
// recording.
var busChecks = []check{
	{"faults of the bus reach a program through the kernel, and pass", faulty},
	{"a session of the kernel replays to a kernel", replayed},
	{"usbmon counts the URBs that a tap in front of the device counts", usbmon},
}

// faulty has hsm7 meet faults through vhci_hcd, usbfs and libusb. When each is
// over the device can be used again.
func faulty(ctx context.Context, t *testing.T, b *bench) string {
	hsm := plugIn(t)
	injector := fault.New(fault.Options{Commands: device.MatchCommand})
	port := injector.Port(hsm.device.USB())
	t.Cleanup(port.Close)
	s := export(t, port)
	load := func(script string) {
		t.Helper()
		parsed, err := fault.Parse(script)
		if err == nil {
			err = injector.Load(parsed)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	works := func() {
		t.Helper()
		want(t, b.run(ctx, t, hsm7Path, "info", "--via", "usb").Stdout, `Serial number +`+serial)
	}
	load("on bulk-in: delay 20ms\non control: delay 1ms")
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	works()
	fired(t, injector)

	load("on bulk-in nth 1: stall") // the driver opens the conversation anew
	works()
	fired(t, injector)
	load("on command info: stall")
	want(t, b.refused(ctx, t, hsm7Path, "info", "--via", "usb"), `halted`)
	fired(t, injector)
	injector.Clear()
	works() // the driver has cleared the halt, by CLEAR_FEATURE through the kernel

	load("on bulk-in nth 1: disconnect after 16 bytes")
	want(t, b.refused(ctx, t, hsm7Path, "info", "--via", "usb"), `disconnected`)
	fired(t, injector)
	b.awaitNoDevice(ctx, t)
	b.noPort(ctx, t)
	injector.Clear() // the device is plugged in again
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	works()
	return "delay, stall with CLEAR_FEATURE, disconnect in mid-transfer"
}

// fired fails the test unless every rule of the script has.
func fired(t *testing.T, injector *fault.Injector) {
	t.Helper()
	for _, rule := range injector.Report().Rules {
		if rule.Fired == 0 {
			t.Errorf("%s: never fired", rule.Rule)
		}
	}
}

// replayed records the kernel's enumeration and a command, and lets the kernel
// and the command do the same with the recording.
func replayed(ctx context.Context, t *testing.T, b *bench) string {
	file := path.Join(b.folderInGuest(ctx, t), "session.pcapng")
	const socket = "/run/replay.sock"
	const address = "unix:" + socket
	session := func() (info string) {
		b.run(ctx, t, hsm7Path, "attach", "--usbip", address)
		b.awaitDevice(ctx, t)
		info = b.run(ctx, t, hsm7Path, "info", "--via", "usb").Stdout
		b.run(ctx, t, hsm7Path, "detach", "0")
		b.awaitNoDevice(ctx, t)
		return info
	}
	sim := b.simulate(ctx, t, "--ephemeral", "--listen", address, "--capture", file, "--capture-with-secrets")
	recorded := session()
	b.run(ctx, t, "kill", "-TERM", sim.pid)
	if _, err := sim.Wait(); err != nil {
		t.Errorf("usbhsm7 ended with %v", err)
	}
	replay, err := b.Start(ctx, lab.Command{Argv: []string{hsm7Path, "replay", file, "--listen", address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		replay.Kill()
		_, _ = replay.Wait()
	})
	if _, err := b.Await(ctx, socket); err != nil {
		t.Fatal(err)
	}
	if got := session(); got != recorded {
		t.Errorf("the recording says\n%s, the device said\n%s", got, recorded)
	}
	r, err := replay.Wait()
	if err != nil {
		t.Errorf("hsm7 replay ended with %v", err)
	}
	return strings.TrimSpace(r.Stdout)
}
