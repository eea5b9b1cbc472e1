package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// autoCommand attends to the device by a script.
func (a *app) autoCommand(simulator simulatorSource) *cobra.Command {
	var until string
	cmd := &cobra.Command{
		Use: "auto FILE", Short: `Attend to the screen and the iKeys by a script, "-" reads it from the standard input`,
		Long: `Attend to the screen and the iKeys by a script, until interrupted. It fails at a
screen that the script does not know. docs/trusted-path.md has the grammar and
lists the screens.`,
		Example: "  hsm7 sim auto ceremony.person &\n  hsm7 sim auto --until home ceremony.person",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.readInput(args[0])
			if err != nil {
				return err
			}
			script, err := person.Parse(string(text))
			if err != nil {
				return usagef("%s: %w", args[0], err)
			}
			client, err := simulator()
			if err != nil {
				return err
			}
			return a.attend(cmd.Context(), client, script, until)
		},
	}
	cmd.Flags().StringVar(&until, "until", "", "end when this screen is shown again, such as home, after something was done")
	return cmd
}

// attend follows a script.
func (a *app) attend(ctx context.Context, client *control.Client, script person.Script, until string) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	done := false
	p := person.Person{Script: script, Hands: &remoteHands{client, func(s person.Seen) {
		if done && s.ID == until {
			leave()
		}
	}}}
	p.Note = func(s person.Seen, r person.Rule) {
		done = true
		_ = a.print(attended{s.ID, r.Line, acts(r)}, func(w io.Writer) {
			fmt.Fprintf(w, "%-20s  %s\n", s.ID, strings.Join(acts(r), ", "))
		})
	}
	err := p.Attend(ctx)
	if done && until != "" && ctx.Err() != nil {
		return nil
	}
	return err
}

// attended is a line of hsm7 sim auto --json.
type attended struct {
	Screen string   `json:"screen"`
	Line   int      `json:"line"` // of the script
	Does   []string `json:"does"` // without PINs
}

func acts(r person.Rule) (all []string) {
	for _, act := range r.Do {
		all = append(all, act.String())
	}
	return all
}

// remoteHands reach a simulator in another process.
type remoteHands struct {
	client *control.Client
	seen   func(person.Seen) // called with each screen
}

var _ person.Hands = (*remoteHands)(nil)

// Look implements person.Hands.
func (h *remoteHands) Look(ctx context.Context, number uint64) (person.Seen, error) {
	s, err := h.client.Screen(ctx, number)
	if err != nil {
		return person.Seen{}, err
	}
	kind, ok := touchscreen.ParseKind(s.Kind)
	if !ok {
		return person.Seen{}, fmt.Errorf("the simulator shows a screen of the kind %q", s.Kind)
	}
	seen := person.Seen{Number: s.Number, Screen: touchscreen.Screen{
		ID: s.ID, Kind: kind, Title: s.Title, Text: s.Text, Items: s.Items, Min: s.Min, Max: s.Max, Value: s.Value, Cancel: s.Cancel,
	}}
	h.seen(seen)
	return seen, ctx.Err()
}

// Answer implements person.Hands.
func (h *remoteHands) Answer(ctx context.Context, s person.Seen, a person.Act) error {
	answer := string(a.Verb)
	switch a.Verb {
	case person.Type:
		answer += " " + a.Text
	case person.Number, person.Choose:
		answer = a.String()
	}
	_, err := h.client.Touch(ctx, control.Touch{Answer: answer, Screen: s.Number})
	return err
}

// Insert implements person.Hands.
func (h *remoteHands) Insert(ctx context.Context, key string) error {
	return h.client.InsertIKey(ctx, key)
}

// Remove implements person.Hands.
func (h *remoteHands) Remove(ctx context.Context) error { return h.client.RemoveIKey(ctx) }

// Bring implements person.Hands.
func (h *remoteHands) Bring(ctx context.Context, k person.Key) error {
	keys, err := h.client.IKeys(ctx)
	if err != nil || slices.ContainsFunc(keys, func(there control.IKey) bool { return there.Name == k.Name }) {
		return err
	}
	return h.client.MakeIKey(ctx, control.NewIKey{Name: k.Name, Colour: k.Colour})
}
