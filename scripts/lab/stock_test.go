//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"usbhsm7/scripts/lab"
)

// want fails for each pattern that text does not match.
func want(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("nothing matches %q in:\n%s", p, text)
		}
	}
}

func stockList(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	r := b.run(ctx, t, s.usbip("list", "-r", lab.HostAddress)...)
	want(t, r.Stdout, `1-1: .*\(1209:0001\)`, `(?m)^ +: .*\(00/00/00\)$`, `0 - Vendor Specific Class .*\(ff/00/00\)`)
	s.quiet(t, r)
	return "listed in " + milliseconds(r.Took)
}

func stockAttach(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	began := time.Now()
	r := s.attach(ctx, t, b)
	local, _ := b.awaitDevice(ctx, t)
	ready := time.Since(began)
	s.quiet(t, r)
	number, shown := b.port(ctx, t)
	want(t, shown, `at High Speed\(480Mbps\)`, `\(1209:0001\)`, local+` -> usbip://10\.0\.2\.2:`+s.port+`/1-1`)
	d := b.run(ctx, t, "usbip", "detach", "-p", number)
	b.awaitNoDevice(ctx, t)
	b.noPort(ctx, t)
	return fmt.Sprintf("attached in %s, configured as %s after %s, detached in %s", milliseconds(r.Took), local, milliseconds(ready), milliseconds(d.Took))
}

// What lsusb prints of the device: every field that a driver or an operating
// system relies on.
var descriptors = []string{
	`bcdUSB 2\.(01|10)`, `bDeviceClass 0`, `bMaxPacketSize0 64`, `idVendor 0x1209`, `idProduct 0x0001`,
	`iManufacturer [1-9] \S`, `iProduct [1-9] .*HSM`, `iSerial [1-9] ` + serial, `bNumConfigurations 1`,
	`bNumInterfaces 1`, `bmAttributes 0xc0`,
	`bInterfaceNumber 0`, `bAlternateSetting 0`, `bNumEndpoints 3`, `bInterfaceClass 255 bInterfaceSubClass 0 bInterfaceProtocol 0`,
	`bEndpointAddress 0x01 EP 1 OUT bmAttributes 2 Transfer Type Bulk .*? wMaxPacketSize 0x0200 1x 512 bytes`,
	`bEndpointAddress 0x81 EP 1 IN bmAttributes 2 Transfer Type Bulk .*? wMaxPacketSize 0x0200 1x 512 bytes`,
	`bEndpointAddress 0x82 EP 2 IN bmAttributes 3 Transfer Type Interrupt .*? wMaxPacketSize 0x0[0-9a-f]+ 1x`,
	`Binary Object Store Descriptor:`, `PlatformCapabilityUUID \{d8dd60df-4589-4cc7-9cd2-659d9e648a9f\}`,
	`Device Status: 0x0001 Self Powered`,
}

func stockDescriptors(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	s.attach(ctx, t, b)
	_, node := b.awaitDevice(ctx, t)
	want(t, b.lsusb(ctx, t, "1209:0001"), descriptors...)
	// lsusb leaves out what a device that is not of USB 2.00 would be at full speed.
	qualifier := b.run(ctx, t, probePath, "control", node, "0x80", "6", "0x0600", "0", "64").Stdout
	want(t, qualifier, `^0a061002000000400100\n$`)
	return fmt.Sprintf("%d fields as expected", len(descriptors))
}

// microsoftDescriptors asks for the Microsoft OS 2.0 descriptor set as Windows
// does: with the vendor code that the BOS descriptor announces.
func microsoftDescriptors(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	s.attach(ctx, t, b)
	_, node := b.awaitDevice(ctx, t)
	// GET_DESCRIPTOR of the BOS (USB 3.2 section 9.6.2).
	bos := b.run(ctx, t, probePath, "control", node, "0x80", "6", "0x0f00", "0", "512").Stdout
	// Platform capability: UUID, then Windows version, length of the set, vendor code, alternate enumeration.
	capability := regexp.MustCompile(`df60ddd88945c74c9cd2659d9e648a9f[0-9a-f]{8}([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})00`).FindStringSubmatch(bos)
	if capability == nil {
		t.Fatalf("no Microsoft OS 2.0 capability in the BOS descriptor %s", bos)
	}
	size, code := "0x"+capability[2]+capability[1], "0x"+capability[3]
	const descriptorSet = "7" // MS_OS_20_DESCRIPTOR_INDEX
	set := strings.TrimSpace(b.run(ctx, t, probePath, "control", node, "0xc0", code, "0", descriptorSet, "4096").Stdout)
	if fmt.Sprintf("0x%04x", len(set)/2) != size {
		t.Errorf("descriptor set of %d bytes, the BOS descriptor says %s", len(set)/2, size)
	}
	want(t, set, `^0a000000`, fmt.Sprintf("%x", "WINUSB"), utf16Hex("DeviceInterfaceGUIDs"))
	return fmt.Sprintf("set of %d bytes", len(set)/2)
}

// utf16Hex returns ASCII text as little-endian UTF-16 in hexadecimal.
func utf16Hex(text string) string {
	var b strings.Builder
	for _, c := range text {
		fmt.Fprintf(&b, "%02x00", c)
	}
	return b.String()
}

func stockAgain(ctx context.Context, t *testing.T, b *bench) string {
	const times = 5
	s := plugIn(t)
	began := time.Now()
	for range times {
		s.attach(ctx, t, b)
		b.awaitDevice(ctx, t)
		number, _ := b.port(ctx, t)
		b.run(ctx, t, "usbip", "detach", "-p", number)
		b.awaitNoDevice(ctx, t)
	}
	b.noPort(ctx, t)
	return fmt.Sprintf("%d times, %s each", times, milliseconds(time.Since(began)/times))
}

func stockBusy(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	s.attach(ctx, t, b)
	b.awaitDevice(ctx, t)
	said := b.refused(ctx, t, s.usbip("attach", "-r", lab.HostAddress, "-b", busID)...)
	want(t, said, `(?i)busy`)
	want(t, b.refused(ctx, t, s.usbip("attach", "-r", lab.HostAddress, "-b", "9-9")...), `(?i)not found|no such`)
	b.port(ctx, t) // the first import is still there
	return strings.TrimSpace(said)
}
