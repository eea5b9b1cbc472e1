package ceremony

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// custodians is a ceremony with a keyset.
const custodians = `title: T
people: [{id: a, name: A}, {id: b, name: B}]
keysets:
  - {id: so, for: HSM Security Officer, sticker: blue, open: 2, keys: [{key: k1, holder: a, pin: "4711"}, {key: k2, holder: b}, {key: k3, holder: b}]}
steps:
  - {step: make, title: Make, host: hsm init, makes: [so]}
  - {step: use, title: Use, host: info, presents: [{keyset: so, with: [k3, k1]}], device: ['when confirm: yes']}
  - {step: talk, title: Talk}
faults:
  - {fault: first, at: use, people: ['once present/insert: leave'], fails: {exit: 5}}
  - {fault: one well, at: use, people: ['once present/insert: insert k2']}
  - {fault: another well, at: use, before: [lose k3], presents: [so]}
`

func parsed(t *testing.T) *Ceremony {
	t.Helper()
	c, err := Parse([]byte(custodians), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines writes the rules that a step must follow.
func lines(s script) (all []string) {
	for _, r := range s.Rules[:s.planned] {
		line := r.Screen
		for _, says := range r.Says {
			line += fmt.Sprintf(" %q", says)
		}
		for _, act := range r.Do {
			line += ": " + act.String()
		}
		all = append(all, line)
	}
	return all
}

func TestKeysetsBecomeRules(t *testing.T) {
	c := parsed(t)
	for _, test := range []struct {
		step  int
		fault *Fault
		want  []string
	}{
		{0, nil, []string{
			`create/reuse "HSM Security Officer": no`, `create/m "HSM Security Officer": number 2`, `create/n "HSM Security Officer": number 3`,
			`write/insert "iKey 1 of 3 for the HSM Security Officer": insert k1`,
			`write/insert "iKey 2 of 3 for the HSM Security Officer": insert k2`,
			`write/insert "iKey 3 of 3 for the HSM Security Officer": insert k3`,
		}},
		{1, nil, []string{
			`confirm: yes`, `present/insert "HSM Security Officer": insert k3`, `present/next "HSM Security Officer" "1 of 2 are read": insert k1`,
		}},
		{2, nil, nil},
		{1, &c.Faults[0], []string{`present/insert: leave`}},
		{1, &c.Faults[1], []string{`present/insert: insert k2`}},
		{1, &c.Faults[2], []string{
			`confirm: yes`, `present/insert "HSM Security Officer": insert k1`, `present/next "HSM Security Officer" "1 of 2 are read": insert k2`,
		}},
	} {
		s, err := c.script(c.Steps[test.step], test.fault)
		if got := lines(s); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("step %d, fault %v:\n%q, %v\nwant\n%q", test.step, test.fault, got, err, test.want)
		}
	}
}

func TestWhoActsHoldsTheKeysUnlessTheStepSays(t *testing.T) {
	c := parsed(t)
	s, err := c.script(c.Steps[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	if who := c.holders(c.Steps[1], s.Rules); !slices.Equal(who, []string{"b", "a"}) {
		t.Errorf("who acts: %q", who)
	}
	if who := c.holders(Step{Who: []string{"a"}}, s.Rules); !slices.Equal(who, []string{"a"}) {
		t.Errorf("who is said to act: %q", who)
	}
}

// A rehearsal begins anew only where two faults of a step end well.
func TestPassesOfARehearsal(t *testing.T) {
	c := parsed(t)
	all := passes(slices.Concat(c.usualFaults(), c.Faults))
	var counts []int
	for _, pass := range all {
		well := map[string]int{}
		for _, f := range pass {
			if f.Fails == nil {
				well[f.At]++
			}
		}
		if well["use"] > 1 {
			t.Errorf("%d faults of a step end well in one pass", well["use"])
		}
		counts = append(counts, len(pass))
	}
	if !slices.Equal(counts, []int{8, 1}) {
		t.Errorf("the passes have %d faults", counts)
	}
	if first := of(c.Steps[1], all[0]); first[len(first)-1].Fails != nil {
		t.Error("what ends well does not come last")
	}
}

func TestWordsOfACommandLine(t *testing.T) {
	for line, want := range map[string][]string{
		"":                             nil,
		"  a  b\n c ":                  {"a", "b", "c"},
		`cert --cn "A B" --org 'C "D'`: {"cert", "--cn", "A B", "--org", `C "D`},
		`a '' b`:                       {"a", "", "b"},
		`--x="y z"`:                    {"--x=y z"},
	} {
		if got, err := words(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
	if _, err := words(`a "b`); !errors.Is(err, errQuote) {
		t.Errorf("an open quotation mark: %v", err)
	}
}

func TestNoPINIsSaid(t *testing.T) {
	h := newRecorder(&Runner{Ceremony: parsed(t)})
	for _, test := range []struct {
		key  string
		act  person.Act
		want string
	}{
		{"k1", ownPIN, "enters the PIN"},
		{"k2", ownPIN, "sets no PIN"},
		{"k2", person.Act{Verb: person.Type, Text: "4711"}, "enters digits"},
		{"", person.Act{Verb: person.Insert, Text: "k1"}, "inserts k1"},
		{"", person.Act{Verb: person.Number, Number: 3}, "sets 3"},
		{"", person.Act{Verb: person.Yes}, "says yes"},
	} {
		h.key = test.key
		if got := h.says(test.act); got != test.want {
			t.Errorf("%s with %q: %q, want %q", test.act, test.key, got, test.want)
		}
	}
}

// A screen for which a step has a plan must be shown.
func TestWhatWasNotShownIsMissing(t *testing.T) {
	c := parsed(t)
	s, err := c.script(c.Steps[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	h := newRecorder(&Runner{Ceremony: c})
	h.followed = map[string]bool{}
	for _, r := range s.Rules[:s.planned-1] {
		h.followed[ruleID(r)] = true
	}
	if err := h.missing(s); !errors.Is(err, ErrDeparted) {
		t.Errorf("the last iKey was not asked for: %v", err)
	}
	h.followed[ruleID(s.Rules[s.planned-1])] = true
	if err := h.missing(s); err != nil {
		t.Errorf("all was shown: %v", err)
	}
	h.run.ByHand = true
	h.followed = nil
	if err := h.missing(s); err != nil {
		t.Errorf("people may do as they like: %v", err)
	}
}

func TestWhoActsAtAScreen(t *testing.T) {
	h := newRecorder(&Runner{Ceremony: parsed(t)})
	for _, test := range []struct {
		screen touchscreen.Screen
		acts   []person.Act
		want   bool
	}{
		{touchscreen.Screen{ID: "write/insert", Kind: touchscreen.Prompt}, []person.Act{{Verb: person.Insert, Text: "k1"}}, true},
		{touchscreen.Screen{ID: "read/pin", Kind: touchscreen.PIN}, nil, true},
		{touchscreen.Screen{ID: "write/blank", Kind: touchscreen.YesNo}, []person.Act{{Verb: person.Yes}}, true},
		{touchscreen.Screen{ID: "create/m", Kind: touchscreen.Number}, []person.Act{{Verb: person.Number, Number: 2}}, false},
	} {
		if got := h.concerns(person.Seen{Screen: test.screen}, test.acts); got != test.want {
			t.Errorf("%s concerns who holds the iKey: %v", test.screen.ID, got)
		}
	}
}
