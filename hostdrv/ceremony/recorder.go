package ceremony

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// recorder is the hands of all people of a ceremony, and the eye that records what
// they see. If people are there by themselves it only looks.
type recorder struct {
	*Hands
	run *Runner

	seen uint64 // number of the last screen
	key  string // in the port, as far as the ceremony goes
	// of the step under way:
	shown    []Shown
	followed map[string]bool // rules, by ruleID
	failed   error           // of the recording
}

func newRecorder(r *Runner) *recorder {
	return &recorder{Hands: NewHands(r.Simulator), run: r}
}

// ruleID tells rules of a step apart.
func ruleID(r person.Rule) string { return fmt.Sprint(r.Screen, r.Says, r.Do) }

// attend has people do what a script says until ctx ends. If they cannot go on,
// giveUp is called.
func (h *recorder) attend(ctx context.Context, people script, giveUp func()) error {
	h.shown, h.followed, h.failed = nil, map[string]bool{}, nil
	p := person.Person{Script: people.Script, Hands: h}
	p.Note = func(s person.Seen, rule person.Rule) {
		h.followed[ruleID(rule)] = true
		h.note(ctx, s, rule.Do, false)
	}
	p.Unexpected = func(s person.Seen) error {
		h.note(ctx, s, nil, true)
		if h.run.ByHand {
			return nil
		}
		return fmt.Errorf("%w: it does not know what to do at the screen %s (%q): what a keyset is for must stand there, or a rule under device be about it",
			ErrDeparted, s.ID, s.Says())
	}
	err := p.Attend(ctx)
	if ctx.Err() == nil {
		giveUp()
		return err
	}
	if errors.Is(err, ErrDeparted) || h.failed != nil {
		return errors.Join(err, h.failed)
	}
	return h.missing(people)
}

// errNotShown says that people waited for a screen in vain.
var errNotShown = errors.New("a screen was not shown")

// missing reports the first screen for which a step has a plan, and which was not
// shown. People may do as they like.
func (h *recorder) missing(people script) error {
	for _, r := range people.Rules[:people.planned] {
		if !h.followed[ruleID(r)] && !h.run.ByHand {
			return fmt.Errorf("%w: %w: %s %q", ErrDeparted, errNotShown, r.Screen, r.Says)
		}
	}
	return nil
}

// note records what is on the screen, and what people do.
func (h *recorder) note(ctx context.Context, s person.Seen, acts []person.Act, unexpected bool) {
	text, all := s.Public()
	shown := Shown{Device: h.passTime(ctx), Screen: s.ID, Title: s.Title, Text: text, Unexpected: unexpected}
	if all && h.run.Pictures {
		shown.Picture = h.picture(ctx)
	}
	for _, act := range acts {
		if act.Verb == person.Insert || act.Verb == person.Slip {
			h.key = act.Text
		}
		shown.Did = append(shown.Did, h.says(act))
	}
	if k, _, ok := h.run.Ceremony.key(h.key); ok && h.concerns(s, acts) {
		shown.Who = k.Holder
	}
	h.shown = append(h.shown, shown)
	if h.run.Told.Shown != nil {
		h.run.Told.Shown(shown)
	}
}

// passTime has the time pass that people take, and returns what the device's clock
// shows then.
func (h *recorder) passTime(ctx context.Context) time.Time {
	if h.run.Pace == 0 {
		return h.run.now(ctx).Device
	}
	k, err := h.run.Simulator.ChangeClock(ctx, control.ClockChange{Advance: control.Duration(h.run.Pace)})
	h.fail(ctx, err)
	return k.Time.UTC()
}

// concerns reports whether what is done is done by who holds the iKey in the port.
func (h *recorder) concerns(s person.Seen, acts []person.Act) bool {
	for _, act := range acts {
		if act.Verb == person.Insert || act.Verb == person.Slip || act.Verb == person.Type {
			return true
		}
	}
	return s.Kind == touchscreen.PIN || s.ID == "write/blank" || s.ID == "write/used"
}

// fail keeps what went wrong with recording, unless the step is over anyway.
func (h *recorder) fail(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		h.failed = errors.Join(h.failed, err)
	}
}

// picture keeps the picture on the screen and returns its name.
func (h *recorder) picture(ctx context.Context) string {
	var b bytes.Buffer
	if err := h.run.Simulator.ScreenPicture(ctx, &b); err != nil {
		h.fail(ctx, err)
		return ""
	}
	digest := sha256.Sum256(b.Bytes())
	name := hex.EncodeToString(digest[:])
	h.run.record.Pictures[name] = b.Bytes()
	return name
}

// pin returns that of the iKey in the port; empty: it has none.
func (h *recorder) pin() string {
	k, _, _ := h.run.Ceremony.key(h.key)
	return k.PIN
}

// inWords are verbs as a report has them.
var inWords = map[person.Verb]string{
	person.OK: "goes on", person.Yes: "says yes", person.No: "says no", person.Cancel: "cancels", person.Number: "sets", person.Choose: "chooses item",
	person.Insert: "inserts", person.Remove: "pulls the iKey out", person.Wait: "waits", person.Leave: "walks away", person.Lose: "loses",
	person.Damage: "damages", person.Slip: "pulls out too early:", person.PowerOff: "cuts the power",
}

// says tells what an act is, in words, without a PIN.
func (h *recorder) says(a person.Act) string {
	switch {
	case a == ownPIN && h.pin() == "":
		return "sets no PIN"
	case a == ownPIN:
		return "enters the PIN"
	case a.Verb == person.Type:
		return "enters digits"
	}
	if verb, ok := inWords[a.Verb]; ok {
		_, rest, _ := strings.Cut(a.String(), " ")
		return strings.TrimSpace(verb + " " + rest)
	}
	return a.String()
}

// Look implements person.Hands. What was on the screen before the step is not of it.
func (h *recorder) Look(ctx context.Context, number uint64) (person.Seen, error) {
	s, err := h.Hands.Look(ctx, max(number, h.seen))
	if err == nil {
		h.seen = s.Number
	}
	return s, err
}

// Answer implements person.Hands.
func (h *recorder) Answer(ctx context.Context, s person.Seen, a person.Act) error {
	if h.run.ByHand {
		return nil
	}
	if a == ownPIN {
		if a.Text = h.pin(); a.Text == "" {
			a.Verb = person.OK
		}
	}
	return h.Hands.Answer(ctx, s, a)
}

// Insert implements person.Hands.
func (h *recorder) Insert(ctx context.Context, key string) error {
	if h.run.ByHand {
		return nil
	}
	return h.Hands.Insert(ctx, key)
}

// Remove implements person.Hands.
func (h *recorder) Remove(ctx context.Context) error {
	if h.run.ByHand {
		return nil
	}
	return h.Hands.Remove(ctx)
}
