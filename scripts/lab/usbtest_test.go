//go:build lab

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"usbhsm7/scripts/lab"
	"usbhsm7/usbip/gadgetzero"
	"usbhsm7/usbip/usb"
)

// usbtestChecks run the kernel's own test of USB stacks, its module usbtest, on
// a Gadget Zero that this project's server exports.
var usbtestChecks = []check{
	{"lsusb reads Gadget Zero at full speed", usbtests{usb.SpeedFull, 1}.describe},
	{"lsusb reads Gadget Zero at high speed", usbtests{usb.SpeedHigh, 1}.describe},
	{"lsusb reads Gadget Zero at SuperSpeed", usbtests{usb.SpeedSuper, 1}.describe},
	{"usbtest at full speed: bulk and control", usbtests{usb.SpeedFull, 0}.check},
	{"usbtest at full speed: every transfer type, patterned data", usbtests{usb.SpeedFull, 1}.check},
	{"usbtest at high speed: bulk and control", usbtests{usb.SpeedHigh, 0}.check},
	{"usbtest at high speed: every transfer type, patterned data", usbtests{usb.SpeedHigh, 1}.check},
	{"usbtest at SuperSpeed: bulk and control", usbtests{usb.SpeedSuper, 0}.check},
	{"usbtest at SuperSpeed: every transfer type, patterned data", usbtests{usb.SpeedSuper, 1}.check},
	{"usbtest 24 at high speed: URBs are unlinked from thousands of queues", usbtests{usb.SpeedHigh, 0}.storm},
	{"usbtest 24 at SuperSpeed: URBs are unlinked from thousands of queues", usbtests{usb.SpeedSuper, 0}.storm},
	{"usbtest on the HSM at high speed: control requests", usbtests{usb.SpeedHigh, 0}.hsm},
	{"usbtest on the HSM at SuperSpeed: control requests", usbtests{usb.SpeedSuper, 0}.hsm},
	{"usbtest notices data that is not the pattern", wrongData},
}

// usbtestMachine has the module usbtest and nothing that another suite uses: the
// kernel waits for ever in a case that loses a URB, deaf to signals, and with it
// whoever asks for the device. So when a case takes too long the machine is
// switched off.
func usbtestMachine(t *testing.T, _ string) lab.Config {
	probe, err := lab.GoBuild(t.Context(), "./scripts/lab/probe")
	if err != nil {
		t.Fatal(err)
	}
	return lab.Config{Files: []lab.File{{Path: probePath, Source: probe}}}
}

// caseLimit bounds one case; on a quiet machine the longest takes a second.
const caseLimit = 30 * time.Second

// usbtestCase is a case of usbtest with its parameters. Lengths are in bytes;
// those of reads are multiples of every wMaxPacketSize, because a source sends
// full packets.
type usbtestCase struct {
	number, iterations  int
	length, vary, queue int
	kind                caseKind
}

// caseKind says where a case runs.
type caseKind int

const (
	always      caseKind = iota
	plain                // on alternate setting 0: the case knows no patterns, or breaks a rule itself where rules are strict
	interrupt            // on alternate setting 1, which has interrupt endpoints
	isochronous          // on alternate setting 1; lengths are in service intervals
)

var usbtestCases = []usbtestCase{
	{number: 0, iterations: 1},
	{number: 1, iterations: 50, length: 4096},
	{number: 2, iterations: 50, length: 4096},
	{number: 3, iterations: 50, length: 4096, vary: 421},
	{number: 4, iterations: 50, length: 8192, vary: 1024},
	{number: 5, iterations: 20, length: 2048, queue: 16},
	{number: 6, iterations: 20, length: 2048, queue: 16},
	{number: 7, iterations: 20, length: 2048, vary: 421, queue: 16},
	{number: 8, iterations: 20, length: 4096, vary: 1024, queue: 16},
	{number: 9, iterations: 20},
	{number: 10, iterations: 20, queue: 32},
	{number: 11, iterations: 20, length: 1024},
	{number: 12, iterations: 20, length: 1024},
	{number: 13, iterations: 20},
	{number: 14, iterations: 50, length: 5000, vary: 333, kind: plain},
	{number: 15, iterations: 10, length: 16, queue: 8, kind: isochronous},
	{number: 16, iterations: 10, length: 16, queue: 8, kind: isochronous},
	{number: 17, iterations: 50, length: 2048},
	{number: 18, iterations: 50, length: 2048},
	{number: 19, iterations: 50, length: 2048},
	{number: 20, iterations: 50, length: 2048},
	{number: 21, iterations: 50, length: 5000, vary: 333, kind: plain},
	{number: 22, iterations: 10, length: 16, queue: 8, kind: isochronous},
	{number: 23, iterations: 10, length: 16, queue: 8, kind: isochronous},
	{number: 24, iterations: 100, length: 512, queue: 16},
	{number: 25, iterations: 50, length: 2048, kind: interrupt},
	{number: 26, iterations: 50, length: 2048, kind: interrupt},
	{number: 27, iterations: 10, length: 16384, queue: 16, kind: plain},
	{number: 28, iterations: 10, length: 16384, queue: 16, kind: plain},
	{number: 29, iterations: 20},
}

// usbtests says how a device is tested. Alternate setting 0 is tested with data
// that is all zero, alternate setting 1 with patterned data and with
// realworld=0, which demands all of USB's chapter 9.
type usbtests struct {
	speed     usb.Speed
	alternate int
}

// cases returns the cases that apply.
func (u usbtests) cases() []usbtestCase {
	perInterval := map[usb.Speed]int{usb.SpeedFull: 1023, usb.SpeedHigh: 3 * 1024, usb.SpeedSuper: 6 * 1024}
	var cases []usbtestCase
	for _, c := range usbtestCases {
		switch {
		case c.kind == plain && u.alternate == 1, c.kind >= interrupt && u.alternate == 0:
			continue
		case c.kind == isochronous:
			c.length *= perInterval[u.speed]
		}
		cases = append(cases, c)
	}
	return cases
}

// check runs the cases.
func (u usbtests) check(ctx context.Context, t *testing.T, b *bench) string {
	b.preempt(ctx, t)
	_, node := u.attach(ctx, t, b)
	return b.usbtestAll(t, node, u.cases())
}

// preempt lets the kernel preempt itself until the check ends. Otherwise case 11
// loops for ever on the one processor where it wants to cancel a URB whose answer
// the driver vhci_hcd has begun to read: the driver never gets to read the rest.
// The storm goes without, for then far more UNLINKs come early.
func (b *bench) preempt(ctx context.Context, t *testing.T) {
	t.Helper()
	set := func(ctx context.Context, mode string) {
		if err := b.Put(ctx, "/sys/kernel/debug/sched/preempt", 0o644, []byte(mode)); err != nil {
			t.Errorf("let the kernel preempt itself: %v", err)
		}
	}
	set(ctx, "full")
	t.Cleanup(func() { set(context.Background(), "voluntary") })
}

// hsm runs the cases that any device must pass, on the HSM itself.
func (u usbtests) hsm(ctx context.Context, t *testing.T, b *bench) string {
	node := b.attachToUsbtest(ctx, t, plugInAt(t, u.speed), "vendor=0x1209", "product=0x0001", "realworld=0")
	return b.usbtestAll(t, node, []usbtestCase{{number: 9, iterations: 20}, {number: 10, iterations: 20, queue: 32}})
}

// usbtestAll runs cases, all of which must pass, and returns what each took.
func (b *bench) usbtestAll(t *testing.T, node string, cases []usbtestCase) string {
	t.Helper()
	var took []string
	for _, c := range cases {
		c.iterations *= sweep(t)
		took = append(took, fmt.Sprintf("%d: %s", c.number, b.usbtest(t, node, c)))
	}
	return fmt.Sprintf("%d cases: %s", len(took), strings.Join(took, ", "))
}

// attach attaches a Gadget Zero with usbtest as its driver.
func (u usbtests) attach(ctx context.Context, t *testing.T, b *bench) (s *simulator, node string) {
	t.Helper()
	parameters, pattern := []string{"alt=0"}, gadgetzero.Zeros
	if u.alternate == 1 {
		parameters, pattern = []string{"alt=1", "pattern=1", "realworld=0"}, gadgetzero.Mod63
	}
	g, err := gadgetzero.New(gadgetzero.Options{Speed: u.speed, Pattern: pattern})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	s = export(t, g.USB())
	return s, b.attachToUsbtest(ctx, t, s, parameters...)
}

// attachToUsbtest attaches a device with usbtest as its driver, and returns its
// node.
func (b *bench) attachToUsbtest(ctx context.Context, t *testing.T, s *simulator, parameters ...string) string {
	t.Helper()
	b.awaitNoDevice(ctx, t) // of an earlier check
	b.run(ctx, t, append([]string{"modprobe", "usbtest"}, parameters...)...)
	t.Cleanup(func() { b.run(context.Background(), t, "rmmod", "usbtest") })
	s.attach(ctx, t, b)
	_, node := b.awaitDevice(ctx, t)
	if _, err := b.Await(ctx, "/sys/bus/usb/drivers/usbtest/*:1.0"); err != nil {
		t.Fatalf("usbtest does not take the device: %v", err)
	}
	return node
}

// usbtest has the kernel run a case, which must pass, and returns how long it
// took. The limit of the check does not count here: a long sweep exceeds it.
func (b *bench) usbtest(t *testing.T, node string, c usbtestCase) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(sweep(t))*caseLimit)
	defer cancel()
	r, err := b.Exec(ctx, c.command(node)...)
	if errors.Is(err, context.DeadlineExceeded) {
		b.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(r.Stdout)
}

// command returns the command that has the kernel run c.
func (c usbtestCase) command(node string) []string {
	argv := []string{probePath, "usbtest", node}
	for _, n := range []int{c.number, c.iterations, c.length, c.vary, c.queue} {
		argv = append(argv, strconv.Itoa(n))
	}
	return argv
}

// sweep is how many times as long as usual the cases run.
func sweep(t *testing.T) int {
	text := os.Getenv("USBTEST_SWEEP")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("USBTEST_SWEEP is %q, want a number from 1", text)
	}
	return n
}

// storm has thousands of queues of 16 writes of which two are cancelled.
// Now and then Linux sends the UNLINK before the SUBMIT that it cancels; the
// check goes on until that has happened.
func (u usbtests) storm(ctx context.Context, t *testing.T, b *bench) string {
	const atLeast, atMost, round = 3000, 30_000, 1000
	s, node := u.attach(ctx, t, b)
	began := time.Now()
	queues, early := 0, uint64(0)
	for queues < atLeast*sweep(t) || early == 0 && queues < atMost {
		b.usbtest(t, node, usbtestCase{number: 24, iterations: round, length: 512, queue: 16})
		queues += round
		early = s.server.EarlyUnlinks()
	}
	if early == 0 {
		t.Errorf("no UNLINK came before its SUBMIT in %d queues", queues)
	}
	return fmt.Sprintf("%d queues, %d URBs cancelled, %d of them before the server had seen them, in %s",
		queues, 2*queues, early, milliseconds(time.Since(began)))
}

// wrongData has the device and usbtest expect different data: a test that did
// not notice would show nothing.
func wrongData(ctx context.Context, t *testing.T, b *bench) string {
	_, node := usbtests{speed: usb.SpeedHigh}.attach(ctx, t, b)
	if err := b.Put(ctx, "/sys/module/usbtest/parameters/pattern", 0o644, []byte("1")); err != nil {
		t.Fatal(err)
	}
	read := b.refused(ctx, t, usbtestCase{number: 2, iterations: 1, length: 1024}.command(node)...)
	want(t, read, `case 2: invalid argument`)
	write := b.refused(ctx, t, usbtestCase{number: 1, iterations: 1, length: 1024}.command(node)...)
	want(t, write, `case 1: broken pipe`)
	return strings.TrimSpace(read) + "; " + strings.TrimSpace(write)
}
