package person_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// kinds are the screens that can be answered.
var kinds = []touchscreen.Kind{
	touchscreen.Home, touchscreen.List, touchscreen.Prompt, touchscreen.PIN, touchscreen.YesNo,
	touchscreen.Number, touchscreen.Status, touchscreen.Failure,
}

// TestStrokesGiveTheAnswerOnARealPanel: whatever the screen, the keys that Strokes
// names give the answer that was meant.
func TestStrokesGiveTheAnswerOnARealPanel(t *testing.T) {
	panel, err := touchscreen.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		screen, act := anyScreen(t), anyAct(t)
		panel.Show(screen)
		strokes, err := person.Strokes(screen, act)
		if err != nil {
			if !errors.Is(err, person.ErrAnswer) {
				t.Fatal(err)
			}
			return
		}
		for _, key := range strokes {
			panel.Press(key)
		}
		select {
		case got := <-panel.Answers():
			if want := meant(screen, act); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s at %+v: %+v, want %+v", act, screen, got, want)
			}
		default:
			t.Fatalf("%s at %+v: no answer", act, screen)
		}
	})
}

func anyScreen(t *rapid.T) touchscreen.Screen {
	s := touchscreen.Screen{ID: "x", Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Title: "Title", Cancel: rapid.Bool().Draw(t, "cancel")}
	s.Items = slices.Repeat([]string{"item"}, rapid.IntRange(1, 16).Draw(t, "items"))
	s.Min = rapid.IntRange(0, 8).Draw(t, "min")
	s.Max = rapid.IntRange(max(s.Min, 1), 16).Draw(t, "max")
	s.Value = rapid.IntRange(s.Min, s.Max).Draw(t, "value")
	return s
}

func anyAct(t *rapid.T) person.Act {
	return person.Act{
		Verb:   rapid.SampledFrom([]person.Verb{person.OK, person.Yes, person.No, person.Cancel, person.Type, person.Number, person.Choose}).Draw(t, "verb"),
		Number: rapid.IntRange(0, 17).Draw(t, "number"),
		Text:   rapid.StringMatching("[0-9]{0,16}").Draw(t, "digits"),
	}
}

// meant is the answer that an act is.
func meant(s touchscreen.Screen, a person.Act) touchscreen.Answer {
	switch a.Verb {
	case person.Yes:
		return touchscreen.Answer{Action: touchscreen.Yes}
	case person.No:
		return touchscreen.Answer{Action: touchscreen.No}
	case person.Cancel:
		return touchscreen.Answer{Action: touchscreen.Cancel}
	case person.Type:
		return touchscreen.Answer{Digits: []byte(a.Text)}
	case person.Number:
		return touchscreen.Answer{Number: a.Number}
	case person.Choose:
		return touchscreen.Answer{Item: a.Number - 1}
	}
	switch s.Kind {
	case touchscreen.Number:
		return touchscreen.Answer{Number: s.Value}
	case touchscreen.PIN:
		return touchscreen.Answer{Digits: []byte{}}
	}
	return touchscreen.Answer{}
}
