package page_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"usbhsm7/touchscreen"
	"usbhsm7/touchscreen/page"
)

var (
	ring = []page.Key{
		{Name: "SO 1 of 3", Colour: "blue"},
		{Name: "SO 2 of 3", Colour: "blue"},
		{Name: "CO", Colour: "black"},
		{Name: "Domain", Colour: "red"},
		{Name: "Auditor", Colour: "white", Note: "lost", Out: true},
	}
	insert = touchscreen.Screen{
		Kind: touchscreen.Prompt, Icon: touchscreen.InsertKey, Sticker: touchscreen.Blue, Title: "Insert a blue iKey", Cancel: true,
		Text: []string{"HSM SO: key 1 of 3.", "Press OK when it is in the port."},
	}
	enterPIN = touchscreen.Screen{Kind: touchscreen.PIN, Title: "PIN of the iKey", Min: 4, Max: 48, Cancel: true}
	question = touchscreen.Screen{Kind: touchscreen.YesNo, Title: "Reuse an existing keyset?"}
	menu     = touchscreen.Screen{Kind: touchscreen.List, Title: "Menu", Items: []string{"iKey management", "Settings", "About"}}
)

// TestPeopleUseThePage drives the page in a real browser as people do: with a
// mouse, with a keyboard alone, and as a screen reader sees it.
func TestPeopleUseThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	b := startBrowser(t)
	b.light("dark")
	b.step("touch", ring, touchPIN)
	b.step("drag", ring, dragKey)
	b.step("keyboard", ring, keyboardAlone)
	b.step("focus", ring, focusStays)
	b.step("screen reader", ring, screenReader)
	b.step("looks", ring, looks)
}

// touchPIN: digits by touch and by keyboard are the same.
func touchPIN(b *browser) {
	b.show(enterPIN)
	b.touch("1")
	b.touch("2")
	b.touch("3")
	b.reads("3 digits")
	b.press("4")
	b.reads("4 digits")
	b.looksLike("page-pin")
	b.touch("OK")
	if a := b.answers(); string(a.Digits) != "1234" {
		b.Errorf("answer %+v", a)
	}
	b.show(question)
	b.touch("No")
	if a := b.answers(); a.Action != touchscreen.No {
		b.Errorf("answer %+v", a)
	}
}

func dragKey(b *browser) {
	b.show(insert)
	from, to := b.middle(`[data-name="SO 1 of 3"]`), b.middle("#port")
	do(b, chromedp.DragAndDropXY(from.X, from.Y, to.X, to.Y, 5))
	b.until(`document.querySelector('#plugged [data-name="SO 1 of 3"]')`)
	if name := b.shelf.inPort(); name != "SO 1 of 3" {
		b.Errorf("%q is in the port", name)
	}
	b.click(`[data-name="CO"]`)
	b.until(`document.getElementById("notice").textContent.includes("pull it out first")`)
	b.click("#plugged button")
	b.until(`!document.querySelector("#plugged button")`)
	b.click(`[data-name="CO"]`)
	b.until(`document.querySelector('#plugged [data-name="CO"]')`)
	b.looksLike("page-plugged")
}

// keyboardAlone makes a key, plugs it in, and answers, without a mouse.
func keyboardAlone(b *browser) {
	b.show(insert)
	do(b, chromedp.Focus("#name"))
	b.press("S", "O", " ", "3", kb.Tab, kb.Tab, kb.Enter)
	b.until(`document.querySelector('#keys [data-name="SO 3"]')`)
	do(b, chromedp.Focus(`[data-name="SO 3"]`))
	b.press(kb.Enter)
	b.until(`document.querySelector('#plugged [data-name="SO 3"]')`)
	b.press(kb.Enter) // the screen has the focus again
	if a := b.answers(); a.Action != touchscreen.OK {
		b.Errorf("answer %+v", a)
	}
	b.show(menu)
	b.press(kb.ArrowDown, kb.ArrowDown, kb.Enter)
	if a := b.answers(); a.Item != 1 {
		b.Errorf("answer %+v", a)
	}
	b.show(question)
	b.press(kb.Tab, kb.Tab, kb.Enter) // as everywhere in a browser: No, Yes
	if a := b.answers(); a.Action != touchscreen.Yes {
		b.Errorf("answer %+v", a)
	}
	b.show(enterPIN)
	b.press("5", "6", "7", "9", kb.Backspace, "8", kb.Enter)
	if a := b.answers(); string(a.Digits) != "5678" {
		b.Errorf("answer %+v", a)
	}
}

// focusStays where it is while buttons come and go around it: the first digit lets
// there be one that erases it.
func focusStays(b *browser) {
	b.show(enterPIN)
	eval[bool](b, `[...document.querySelectorAll("#controls button")].find((button) => button.textContent === "0").focus() ?? true`)
	b.press(kb.Enter)
	b.reads("1 digit")
	b.press(kb.Enter, kb.Enter, kb.Enter)
	b.reads("4 digits")
	b.touch("OK")
	if a := b.answers(); string(a.Digits) != "0000" {
		b.Errorf("answer %+v", a)
	}
}

// screenReader finds all that can be seen, by name.
func screenReader(b *browser) {
	if err := b.shelf.Insert("CO"); err != nil {
		b.Fatal(err)
	}
	b.show(menu)
	b.until(`document.querySelector("#plugged button")`)
	found := b.readable()
	for _, want := range []string{
		"group Touchscreen", "button Back", "button iKey management", "button Settings", "button About",
		"group iKey port", "button Pull out CO, black sticker",
		"complementary iKeys", "heading iKeys", "button Insert SO 1 of 3, blue sticker", "button Insert Auditor, white sticker, lost",
		"textbox Sticker", "combobox Colour", "button Make", "status ",
	} {
		if !found[want] {
			b.Errorf("a screen reader finds no %s", want)
		}
	}
	if b.Failed() {
		b.Logf("it finds %v", found)
	}
}

func looks(b *browser) {
	b.show(insert)
	b.looksLike("page-dark")
	b.light("light")
	b.looksLike("page-light")
	b.light("dark")
	do(b, chromedp.EmulateViewport(1180, 640))
	b.until(`document.documentElement.scrollHeight <= innerHeight + 1`)
	b.looksLike("page-low")
	do(b, chromedp.EmulateViewport(420, 900))
	b.until(`document.documentElement.scrollWidth <= innerWidth`)
	b.looksLike("page-narrow")
}
