package ring

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usbhsm7/ikey"
)

func TestKeysAreMadeListedAndPutIn(t *testing.T) {
	h := newHands(t)
	h.do(h.Make("red-1", "red"))
	h.do(h.Make("blue-1", "blue"))
	h.do(h.Sticker("blue-1", "blue", "HSM SO, 1 of 3"))
	h.do(h.Insert("blue-1"))
	want := []Key{
		{Name: "blue-1", Colour: "blue", Text: "HSM SO, 1 of 3", InPort: true},
		{Name: "red-1", Colour: "red"},
	}
	if got := h.keys(); !slices.Equal(got, want) {
		t.Errorf("keys %+v, want %+v", got, want)
	}
	if err := h.Insert("red-1"); !errors.Is(err, ikey.ErrOccupied) {
		t.Errorf("put in a second key: %v, want %v", err, ikey.ErrOccupied)
	}
	if got := h.InPort(); got != "blue-1" {
		t.Errorf("%q is in the port", got)
	}
	h.do(h.Remove())
	if got := h.InPort(); got != "" {
		t.Errorf("%q is in the port after it was pulled out", got)
	}
	if err := h.Remove(); !errors.Is(err, ikey.ErrNoKey) {
		t.Errorf("pull out nothing: %v, want %v", err, ikey.ErrNoKey)
	}
	h.do(h.Insert("red-1"))
}

func TestKeysKeepWhatTheyHoldOnTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	first := openHands(t, path)
	first.do(first.Make("blue-1", "blue"))
	first.write("blue-1", contents(1), pin)
	first.do(first.Insert("blue-1"))
	first.Close()
	if first.port.Inside() != nil {
		t.Error("the key stays in the port when its ring is closed")
	}

	again := openHands(t, path)
	if got, want := again.key("blue-1"), (Key{Name: "blue-1", Colour: "blue"}); got != want {
		t.Errorf("key %+v, want %+v", got, want)
	}
	again.do(again.Insert("blue-1"))
	if got, err := again.device.Read(t.Context(), pin); err != nil || !equal(got, contents(1)) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestAFileThatIsCopiedIsAKey(t *testing.T) {
	path := t.TempDir()
	h := openHands(t, path)
	h.make("one")
	h.write("one", contents(1), nil)
	file, err := os.ReadFile(filepath.Join(path, "one.ikey"))
	h.do(err)
	h.do(os.WriteFile(filepath.Join(path, "two.ikey"), file, 0o600))
	h.do(os.WriteFile(filepath.Join(path, "notes.txt"), nil, 0o600))
	h.do(os.WriteFile(filepath.Join(path, "a strange name.ikey"), nil, 0o600))
	if got := h.keys(); len(got) != 2 || got[1] != (Key{Name: "two"}) {
		t.Errorf("keys %+v", got)
	}
	h.do(h.Insert("two"))
	if got, err := h.device.Read(t.Context(), nil); err != nil || !equal(got, contents(1)) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestACopyHoldsTheSame(t *testing.T) {
	h := newHands(t)
	h.do(h.Make("one", "red"))
	h.write("one", contents(2), pin)
	h.do(h.Copy("one", "two"))
	if got, want := h.key("two"), (Key{Name: "two", Colour: "red"}); got != want {
		t.Errorf("key %+v, want %+v", got, want)
	}
	h.do(h.Insert("two"))
	if got, err := h.device.Read(t.Context(), pin); err != nil || !equal(got, contents(2)) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestALostKeyIsOutOfReachUntilItIsFound(t *testing.T) {
	h := newHands(t)
	h.do(h.Make("one", "white"))
	h.write("one", contents(1), nil)
	h.do(h.Lose("one"))
	if got, want := h.key("one"), (Key{Name: "one", Colour: "white", Lost: true}); got != want {
		t.Errorf("key %+v, want %+v", got, want)
	}
	for what, err := range map[string]error{
		"put it in": h.Insert("one"), "copy it": h.Copy("one", "two"), "lose it again": h.Lose("one"),
		"rename it": h.Rename("one", "two"), "damage it": h.Damage("one"),
	} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s: %v, want %v", what, err, ErrLost)
		}
	}
	if err := h.Make("one", ""); !errors.Is(err, ErrExists) {
		t.Errorf("make another: %v, want %v", err, ErrExists)
	}
	h.do(h.Find("one"))
	h.do(h.Insert("one"))
	if got, err := h.device.Read(t.Context(), nil); err != nil || !equal(got, contents(1)) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestARenamedKeyKeepsItsStickerAndContents(t *testing.T) {
	h := newHands(t)
	h.do(h.Make("one", "orange"))
	h.write("one", contents(1), nil)
	h.do(h.Rename("one", "two"))
	if got := h.keys(); !slices.Equal(got, []Key{{Name: "two", Colour: "orange"}}) {
		t.Errorf("keys %+v", got)
	}
	h.do(h.Make("one", "blue"))
	h.do(h.Insert("two"))
	if got, err := h.device.Read(t.Context(), nil); err != nil || !equal(got, contents(1)) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestWhatCannotBeDoneIsRefused(t *testing.T) {
	h := newHands(t)
	h.make("there", "inside")
	h.do(h.Insert("inside"))
	long := strings.Repeat("x", 65)
	for name, test := range map[string]struct{ got, want error }{
		"make one without a name":        {h.Make("", ""), ErrName},
		"make one in another folder":     {h.Make("../x", ""), ErrName},
		"make a hidden one":              {h.Make(".x", ""), ErrName},
		"make one with a long name":      {h.Make(long, ""), ErrName},
		"make one in a strange colour":   {h.Make("x", "pink"), ErrColour},
		"make one again":                 {h.Make("there", ""), ErrExists},
		"copy one that is not there":     {h.Copy("x", "y"), ErrNoSuch},
		"copy one onto another":          {h.Copy("there", "inside"), ErrExists},
		"copy one from another folder":   {h.Copy("../there", "y"), ErrNoSuch},
		"rename one that is not there":   {h.Rename("x", "y"), ErrNoSuch},
		"rename one to another":          {h.Rename("there", "inside"), ErrExists},
		"rename one to nothing":          {h.Rename("there", ""), ErrName},
		"rename the one in the port":     {h.Rename("inside", "y"), ErrInPort},
		"lose one that is not there":     {h.Lose("x"), ErrNoSuch},
		"lose the one in the port":       {h.Lose("inside"), ErrInPort},
		"find one that is not lost":      {h.Find("there"), ErrNotLost},
		"find one that is not there":     {h.Find("x"), ErrNoSuch},
		"put in one that is not there":   {h.Insert("x"), ErrNoSuch},
		"put in one from elsewhere":      {h.Insert("../there"), ErrNoSuch},
		"damage one that is not there":   {h.Damage("x"), ErrNoSuch},
		"damage one from elsewhere":      {h.Damage("../there"), ErrNoSuch},
		"wear out one that is not there": {h.Wear("x", 1), ErrNoSuch},
		"wear out the one in the port":   {h.Wear("inside", 1), ErrInPort},
		"pull one that is not there":     {h.PullAfter("x", 1), ErrNoSuch},
		"label one that is not there":    {h.Sticker("x", "", ""), ErrNoSuch},
		"label one in a strange colour":  {h.Sticker("there", "pink", ""), ErrColour},
		"label one at length":            {h.Sticker("there", "", strings.Repeat("é", MaxText+1)), ErrText},
		"label one in two lines":         {h.Sticker("there", "", "a\nb"), ErrText},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
	h.do(h.Sticker("there", "grey", strings.Repeat("é", MaxText)))
}

// TestNoNameLeadsOutOfTheFolder: there is a key of that name, elsewhere.
func TestNoNameLeadsOutOfTheFolder(t *testing.T) {
	above := t.TempDir()
	outside, err := Open(above, ikey.NewPort(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	inside, err := Open(filepath.Join(above, "keys"), ikey.NewPort(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	if err := outside.Make("there", ""); err != nil {
		t.Fatal(err)
	}
	const name = "../there"
	for what, err := range map[string]error{
		"copy": inside.Copy(name, "y"), "put in": inside.Insert(name), "lose": inside.Lose(name), "find": inside.Find(name),
		"rename": inside.Rename(name, "y"), "damage": inside.Damage(name), "label": inside.Sticker(name, "red", ""),
		"wear out": inside.Wear(name, 1), "pull": inside.PullAfter(name, 1),
	} {
		if !errors.Is(err, ErrNoSuch) {
			t.Errorf("%s: %v, want %v", what, err, ErrNoSuch)
		}
	}
}

// TestTwoRingsOfOneFolderKeepEachOthersStickers: people bring their keys from one
// device to the other.
func TestTwoRingsOfOneFolderKeepEachOthersStickers(t *testing.T) {
	folder := t.TempDir()
	one, err := Open(folder, ikey.NewPort(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	other, err := Open(folder, ikey.NewPort(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, err := range []error{
		one.Make("a", "blue"), other.Make("b", "red"), one.Make("c", "white"), other.Copy("c", "d"), one.Rename("b", "e"), other.Sticker("a", "grey", "x"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []Key{{Name: "a", Colour: "grey", Text: "x"}, {Name: "c", Colour: "white"}, {Name: "d", Colour: "white"}, {Name: "e", Colour: "red"}}
	for _, r := range []*Ring{one, other} {
		if got, err := r.Keys(); err != nil || !slices.Equal(got, want) {
			t.Errorf("keys %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestKeysAreListedAsPeopleCount(t *testing.T) {
	h := newHands(t)
	want := []string{"a", "a-01", "a-1", "a-2", "a-2-1", "a-10", "a-100", "a1", "a1b", "a2", "b0", "b00", "b1"}
	for _, name := range slices.Backward(want) {
		h.make(name)
	}
	var got []string
	for _, k := range h.keys() {
		got = append(got, k.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
}

func TestStickersThatCannotBeReadAreReported(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    error
	}{
		"nonsense": {"{", ErrStickers},
		"null":     {"null", nil},
	} {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, notesFile), []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path, ikey.NewPort(), nil)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if err == nil {
			if err := r.Make("one", "blue"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A folder of keys may come from elsewhere. What a sticker says goes to terminals
// and web pages.
func TestStickersOfSomebodyElseAreTakenOffIfTheyMakeNoSense(t *testing.T) {
	path := t.TempDir()
	h := openHands(t, path)
	for _, name := range []string{"good", "mauve", "escape", "long"} {
		h.do(h.Make(name, "blue"))
	}
	h.Close()
	content := `{"good": {"colour": "red", "text": "1 of 3"}, "mauve": {"colour": "mauve"}, "escape": {"text": "\u001b[31m"}, "long": {"text": "` + strings.Repeat("x", MaxText+1) + `"}}`
	if err := os.WriteFile(filepath.Join(path, notesFile), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []Key{{Name: "escape"}, {Name: "good", Colour: "red", Text: "1 of 3"}, {Name: "long"}, {Name: "mauve"}}
	if got := openHands(t, path).keys(); !slices.Equal(got, want) {
		t.Errorf("keys %+v, want %+v", got, want)
	}
}

func TestAFileThatIsTooLongIsADamagedKey(t *testing.T) {
	path := t.TempDir()
	h := openHands(t, path)
	if err := os.WriteFile(filepath.Join(path, "big.ikey"), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	h.do(h.Insert("big"))
	if _, err := h.device.Identify(t.Context()); !errors.Is(err, ikey.ErrDamaged) {
		t.Errorf("identify: %v, want %v", err, ikey.ErrDamaged)
	}
	if err := h.Make("big", ""); !errors.Is(err, ErrExists) {
		t.Errorf("make another of that name: %v, want %v", err, ErrExists)
	}
}

func TestChangesAreTold(t *testing.T) {
	h := newHands(t)
	h.make("one")
	for _, change := range []struct {
		name string
		do   func() error
	}{
		{"made", func() error { return h.Make("two", "") }},
		{"copied", func() error { return h.Copy("one", "three") }},
		{"renamed", func() error { return h.Rename("three", "four") }},
		{"labelled", func() error { return h.Sticker("one", "red", "") }},
		{"put in", func() error { return h.Insert("one") }},
		{"pulled out", h.Remove},
		{"lost", func() error { return h.Lose("one") }},
		{"found", func() error { return h.Find("one") }},
	} {
		select {
		case <-h.Changes():
		default:
		}
		h.do(change.do())
		select {
		case <-h.Changes():
		default:
			t.Errorf("a key was %s, and nobody was told", change.name)
		}
	}
}
