package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"strconv"
	"strings"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// handleScreen adds the requests about the screen:
//
//	GET  /screen       the control.Screen; with ?after=N the first that has not the number N
//	GET  /screen.txt   what it says, in words
//	GET  /screen.png   the picture
//	POST /touch        a control.Touch; then the control.Screen
func (u *unit) handleScreen(s *control.Server) {
	s.Handle("GET /screen", func(w http.ResponseWriter, r *http.Request) error {
		after, err := strconv.ParseUint(r.FormValue("after"), 10, 64)
		if err != nil && r.FormValue("after") != "" {
			return fmt.Errorf("%w: after=%q is no number", control.ErrRequest, r.FormValue("after"))
		}
		seen, err := u.front().Look(r.Context(), after)
		if err != nil {
			return err
		}
		return control.Reply(w, u.describe(seen))
	})
	s.Handle("GET /screen.txt", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := io.WriteString(w, u.panel.Text()+"\n")
		return err
	})
	s.Handle("GET /screen.png", func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "image/png")
		return png.Encode(w, u.panel.Image())
	})
	s.Handle("POST /touch", u.touch)
}

func (u *unit) describe(s person.Seen) control.Screen {
	shown := control.Screen{
		Number: s.Number, ID: s.ID, Kind: s.Kind.String(), Title: s.Title, Text: s.Text, Items: s.Items,
		Min: s.Min, Max: s.Max, Value: s.Value, Cancel: s.Cancel, Says: u.panel.Text(),
	}
	if !s.Until.IsZero() {
		until := s.Until.UTC()
		shown.Until = &until
	}
	return shown
}

func (u *unit) touch(w http.ResponseWriter, r *http.Request) error {
	var touch control.Touch
	if err := readRequest(w, r, &touch); err != nil {
		return err
	}
	if err := checkTouch(touch); err != nil {
		return fmt.Errorf("%w: %w", control.ErrRequest, err)
	}
	switch {
	case touch.Answer != "":
		if err := u.answer(r.Context(), touch); err != nil {
			return err
		}
	case touch.Key != "":
		u.panel.Do(touchscreen.Input{Phase: touchscreen.Stroke, Key: touch.Key, Screen: touch.Screen})
	default:
		u.panel.Do(touchscreen.Input{Phase: touchscreen.Tap, At: image.Pt(*touch.X, *touch.Y), Screen: touch.Screen})
	}
	screen, number, _ := u.panel.Seen()
	return control.Reply(w, u.describe(person.Seen{Screen: screen, Number: number}))
}

// checkTouch checks that a touch is one thing, and one that there is.
func checkTouch(t control.Touch) error {
	finger := t.X != nil || t.Y != nil
	ways := 0
	for _, way := range []bool{finger, t.Key != "", t.Answer != ""} {
		if way {
			ways++
		}
	}
	switch {
	case ways != 1, finger && (t.X == nil || t.Y == nil):
		return errors.New("a touch has x and y, a key or an answer")
	case finger && !image.Pt(*t.X, *t.Y).In(image.Rect(0, 0, touchscreen.Width, touchscreen.Height)):
		return fmt.Errorf("there is no screen at %d, %d: it has %d by %d pixels", *t.X, *t.Y, touchscreen.Width, touchscreen.Height)
	case t.Key != "" && !touchscreen.HasKey(t.Key): // which may be a PIN
		return fmt.Errorf("there is no such key on a keyboard here: it has %s", strings.Join(touchscreen.Keys(), ", "))
	}
	return nil
}

// answer answers what is shown, unless it is not what the touch is meant for.
func (u *unit) answer(ctx context.Context, touch control.Touch) error {
	act, err := person.ParseAct(strings.Fields(touch.Answer))
	if err != nil {
		return fmt.Errorf("%w: %w", control.ErrRequest, err)
	}
	screen, number, _ := u.panel.Seen()
	if touch.Screen != 0 && touch.Screen != number {
		return nil
	}
	if err := u.front().Answer(ctx, person.Seen{Screen: screen, Number: number}, act); err != nil {
		return fmt.Errorf("%w: %s: %w", control.ErrRequest, screen.ID, err)
	}
	return nil
}
