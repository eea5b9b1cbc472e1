package person_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// played is a device that shows one screen after the other, whatever is done, and
// notes that.
type played struct {
	screens []touchscreen.Screen
	done    []string
	cannot  string // an act that fails
}

var errPlay = errors.New("it cannot be done")

func (p *played) Look(_ context.Context, number uint64) (person.Seen, error) {
	if int(number) == len(p.screens) {
		return person.Seen{}, context.Canceled
	}
	return person.Seen{Screen: p.screens[number], Number: number + 1}, nil
}

func (p *played) note(what string) error {
	p.done = append(p.done, what)
	if what == p.cannot {
		return errPlay
	}
	return nil
}

func (p *played) Answer(_ context.Context, s person.Seen, a person.Act) error {
	return p.note(s.ID + ": " + string(a.Verb))
}
func (p *played) Insert(_ context.Context, key string) error  { return p.note("insert " + key) }
func (p *played) Remove(context.Context) error                { return p.note("remove") }
func (p *played) Bring(_ context.Context, k person.Key) error { return p.note("bring " + k.Name) }

func (p *played) Mishap(_ context.Context, s person.Seen, a person.Act) error {
	return p.note(s.ID + ": " + a.String())
}

func screen(id string, text ...string) touchscreen.Screen {
	return touchscreen.Screen{ID: id, Kind: touchscreen.YesNo, Title: "Title", Text: text}
}

func TestTheFirstRuleThatFitsAndIsNotUsedUpCounts(t *testing.T) {
	p := &played{screens: []touchscreen.Screen{screen("a"), screen("a"), screen("a"), screen("b", "for the CO"), screen("b", "for the PO"), {ID: "home"}, {ID: "w", Kind: touchscreen.Progress}}}
	script, err := person.Parse("key k\nonce a: yes\nonce a: remove, insert k\nwhen a: no\nwhen b \"Title\" \"CO\": cancel\nwhen b: wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&person.Person{Script: script, Hands: p}).Attend(t.Context()); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if want := []string{"bring k", "a: yes", "remove", "insert k", "a: no", "b: cancel"}; !slices.Equal(p.done, want) {
		t.Errorf("done %q, want %q", p.done, want)
	}
}

func TestWhatAPersonCannotDoEndsTheirWork(t *testing.T) {
	for text, cannot := range map[string]string{"when a: insert k": "insert k", "when a: remove": "remove", "when a: yes": "a: yes", "key k": "bring k", "when a: lose k": "a: lose k"} {
		script, err := person.Parse(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := &played{screens: []touchscreen.Screen{screen("a")}, cannot: cannot}
		if err := (&person.Person{Script: script, Hands: p}).Attend(t.Context()); !errors.Is(err, errPlay) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestUnexpectedScreensAreLeftToWhoAsksForThem(t *testing.T) {
	p := &played{screens: []touchscreen.Screen{screen("a"), screen("b"), screen("c")}}
	script, err := person.Parse("when b: power-off", nil)
	if err != nil {
		t.Fatal(err)
	}
	somebody := person.Person{Script: script, Hands: p, Unexpected: func(s person.Seen) error {
		if s.ID == "c" {
			return errPlay
		}
		return p.note("what is " + s.ID)
	}}
	if err := somebody.Attend(t.Context()); !errors.Is(err, errPlay) {
		t.Errorf("error %v", err)
	}
	if want := []string{"what is a", "b: power-off"}; !slices.Equal(p.done, want) {
		t.Errorf("done %q, want %q", p.done, want)
	}
}

// TestAMessageAboutAScreenHoldsNoSecret: the one about a screen that the script does
// not know ends up in logs.
func TestAMessageAboutAScreenHoldsNoSecret(t *testing.T) {
	revealed := screen("reveal", "For the Crypto Officer:", "ABCD-EFGH")
	revealed.Kind = touchscreen.Prompt
	err := (&person.Person{Hands: &played{screens: []touchscreen.Screen{revealed}}}).Attend(t.Context())
	if !errors.Is(err, person.ErrUnexpected) || strings.Contains(err.Error(), "ABCD") {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"For the Crypto Officer:", `"when reveal: ok"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
