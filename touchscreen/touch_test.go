package touchscreen_test

import (
	"image"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"usbhsm7/touchscreen"
)

// tap touches the middle of what has a name.
func tap(t testing.TB, p *touchscreen.Panel, name string) {
	t.Helper()
	for _, c := range p.Frame().Controls {
		if c.Name == name {
			middle := c.Area.Min.Add(c.Area.Max).Div(2)
			p.Touch(middle.X, middle.Y)
			return
		}
	}
	t.Fatalf("there is no %q on: %s", name, p.Text())
}

func TestFingersAnswer(t *testing.T) {
	tests := []struct {
		name   string
		screen touchscreen.Screen
		touch  []string
		want   touchscreen.Answer
	}{
		{"menu", touchscreen.Screen{}, []string{"Menu"}, touchscreen.Answer{}},
		{"OK", touchscreen.Screen{Kind: touchscreen.Prompt}, []string{"OK"}, touchscreen.Answer{}},
		{"cancel", touchscreen.Screen{Kind: touchscreen.Prompt, Cancel: true}, []string{"Cancel"}, touchscreen.Answer{Action: touchscreen.Cancel}},
		{"yes", touchscreen.Screen{Kind: touchscreen.YesNo}, []string{"Yes"}, touchscreen.Answer{Action: touchscreen.Yes}},
		{"no", touchscreen.Screen{Kind: touchscreen.YesNo}, []string{"No"}, touchscreen.Answer{Action: touchscreen.No}},
		{"item", touchscreen.Screen{Kind: touchscreen.List, Items: []string{"one", "two"}}, []string{"two"}, touchscreen.Answer{Item: 1}},
		{
			"item out of sight",
			touchscreen.Screen{Kind: touchscreen.List, Items: append(items(15, "key"), "last")},
			[]string{"Items after these", "Items after these", "last"},
			touchscreen.Answer{Item: 15},
		},
		{"number", touchscreen.Screen{Kind: touchscreen.Number, Min: 1, Max: 3, Value: 1}, []string{"One more", "One more", "One less", "OK"}, touchscreen.Answer{Number: 2}},
		{"PIN", touchscreen.Screen{Kind: touchscreen.PIN, Min: 2, Max: 3}, []string{"9", "0", "Erase the last digit", "8", "OK"}, touchscreen.Answer{Digits: []byte("98")}},
		{"no PIN", touchscreen.Screen{Kind: touchscreen.PIN, Max: 3}, []string{"OK"}, touchscreen.Answer{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPanel(t)
			p.Show(test.screen)
			for _, name := range test.touch {
				tap(t, p, name)
			}
			got, ok := answer(p)
			if !ok || got.Action != test.want.Action || got.Item != test.want.Item || got.Number != test.want.Number || string(got.Digits) != string(test.want.Digits) {
				t.Errorf("answer %+v (%t), want %+v", got, ok, test.want)
			}
		})
	}
}

func TestFingerThatSlidesAwayTouchesNothing(t *testing.T) {
	p := newPanel(t)
	p.Show(touchscreen.Screen{Kind: touchscreen.Prompt})
	ok, aside := image.Pt(240, 740), image.Pt(240, 400)
	slide := func(from, to image.Point) bool {
		p.Do(touchscreen.Input{Phase: touchscreen.Down, At: from})
		p.Do(touchscreen.Input{Phase: touchscreen.Up, At: to})
		_, answered := answer(p)
		return answered
	}
	if slide(ok, aside) || slide(aside, ok) {
		t.Error("answered by a finger that was not on OK all the time")
	}
	if !slide(ok, ok.Add(image.Pt(9, 9))) {
		t.Error("not answered by a finger on OK")
	}
}

// TestEverythingCanBeTouchedAndNothingTwice holds for every screen of the gallery.
func TestEverythingCanBeTouchedAndNothingTwice(t *testing.T) {
	const finger = 48 // pixels
	for _, s := range gallery {
		controls := s.draw(t).Frame().Controls
		for i, c := range controls {
			if !c.Area.In(image.Rect(0, 0, touchscreen.Width, touchscreen.Height)) || c.Area.Dx() < finger || c.Area.Dy() < finger {
				t.Errorf("%s: %q is at %v", s.name, c.Name, c.Area)
			}
			for _, other := range controls[:i] {
				if c.Area.Overlaps(other.Area) {
					t.Errorf("%s: %q and %q overlap", s.name, c.Name, other.Name)
				}
			}
		}
	}
}

func TestAnswerBelongsToTheScreenItWasGivenTo(t *testing.T) {
	p := newPanel(t)
	first := touchscreen.Screen{Kind: touchscreen.PIN, Title: "first", Min: 1, Max: 4}
	p.Show(first)
	p.Press("1")
	p.Press("Enter")
	p.Press("2")
	p.Press("Enter") // ignored: the screen has its answer
	if got, ok := answer(p); !ok || string(got.Digits) != "1" {
		t.Errorf("answer %+v", got)
	}
	if got, ok := answer(p); ok {
		t.Errorf("a second answer %+v", got)
	}
	p.Show(first)
	p.Press("3")
	p.Press("Enter")
	p.Show(touchscreen.Screen{Kind: touchscreen.YesNo, Title: "second"})
	if got, ok := answer(p); ok {
		t.Errorf("answer %+v to a screen that was replaced", got)
	}
	if p.Shown().Title != "second" {
		t.Errorf("shown is %+v", p.Shown())
	}
}

// TestNothingTellsThePIN: whichever digits are typed, picture, text and what can
// be touched are the same, with a finger still on the key too.
func TestNothingTellsThePIN(t *testing.T) {
	see := func(key string) touchscreen.Frame {
		p := newPanel(t)
		p.Show(touchscreen.Screen{Kind: touchscreen.PIN, Title: "PIN", Min: 4, Max: 8, Cancel: true})
		p.Press(key)
		tap(t, p, key)
		for _, c := range p.Frame().Controls {
			if c.Name == key {
				p.Do(touchscreen.Input{Phase: touchscreen.Down, At: c.Area.Min})
			}
		}
		return p.Frame()
	}
	zero := see("0")
	for _, key := range strings.Split("123456789", "") {
		f := see(key)
		if different(f.Image, zero.Image) > 0 || f.Text != zero.Text || len(f.Controls) != len(zero.Controls) {
			t.Errorf("%s is seen to be typed", key)
		}
	}
}

func TestTwoFingersAtOnceGiveOneAnswer(t *testing.T) {
	p := newPanel(t)
	for range 50 {
		p.Show(touchscreen.Screen{Kind: touchscreen.YesNo})
		var fingers sync.WaitGroup
		for _, key := range []string{"y", "n", "y", "n"} {
			fingers.Go(func() { p.Press(key) })
		}
		fingers.Wait()
		if _, ok := answer(p); !ok {
			t.Fatal("no answer")
		}
		if a, ok := answer(p); ok {
			t.Fatalf("another answer: %+v", a)
		}
	}
}

func TestChangesAreTold(t *testing.T) {
	p := newPanel(t)
	p.Show(touchscreen.Screen{Kind: touchscreen.PIN, Min: 4, Max: 8})
	before, next := p.Changed()
	picture := p.Frame().Image
	p.Press("x")
	p.Touch(1, 1)
	if now, _ := p.Changed(); now != before || p.Frame().Image != picture {
		t.Error("a change was told of, or drawn, where there was none")
	}
	p.Press("1")
	select {
	case <-next:
	default:
		t.Error("a digit was typed and nobody was told")
	}
	if now, _ := p.Changed(); now <= before || p.Frame().Image == picture {
		t.Error("nothing changed when a digit was typed")
	}
}

func TestTimeLeftFollowsTheClock(t *testing.T) {
	at := now
	p, err := touchscreen.New(func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	p.Show(touchscreen.Screen{Kind: touchscreen.Prompt, Title: "Insert", Until: now.Add(2 * time.Minute)})
	for _, step := range []struct {
		after time.Duration
		says  string
	}{
		{0, "Less than 2 minutes left."},
		{30 * time.Second, "Less than 2 minutes left."},
		{60 * time.Second, "Less than a minute left."},
		{110 * time.Second, "Little time left."},
		{3 * time.Minute, "Little time left."},
	} {
		before := p.Frame().Image
		at = now.Add(step.after)
		f := p.Frame()
		if !strings.HasSuffix(f.Text, step.says) || !f.Timed || f.Image == before && step.after > 0 {
			t.Errorf("after %v: %q, timed %t, drawn anew %t", step.after, f.Text, f.Timed, f.Image != before)
		}
	}
}

func TestScriptsAnswerOnlyWhatFingersCould(t *testing.T) {
	pin := touchscreen.Screen{Kind: touchscreen.PIN, Min: 4, Max: 6, Cancel: true}
	list := touchscreen.Screen{Kind: touchscreen.List, Items: items(16, "key")}
	number := touchscreen.Screen{Kind: touchscreen.Number, Min: 2, Max: 16}
	tests := []struct {
		name   string
		screen touchscreen.Screen
		answer touchscreen.Answer
		want   bool
	}{
		{"PIN", pin, touchscreen.Answer{Digits: []byte("1234")}, true},
		{"PIN too short", pin, touchscreen.Answer{Digits: []byte("123")}, false},
		{"PIN too long", pin, touchscreen.Answer{Digits: []byte("1234567")}, false},
		{"PIN of letters", pin, touchscreen.Answer{Digits: []byte("12a4")}, false},
		{"cancel", pin, touchscreen.Answer{Action: touchscreen.Cancel}, true},
		{"yes to a PIN", pin, touchscreen.Answer{Action: touchscreen.Yes}, false},
		{"last item", list, touchscreen.Answer{Item: 15}, true},
		{"no item", list, touchscreen.Answer{Item: 16}, false},
		{"item before the first", list, touchscreen.Answer{Item: -1}, false},
		{"number", number, touchscreen.Answer{Number: 16}, true},
		{"number too small", number, touchscreen.Answer{Number: 1}, false},
		{"OK", touchscreen.Screen{Kind: touchscreen.Status}, touchscreen.Answer{}, true},
		{"cancel without a way out", touchscreen.Screen{Kind: touchscreen.Status}, touchscreen.Answer{Action: touchscreen.Cancel}, false},
		{"OK to a question", touchscreen.Screen{Kind: touchscreen.YesNo}, touchscreen.Answer{}, false},
		{"OK to progress", touchscreen.Screen{Kind: touchscreen.Progress}, touchscreen.Answer{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPanel(t)
			p.Show(test.screen)
			if got := p.Answer(test.answer); got != test.want {
				t.Fatalf("given: %t", got)
			}
			if _, ok := answer(p); ok != test.want {
				t.Errorf("answered: %t", ok)
			}
			if test.want && p.Answer(test.answer) {
				t.Error("given twice")
			}
		})
	}
}

func TestFits(t *testing.T) {
	p := newPanel(t)
	for _, s := range gallery {
		if want := s.name != "prompt-longest" && !strings.HasPrefix(s.name, "list-16"); p.Fits(s.screen) != want {
			t.Errorf("%s fits: %t", s.name, !want)
		}
	}
}

var someScreen = rapid.Custom(func(t *rapid.T) touchscreen.Screen {
	text := rapid.StringN(0, 60, 200)
	return touchscreen.Screen{
		Kind:   touchscreen.Kind(rapid.IntRange(0, int(touchscreen.Off)+1).Draw(t, "kind")),
		Icon:   touchscreen.Icon(rapid.IntRange(0, int(touchscreen.Warning)+1).Draw(t, "icon")),
		Title:  text.Draw(t, "title"),
		Text:   rapid.SliceOfN(text, 0, 6).Draw(t, "text"),
		Items:  rapid.SliceOfN(text, 0, 20).Draw(t, "items"),
		Min:    rapid.IntRange(-2, 20).Draw(t, "min"),
		Max:    rapid.IntRange(-2, 60).Draw(t, "max"),
		Value:  rapid.IntRange(-200, 200).Draw(t, "value"),
		Cancel: rapid.Bool().Draw(t, "cancel"),
		Unit:   touchscreen.Unit{Label: text.Draw(t, "label"), State: text.Draw(t, "state"), Banner: text.Draw(t, "banner")},
	}
})

var someInput = rapid.Custom(func(t *rapid.T) touchscreen.Input {
	return touchscreen.Input{
		Phase: touchscreen.Phase(rapid.IntRange(0, int(touchscreen.Stroke)+1).Draw(t, "phase")),
		At:    image.Pt(rapid.IntRange(-10, touchscreen.Width+10).Draw(t, "x"), rapid.IntRange(-10, touchscreen.Height+10).Draw(t, "y")),
		Key:   rapid.SampledFrom([]string{"", "1", "9", "Enter", "Tab", "ArrowUp", "ArrowDown", "Backspace", "PageUp", "PageDown", "y"}).Draw(t, "key"),
	}
})

// TestAnyScreenAndAnyHands: whatever is shown and whatever is done, there is at
// most one answer, and it is one that the screen allows.
func TestAnyScreenAndAnyHands(t *testing.T) {
	p := newPanel(t)
	rapid.Check(t, func(t *rapid.T) {
		s := someScreen.Draw(t, "screen")
		p.Show(s)
		answers := 0
		for range rapid.IntRange(0, 30).Draw(t, "inputs") {
			p.Do(someInput.Draw(t, "input"))
			a, ok := answer(p)
			if !ok {
				continue
			}
			answers++
			switch {
			case s.Kind == touchscreen.Progress && !s.Cancel, s.Kind >= touchscreen.Off:
				t.Fatalf("an answer where nothing is asked: %+v", a)
			case a.Action == touchscreen.Cancel && !s.Cancel && s.Kind != touchscreen.List:
				t.Fatalf("out where there is no way out")
			case a.Action == touchscreen.OK && s.Kind == touchscreen.List && (a.Item < 0 || a.Item >= len(s.Items)):
				t.Fatalf("item %d of %d", a.Item, len(s.Items))
			case len(a.Digits) > max(0, s.Max) || len(a.Digits) > touchscreen.MaxDigits:
				t.Fatalf("%d digits of %d", len(a.Digits), s.Max)
			case a.Action == touchscreen.OK && s.Kind == touchscreen.Number && s.Min <= s.Max && (a.Number < s.Min || a.Number > s.Max):
				t.Fatalf("number %d of %d to %d", a.Number, s.Min, s.Max)
			}
		}
		if answers > 1 {
			t.Fatalf("%d answers", answers)
		}
		_ = p.Text()
	})
}

func BenchmarkFrame(b *testing.B) {
	for _, s := range gallery {
		switch s.name {
		case "home-tampered", "list-16", "pin-typed", "prompt-longest":
			b.Run(s.name, func(b *testing.B) {
				p := newPanel(b)
				for b.Loop() {
					p.Show(s.screen)
					p.Frame()
				}
			})
		}
	}
}
