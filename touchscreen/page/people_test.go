package page_test

import (
	"fmt"
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
	b.step("small window", drawerful(40), smallWindow)
	b.step("many keys", drawerful(40), manyKeys)
	b.step("wheel", ring, wheel)
}

// drawerful returns so many keys, of which the last has no sticker.
func drawerful(count int) (keys []page.Key) {
	for i := range count - 1 {
		keys = append(keys, page.Key{Name: fmt.Sprintf("so-%d", i+1), Colour: "blue", Note: "of 39"})
	}
	return append(keys, page.Key{Name: "bare"})
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
	b.click("#plugged button")
	b.until(`!document.querySelector("#plugged button")`)
	from = b.middle(`[data-name="Domain"]`)
	do(b, chromedp.DragAndDropXY(from.X, from.Y, from.X, 5, 5)) // beside the port, after which it lies where it lay
	b.click(`[data-name="Domain"]`)
	b.until(`document.querySelector('#plugged [data-name="Domain"]')`)
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

// smallWindow is a window of 1280 by 1024 pixels at 400 %: the screen stays large
// enough to be read, nothing sticks out sideways, and all is reached from the keyboard.
func smallWindow(b *browser) {
	do(b, chromedp.EmulateViewport(320, 256))
	defer func() { do(b, chromedp.EmulateViewport(1120, 900)) }()
	b.show(enterPIN)
	b.until(`document.getElementById("screen").getBoundingClientRect().width >= 240`)
	b.until(`document.documentElement.scrollWidth <= innerWidth`)
	b.keep("page-small")
	do(b, chromedp.Focus(`[data-name="bare"]`))
	b.press(kb.Enter)
	b.until(`document.querySelector('#plugged [data-name="bare"]')`)
	b.until(`document.activeElement.id === "screen"`)
}

// manyKeys are read and reached one by one, and the form below them is in sight.
func manyKeys(b *browser) {
	b.show(insert)
	found := b.readable()
	for _, want := range []string{"button Insert so-1, blue sticker, of 39", "button Insert so-39, blue sticker, of 39", "button Insert bare, no sticker"} {
		if !found[want] {
			b.Errorf("a screen reader finds no %s", want)
		}
	}
	b.until(`document.querySelector("#make button").getBoundingClientRect().bottom < innerHeight`)
	eval[bool](b, `document.querySelector('[data-name="so-30"]').focus() ?? true`)
	far := eval[float64](b, `document.getElementById("keys").scrollTop`)
	if err := b.shelf.Make("another", "red"); err != nil {
		b.Fatal(err)
	}
	b.until(`document.querySelector('[data-name="another"]')`)
	if now := eval[float64](b, `document.getElementById("keys").scrollTop`); far == 0 || now != far {
		b.Errorf("the drawer was scrolled to %v and is at %v when there is another key", far, now)
	}
	if name := eval[string](b, `document.activeElement.dataset.name`); name != "so-30" {
		b.Errorf("the focus is at %q", name)
	}
}

// wheel turns a list that is too long for the screen, and nothing else there: the
// page may have to be scrolled.
func wheel(b *browser) {
	const turns = `!document.getElementById("screen").dispatchEvent(new WheelEvent("wheel", { deltaY: 100, cancelable: true }))`
	b.show(insert)
	if eval[bool](b, turns) {
		b.Error("the screen keeps the page from being scrolled")
	}
	long := menu
	long.Title = "A long list"
	for i := range 30 {
		long.Items = append(long.Items, fmt.Sprintf("item %d", i))
	}
	b.show(long)
	b.until(`[...document.querySelectorAll("#controls button")].some((button) => button.textContent === "Items after these")`)
	if !eval[bool](b, turns) {
		b.Error("the page is scrolled instead of the list")
	}
	b.until(`[...document.querySelectorAll("#controls button")].some((button) => button.textContent === "Items before these")`)
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
