package dialogue

import (
	"slices"
	"strings"
	"testing"

	"usbhsm7/touchscreen"
)

// answersOf are the events that a screen must be able to bring.
func answersOf(s *step, row screen) []event {
	var want []event
	switch row.kind {
	case touchscreen.YesNo:
		want = []event{evYes, evNo}
	case touchscreen.List:
		want = slices.Clone(s.items)
	case touchscreen.PIN, touchscreen.Number:
		want = []event{evGiven}
	default:
		want = []event{evOK}
		if s.asksForKey() {
			want = []event{evKey, evNoKey}
		}
	}
	if s.port {
		want = append(want, evKey)
	}
	if row.cancel {
		want = append(want, evCancel)
	}
	if row.kind != touchscreen.Home {
		want = append(want, evLate)
	}
	if s.idle {
		want = append(want, evCalled)
	}
	return append(want, evGone)
}

func TestEveryAnswerToAScreenLeadsSomewhere(t *testing.T) {
	for _, d := range dialogues {
		for i := range d.steps {
			s := &d.steps[i]
			if s.work != nil {
				continue
			}
			for _, on := range answersOf(s, (&talk{ask: "present/insert"}).row(s)) {
				if _, ok := d.next(s.state, on); !ok {
					t.Errorf("%s, %s: %s leads nowhere", d.name, s.state, on)
				}
			}
		}
	}
}

func TestEveryMoveIsBetweenStatesOfItsDialogue(t *testing.T) {
	for _, d := range dialogues {
		var reached []state
		for _, m := range d.moves {
			if _, ok := d.step(m.from); !ok && m.from != anywhere {
				t.Errorf("%s: a move from %s, which is no state", d.name, m.from)
			}
			_, isState := d.step(m.to)
			if _, isEnd := ends[m.to]; !isState && !isEnd {
				t.Errorf("%s: a move to %s, which is no state", d.name, m.to)
			}
			reached = append(reached, m.to)
		}
		for _, s := range d.steps[1:] {
			if !slices.Contains(reached, s.state) {
				t.Errorf("%s: nothing leads to %s", d.name, s.state)
			}
		}
	}
}

func TestNoMoveIsHiddenByAnother(t *testing.T) {
	for _, d := range dialogues {
		for i, m := range d.moves {
			for _, before := range d.moves[:i] {
				if m.on == before.on && (m.from == before.from || before.from == anywhere) {
					t.Errorf("%s: %s on %s leads to %s before it leads to %s", d.name, m.from, m.on, before.to, m.to)
				}
			}
		}
	}
}

func TestEveryScreenIsInTheTableOnceAndUsed(t *testing.T) {
	used := map[screenID]bool{"present/insert": true, "present/next": true, "duplicate/insert": true}
	for _, d := range dialogues {
		for _, s := range d.steps {
			used[s.show] = true
		}
	}
	seen := map[screenID]bool{scAsk: true}
	for _, row := range screens {
		if seen[row.id] {
			t.Errorf("there are two screens %s", row.id)
		}
		if seen[row.id] = true; !used[row.id] {
			t.Errorf("no dialogue shows %s", row.id)
		}
	}
	for id := range used {
		if id != "" && !seen[id] {
			t.Errorf("there is no screen %s", id)
		}
	}
}

func TestNoWordInBracesIsLeftOnAScreen(t *testing.T) {
	desk := New(Config{Clock: stopped{}})
	for _, row := range screens {
		for _, text := range append([]string{row.title}, row.text...) {
			if said := (&talk{Desk: desk}).words().Replace(text); strings.ContainsAny(said, "{}") {
				t.Errorf("%s says %q", row.id, said)
			}
		}
	}
}
