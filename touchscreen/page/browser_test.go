package page_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"usbhsm7/touchscreen"
	"usbhsm7/touchscreen/page"
)

// browser is a real one, headless, in which the page of a desk is open.
type browser struct {
	*testing.T
	*desk
	context context.Context
}

// startBrowser starts Chromium. Without it the test fails: nothing else proves
// that people can use the page.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatalf("%v: install it with scripts/setup test", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("force-device-scale-factor", "1"),
		chromedp.UserDataDir(t.TempDir()),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stopAllocator)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	b := &browser{T: t, context: ctx}
	do(b, chromedp.EmulateViewport(1120, 900))
	return b
}

// do does one thing in the browser, and returns what comes of it.
func do[V any](b *browser, action chromedp.Action[V]) V {
	b.Helper()
	value, err := chromedp.Run(b.context, action)
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// eval returns the value of an expression in the page.
func eval[V any](b *browser, expression string) V {
	b.Helper()
	return do(b, chromedp.Evaluate[V](expression))
}

// step runs f as a subtest with a new desk, of which the page is open.
func (b *browser) step(name string, keys []page.Key, f func(b *browser)) {
	b.Run(name, func(t *testing.T) {
		b := &browser{T: t, desk: newDesk(t, keys...), context: b.context}
		do(b, chromedp.Navigate(b.page.URL(b.server.Listener.Addr())))
		b.until(`document.querySelector("#controls button")`)
		f(b)
	})
}

// until waits until an expression in the page is true.
func (b *browser) until(expression string) {
	b.Helper()
	for end := time.Now().Add(patience); !eval[bool](b, "Boolean("+expression+")"); {
		if time.Now().After(end) {
			b.keep("page-failed")
			b.Fatalf("in vain waited for %s; a screen reader would say %q; see build/screens", expression, eval[string](b, said))
		}
	}
}

// patience is how long a busy machine may take for what people see at once.
const patience = 2 * time.Minute

// said is what a screen reader was last given to say.
const said = `document.getElementById("said").textContent`

// show shows s and waits until a screen reader would have said so.
func (b *browser) show(s touchscreen.Screen) {
	b.Helper()
	b.panel.Show(s)
	b.reads(s.Title)
}

func (b *browser) reads(text string) {
	b.Helper()
	b.until(said + ".includes(" + strconv.Quote(text) + ")")
}

// answers waits for the answer to the screen.
func (b *browser) answers() touchscreen.Answer {
	b.Helper()
	select {
	case a := <-b.panel.Answers():
		return a
	case <-time.After(patience):
		b.Fatalf("no answer to: %s", b.panel.Text())
		return touchscreen.Answer{}
	}
}

// place is a point on the page, in CSS pixels.
type place struct{ X, Y float64 }

// middle returns the middle of an element.
func (b *browser) middle(selector string) place {
	b.Helper()
	return eval[place](b, fmt.Sprintf(`(() => {
		const box = document.querySelector(%q).getBoundingClientRect();
		return { X: box.left + box.width / 2, Y: box.top + box.height / 2 };
	})()`, selector))
}

// click clicks with the mouse on what a selector finds.
func (b *browser) click(selector string) {
	b.Helper()
	at := b.middle(selector)
	do(b, chromedp.MouseClickXY(at.X, at.Y))
}

// touch clicks with the mouse on what has that name on the screen.
func (b *browser) touch(name string) {
	b.Helper()
	b.until(fmt.Sprintf(`[...document.querySelectorAll("#controls button")].find((button) => {
		if (button.textContent !== %q) return false;
		document.querySelectorAll("#controls .now").forEach((old) => old.classList.remove("now"));
		button.classList.add("now");
		return true;
	})`, name))
	b.click("#controls .now")
}

// press presses keys of the keyboard.
func (b *browser) press(keys ...string) {
	b.Helper()
	for _, key := range keys {
		do(b, chromedp.KeyEvent(key))
	}
}

// keep writes a picture of the page to build/screens, and returns it.
func (b *browser) keep(name string) []byte {
	b.Helper()
	picture := do(b, chromedp.CaptureScreenshot())
	folder := filepath.Join("..", "..", "build", "screens")
	err := os.MkdirAll(folder, 0o777)
	if err = errors.Join(err, os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o666)); err != nil {
		b.Fatal(err)
	}
	return picture
}

// light makes the browser prefer light or dark pages.
func (b *browser) light(scheme string) {
	b.Helper()
	_, err := chromedp.Call(b.context, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	if err != nil {
		b.Fatal(err)
	}
}

// readable returns what a screen reader finds on the page: roles and names.
func (b *browser) readable() map[string]bool {
	b.Helper()
	tree, err := chromedp.Call(b.context, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		b.Fatal(err)
	}
	found := map[string]bool{}
	for _, n := range tree.Nodes {
		if !n.Ignored && n.Role != nil && n.Name != nil {
			role, _ := strconv.Unquote(string(n.Role.Value))
			name, _ := strconv.Unquote(string(n.Name.Value))
			found[role+" "+name] = true
		}
	}
	return found
}
