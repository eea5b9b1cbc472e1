//go:build lab

package lab_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"
)

// unplugged: the device leaves the bus while a program waits for its answer.
func unplugged(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	return b.endsPendingReads(ctx, t, s, s.device.USB().Unplug)
}

// cutOff: the server goes away, as when its process is killed.
func cutOff(ctx context.Context, t *testing.T, b *bench) string {
	s := plugIn(t)
	return b.endsPendingReads(ctx, t, s, s.stop)
}

// endsPendingReads has a program wait for a bulk IN transfer, lets the device
// vanish, and expects what a cable that is pulled gives: the read ends with a
// status that says so, and nothing is left.
func (b *bench) endsPendingReads(ctx context.Context, t *testing.T, s *simulator, vanish func()) string {
	t.Helper()
	s.attach(ctx, t, b)
	_, node := b.awaitDevice(ctx, t)
	reader := b.start(ctx, t, "waiting", probePath, "read", node, "0x81")
	began := time.Now()
	vanish()
	r, err := reader.Wait()
	took := time.Since(began)
	said := r.Stdout + r.Stderr
	if !regexp.MustCompile(`status (cannot send after transport endpoint shutdown|no such device)|reap: no such device`).MatchString(said) {
		t.Errorf("the pending read ended with %q (%v), want ESHUTDOWN or ENODEV", said, err)
	}
	b.awaitNoDevice(ctx, t)
	gone := time.Since(began)
	b.noPort(ctx, t)
	return fmt.Sprintf("the read ended after %s, the device was gone after %s", milliseconds(took), milliseconds(gone))
}
