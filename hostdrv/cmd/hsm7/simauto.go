package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/hostdrv/ceremony"
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
			if err := checkScreen("--until", until); err != nil {
				return err
			}
			text, err := a.readInput(args[0])
			if err != nil {
				return err
			}
			script, err := person.Parse(string(text), dialogue.Screens())
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
	hands := ceremony.NewHands(client)
	hands.Seen = func(s person.Seen) {
		if done && s.ID == until {
			leave()
		}
	}
	p := person.Person{Script: script, Hands: hands}
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
