package touchscreen_test

import (
	"testing"

	"usbhsm7/touchscreen"
)

// answer returns the answer that waits on p, if there is one.
func answer(p *touchscreen.Panel) (a touchscreen.Answer, ok bool) {
	select {
	case a := <-p.Answers():
		return a, true
	default:
		return a, false
	}
}

func TestKeysAnswer(t *testing.T) {
	pin := touchscreen.Screen{Kind: touchscreen.PIN, Min: 4, Max: 8, Cancel: true}
	list := touchscreen.Screen{Kind: touchscreen.List, Items: items(16, "key")}
	tests := []struct {
		name   string
		screen touchscreen.Screen
		keys   []string
		want   touchscreen.Answer
		none   bool
	}{
		{name: "menu", keys: []string{"Enter"}, want: touchscreen.Answer{Action: touchscreen.OK}},
		{name: "go on", screen: touchscreen.Screen{Kind: touchscreen.Prompt}, keys: []string{"Enter"}},
		{name: "no way out", screen: touchscreen.Screen{Kind: touchscreen.Prompt}, keys: []string{"Escape"}, none: true},
		{name: "out", screen: touchscreen.Screen{Kind: touchscreen.Prompt, Cancel: true}, keys: []string{"Escape"}, want: touchscreen.Answer{Action: touchscreen.Cancel}},
		{name: "yes", screen: touchscreen.Screen{Kind: touchscreen.YesNo}, keys: []string{"y"}, want: touchscreen.Answer{Action: touchscreen.Yes}},
		{name: "no", screen: touchscreen.Screen{Kind: touchscreen.YesNo}, keys: []string{"n"}, want: touchscreen.Answer{Action: touchscreen.No}},
		{name: "a question has no default", screen: touchscreen.Screen{Kind: touchscreen.YesNo}, keys: []string{"Enter"}, none: true},
		{name: "focus, then yes", screen: touchscreen.Screen{Kind: touchscreen.YesNo}, keys: []string{"Tab", "Tab", "Enter"}, want: touchscreen.Answer{Action: touchscreen.Yes}},
		{name: "back from a list", screen: list, keys: []string{"Escape"}, want: touchscreen.Answer{Action: touchscreen.Cancel}},
		{name: "first item", screen: list, keys: []string{"ArrowDown", "Enter"}, want: touchscreen.Answer{Item: 0}},
		{name: "last item", screen: list, keys: []string{"ArrowUp", "Enter"}, want: touchscreen.Answer{Item: 15}},
		{name: "number", screen: touchscreen.Screen{Kind: touchscreen.Number, Min: 1, Max: 4, Value: 3}, keys: []string{"ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown", "Enter"}, want: touchscreen.Answer{Number: 3}},
		{name: "PIN", screen: pin, keys: []string{"1", "2", "3", "4", "Enter"}, want: touchscreen.Answer{Digits: []byte("1234")}},
		{name: "PIN, corrected", screen: pin, keys: []string{"1", "2", "3", "4", "Backspace", "9", "0", "Enter"}, want: touchscreen.Answer{Digits: []byte("12390")}},
		{name: "PIN too short", screen: pin, keys: []string{"1", "2", "3", "Enter"}, none: true},
		{name: "PIN too long", screen: pin, keys: []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "Enter"}, want: touchscreen.Answer{Digits: []byte("12345678")}},
		{name: "PIN that became too short", screen: pin, keys: []string{"1", "2", "3", "4", "Tab", "Tab", "Tab", "Backspace", "Enter"}, none: true},
		{name: "not a digit", screen: pin, keys: []string{"1", "2", "3", "x", "", "NaN", "Enter"}, none: true},
		{name: "nothing to answer", screen: touchscreen.Screen{Kind: touchscreen.Progress}, keys: []string{"Enter", "Escape", "Tab", "1"}, none: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPanel(t)
			p.Show(test.screen)
			for _, key := range test.keys {
				p.Press(key)
			}
			got, ok := answer(p)
			if ok == test.none {
				t.Fatalf("answered: %t", ok)
			}
			if got.Action != test.want.Action || got.Item != test.want.Item || got.Number != test.want.Number || string(got.Digits) != string(test.want.Digits) {
				t.Errorf("answer %+v, want %+v", got, test.want)
			}
		})
	}
}
