//go:build lab

package lab_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"testing"

	"usbhsm7/usbip/capture"
	"usbhsm7/usbip/usb"
)

// usbmon has the kernel and a tap in front of the device record one command, and
// compares how many URBs of each endpoint were submitted and ended.
func usbmon(ctx context.Context, t *testing.T, b *bench) string {
	hsm := plugIn(t).device.USB()
	tap := capture.NewTap()
	s := export(t, tap.Port(hsm, capture.Place{Bus: 1, Device: 1, Configurations: hsm.Descriptors().Configurations}))
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	b.run(ctx, t, "modprobe", "usbmon")

	var file bytes.Buffer
	sink, err := capture.NewWriter(&file, capture.Header{})
	if err != nil {
		t.Fatal(err)
	}
	ours := tap.Start(sink, capture.Options{})
	// The kernel keeps some hundred events for whoever has the file open.
	const script = `exec 3</sys/kernel/debug/usb/usbmon/0u; "$@" >/dev/null || exit; timeout 1 cat <&3; exit 0`
	text := b.run(ctx, t, "sh", "-c", script, "sh", hsm7Path, "info", "--via", "usb").Stdout
	if _, err := ours.Stop(); err != nil {
		t.Fatal(err)
	}
	kernel, device := tallyText(text), tallyFile(t, &file)
	// A URB that is cancelled before vhci_hcd has sent it is not for the device.
	unsent := total(kernel) - total(device)
	if unsent != 2*int(s.server.EarlyUnlinks()) || unsent == 0 && !maps.Equal(kernel, device) || len(device) == 0 {
		t.Errorf("usbmon counts %v, the tap in front of the device %v\n%s", kernel, device, text)
	}
	return fmt.Sprint(device)
}

func total(tally map[string]int) (n int) {
	for _, count := range tally {
		n += count
	}
	return n
}

// tallyText counts events of bulk and interrupt endpoints in usbmon's text format
// (Linux, Documentation/usb/usbmon.rst), but for those of hubs, which are the
// first devices of their buses. Keys are like "S Bi1".
func tallyText(text string) map[string]int {
	tally := map[string]int{}
	for _, event := range regexp.MustCompile(`(?m)^\w+ \d+ ([SCE]) ([BI][io]):\d+:(\d+):(\d+) `).FindAllStringSubmatch(text, -1) {
		if event[3] != "001" {
			tally[event[1]+" "+event[2]+event[4]]++
		}
	}
	return tally
}

// tallyFile counts the same in a capture.
func tallyFile(t *testing.T, file io.Reader) map[string]int {
	t.Helper()
	packets, err := capture.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	kinds, tally := map[usb.EndpointType]string{usb.Bulk: "B", usb.Interrupt: "I"}, map[string]int{}
	for {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			return tally
		}
		if err != nil {
			t.Fatal(err)
		}
		direction := "o"
		if p.Endpoint&usb.DirIn != 0 {
			direction = "i"
		}
		if kind := kinds[p.Type]; kind != "" {
			tally[fmt.Sprintf("%c %s%s%d", p.Event, kind, direction, p.Endpoint&0x0f)]++
		}
	}
}
