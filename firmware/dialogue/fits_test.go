package dialogue

import (
	"strings"
	"testing"

	"usbhsm7/touchscreen"
)

// longest are the longest words that stand for those in braces.
var longest = strings.NewReplacer(
	"{subject}", "Limited Crypto Officer", "{holds}", "Crypto Officer, Limited Crypto Officer or Crypto User",
	"{sticker}", "black or grey", "{index}", "16", "{n}", "16", "{m}", "16", "{given}", "15", "{copy}", ", a duplicate",
	"{tries}", "10 tries are left", "{pinstate}", "A PIN is set, 10 tries are left", "{pinrule}", "4 to 48 digits",
	"{time}", "30 September 2026 23:59 UTC", "{patience}", "120 s",
	"{model}", "USB HSM 7 Simulator", "{serial}", "123456789012", "{firmware}", "7.10.12",
)

// TestEveryScreenFits: no text of the table ends with an ellipsis, whatever its
// words stand for.
func TestEveryScreenFits(t *testing.T) {
	panel, err := touchscreen.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range screens {
		s := touchscreen.Screen{
			Kind: row.kind, Icon: row.icon, Title: longest.Replace(row.title), Items: row.items,
			Min: row.least, Max: row.most, Cancel: row.cancel,
		}
		for _, text := range row.text {
			s.Text = append(s.Text, longest.Replace(text))
		}
		if !panel.Fits(s) {
			t.Errorf("%s has more text than room", row.id)
		}
	}
}
