package fault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"usbhsm7/usbip/spelling"
)

// SyntaxError says where a script cannot be read, and what was expected there.
type SyntaxError struct {
	Line, Column int    // counted from 1; columns are characters
	Problem      string // for example: unknown fault "stal"
	Expected     string // for example: delay, nak, stall, ...; may be empty
	Hint         string // for example: did you mean "stall"?; may be empty
}

// Error returns everything in one line.
func (e *SyntaxError) Error() string {
	text := fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
	if e.Expected != "" {
		text += "; expected " + e.Expected
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns ErrScript.
func (e *SyntaxError) Unwrap() error { return ErrScript }

// word is a part of a line: characters without spaces, or one of ":" and ",".
// The word after the last one is empty.
type word struct {
	text   string
	column int
}

// String names the word in an error.
func (w word) String() string {
	if w.text == "" {
		return "the end of the line"
	}
	return strconv.Quote(w.text)
}

// line is the rest of one line of a script.
type line struct {
	number int
	words  []word // at least the empty one
}

// readLine cuts text into words and drops the comment.
func readLine(number int, text string) *line {
	l := &line{number: number}
	column, start, begun := 0, 0, ""
	flush := func() {
		if begun != "" {
			l.words = append(l.words, word{begun, start})
			begun = ""
		}
	}
	for _, r := range text {
		column++
		if r == '#' {
			column--
			break
		}
		switch {
		case r == ' ' || r == '\t' || r == '\r':
			flush()
		case r == ':' || r == ',':
			flush()
			l.words = append(l.words, word{string(r), column})
		default:
			if begun == "" {
				start = column
			}
			begun += string(r)
		}
	}
	flush()
	l.words = append(l.words, word{"", column + 1})
	return l
}

func (l *line) peek() word { return l.words[0] }

func (l *line) next() word {
	w := l.words[0]
	if w.text != "" {
		l.words = l.words[1:]
	}
	return w
}

// take consumes the next word if it is text.
func (l *line) take(text string) bool {
	if l.peek().text != text || text == "" {
		return false
	}
	l.next()
	return true
}

func (l *line) fail(w word, problem, expected, hint string) error {
	return &SyntaxError{Line: l.number, Column: w.column, Problem: problem, Expected: expected, Hint: hint}
}

// unexpected refuses w where one of the words in known, or what else says, must
// stand.
func (l *line) unexpected(w word, what string, known ...string) error {
	if len(known) > 0 && what == "" {
		what = oneOf(known)
	}
	return l.fail(w, "found "+w.String(), what, spelling.Hint(w.text, known))
}

// need consumes the next word, which must be text.
func (l *line) need(text string) error {
	w := l.next()
	if w.text != text {
		return l.unexpected(w, "", text)
	}
	return nil
}

// oneOf lists words for an error.
func oneOf(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

// number reads a whole number from least on.
func (l *line) number64(least uint64) (uint64, error) {
	w := l.next()
	n, err := strconv.ParseUint(w.text, 10, 64)
	if err != nil || n < least {
		return 0, l.unexpected(w, fmt.Sprintf("a whole number from %d on", least))
	}
	return n, nil
}

// count reads a number that fits a fault.
func (l *line) count(least int) (int, error) {
	w := l.peek()
	n, err := l.number64(uint64(least))
	if err == nil && n > largest {
		err = l.fail(w, "found "+w.String(), fmt.Sprintf("at most %d", largest), "")
	}
	return int(n), err
}

const timeForm = `a time such as "5ms", "1.5s" or "200us"`

// time reads a time above 0, or from 0 on.
func (l *line) time(zero bool) (time.Duration, error) {
	w := l.next()
	d, err := parseTime(w.text)
	if err != nil || d == 0 && !zero {
		return 0, l.unexpected(w, timeForm)
	}
	return d, nil
}

func parseTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil {
		err = checkTime(d)
	}
	return d, err
}

// percent reads a probability.
func (l *line) percent() (Percent, error) {
	w := l.next()
	number, ok := strings.CutSuffix(w.text, "%")
	p, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(p > 0 && p <= 100) {
		return 0, l.unexpected(w, `a probability above 0% and up to 100%, such as "2.5%"`)
	}
	return Percent(p), nil
}

// units of sizes, in the order in which size prefers them.
var units = []struct {
	name  string
	bytes int
}{
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"B", 1},
}

const sizeForm = `a size such as "512 bytes", "4kB" or "64KiB"`

// size reads a number of bytes: "512 bytes", "1 byte" or "64KiB".
func (l *line) size(least int) (int, error) {
	w := l.next()
	n, ok := parseSize(w.text)
	if plain, err := strconv.Atoi(w.text); err == nil {
		n, ok = plain, l.take("bytes") || l.take("byte")
		if !ok {
			return 0, l.unexpected(l.peek(), `"bytes"`)
		}
	}
	if !ok || n < least || n > largest {
		return 0, l.unexpected(w, sizeForm)
	}
	return n, nil
}

// parseSize reads a number with a unit.
func parseSize(text string) (int, bool) {
	i := slices.IndexFunc(units, func(u struct {
		name  string
		bytes int
	},
	) bool {
		_, err := strconv.Atoi(strings.TrimSuffix(text, u.name))
		return strings.HasSuffix(text, u.name) && err == nil
	})
	if i < 0 {
		return 0, false
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(text, units[i].name))
	if n < 0 || n > largest/units[i].bytes {
		return 0, false
	}
	return n * units[i].bytes, true
}

// size spells a number of bytes as line.size reads it.
func size(n int) string {
	for _, u := range units {
		if n > 0 && u.bytes > 1 && n%u.bytes == 0 {
			return strconv.Itoa(n/u.bytes) + u.name
		}
	}
	if n == 1 {
		return "1 byte"
	}
	return strconv.Itoa(n) + " bytes"
}
