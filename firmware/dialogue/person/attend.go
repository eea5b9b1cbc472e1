package person

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usbhsm7/touchscreen"
)

// ErrUnexpected says that a screen was shown for which the script has no rule.
var ErrUnexpected = errors.New("the script does not know what to do")

// Seen is a screen as the person sees it.
type Seen struct {
	touchscreen.Screen
	Number uint64 // of screens shown so far, this one included
}

// secretScreen shows a challenge secret, below a line that says whose it is.
const secretScreen = "reveal"

// Public returns the text on the screen that records and messages may repeat, and
// whether that is all of it: there is no challenge secret.
func (s Seen) Public() (text []string, all bool) {
	if s.ID == secretScreen {
		return s.Text[:min(1, len(s.Text))], false
	}
	return s.Text, true
}

// Says returns title and text in one line, as far as that is public.
func (s Seen) Says() string {
	text, _ := s.Public()
	return strings.Join(append([]string{s.Title}, text...), " | ")
}

// ErrPatient says that nobody can stay away from a screen for too long.
var ErrPatient = errors.New("the screen waits for as long as it takes")

// Late returns when it is too late to answer a screen, by the device's clock. The
// error is ErrPatient.
func (s Seen) Late() (time.Time, error) {
	if s.Until.IsZero() {
		return time.Time{}, ErrPatient
	}
	return s.Until.Add(time.Second), nil
}

// Hands are how the person reaches the device.
type Hands interface {
	// Look waits until another screen than number is shown, and returns it.
	Look(ctx context.Context, number uint64) (Seen, error)
	// Answer gives an answer to a screen. It does nothing if that is gone.
	Answer(ctx context.Context, s Seen, a Act) error
	// Insert plugs a key in, after it has pulled out what is in the port.
	Insert(ctx context.Context, key string) error
	// Remove pulls out what is in the port.
	Remove(ctx context.Context) error
	// Bring makes a blank key, unless there is one of this name.
	Bring(ctx context.Context, k Key) error
	// Mishap has something go wrong: Leave at a screen, or what befalls a key or
	// the power.
	Mishap(ctx context.Context, s Seen, a Act) error
}

// Person carries out a script.
type Person struct {
	Script Script
	Hands  Hands
	Note   func(s Seen, r Rule) // what is done; may be nil

	// Unexpected decides about a screen that the script does not know: nil has the
	// person look on. Without it the person gives up.
	Unexpected func(s Seen) error

	used []bool // rules that hold once
}

// Attend attends to the device until ctx ends, and returns its error; or until a
// screen is shown that the script does not know, which is ErrUnexpected.
func (p *Person) Attend(ctx context.Context) error {
	p.used = make([]bool, len(p.Script.Rules))
	for _, k := range p.Script.Keys {
		if err := p.Hands.Bring(ctx, k); err != nil {
			return fmt.Errorf("bring the iKey %s: %w", k.Name, err)
		}
	}
	for number := uint64(0); ; {
		seen, err := p.Hands.Look(ctx, number)
		if err != nil {
			return err
		}
		number = seen.Number
		if err := p.attendTo(ctx, seen); err != nil {
			return err
		}
	}
}

// idle are the kinds of screens at which there is nothing to do without a rule.
var idle = []touchscreen.Kind{touchscreen.Home, touchscreen.Progress, touchscreen.Off}

// attendTo does what the script says about one screen.
func (p *Person) attendTo(ctx context.Context, s Seen) error {
	for i, r := range p.Script.Rules {
		if p.used[i] || !r.fits(s) {
			continue
		}
		p.used[i] = r.Once
		return p.follow(ctx, s, r)
	}
	if slices.Contains(idle, s.Kind) {
		return nil
	}
	if p.Unexpected != nil {
		return p.Unexpected(s)
	}
	return unexpected(s)
}

// follow does what a rule says.
func (p *Person) follow(ctx context.Context, s Seen, r Rule) error {
	if p.Note != nil {
		p.Note(s, r)
	}
	for _, act := range r.Do {
		if err := p.do(ctx, s, act); err != nil {
			return fmt.Errorf("line %d of the script, at the screen %s: %s: %w", r.Line, s.ID, act, err)
		}
	}
	return nil
}

// fits reports whether r is about a screen.
func (r Rule) fits(s Seen) bool {
	says := strings.Join(append([]string{s.Title}, append(s.Text, s.Items...)...), "\n")
	return r.Screen == s.ID && !slices.ContainsFunc(r.Says, func(want string) bool { return !strings.Contains(says, want) })
}

func (p *Person) do(ctx context.Context, s Seen, a Act) error {
	switch a.Verb {
	case Insert:
		return p.Hands.Insert(ctx, a.Text)
	case Remove:
		return p.Hands.Remove(ctx)
	case Wait:
		return nil
	case Leave, Lose, Damage, Slip, PowerOff:
		return p.Hands.Mishap(ctx, s, a)
	}
	return p.Hands.Answer(ctx, s, a)
}

// unexpected names the screen, what it says, and a line that might help.
func unexpected(s Seen) error {
	return fmt.Errorf("%w at the screen %s (%q): add a line such as %q",
		ErrUnexpected, s.ID, s.Says(), fmt.Sprintf("when %s: %s", s.ID, suggestion(s)))
}

// suggestions are answers that a kind of screen takes.
var suggestions = map[touchscreen.Kind]Verb{
	touchscreen.List: "choose 1", touchscreen.Prompt: OK, touchscreen.PIN: "type 1234",
	touchscreen.YesNo: No, touchscreen.Number: "number 1", touchscreen.Status: OK, touchscreen.Failure: OK,
}

// suggestion is an answer that the screen takes; those that ask for an iKey are
// called like present/insert and present/next.
func suggestion(s Seen) Verb {
	if strings.HasSuffix(s.ID, "/insert") || strings.HasSuffix(s.ID, "/next") {
		return "insert KEY"
	}
	return suggestions[s.Kind]
}
