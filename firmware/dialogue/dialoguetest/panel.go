package dialoguetest

import (
	"context"
	"slices"
	"sync"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// Panel is a screen without pictures. It implements dialogue.Panel.
type Panel struct {
	answers chan touchscreen.Answer

	mu       sync.Mutex
	screen   touchscreen.Screen
	number   uint64
	answered bool
	shown    []string      // IDs of all screens so far
	typed    [][]byte      // digits that were handed out
	next     chan struct{} // closed when another screen is shown
}

func newPanel() *Panel {
	return &Panel{answers: make(chan touchscreen.Answer, 1), next: make(chan struct{})}
}

// Show implements dialogue.Panel.
func (p *Panel) Show(s touchscreen.Screen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case dropped := <-p.answers:
		clear(dropped.Digits)
	default:
	}
	p.screen, p.answered = s, false
	p.number++
	p.shown = append(p.shown, s.ID)
	close(p.next)
	p.next = make(chan struct{})
}

// Answers implements dialogue.Panel.
func (p *Panel) Answers() <-chan touchscreen.Answer { return p.answers }

// Shown returns the IDs of all screens that were shown.
func (p *Panel) Shown() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.shown...)
}

// Screen returns what is shown now.
func (p *Panel) Screen() touchscreen.Screen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen
}

// Kept reports whether whoever has taken digits still keeps some.
func (p *Panel) Kept() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.typed, kept)
}

func (p *Panel) look(ctx context.Context, number uint64) (person.Seen, error) {
	for {
		p.mu.Lock()
		seen, next := person.Seen{Screen: p.screen, Number: p.number}, p.next
		p.mu.Unlock()
		if seen.Number != number {
			return seen, nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return person.Seen{}, ctx.Err()
		}
	}
}

// actions says what each answer of a script is.
var actions = map[person.Verb]touchscreen.Action{
	person.Yes: touchscreen.Yes, person.No: touchscreen.No, person.Cancel: touchscreen.Cancel,
}

// answer gives an answer, if the screen takes it and is still shown.
func (p *Panel) answer(s person.Seen, a person.Act) error {
	if _, err := person.Strokes(s.Screen, a); err != nil {
		return err
	}
	answer := touchscreen.Answer{Action: actions[a.Verb], Number: a.Number, Digits: []byte(a.Text), Item: a.Number - 1}
	if a.Verb == person.OK {
		answer.Number = s.Value
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.number == s.Number && !p.answered {
		p.answered = true
		p.typed = append(p.typed, answer.Digits)
		p.answers <- answer
	}
	return nil
}
