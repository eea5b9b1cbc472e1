package main

import (
	"errors"
	"slices"
	"testing"

	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/ikey"
	"usbhsm7/ikey/ring"
	"usbhsm7/touchscreen/page"
)

func newDrawer(t *testing.T) *drawer {
	t.Helper()
	keys := ring.New(ikey.NewPort())
	t.Cleanup(keys.Close)
	return &drawer{front: person.Front{Keys: keys}, changed: make(chan struct{})}
}

func TestPeopleWriteOnStickersWhatTheyLike(t *testing.T) {
	d := newDrawer(t)
	for _, text := range []string{"SO 1 of 3", "plain", "Müller & Söhne"} {
		if err := d.Make(text, "blue"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	want := []page.Key{
		{Name: "m-ller-s-hne", Colour: "blue", Note: "Müller & Söhne"},
		{Name: "plain", Colour: "blue"},
		{Name: "so-1-of-3", Colour: "blue", Note: "SO 1 of 3"},
	}
	if got := d.Keys(); !slices.Equal(got, want) {
		t.Errorf("the drawer has %+v, want %+v", got, want)
	}
	for _, text := range []string{"", "!!!", "plain"} {
		if err := d.Make(text, "blue"); !errors.Is(err, ring.ErrName) && !errors.Is(err, ring.ErrExists) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestEveryStickerOfThePageIsOneOfTheRing(t *testing.T) {
	d := newDrawer(t)
	for _, colour := range page.Colours {
		if err := d.Make("key-"+colour, colour); err != nil {
			t.Error(err)
		}
	}
}
