package device_test

import (
	"context"
	"strings"
	"testing"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/device"
	"usbhsm7/firmware/dialogue/dialoguetest"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/firmware/frame"
	"usbhsm7/ikey"
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
	await(t, bench, func(s touchscreen.Screen) bool { return s.Unit.Banner == "Tampered with" && s.Unit.State == "Locked" })
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

// TestACommandThatWaitsForAPersonDelaysNobody: others are answered meanwhile, and
// the host may cancel it.
func TestACommandThatWaitsForAPersonDelaysNobody(t *testing.T) {
	d, bench := attended(t)
	h := hello(t, d)
	admin := h.open(command.SlotAdmin)
	tag, transfer := h.request(command.CodeHSMInit, admin, command.HSMInitRequest{Label: "x", Method: command.AuthQuorum})
	h.send(transfer)
	await(t, bench, func(s touchscreen.Screen) bool { return s.ID == "create/reuse" })
	h.alive()
	h.must(command.CodeHSMPolicies, admin, nil, new(command.PoliciesResponse))
	h.cancel(tag)
	if m := h.receive(); m.Tag != tag || command.Status(m.Code) != command.StatusFunctionCanceled {
		t.Errorf("the cancelled command: %v", command.Status(m.Code))
	}
	await(t, bench, func(s touchscreen.Screen) bool { return s.ID == "home" && s.Unit.State == "Not initialised" })
}

// TestASeededDeviceWaitsForAPersonToo: it works one by one, and can be told to stop.
func TestASeededDeviceWaitsForAPersonToo(t *testing.T) {
	bench := dialoguetest.New()
	d, err := device.New(device.Config{Flash: blank(t), Serial: "7000001", Panel: bench.Panel, Reader: bench.Port, Seed: []byte("7")})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	h := hello(t, d)
	tag, transfer := h.request(command.CodeHSMInit, h.open(command.SlotAdmin), command.HSMInitRequest{Label: "x", Method: command.AuthQuorum})
	h.send(transfer)
	await(t, bench, func(s touchscreen.Screen) bool { return s.ID == "create/reuse" })
	h.cancel(tag)
	if m := h.receive(); m.Tag != tag || command.Status(m.Code) != command.StatusFunctionCanceled {
		t.Errorf("the cancelled command: %v", command.Status(m.Code))
	}
	h.alive()
}

// TestPowerFailsInADialogue: the device switches off at once, and is new when it
// comes back; the key stays in the port.
func TestPowerFailsInADialogue(t *testing.T) {
	bench, image := dialoguetest.New(), blank(t)
	bench.Port.Key("blue-1")
	d, err := device.New(device.Config{Flash: image, Serial: "7000001", Panel: bench.Panel, Reader: bench.Port})
	if err != nil {
		t.Fatal(err)
	}
	h := hello(t, d)
	_, transfer := h.request(command.CodeHSMInit, h.open(command.SlotAdmin), command.HSMInitRequest{Label: "x", Method: command.AuthQuorum})
	h.send(transfer)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		left <- bench.Person("when create/reuse: no\nwhen create/m: ok\nwhen create/n: ok\nwhen write/insert: insert blue-1\nwhen write/blank: wait").Attend(ctx)
	}()
	await(t, bench, func(s touchscreen.Screen) bool { return s.ID == "write/blank" })
	leave()
	<-left
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := device.New(device.Config{Flash: image, Panel: bench.Panel, Reader: bench.Port})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	await(t, bench, func(s touchscreen.Screen) bool { return s.ID == "home" && s.Unit.State == "Not initialised" })
	if info, err := bench.Port.Identify(t.Context()); err != nil || info.Kind != ikey.Blank {
		t.Errorf("the key in the port: %+v, %v", info, err)
	}
}

// open opens a session and returns its handle.
func (h *host) open(slot command.Slot) uint32 {
	h.t.Helper()
	var session command.SessionOpenResponse
	h.must(command.CodeSessionOpen, 0, command.SessionOpenRequest{Slot: slot}, &session)
	return session.Session
}

func (h *host) cancel(tag uint32) {
	h.t.Helper()
	h.send(frames(frame.Message{Type: frame.TypeCancel, Tag: tag}))
}
