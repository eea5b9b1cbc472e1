//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"usbhsm7/usbip/gadgetzero"
	"usbhsm7/usbip/usb"
)

// doubt matches lsusb's words for a descriptor that it cannot read or does not
// understand.
var doubt = regexp.MustCompile(`(?i)can't get|cannot|couldn't|error|warning|junk|unrecognized|\*\*`)

// lsusb returns what lsusb -v prints of a device, runs of blanks made one, and
// fails where it has doubts. It reads the descriptors with requests of its own,
// not from the kernel's cache alone.
func (b *bench) lsusb(ctx context.Context, t *testing.T, id string) string {
	t.Helper()
	r := b.run(ctx, t, "lsusb", "-v", "-d", id)
	if word := doubt.FindString(r.Stdout + r.Stderr); word != "" {
		t.Errorf("lsusb is not content: %q in:\n%s%s", word, r.Stdout, r.Stderr)
	}
	return strings.Join(strings.Fields(r.Stdout), " ")
}

// zeroFields are what lsusb shall print of Gadget Zero at each speed.
var zeroFields = map[usb.Speed][]string{
	usb.SpeedFull: {
		`bcdUSB 2\.00`, `bMaxPacketSize0 64`,
		endpoint("EP 1 IN", "Bulk", "0x0040 1x 64 bytes bInterval 0"),
		endpoint("EP 2 IN", "Isochronous", "0x03ff 1x 1023 bytes bInterval 1"),
		endpoint("EP 3 OUT", "Interrupt", "0x0040 1x 64 bytes bInterval 1"),
	},
	usb.SpeedHigh: {
		`bcdUSB 2\.00`, `bMaxPacketSize0 64`, `Device Qualifier`,
		endpoint("EP 1 IN", "Bulk", "0x0200 1x 512 bytes bInterval 0"),
		endpoint("EP 2 IN", "Isochronous", "0x1400 3x 1024 bytes bInterval 1"),
		endpoint("EP 3 OUT", "Interrupt", "0x0400 1x 1024 bytes bInterval 1"),
	},
	usb.SpeedSuper: {
		`bcdUSB 3\.20`, `bMaxPacketSize0 9`,
		endpoint("EP 1 IN", "Bulk", "0x0400 1x 1024 bytes bInterval 0 bMaxBurst 15"),
		endpoint("EP 2 IN", "Isochronous", "0x0400 1x 1024 bytes bInterval 1 bMaxBurst 2 Mult 1"),
		endpoint("EP 3 OUT", "Interrupt", "0x0400 1x 1024 bytes bInterval 1 bMaxBurst 2"),
		`USB 2\.0 Extension Device Capability:`, `SuperSpeed USB Device Capability:`, `operate at SuperSpeed \(5Gbps\)`,
	},
}

// endpoint returns a pattern for lsusb's description of an endpoint.
func endpoint(name, kind, packets string) string {
	return name + ` bmAttributes \d Transfer Type ` + kind + ` Synch Type None Usage Type Data wMaxPacketSize ` + packets
}

// describe has lsusb read a Gadget Zero.
func (u usbtests) describe(ctx context.Context, t *testing.T, b *bench) string {
	u.attach(ctx, t, b)
	fields := append([]string{`idVendor 0x0525`, `idProduct 0xa4a0`, `bAlternateSetting 1`, `bNumEndpoints 6`}, zeroFields[u.speed]...)
	want(t, b.lsusb(ctx, t, fmt.Sprintf("%04x:%04x", gadgetzero.Vendor, gadgetzero.Product)), fields...)
	return fmt.Sprintf("%d fields as expected", len(fields))
}

// superDescriptors has lsusb read the HSM at SuperSpeed, and a program talk to it.
func superDescriptors(ctx context.Context, t *testing.T, b *bench) string {
	s := plugInAt(t, usb.SpeedSuper)
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	_, shown := b.port(ctx, t)
	want(t, shown, `at Super Speed\(5000Mbps\)`)
	fields := []string{
		`bcdUSB 3\.20`, `bMaxPacketSize0 9`, `idVendor 0x1209`, `idProduct 0x0001`, `iSerial [1-9] ` + serial,
		endpoint("EP 1 OUT", "Bulk", "0x0400 1x 1024 bytes bInterval 0 bMaxBurst 15"),
		endpoint("EP 1 IN", "Bulk", "0x0400 1x 1024 bytes bInterval 0 bMaxBurst 15"),
		endpoint("EP 2 IN", "Interrupt", "0x0200 1x 512 bytes bInterval 4 bMaxBurst 0"),
		`PlatformCapabilityUUID \{d8dd60df-4589-4cc7-9cd2-659d9e648a9f\}`,
		`USB 2\.0 Extension Device Capability:`, `SuperSpeed USB Device Capability:`,
	}
	want(t, b.lsusb(ctx, t, "1209:0001"), fields...)
	said := b.run(ctx, t, examplePath).Stdout
	return fmt.Sprintf("%d fields as expected; the program in C: %s", len(fields), strings.TrimSpace(said))
}
