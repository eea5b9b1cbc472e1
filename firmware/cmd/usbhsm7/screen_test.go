package main

import (
	"bytes"
	"context"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usbhsm7/firmware/control"
	"usbhsm7/touchscreen"
)

// bench is a simulator and the person in front of it.
type bench struct {
	*control.Client
	t *testing.T
	p *process
}

func startBench(t *testing.T, flags ...string) *bench {
	t.Helper()
	p := start(t, append([]string{"--ephemeral", "--serial", "7000001", "--control", filepath.Join(t.TempDir(), "c")}, flags...)...)
	return &bench{control.NewClient(p.ready.Control), t, p}
}

// await returns the screen of an ID as soon as it is shown.
func (b *bench) await(id string) control.Screen {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	for number := uint64(0); ; {
		s, err := b.Screen(ctx, number)
		if err != nil {
			b.t.Fatalf("waiting for %s: %v", id, err)
		}
		if s.ID == id {
			return s
		}
		number = s.Number
	}
}

// answer gives an answer to a screen as soon as it is shown.
func (b *bench) answer(id, answer string) {
	b.t.Helper()
	s := b.await(id)
	if _, err := b.Touch(b.t.Context(), control.Touch{Answer: answer, Screen: s.Number}); err != nil {
		b.t.Fatalf("%s at %s: %v", answer, id, err)
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestMenusAnswerTouchesKeysAndAnswers(t *testing.T) {
	b := startBench(t)
	home := b.await("home")
	if home.Kind != "home" || !strings.Contains(home.Says, "7000001") {
		t.Errorf("the home screen is %+v", home)
	}
	x, y := touchscreen.Width/2, touchscreen.Height/2
	_, err := b.Touch(t.Context(), control.Touch{X: &x, Y: &y})
	b.must(err)
	b.await("menu/main")
	_, err = b.Touch(t.Context(), control.Touch{Key: "Escape"})
	b.must(err)
	b.answer("home", "ok")
	b.answer("menu/main", "choose 3")
	if about := b.await("menu/about"); !strings.Contains(about.Says, "Serial number 7000001") {
		t.Errorf("about says %q", about.Says)
	}
	if _, err := b.Touch(t.Context(), control.Touch{Answer: "yes"}); err == nil {
		t.Error("a screen without a question took a yes")
	}
}

func TestTouchesThatMakeNoSenseTouchNothing(t *testing.T) {
	b := startBench(t)
	home := b.await("home")
	x := 10
	for name, touch := range map[string]control.Touch{
		"nothing":              {},
		"half a place":         {X: &x},
		"a finger and a key":   {X: &x, Y: &x, Key: "1"},
		"a key and an answer":  {Key: "Enter", Answer: "ok"},
		"a key that is none":   {Key: "F13"},
		"two keys in one":      {Key: "12"},
		"an answer in no word": {Answer: "dance"},
		"digits that are none": {Answer: "type 12a"},
		"what home has not":    {Answer: "yes"},
	} {
		if _, err := b.Touch(t.Context(), touch); err == nil {
			t.Errorf("%s was no error", name)
		}
	}
	if now := b.await("home"); now.Number != home.Number {
		t.Errorf("the screen changed: %+v", now)
	}
}

func TestAUnitWithoutPowerIsDark(t *testing.T) {
	b := startBench(t)
	b.await("home")
	_, err := b.PowerOff(t.Context())
	b.must(err)
	if dark := b.await("off"); dark.Kind != "off" || dark.Says != "The screen is dark." {
		t.Errorf("without power the screen shows %+v", dark)
	}
	if _, err := b.Touch(t.Context(), control.Touch{Answer: "ok"}); err == nil {
		t.Error("a dark screen took an answer")
	}
	_, err = b.PowerOn(t.Context())
	b.must(err)
	b.await("home")
}

func TestAnIKeyGoesThroughThePortOfTheUnit(t *testing.T) {
	b := startBench(t)
	ctx := t.Context()
	b.must(b.MakeIKey(ctx, control.NewIKey{Name: "blue-1", Colour: "blue"}))
	b.answer("home", "ok")
	b.answer("menu/main", "choose 1")
	b.answer("menu/ikeys", "choose 1")
	b.await("identify/insert")
	b.must(b.InsertIKey(ctx, "blue-1"))
	b.await("identify/blank")
	off, err := b.PowerOff(ctx)
	b.must(err)
	if off.Powered {
		t.Error("it is on")
	}
	_, err = b.PowerOn(ctx)
	b.must(err)
	if keys, err := b.IKeys(ctx); err != nil || !slices.Equal(keys, []control.IKey{{Name: "blue-1", Colour: "blue", InPort: true}}) {
		t.Errorf("after a power cycle the keys are %+v, %v", keys, err)
	}
	b.must(b.RemoveIKey(ctx))
}

func TestWhatHappensToIKeys(t *testing.T) {
	b := startBench(t)
	ctx := t.Context()
	lost, text, none := true, "custodian 1", 0
	b.must(b.MakeIKey(ctx, control.NewIKey{Name: "a", Colour: "blue"}))
	b.must(b.MakeIKey(ctx, control.NewIKey{Name: "b", CopyOf: "a"}))
	b.must(b.ChangeIKey(ctx, "a", control.IKeyChange{Text: &text}))
	b.must(b.ChangeIKey(ctx, "b", control.IKeyChange{Name: "c", Damage: true, Wear: &none}))
	b.must(b.ChangeIKey(ctx, "c", control.IKeyChange{Lost: &lost}))
	want := []control.IKey{{Name: "a", Colour: "blue", Text: text}, {Name: "c", Colour: "blue", Lost: true}}
	if keys, err := b.IKeys(ctx); err != nil || !slices.Equal(keys, want) {
		t.Errorf("the keys are %+v, %v, want %+v", keys, err, want)
	}
	for name, err := range map[string]error{
		"a key that is there":     b.MakeIKey(ctx, control.NewIKey{Name: "a"}),
		"a name with a slash":     b.MakeIKey(ctx, control.NewIKey{Name: "../a"}),
		"a sticker of no colour":  b.MakeIKey(ctx, control.NewIKey{Name: "d", Colour: "rabbit"}),
		"a lost key in the port":  b.InsertIKey(ctx, "c"),
		"nothing to pull out":     b.RemoveIKey(ctx),
		"a change of no key":      b.ChangeIKey(ctx, "x", control.IKeyChange{Damage: true}),
		"a request with nonsense": b.Call(ctx, "PATCH", "/ikeys/a", []byte(`{"rabbit":1}`), nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestThePictureIsThatOfTheScreen(t *testing.T) {
	b := startBench(t)
	b.await("home")
	var picture bytes.Buffer
	b.must(b.ScreenPicture(t.Context(), &picture))
	image, err := png.Decode(&picture)
	b.must(err)
	if size := image.Bounds().Size(); size.X != touchscreen.Width || size.Y != touchscreen.Height {
		t.Errorf("it is %v", size)
	}
}

func TestIKeysAreKeptInTheStateDirectory(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--state-dir", dir)
	if err := control.NewClient(p.ready.Control).MakeIKey(t.Context(), control.NewIKey{Name: "blue-1"}); err != nil {
		t.Fatal(err)
	}
	p.stop(t)
	if _, err := os.Stat(filepath.Join(dir, "ikeys", "blue-1.ikey")); err != nil {
		t.Error(err)
	}
	again := start(t, "--state-dir", dir)
	if keys, err := control.NewClient(again.ready.Control).IKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestAScriptAttendsToTheDeviceAndEndsItWhereItKnowsNotOn(t *testing.T) {
	script := filepath.Join(t.TempDir(), "person")
	if err := os.WriteFile(script, []byte("key blue-1 blue\nwhen home: insert blue-1, ok\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := program(t, "--ephemeral", "--listen", "127.0.0.1:0", "--auto", script)
	_ = p.Run()
	if status := p.ProcessState.ExitCode(); status != 7 || !strings.Contains(p.stderr.String(), `when menu/main: choose 1`) {
		t.Errorf("exit status %d\n%s", status, p.stderr.String())
	}
}

func TestAScriptThatCannotBeFollowedIsRefusedBeforeTheDeviceStarts(t *testing.T) {
	misspelt := filepath.Join(t.TempDir(), "person")
	if err := os.WriteFile(misspelt, []byte("when home: ok\nwhen present/insrt: insert blue-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for script, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "no such file",
		misspelt:                           `line 2: there is no screen "present/insrt"; did you mean "present/insert"?`,
	} {
		p := program(t, "--ephemeral", "--auto", script)
		_ = p.Run()
		if status := p.ProcessState.ExitCode(); status != 2 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("exit status %d, want 2 and %s\n%s", status, want, p.stderr.String())
		}
	}
}

func TestTheScreenIsAWebPageForThisMachine(t *testing.T) {
	b := startBench(t, "--screen", "127.0.0.1:0")
	url := b.p.ready.Screen
	if !strings.HasPrefix(url, "http://127.0.0.1:") || !strings.Contains(url, "/#") {
		t.Fatalf("the ready line has %q", url)
	}
	response, err := http.Get(url)
	b.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	b.must(err)
	if response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("<html")) {
		t.Errorf("%s: %s", response.Status, body)
	}
	for _, address := range []string{"0.0.0.0:0", "192.0.2.1:80", ":8080", "unix:page.sock", "rabbit"} {
		p := program(t, "--ephemeral", "--screen", address)
		_ = p.Run()
		if status := p.ProcessState.ExitCode(); status != 2 || !strings.Contains(p.stderr.String(), "--screen") {
			t.Errorf("%s: exit status %d\n%s", address, status, p.stderr.String())
		}
	}
	if status := b.p.stop(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
