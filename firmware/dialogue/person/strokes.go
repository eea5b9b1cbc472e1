package person

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"usbhsm7/touchscreen"
)

// ErrAnswer says that a screen does not take an answer.
var ErrAnswer = errors.New("the screen does not take this answer")

// answers lists what each kind of screen takes, besides Cancel.
var answers = map[touchscreen.Kind][]Verb{
	touchscreen.Home: {OK}, touchscreen.List: {Choose}, touchscreen.Prompt: {OK},
	touchscreen.PIN: {Type, OK}, touchscreen.YesNo: {Yes, No}, touchscreen.Number: {Number, OK},
	touchscreen.Status: {OK}, touchscreen.Failure: {OK},
}

// Strokes returns the keys of touchscreen.Panel.Press that give an answer to a
// screen on which nothing was done yet. The error is ErrAnswer.
func Strokes(s touchscreen.Screen, a Act) ([]string, error) {
	if a.Verb == Cancel && s.Cancel && s.Kind != touchscreen.Home {
		return []string{"Escape"}, nil
	}
	if !slices.Contains(answers[s.Kind], a.Verb) {
		return nil, fmt.Errorf("%w: %s", ErrAnswer, a)
	}
	switch a.Verb {
	case OK:
		if s.Kind == touchscreen.PIN {
			return typing(s, "")
		}
	case Yes:
		return []string{"y"}, nil
	case No:
		return []string{"n"}, nil
	case Type:
		return typing(s, a.Text)
	case Number:
		return stepping(s, a.Number)
	case Choose:
		return choosing(s, a.Number)
	}
	return []string{"Enter"}, nil
}

func typing(s touchscreen.Screen, digits string) (keys []string, err error) {
	if len(digits) < s.Min || len(digits) > s.Max {
		return nil, fmt.Errorf("%w: it wants %d to %d digits", ErrAnswer, s.Min, s.Max)
	}
	for _, d := range digits {
		keys = append(keys, string(d))
	}
	return append(keys, "Enter"), nil
}

func stepping(s touchscreen.Screen, number int) ([]string, error) {
	if number < s.Min || number > s.Max {
		return nil, fmt.Errorf("%w: it wants %d to %d", ErrAnswer, s.Min, s.Max)
	}
	key, steps := "ArrowUp", number-s.Value
	if steps < 0 {
		key, steps = "ArrowDown", -steps
	}
	return append(slices.Repeat([]string{key}, steps), "Enter"), nil
}

func choosing(s touchscreen.Screen, item int) ([]string, error) {
	if item < 1 || item > len(s.Items) {
		return nil, fmt.Errorf("%w: it has the items 1 to %s", ErrAnswer, strconv.Itoa(len(s.Items)))
	}
	return append(slices.Repeat([]string{"ArrowDown"}, item), "Enter"), nil
}
