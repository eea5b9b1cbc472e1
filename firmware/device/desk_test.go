package device_test

import (
	"context"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// attended returns a device with a screen and a port.
func attended(t *testing.T) (*device.Device, *dialoguetest.Bench) {
	t.Helper()
	bench := dialoguetest.New()
	d, err := device.New(device.Config{Flash: blank(t), Serial: "7000001", Panel: bench.Panel, Reader: bench.Port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, bench
}

// await returns the first screen that is as wanted.
func await(t *testing.T, bench *dialoguetest.Bench, wanted func(touchscreen.Screen) bool) person.Seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for number := uint64(0); ; {
		seen, err := bench.Look(ctx, number)
		if err != nil {
			t.Fatalf("the screen shows %+v: %v", bench.Panel.Screen(), err)
		}
		if wanted(seen.Screen) {
			return seen
		}
		number = seen.Number
	}
}

func TestTheHomeScreenTellsTheStateOfTheDevice(t *testing.T) {
	d, bench := attended(t)
	h := hello(t, d)
	await(t, bench, func(s touchscreen.Screen) bool {
		return s.ID == "home" && s.Unit.Serial == "7000001" && s.Unit.State == "Not initialised" && s.Unit.Label == ""
	})
	var admin command.SessionOpenResponse
	h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: command.SlotAdmin}, &admin)
	h.must(command.CodeHSMInit, admin.Session, command.HSMInitRequest{Label: "x", Password: []byte("so-password")}, nil)
	await(t, bench, func(s touchscreen.Screen) bool { return s.Unit.State == "Ready" && s.Unit.Label == "x" })
	if err := d.Tamper(command.TamperTable[0].Cause); err != nil {
		t.Fatal(err)
	}
	await(t, bench, func(s touchscreen.Screen) bool { return s.Unit.Banner == "Tampered with" })
}

func TestTheMenusAreThereWithoutAHost(t *testing.T) {
	_, bench := attended(t)
	ctx, stop := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		left <- bench.Person("once home: ok\nwhen menu/main: choose 3\nwhen menu/about: wait").Attend(ctx)
	}()
	about := await(t, bench, func(s touchscreen.Screen) bool { return s.ID == "menu/about" })
	if text := strings.Join(about.Text, "\n"); !strings.Contains(text, "Serial number 7000001") {
		t.Errorf("it says %q", text)
	}
	stop()
	<-left
}
