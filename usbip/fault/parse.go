package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a script. They bound what a transfer costs while one is loaded.
const (
	MaxScript = 1 << 20 // bytes of text
	MaxRules  = 1000
)

// Parse reads a script. docs/faults.md has the grammar. An error wraps ErrScript,
// and is a *SyntaxError if the text says where it is wrong.
func Parse(text string) (Script, error) {
	var s Script
	if len(text) > MaxScript || !utf8.ValidString(text) {
		return Script{}, fmt.Errorf("%w: a script is UTF-8 text of at most %d bytes", ErrScript, MaxScript)
	}
	number, seeded := 0, false
	for row := range strings.Lines(text) {
		number++
		l := readLine(number, strings.TrimSuffix(row, "\n"))
		switch first := l.next(); first.text {
		case "":
		case "seed":
			if seeded {
				return Script{}, l.fail(first, "there is a second seed", "", "remove one of them")
			}
			seeded = true
			if err := l.seed(&s); err != nil {
				return Script{}, err
			}
		case "on", "connection":
			if err := l.rule(first, &s); err != nil {
				return Script{}, err
			}
		default:
			return Script{}, l.unexpected(first, "", "on", "connection", "seed")
		}
	}
	return s, nil
}

func (l *line) seed(s *Script) (err error) {
	if s.Seed, err = l.number64(0); err != nil {
		return err
	}
	return l.end()
}

func (l *line) end() error {
	if w := l.next(); w.text != "" {
		return l.unexpected(w, "the end of the line")
	}
	return nil
}

// rule reads a rule behind its first word.
func (l *line) rule(first word, s *Script) error {
	r := Rule{Line: l.number, On: Selector{Connections: first.text == "connection"}}
	if len(s.Rules) == MaxRules {
		return l.fail(first, fmt.Sprintf("there are more than %d rules", MaxRules), "", "")
	}
	if err := l.selector(&r.On); err != nil {
		return err
	}
	for {
		f, err := l.fault(r.On.Connections, r.Faults)
		if err != nil {
			return err
		}
		if f != nil {
			r.Faults = append(r.Faults, f)
		}
		if l.take(",") {
			continue
		}
		if w := l.next(); w.text != "" {
			return l.unexpected(w, `"," or the end of the line`)
		}
		break
	}
	if err := r.check(); err != nil {
		return l.fail(first, err.Error(), "", "")
	}
	s.Rules = append(s.Rules, r)
	return nil
}

// selector reads conditions up to and including the colon.
func (l *line) selector(s *Selector) error {
	said := map[string]bool{}
	for {
		w := l.next()
		switch {
		case w.text == ":" && (len(said) > 0 || s.Connections):
			return nil
		case said[w.text]:
			return l.fail(w, fmt.Sprintf("%s is there twice", w), "", "")
		}
		read, known := conditions[w.text]
		if transfers(w.text, s) {
			read, known = func(*line, *Selector) error { return nil }, true
		}
		if !known {
			return l.unknownCondition(w, s.Connections, len(said) > 0)
		}
		if err := read(l, s); err != nil {
			return err
		}
		said[w.text] = true
	}
}

// transfers takes a word that names transfers, such as "bulk-in", if no word
// before did.
func transfers(text string, s *Selector) bool {
	if s.Connections || text == typeNames[AnyType] {
		return !s.Connections
	}
	kind, way, _ := strings.Cut(text, "-")
	t := slices.Index(typeNames[:], kind)
	d := slices.Index(directionNames[:], way)
	if t < 0 { // "in" and "out" stand alone
		t, d = 0, slices.Index(directionNames[:], text)
	}
	if t < 0 || d < 0 || t == 0 && d == 0 || s.Type != AnyType || s.Direction != BothWays {
		return false
	}
	s.Type, s.Direction = Type(t), Direction(d)
	return true
}

// conditions read what follows the word that is their key.
var conditions = map[string]func(*line, *Selector) error{
	"endpoint": (*line).endpoint,
	"command":  (*line).command,
	"setup":    (*line).setup,
	"since":    func(l *line, s *Selector) (err error) { s.Since, err = l.time(false); return err },
	"until":    func(l *line, s *Selector) (err error) { s.Until, err = l.time(false); return err },
	"chance":   func(l *line, s *Selector) (err error) { s.Chance, err = l.percent(); return err },
	"every":    func(l *line, s *Selector) (err error) { s.Every, err = l.number64(1); return err },
	"times":    func(l *line, s *Selector) (err error) { s.Times, err = l.number64(1); return err },
	"nth":      func(l *line, s *Selector) error { return l.numbers(s, "nth") },
	"after":    func(l *line, s *Selector) error { return l.numbers(s, "after") },
	"from":     func(l *line, s *Selector) error { return l.numbers(s, "from") },
}

// placeWords begin what transfers are chosen by; numberWords also choose among
// connections.
var (
	placeWords  = []string{"any", "control", "bulk", "interrupt", "isochronous", "in", "out", "control-in", "control-out", "bulk-in", "bulk-out", "interrupt-in", "interrupt-out", "isochronous-in", "isochronous-out", "endpoint", "command", "setup", "since", "until"}
	numberWords = []string{"nth", "every", "after", "from", "times", "chance"}
)

func (l *line) unknownCondition(w word, connections, colon bool) error {
	known := numberWords
	what := "nth, every, after, from, times, chance"
	if !connections {
		known = append(slices.Clone(placeWords), numberWords...)
		what = "any, control, bulk, interrupt or isochronous (also -in and -out), in, out, endpoint, command, setup, since, until, " + what
	}
	if colon || connections {
		what += `, or ":"`
	}
	return l.unexpected(w, what, known...)
}

func (l *line) endpoint(s *Selector) error {
	w := l.next()
	n, err := strconv.ParseUint(w.text, 16, 8)
	if err != nil || n&0x0f == 0 || n&0x70 != 0 {
		return l.unexpected(w, `an endpoint address in hexadecimal, 01 to 0f for OUT, 81 to 8f for IN (the control pipe is chosen by "control")`)
	}
	s.Endpoint = uint8(n)
	return nil
}

func (l *line) command(s *Selector) error {
	w := l.next()
	if w.text == "" || w.text == ":" || w.text == "," {
		return l.unexpected(w, `the name of a command of the device's protocol, such as "sign"`)
	}
	s.Command = w.text
	return nil
}

func (l *line) setup(s *Selector) error {
	var known []string
	for _, f := range setupFields {
		known = append(known, f.name)
	}
	for {
		name, text, ok := strings.Cut(l.peek().text, "=")
		if !ok && len(s.Setup) > 0 {
			return nil
		}
		w := l.next()
		value, err := strconv.ParseUint(text, 16, 16)
		switch {
		case !ok || !slices.Contains(known, name):
			return l.unexpected(w, "type=, request=, value=, index= or length= and hexadecimal digits", known...)
		case err != nil:
			return l.unexpected(w, "hexadecimal digits, at most ffff")
		case slices.ContainsFunc(s.Setup, func(f Field) bool { return f.Name == name }):
			return l.fail(w, fmt.Sprintf("%s= is there twice", name), "", "")
		}
		s.Setup = append(s.Setup, Field{name, uint16(value)})
	}
}

// numbers reads what follows nth, after or from.
func (l *line) numbers(s *Selector, how string) error {
	w := l.peek()
	n, err := l.number64(1)
	switch {
	case err != nil:
		return err
	case s.From != 0:
		return l.fail(w, "nth, after and from exclude each other", "", "write two rules")
	case how == "nth":
		s.From, s.To = n, n
		return nil
	case how == "after":
		s.From = n + 1
		if s.From == 0 {
			return l.fail(w, "nothing comes after "+w.text, "", "")
		}
		return nil
	}
	s.From = n
	if err := l.need("to"); err != nil {
		return err
	}
	s.To, err = l.number64(n)
	return err
}

// fault reads one fault. It returns nil for one that completes the fault before.
func (l *line) fault(connections bool, before []Fault) (Fault, error) {
	w := l.next()
	if w.text == "plug" && !connections {
		return nil, l.plug(w, before)
	}
	var known []string
	for _, k := range kinds {
		fits := (k.place == onConnections) == connections
		switch {
		case k.word == w.text && !fits:
			return nil, l.fail(w, fmt.Sprintf("%s is for %s", w, whereElse(connections)), "", "")
		case k.word == w.text:
			return k.parse(l)
		case fits:
			known = append(known, k.word)
		}
	}
	return nil, l.unexpected(w, "", known...)
}

// plug reads "plug after TIME", which belongs to a disconnect.
func (l *line) plug(w word, before []Fault) error {
	if len(before) > 0 {
		if d, ok := before[len(before)-1].(Disconnect); ok && d.Plug == 0 {
			err := l.need("after")
			if err == nil {
				d.Plug, err = l.time(false)
			}
			before[len(before)-1] = d
			return err
		}
	}
	return l.fail(w, `"plug" follows a disconnect`, `"disconnect, plug after TIME"`, "")
}
