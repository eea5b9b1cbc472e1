package server_test

import (
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"

	"usbhsm7/usbip/fault"
	"usbhsm7/usbip/oracle"
	"usbhsm7/usbip/usb"
)

// TestNoFaultScriptMakesTheServerHarmAHost runs random schedules while a random
// fault script, out of everything that an injector takes, is in force. The host
// may meet any failure, but nothing that Linux's vhci driver does not bear.
func TestNoFaultScriptMakesTheServerHarmAHost(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") }
		s := schedule{options: wide, faults: drawFaults(pick)}
		if pick(2) == 1 {
			s.options = tight
		}
		for range 20 + pick(maxSteps) {
			s.script = append(s.script, drawStep(pick))
		}
		if err := play(t, s); err != nil {
			r.Fatalf("%v\nwith the faults:\n%s\nof the script:\n%s", err, s.faults, s.script)
		}
	})
}

// TestFaultsOfRandomScriptsHappen tests the test above: in such schedules every
// kind of fault fires.
func TestFaultsOfRandomScriptsHappen(t *testing.T) {
	const enough = 150
	reached := tally{}
	for seed := range uint64(enough) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := schedule{script: randomScript(seed), options: wide, faults: drawFaults(random.IntN), tally: reached}
		if err := play(t, s); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	for _, f := range append(transferFaults(), connectionFaults()...) {
		if reached[f.String()] == 0 {
			t.Errorf("%v never fired in %d schedules", f, enough)
		}
	}
}

// inject puts faults between the recorder and the gadget, and returns the listener
// for the server.
func (r *run) inject(s *fault.Script) (net.Listener, error) {
	if s == nil {
		return r.listener, nil
	}
	r.faults, r.script = fault.New(fault.Options{}), s
	r.recorder = &oracle.Recorder{Port: r.faults.Port(r.gadget)}
	return r.faults.Listener(r.listener), r.faults.Load(*s)
}

func transferFaults() []fault.Fault {
	return []fault.Fault{
		fault.Delay{A: 5 * time.Millisecond},
		fault.Delay{Distribution: fault.Exponential, A: 300 * time.Millisecond},
		fault.NAK{},
		fault.NAK{For: time.Second},
		fault.Stall{},
		fault.Stall{Once: true},
		fault.Short{},
		fault.Short{Bytes: 512},
		fault.Short{Bytes: 7},
		fault.ZeroLength{},
		fault.Error{Status: usb.EPROTO},
		fault.Error{Status: usb.EOVERFLOW, After: 600},
		fault.Error{Status: usb.ETIME, After: 1 << 20},
		fault.Corrupt{Bits: 3},
		fault.Reset{},
		fault.Reorder{Behind: 2},
		fault.Reorder{Behind: 30, Within: time.Second},
		fault.Disconnect{},
		fault.Disconnect{After: 1000, Plug: 50 * time.Millisecond},
	}
}

// connectionFaults are not so slow that the server takes an early UNLINK for that
// of an old URB.
func connectionFaults() []fault.Fault {
	return []fault.Fault{
		fault.Split{Least: 1, Most: 1},
		fault.Split{Least: 1, Most: 100},
		fault.Bandwidth{Rate: 10_000_000},
		fault.SlowReader{Bytes: 1000, Rest: time.Millisecond},
		fault.Cut{After: 4000},
	}
}

// drawFaults makes a script of choices: pick returns one of n.
func drawFaults(pick func(n int) int) *fault.Script {
	s := &fault.Script{Seed: uint64(pick(1000))}
	for range 1 + pick(6) {
		rule := fault.Rule{On: drawNumbers(pick)}
		kinds := transferFaults()
		if rule.On.Connections = pick(5) == 4; rule.On.Connections {
			kinds = connectionFaults()
		} else {
			drawPlace(&rule.On, pick)
		}
		rule.Faults = []fault.Fault{kinds[pick(len(kinds))]}
		s.Rules = append(s.Rules, rule)
	}
	return s
}

func drawPlace(s *fault.Selector, pick func(n int) int) {
	switch pick(4) {
	case 1:
		s.Endpoint = uint8(dataOnes[pick(len(dataOnes))])
	case 2:
		s.Type = fault.Type(pick(5))
	case 3:
		s.Direction = fault.Direction(pick(3))
	}
}

func drawNumbers(pick func(n int) int) (s fault.Selector) {
	switch pick(5) {
	case 1:
		s.From = uint64(1 + pick(20))
		s.To = s.From + uint64(pick(3))
	case 2:
		s.Every = uint64(1 + pick(10))
	case 3:
		s.Chance = fault.Percent(1 + pick(50))
	case 4:
		s.Times = uint64(1 + pick(5))
	}
	return s
}
