package fault_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/usb"
)

// whole is a script with every word of the grammar.
const whole = `
# A comment, an empty line, and words with spaces between them.
seed 42

on any: delay 5ms
on bulk-in endpoint 81 nth 3:	stall   # behind a rule
on control every 10: delay normal 5ms 1ms
on command sign after 100: disconnect after 512 bytes, plug after 2s
on control-in setup type=80 request=06 value=0302 index=409 length=ff: stall once
on in chance 2.5%: delay 1ms..9ms
on out from 5 to 9: delay exponential 3ms, corrupt 1 bit
on interrupt since 1s until 1m30s: nak
on bulk times 2: nak for 10ms
on isochronous-out: delay spikes 1% 200ms
on bulk-in: short 1 byte
on bulk-in: short 0 bytes
on bulk-in: zero-length
on bulk-in: error EPROTO
on bulk-in: error EOVERFLOW after 64KiB
on bulk-in: corrupt 3 bits within 0..31
on bulk-in: disconnect
on bulk-in: reset
on bulk-in: reorder behind 2
on bulk-in: reorder behind 2 within 50ms, delay 1ms
connection: split 1..7 bytes, bandwidth 1MB/s
connection nth 2: split 1 byte
connection every 3: slow-reader 64 bytes every 5ms
connection after 1 chance 50%: cut after 10kB
on endpoint 01 nth 7: duplicate
`

func TestScriptsAreReadAsTheyAreWritten(t *testing.T) {
	s, err := fault.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]fault.Rule{
		0: {Line: 5, Faults: []fault.Fault{fault.Delay{A: 5 * time.Millisecond}}},
		1: {Line: 6, On: fault.Selector{Type: fault.Bulk, Direction: fault.In, Endpoint: 0x81, From: 3, To: 3}, Faults: []fault.Fault{fault.Stall{}}},
		3: {
			Line: 8, On: fault.Selector{Command: "sign", From: 101},
			Faults: []fault.Fault{fault.Disconnect{After: 512, Plug: 2 * time.Second}},
		},
		4: {
			Line: 9, On: fault.Selector{Type: fault.Control, Direction: fault.In, Setup: []fault.Field{
				{"type", 0x80}, {"request", 6}, {"value", 0x302}, {"index", 0x409}, {"length", 0xff},
			}},
			Faults: []fault.Fault{fault.Stall{Once: true}},
		},
		14: {Line: 19, On: fault.Selector{Type: fault.Bulk, Direction: fault.In}, Faults: []fault.Fault{fault.Error{Status: usb.EOVERFLOW, After: 65536}}},
		20: {Line: 25, On: fault.Selector{Connections: true}, Faults: []fault.Fault{fault.Split{1, 7}, fault.Bandwidth{1e6}}},
		23: {Line: 28, On: fault.Selector{Connections: true, From: 2, Chance: 50}, Faults: []fault.Fault{fault.Cut{10000}}},
		24: {Line: 29, On: fault.Selector{Endpoint: 1, From: 7, To: 7}, Faults: []fault.Fault{fault.Duplicate}},
	}
	if s.Seed != 42 || len(s.Rules) != 25 {
		t.Fatalf("seed %d and %d rules", s.Seed, len(s.Rules))
	}
	for i, rule := range want {
		if !reflect.DeepEqual(s.Rules[i], rule) {
			t.Errorf("rule %d is %+v, want %+v", i, s.Rules[i], rule)
		}
	}
	roundTrip(t, s)
}

// roundTrip checks that s, written down, is read as the same script.
func roundTrip(t *testing.T, s fault.Script) {
	t.Helper()
	again, err := fault.Parse(s.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, s)
	}
	if again.String() != s.String() || !reflect.DeepEqual(withoutLines(again), withoutLines(s)) {
		t.Errorf("written and read again:\n%s\nbefore:\n%s", again, s)
	}
}

func withoutLines(s fault.Script) fault.Script {
	out := fault.Script{Seed: s.Seed}
	for _, r := range s.Rules {
		r.Line = 0
		out.Rules = append(out.Rules, r)
	}
	return out
}

func TestMistakesAreShownWhereTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		"on bulk-in: stal":                       `line 1, column 13: found "stal"; expected "delay", *; did you mean "stall"?`,
		"\n\n  on bulkin: stall":                 `line 3, column 6: found "bulkin"; expected any, *; did you mean "bulk-in"?`,
		"om bulk-in: stall":                      `line 1, column 1: found "om"; expected "on", "connection" or "seed"; did you mean "on"?`,
		"on: stall":                              `line 1, column 3: found ":"; expected any, *`,
		"on bulk-in stall":                       `line 1, column 12: found "stall"; expected any, *, or ":"`,
		"on bulk-in":                             `line 1, column 11: found the end of the line; expected *`,
		"on bulk-in:":                            `line 1, column 12: found the end of the line; expected *`,
		"on bulk-in: delay":                      `*found the end of the line; expected a time *`,
		"on bulk-in: delay normal 5ms":           `*found the end of the line; expected a time *`,
		"on bulk-in: delay 5":                    `*found "5"; expected a time such as "5ms", *`,
		"on bulk-in: delay 9ms..1ms":             `*found "9ms..1ms"; expected two times, the smaller one first*`,
		"on bulk-in: delay 5ms 3ms":              `*found "3ms"; expected "," or the end of the line`,
		"on bulk-in: delay -5ms":                 `*found "-5ms"; expected a time*`,
		"on bulk-in: stall, nak":                 `*a transfer has one fault at a time, and a delay besides: write two rules`,
		"on bulk-in: split 1 byte":               `line 1, column 13: "split" is for connections: *`,
		"connection: stall":                      `line 1, column 13: "stall" is for transfers: *`,
		"connection bulk-in: cut after 1 byte":   `*found "bulk-in"; expected nth, *`,
		"on bulk-in nth 0: stall":                `*found "0"; expected a whole number from 1 on`,
		"on bulk-in nth 1 nth 2: stall":          `*"nth" is there twice`,
		"on bulk-in nth 1 after 2: stall":        `*nth, after and from exclude each other; write two rules`,
		"on bulk-in from 5 to 4: stall":          `*found "4"; expected a whole number from 5 on`,
		"on bulk-in out: stall":                  `*found "out"; *`,
		"on endpoint 80: stall":                  `*found "80"; expected an endpoint address *`,
		"on bulk-out endpoint 81: stall":         `*endpoint 81 goes the other way`,
		"on control command sign: stall":         `*a command travels OUT, on a bulk endpoint`,
		"on bulk setup value=1: stall":           `*only a control transfer has a setup packet`,
		"on setup valeu=1: stall":                `*found "valeu=1"; *`,
		"on setup value=12345: stall":            `*expected hexadecimal digits, at most ffff`,
		"on chance 101%: stall":                  `*found "101%"; expected a probability *`,
		"on since 5s until 5s: stall":            `*since 5s until 5s is empty`,
		"on any: error EPIPE":                    `*found "EPIPE"; expected "EPROTO", *`,
		"on any: short 5":                        `*expected "bytes"`,
		"on any: short 5 bits":                   `*found "bits"; expected "bytes"`,
		"on any: short 5GB":                      `*found "5GB"; expected a size *`,
		"on any: plug after 5s":                  `*"plug" follows a disconnect; *`,
		"on any: disconnect, plug 5s":            `*found "5s"; expected "after"`,
		"on any: corrupt 0 bits":                 `*found "0"; expected a whole number from 1 on`,
		"on any: corrupt 9999 bits":              `*1 to 4096 bits can be flipped`,
		"on any: corrupt 1 bit within 5":         `*found "5"; expected the first and the last byte*`,
		"on any: reorder":                        `*found the end of the line; expected "behind"`,
		"connection: bandwidth 0B/s":             `*expected bytes a second *`,
		"connection: bandwidth 1MB":              `*expected bytes a second *`,
		"connection: slow-reader 1 byte":         `*expected "every"`,
		"connection: split 7..1 bytes":           `*the smaller one first*`,
		"seed x":                                 `*found "x"; expected a whole number from 0 on`,
		"seed 1 2":                               `*found "2"; expected the end of the line`,
		"seed 1\nseed 2":                         `line 2, column 1: there is a second seed; remove one of them`,
		"on any: delay 5ms # fine\non any: nack": `line 2, column 9: found "nack"; *; did you mean "nak"?`,
	} {
		_, err := fault.Parse(text)
		var syntax *fault.SyntaxError
		if !errors.As(err, &syntax) || !errors.Is(err, fault.ErrScript) || !like(err.Error(), want) {
			t.Errorf("%q:\n  %v\nwant\n  %s", text, err, want)
		}
	}
}

// like compares text with a pattern in which * stands for anything.
func like(text, pattern string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	for i, part := range parts {
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
		if i == len(parts)-1 && part != "" && text != "" {
			return false
		}
	}
	return true
}

func TestScriptsMadeInGoAreChecked(t *testing.T) {
	for name, rule := range map[string]fault.Rule{
		"no fault":         {},
		"negative delay":   {Faults: []fault.Fault{fault.Delay{A: -1}}},
		"unknown status":   {Faults: []fault.Fault{fault.Error{Status: usb.EPIPE}}},
		"wrong place":      {On: fault.Selector{Connections: true}, Faults: []fault.Fault{fault.Stall{}}},
		"connection fault": {Faults: []fault.Fault{fault.Cut{}}},
		"negative size":    {Faults: []fault.Fault{fault.Short{-1}}},
		"empty range":      {On: fault.Selector{From: 3, To: 2}, Faults: []fault.Fault{fault.NAK{}}},
		"probability":      {On: fault.Selector{Chance: 200}, Faults: []fault.Fault{fault.NAK{}}},
		"empty split":      {On: fault.Selector{Connections: true}, Faults: []fault.Fault{fault.Split{}}},
		"no rest":          {On: fault.Selector{Connections: true}, Faults: []fault.Fault{fault.SlowReader{Bytes: 1}}},
	} {
		script := fault.Script{Rules: []fault.Rule{rule}}
		if err := fault.New(fault.Options{}).Load(script); !errors.Is(err, fault.ErrScript) || !strings.Contains(err.Error(), "rule 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnknownCommandsAreRefused(t *testing.T) {
	names := func(name string) (func([]byte) bool, error) {
		return nil, errors.New("no command " + name)
	}
	script := fault.Script{Rules: []fault.Rule{{Line: 7, On: fault.Selector{Command: "sgin"}, Faults: []fault.Fault{fault.NAK{}}}}}
	for _, commands := range []fault.Commands{nil, names} {
		err := fault.New(fault.Options{Commands: commands}).Load(script)
		if !errors.Is(err, fault.ErrScript) || !strings.Contains(err.Error(), "line 7") {
			t.Error(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	for line := range strings.Lines(whole) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := fault.Parse(text)
		if err != nil {
			if !errors.Is(err, fault.ErrScript) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if err := s.Check(); err != nil {
			t.Errorf("%q was read, but %v", text, err)
		}
		roundTrip(t, s)
	})
}
