package dialogue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"usbhsm7/ikey"
	"usbhsm7/touchscreen"
)

// screen makes what a step shows.
func (t *talk) screen(s *step) touchscreen.Screen {
	row, words := t.row(s), t.words()
	shown := touchscreen.Screen{
		ID: string(row.id), Kind: row.kind, Icon: row.icon, Title: words.Replace(row.title),
		Items: row.items, Min: row.least, Max: row.most, Cancel: row.cancel,
	}
	for _, text := range row.text {
		shown.Text = append(shown.Text, words.Replace(text))
	}
	switch row.id {
	case scHome:
		t.about = t.unit()
		shown.Unit = t.about
	case "create/n":
		shown.Min = t.m // N is at least M
	}
	if row.icon == touchscreen.InsertKey {
		_, _, shown.Sticker = holder(t.kind)
	}
	if shown.Value = shown.Min; row.kind == touchscreen.Progress {
		shown.Value = halfWay
	}
	return shown
}

// halfWay is how far work is that takes no time worth measuring, in percent.
const halfWay = 50

// row returns the row of the screen of a step.
func (t *talk) row(s *step) screen {
	id := s.show
	if id == scAsk {
		id = t.ask
	}
	for _, row := range screens {
		if row.id == id {
			return row
		}
	}
	return screen{id: id, kind: touchscreen.Failure, title: string(id)} // a test says that every step has a row
}

// words are what the words in braces of a screen stand for.
func (t *talk) words() *strings.Replacer {
	holds, _, _ := holder(t.info.Kind)
	_, sticker, _ := holder(t.kind)
	return strings.NewReplacer(
		"{subject}", nameOf(t.subject), "{sticker}", sticker, "{holds}", holds,
		"{index}", strconv.Itoa(t.at+1), "{n}", strconv.Itoa(max(t.n, 1)), "{m}", strconv.Itoa(t.needed()), "{given}", strconv.Itoa(len(t.keys)),
		"{copy}", t.copyWord(), "{tries}", triesWord(t.info.TriesLeft), "{pinstate}", pinWord(t.info),
		"{pinrule}", fmt.Sprintf("%d to %d digits", ikey.MinPIN, ikey.MaxPIN),
		"{question}", t.told.Title, "{detail}", t.told.Text, "{secret}", t.text,
		"{time}", t.clock.Now().UTC().Format("2 January 2006 15:04 UTC"), "{patience}", fmt.Sprintf("%d s", patience/time.Second),
		"{model}", t.about.Model, "{serial}", t.about.Serial, "{firmware}", t.about.Firmware,
	)
}

// needed returns how many keys open the set.
func (t *talk) needed() int {
	if t.m == 0 && len(t.keys) > 0 {
		return int(t.keys[0].M)
	}
	return t.m
}

func (t *talk) copyWord() string {
	if t.copies == 0 {
		return ""
	}
	return ", a duplicate"
}

func triesWord(left int) string {
	if left == 1 {
		return "The last try: a wrong PIN erases the iKey"
	}
	return fmt.Sprintf("%d tries are left", left)
}

func pinWord(info ikey.Info) string {
	if info.PIN {
		return "It wants a PIN; " + strings.ToLower(triesWord(info.TriesLeft)[:1]) + triesWord(info.TriesLeft)[1:]
	}
	return "It wants no PIN"
}
