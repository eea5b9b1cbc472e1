package touchscreen

import (
	"fmt"
	"strings"
	"time"
)

// describe says in words what v shows.
func describe(v view) string {
	var b strings.Builder
	say := func(line string) {
		if line != "" {
			b.WriteString(line + "\n")
		}
	}
	say(v.Title)
	for _, paragraph := range v.Text {
		say(paragraph)
	}
	if int(v.Kind) < len(details) && details[v.Kind] != nil {
		details[v.Kind](v, say)
	}
	if v.left >= 0 {
		say(timeLeft(v.left))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// details says what screens of a kind show besides title and text.
var details = [...]func(v view, say func(string)){
	Home: func(v view, say func(string)) {
		say(v.Unit.name())
		say(v.Unit.Banner)
		for _, row := range v.Unit.facts() {
			if row.value != "" {
				say(row.name + ": " + row.value)
			}
		}
	},
	List: func(v view, say func(string)) {
		for i, item := range v.Items {
			mark := " "
			if v.focus == (act{choose, i}) {
				mark = ">"
			}
			say(fmt.Sprintf("%s %2d. %s", mark, i+1, item))
		}
	},
	PIN: func(v view, say func(string)) {
		switch n := len(v.digits); n {
		case 0:
			say("[" + wanted(v.Screen) + "]")
		case 1:
			say("• (1 digit)")
		default:
			say(fmt.Sprintf("%s (%d digits)", strings.Repeat("•", n), n))
		}
	},
	YesNo:  func(_ view, say func(string)) { say("Yes or no?") },
	Off:    func(_ view, say func(string)) { say("The screen is dark.") },
	Number: func(v view, say func(string)) { say(fmt.Sprintf("%d (%d to %d)", v.number, v.Min, v.Max)) },
	Progress: func(v view, say func(string)) {
		if done := min(v.Value, 100); done > 0 {
			say(fmt.Sprintf("%d %%", done))
		}
	},
}

// clock writes a time of whole seconds as minutes and seconds.
func clock(left time.Duration) string {
	seconds := int(left / time.Second)
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// timeLeft says roughly how much time is left, so that a screen reader does not
// speak every second.
func timeLeft(left time.Duration) string {
	switch {
	case left <= 15*time.Second:
		return "Little time left."
	case left <= time.Minute:
		return "Less than a minute left."
	}
	return fmt.Sprintf("Less than %d minutes left.", int((left+time.Minute-1)/time.Minute))
}
