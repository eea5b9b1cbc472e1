package person

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"usbhsm7/ikey/ring"
	"usbhsm7/usbip/spelling"
)

// MaxScript bounds the text of a script, in bytes.
const MaxScript = 1 << 20

// ErrScript says that a text is no script.
var ErrScript = errors.New("no script of a person")

// Script is what a person knows to do. Of the rules that fit a screen the first
// one counts.
type Script struct {
	Keys  []Key
	Rules []Rule
}

// Key is an iKey that the person brings along, blank unless it exists already.
type Key struct {
	Name   string
	Colour string // of its sticker; may be empty
}

// Check tells why there can be no such key: ring.ErrName or ring.ErrColour.
func (k Key) Check() error { return ring.Check(k.Name, k.Colour) }

// Rule says what to do when a screen is shown.
type Rule struct {
	Line   int      // in the text, from 1
	Once   bool     // only the first time
	Screen string   // its ID
	Says   []string // what must stand on it, each of them
	Do     []Act    // in this order
}

// Verb is something that a person does.
type Verb string

// Verbs of a script. The answers to a screen are the same on the control socket.
const (
	OK     Verb = "ok"
	Yes    Verb = "yes"
	No     Verb = "no"
	Cancel Verb = "cancel"
	Type   Verb = "type"   // digits, then OK
	Number Verb = "number" // set the number, then OK
	Choose Verb = "choose" // an item of a list, by its number from 1
	Insert Verb = "insert" // an iKey, instead of the one that is in the port
	Remove Verb = "remove" // the iKey in the port
	Wait   Verb = "wait"   // for the next screen, and do nothing
)

// What goes wrong, in rehearsals.
const (
	Leave    Verb = "leave"     // stay away until the screen gives up
	Lose     Verb = "lose"      // an iKey
	Damage   Verb = "damage"    // an iKey, so that it cannot be read any more
	Slip     Verb = "slip"      // an iKey into the port, and out of it again too early
	PowerOff Verb = "power-off" // the device goes dark
)

// SlipAfter is how many bytes pass between the port and a key that slips out.
const SlipAfter = 100

// Act is a verb and what it needs.
type Act struct {
	Verb   Verb
	Number int    // of Number and Choose
	Text   string // digits of Type, the key of Insert, Lose, Damage and Slip
}

// verbs lists what each verb needs behind it.
var verbs = []struct {
	verb  Verb
	needs string // empty: nothing
	read  func(a *Act, word string) bool
}{
	{OK, "", nil},
	{Yes, "", nil},
	{No, "", nil},
	{Cancel, "", nil},
	{Type, "digits", readDigits},
	{Number, "a number", readNumber},
	{Choose, "the number of an item, from 1", readNumber},
	{Insert, "the name of an iKey", readName},
	{Remove, "", nil},
	{Wait, "", nil},
	{Leave, "", nil},
	{Lose, "the name of an iKey", readName},
	{Damage, "the name of an iKey", readName},
	{Slip, "the name of an iKey", readName},
	{PowerOff, "", nil},
}

func readNumber(a *Act, word string) (ok bool) {
	var err error
	a.Number, err = strconv.Atoi(word)
	return err == nil && a.Number >= 0 && a.Number <= 9999
}

func readDigits(a *Act, word string) bool {
	a.Text = word
	return word != "" && strings.Trim(word, "0123456789") == ""
}

func readName(a *Act, word string) bool {
	a.Text = word
	return word != ""
}

// String returns the act as a script has it, without the digits of a PIN.
func (a Act) String() string {
	switch a.Verb {
	case Type:
		return "type ..."
	case Number, Choose:
		return fmt.Sprintf("%s %d", a.Verb, a.Number)
	case Insert, Lose, Damage, Slip:
		return string(a.Verb) + " " + a.Text
	}
	return string(a.Verb)
}

// Parse reads a script for a device that shows these screens, or for any if screens
// is nil. An error wraps ErrScript and names the line.
func Parse(text string, screens []string) (Script, error) {
	var s Script
	if len(text) > MaxScript || !utf8.ValidString(text) {
		return Script{}, fmt.Errorf("%w: a script is UTF-8 text of at most %d bytes", ErrScript, MaxScript)
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if err := s.read(number, line); err != nil {
			return Script{}, fmt.Errorf("%w: line %d: %w", ErrScript, number, err)
		}
	}
	for _, r := range s.Rules {
		if err := CheckScreen(r.Screen, screens); err != nil {
			return Script{}, fmt.Errorf("%w: line %d: %w", ErrScript, r.Line, err)
		}
	}
	return s, nil
}

// CheckScreen tells that no screen has an ID, and which was meant. Screens are those
// that there are; nil takes any ID.
func CheckScreen(id string, screens []string) error {
	if screens == nil || slices.Contains(screens, id) {
		return nil
	}
	hint := cmp.Or(spelling.Hint(id, screens), "docs/trusted-path.md lists them")
	return fmt.Errorf("there is no screen %q; %s", id, hint)
}

func (s *Script) read(number int, line string) error {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return nil
	}
	first, rest, _ := strings.Cut(line, " ")
	switch first {
	case "key":
		return s.readKey(strings.Fields(rest))
	case "when", "once":
		return s.readRule(Rule{Line: number, Once: first == "once"}, rest)
	}
	return fmt.Errorf("%q is not key, when or once", first)
}

func (s *Script) readKey(words []string) error {
	if len(words) < 1 || len(words) > 2 {
		return errors.New("a key has a name and may have a colour: key so-1 blue")
	}
	if slices.ContainsFunc(s.Keys, func(k Key) bool { return k.Name == words[0] }) {
		return fmt.Errorf("there is a key %s already", words[0])
	}
	k := Key{Name: words[0], Colour: strings.Join(words[1:], "")}
	s.Keys = append(s.Keys, k)
	return k.Check()
}

func (s *Script) readRule(r Rule, text string) error {
	text = strings.TrimSpace(text)
	end := strings.IndexAny(text, " :")
	if end <= 0 {
		return errors.New("a rule is like: when create/reuse: no")
	}
	r.Screen, text = text[:end], strings.TrimSpace(text[end:])
	for strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return errors.New(`a quotation mark has no end`)
		}
		says, _ := strconv.Unquote(quoted) // QuotedPrefix has checked it
		r.Says, text = append(r.Says, says), strings.TrimSpace(text[len(quoted):])
	}
	text, ok := strings.CutPrefix(text, ":")
	if !ok {
		return errors.New("there is no colon behind the screen")
	}
	for part := range strings.SplitSeq(text, ",") {
		act, err := ParseAct(strings.Fields(part))
		if err != nil {
			return err
		}
		r.Do = append(r.Do, act)
	}
	if err := r.answersOnce(); err != nil {
		return err
	}
	s.Rules = append(s.Rules, r)
	return nil
}

// answersOnce checks that there is at most one answer: with it the screen is gone,
// and the next one has a rule of its own.
func (r *Rule) answersOnce() error {
	answered := slices.IndexFunc(r.Do, Act.answers)
	if answered < 0 {
		return nil
	}
	again := slices.IndexFunc(r.Do[answered+1:], Act.answers)
	if again < 0 {
		return nil
	}
	return fmt.Errorf("%s answers the screen by itself: leave out %s", r.Do[answered], r.Do[answered+1+again])
}

// answers reports whether a gives the screen its answer.
func (a Act) answers() bool {
	switch a.Verb {
	case OK, Yes, No, Cancel, Type, Number, Choose:
		return true
	}
	return false
}

// ParseAct reads a verb and what it needs.
func ParseAct(words []string) (Act, error) {
	if len(words) == 0 {
		return Act{}, errors.New("there is nothing to do")
	}
	for _, v := range verbs {
		if string(v.verb) != words[0] {
			continue
		}
		a := Act{Verb: v.verb}
		switch {
		case v.needs == "" && len(words) == 1:
			return a, nil
		case v.needs != "" && len(words) == 2 && v.read(&a, words[1]):
			return a, nil
		case v.needs == "":
			return Act{}, fmt.Errorf("%s stands alone", v.verb)
		}
		return Act{}, fmt.Errorf("%s needs %s", v.verb, v.needs)
	}
	return Act{}, fmt.Errorf("%q is nothing that a person does; they do: %s", words[0], Verbs())
}

// Verbs lists the verbs with what they need.
func Verbs() string {
	var all []string
	for _, v := range verbs {
		all = append(all, string(v.verb))
	}
	return strings.Join(all, ", ")
}
