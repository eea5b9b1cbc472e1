package transporttest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"usbhsm7/hostdrv/transport"
)

func listed(t *testing.T, goal Target) {
	found, err := goal.Bus.List(deadline(t))
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	known, unread := goal.Device, goal.Device
	unread.Serial = ""
	if !slices.Contains(found, known) && !slices.Contains(found, unread) {
		t.Errorf("listed %v, without %v", found, known)
	}
}

func openedBySelectors(t *testing.T, goal Target) {
	d := goal.Device
	for name, s := range map[string]transport.Selector{
		"all that is known":    choose(d),
		"vendor and product":   {Vendor: d.Vendor, Product: d.Product},
		"serial number":        {Vendor: d.Vendor, Serial: d.Serial},
		"serial, other letter": {Vendor: d.Vendor, Serial: strings.ToLower(d.Serial)},
		"path":                 {Vendor: d.Vendor, Path: d.Path},
	} {
		t.Run(name, func(t *testing.T) {
			link, err := goal.Bus.Open(deadline(t), s)
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			if got := link.Info(); got != d {
				t.Errorf("opened %v, want %v", got, d)
			}
			begin(t, link).alive()
			if err := link.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func notFound(t *testing.T, goal Target) {
	d := goal.Device
	for name, s := range map[string]transport.Selector{
		"product":       {Vendor: d.Vendor, Product: d.Product + 1},
		"serial number": {Vendor: d.Vendor, Serial: d.Serial + "X"},
		"path":          {Vendor: d.Vendor, Path: d.Path + ".9"},
	} {
		link, err := goal.Bus.Open(deadline(t), s)
		if !errors.Is(err, transport.ErrNotFound) {
			t.Errorf("another %s: error %v, want %v", name, err, transport.ErrNotFound)
		}
		if link != nil {
			t.Errorf("another %s: there is a link", name)
		}
	}
}

func oneHost(t *testing.T, goal Target) {
	first := open(t, goal)
	talk := begin(t, first)
	if _, err := goal.Bus.Open(deadline(t), choose(goal.Device)); !errors.Is(err, transport.ErrBusy) {
		t.Fatalf("second host: error %v, want %v", err, transport.ErrBusy)
	}
	talk.alive() // the attempt did not disturb the first
	if err := first.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	begin(t, open(t, goal)).alive()
}
