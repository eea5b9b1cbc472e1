package fault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
	"usbhsm7/usbip/usb/usbtest"
)

// letter is a command of a protocol whose transfers begin with a letter.
func letter(name string) (func([]byte) bool, error) {
	if len(name) != 1 {
		return nil, errors.New("a command is one letter")
	}
	return func(transfer []byte) bool { return len(transfer) > 0 && transfer[0] == name[0] }, nil
}

// hit returns which of the transfers given a rule fires for, by number from 1.
func hit(t *testing.T, rule string, urbs ...*usb.URB) (numbers []int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, fault.Options{Commands: letter})
		b.load("seed 1\n" + rule + ": error EILSEQ")
		b.receive()
		b.send(slices.Repeat([]string{"data"}, len(urbs))...)
		go func() {
			for range urbs {
				_ = b.device.In(usbtest.InterruptIn).Write(t.Context(), []byte("event"))
			}
		}()
		for n, u := range urbs {
			if b.do(u).Status == usb.EILSEQ {
				numbers = append(numbers, n+1)
			}
			time.Sleep(time.Second)
		}
	})
	return numbers
}

func event() *usb.URB { return &usb.URB{Endpoint: usbtest.InterruptIn, Buffer: make([]byte, 64)} }

func TestSelectorsChooseByKindAndPlace(t *testing.T) {
	urbs := func() []*usb.URB {
		return []*usb.URB{in(512), out("sign"), out("verify"), event(), getConfiguration(), setConfiguration()}
	}
	for rule, want := range map[string][]int{
		"on any":                                  {1, 2, 3, 4, 5, 6},
		"on in":                                   {1, 4, 5},
		"on out":                                  {2, 3, 6},
		"on bulk":                                 {1, 2, 3},
		"on bulk-in":                              {1},
		"on bulk-out":                             {2, 3},
		"on interrupt":                            {4},
		"on interrupt-out":                        nil,
		"on isochronous":                          nil,
		"on control":                              {5, 6},
		"on control-in":                           {5},
		"on control-out":                          {6},
		"on endpoint 81":                          {1},
		"on endpoint 01":                          {2, 3},
		"on endpoint 82":                          {4},
		"on endpoint 8f":                          nil,
		"on command s":                            {2},
		"on bulk-out command v":                   {3},
		"on setup request=09":                     {6},
		"on setup request=9 value=1":              {6},
		"on control setup value=2":                nil,
		"on setup type=80":                        {5},
		"on since 2s":                             {3, 4, 5, 6},
		"on until 2s":                             {1, 2},
		"on since 1s until 3s":                    {2, 3},
		"on out since 1s until 3s":                {2, 3},
		"on bulk nth 2":                           {2},
		"on any every 2":                          {2, 4, 6},
		"on any after 4":                          {5, 6},
		"on any from 2 to 3":                      {2, 3},
		"on any times 2":                          {1, 2},
		"on any after 1 every 2 times 1":          {2},
		"on any chance 100%":                      {1, 2, 3, 4, 5, 6},
		"on any from 3 to 5 chance 100%":          {3, 4, 5},
		"on endpoint 01 nth 2":                    {3},
		"on setup type=80 request=8 length=1":     {5},
		"on setup type=80 request=8 index=1":      nil,
		"on any chance 100% times 1":              {1},
		"on bulk-out every 1 after 1 chance 100%": {3},
	} {
		if got := hit(t, rule, urbs()...); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", rule, got, want)
		}
	}
}

func TestChanceIsAsOftenAsItSays(t *testing.T) {
	var urbs []*usb.URB
	for range 2000 {
		urbs = append(urbs, out("x"))
	}
	if n := len(hit(t, "on bulk-out chance 20%", urbs...)); n < 320 || n > 480 {
		t.Errorf("%d of %d", n, len(urbs))
	}
}

// TestTheFirstRuleThatFiresDecides, and the others count on.
func TestTheFirstRuleThatFiresDecides(t *testing.T) {
	inBubble(t, "on bulk-out nth 2: error EPROTO\non bulk-out: error EILSEQ\non bulk-out nth 2: error ETIME", func(t *testing.T, b *bench) {
		b.want(b.write("x"), usb.EILSEQ, 0)
		b.want(b.write("x"), usb.EPROTO, 0)
		b.want(b.write("x"), usb.EILSEQ, 0)
		for i, fired := range []uint64{1, 2, 0} {
			if r := b.injector.Report().Rules[i]; r.Matched != 3 || r.Fired != fired {
				t.Errorf("%+v, want 3 matched and %d fired", r, fired)
			}
		}
	})
}

// TestTheSameSeedGivesTheSameFaults runs the same transfers twice.
func TestTheSameSeedGivesTheSameFaults(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		script := fmt.Sprintf("seed %d\n", rapid.Uint64Range(1, 9).Draw(r, "seed"))
		for range rapid.IntRange(1, 5).Draw(r, "rules") {
			script += rapid.SampledFrom([]string{
				"on bulk chance 30%: corrupt 3 bits\n", "on any chance 10%: delay 1ms..9ms\n", "on bulk-in chance 20%: short 5 bytes\n",
				"on bulk chance 10%: error EPROTO\n", "on control chance 10%: stall\n", "on bulk-out every 7: delay exponential 3ms\n",
				"on any chance 5%: delay normal 4ms 2ms, zero-length\n", "on in chance 10%: delay spikes 50% 20ms\n",
			}).Draw(r, "rule")
		}
		kinds := rapid.SliceOfN(rapid.IntRange(0, 2), 1, 40).Draw(r, "transfers")
		one, two := story(t, script, kinds), story(t, script, kinds)
		if one != two {
			r.Fatalf("%s\nonce:\n%s\nthen:\n%s", script, one, two)
		}
	})
}

// story tells what becomes of transfers under a script.
func story(t *testing.T, script string, kinds []int) string {
	var text strings.Builder
	inBubble(t, script, func(t *testing.T, b *bench) {
		got := b.receive()
		b.send(slices.Repeat([]string{"some data of the device"}, len(kinds))...)
		for _, kind := range kinds {
			u := []*usb.URB{in(512), out("some data of the host"), getConfiguration()}[kind]
			began := time.Now()
			b.do(u)
			fmt.Fprintf(&text, "%02x %v %q %v\n", u.Endpoint, u.Status, u.Buffer[:u.Actual], time.Since(began))
		}
		synctest.Wait()
		for len(got) > 0 {
			fmt.Fprintf(&text, "received %q\n", <-got)
		}
	})
	return text.String()
}

func TestFiringIsLoggedWithItsLineAndWithoutData(t *testing.T) {
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, fault.Options{Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		b.load("\non bulk-out: error EPROTO")
		b.do(out("top secret"))
		b.do(out("top secret"))
		b.injector.Clear()
	})
	var entries []map[string]any
	for line := range strings.Lines(log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry)
	}
	want := []string{"INFO faults loaded", "INFO fault in a transfer", "DEBUG fault in a transfer", "INFO faults cleared"}
	if len(entries) != len(want) || strings.Contains(log.String(), "secret") {
		t.Fatalf("log:\n%s", &log)
	}
	for i, entry := range entries {
		if got := fmt.Sprint(entry["level"], " ", entry["msg"]); got != want[i] {
			t.Errorf("%q, want %q", got, want[i])
		}
	}
	if entries[1]["rule"] != "line 2" || entries[1]["text"] != "on bulk-out: error EPROTO" {
		t.Errorf("%v", entries[1])
	}
}
