package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"

	"usbhsm7/hostdrv/ceremony"
)

// teller tells how a ceremony goes, and people what they are to do.
type teller struct {
	app      *app
	ceremony *ceremony.Ceremony
	enter    *bufio.Reader // where people say that they are ready; nil: nobody is asked
}

// teller returns what a runner calls.
func (a *app) teller(c *ceremony.Ceremony, byHand bool) ceremony.Told {
	t := &teller{app: a, ceremony: c}
	if !byHand || a.json {
		return ceremony.Told{Ended: t.ended}
	}
	if term.IsTerminal(int(a.in.Fd())) {
		t.enter = bufio.NewReader(a.in)
	}
	return ceremony.Told{Begins: t.begins, Shown: t.shown, Ended: t.ended}
}

// line is what hsm7 ceremony run --json prints for each step.
type line struct {
	Step    string `json:"step"`
	Fault   string `json:"fault,omitempty"`
	Exit    int    `json:"exit"`
	Screens int    `json:"screens"`
	Failure string `json:"failure,omitempty"`
}

// ended tells how a step went.
func (t *teller) ended(d ceremony.Done) {
	_ = t.app.print(line{d.ID, d.Fault, d.Exit, len(d.Screens), d.Failure}, func(w io.Writer) {
		number, went := fmt.Sprintf("[%2d/%d]", d.Number, len(t.ceremony.Steps)), "done"
		if d.Fault != "" {
			number, went = "       ", "as it should end: "+ending(d)
			d.Title = "! " + d.Fault
		}
		if d.Failure != "" {
			went = "FAILED"
		}
		if n := len(d.Screens); n > 0 {
			went += ", " + counted(n, "screen")
		}
		fmt.Fprintf(w, "%s %s: %s\n", number, d.Title, went)
	})
}

// ending says how a command ended.
func ending(d ceremony.Done) string {
	if d.Exit == 0 {
		return "well"
	}
	return fmt.Sprintf("status %d", d.Exit)
}

// begins tells people what comes, and waits until they are ready.
func (t *teller) begins(ctx context.Context, d ceremony.Done) error {
	w := t.app.out
	fmt.Fprintf(w, "\nStep %d of %d: %s\n", d.Number, len(t.ceremony.Steps), d.Title)
	if d.Say != "" {
		fmt.Fprintf(w, "  %s\n", strings.TrimSpace(strings.ReplaceAll(d.Say, "\n", " ")))
	}
	if len(d.Who) > 0 {
		fmt.Fprintf(w, "  Who: %s\n", strings.Join(t.ceremony.Names(d.Who), ", "))
	}
	if d.Does != "" {
		fmt.Fprintf(w, "  What: %s\n", d.Does)
	}
	if t.enter == nil {
		return nil
	}
	fmt.Fprint(w, "  Press Enter to begin. ")
	ready := make(chan error, 1)
	go func() { // ends with the program if nobody presses it
		_, err := t.enter.ReadString('\n')
		ready <- err
	}()
	select {
	case err := <-ready:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shown tells people what the screen waits for.
func (t *teller) shown(s ceremony.Shown) {
	w := t.app.out
	fmt.Fprintf(w, "  %s | %s\n", s.Title, strings.Join(s.Text, " "))
	switch {
	case s.Unexpected:
		fmt.Fprintf(w, "    ! The ceremony does not expect this screen (%s). It is recorded.\n", s.Screen)
	case s.Who != "":
		fmt.Fprintf(w, "    > %s %s\n", strings.Join(t.ceremony.Names([]string{s.Who}), ""), strings.Join(s.Did, ", "))
	default:
		fmt.Fprintf(w, "    > %s\n", strings.Join(s.Did, ", "))
	}
}
