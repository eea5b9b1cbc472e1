package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/control"
	"usbhsm7/firmware/dialogue"
	"usbhsm7/firmware/dialogue/person"
	"usbhsm7/touchscreen"
)

// screenCommand shows the screen.
func (a *app) screenCommand(simulator simulatorSource) *cobra.Command {
	var picture string
	var watch, text bool
	cmd := &cobra.Command{
		Use: "screen", Short: "Show the device's screen: in words, as a picture, or each new one",
		Example: "  hsm7 sim screen\n  hsm7 sim screen --png screen.png\n  hsm7 sim screen --watch",
		Args:    noArgs,
	}
	cmd.Flags().StringVar(&picture, "png", "", `write the picture to this file, "-" to the standard output`)
	cmd.Flags().BoolVar(&watch, "watch", false, "go on with each new screen until interrupted")
	cmd.Flags().BoolVar(&text, "text", true, "in words, which is the default")
	cmd.MarkFlagsMutuallyExclusive("png", "watch", "text")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case watch:
			return a.watchScreen(cmd.Context(), simulator)
		case picture != "":
			return a.withSimulator(simulator, func(ctx context.Context, c *control.Client, _ []string) error {
				return a.savePicture(ctx, c, picture)
			})(cmd, args)
		}
		return a.withSimulator(simulator, func(ctx context.Context, c *control.Client, _ []string) error {
			screen, err := c.Screen(ctx, 0)
			if err != nil {
				return err
			}
			return a.printScreen(screen)
		})(cmd, args)
	}
	return cmd
}

func (a *app) printScreen(s control.Screen) error {
	return a.print(s, func(w io.Writer) {
		fmt.Fprintf(w, "[%s]\n  %s\n", s.ID, strings.ReplaceAll(s.Says, "\n", "\n  "))
	})
}

func (a *app) watchScreen(ctx context.Context, simulator simulatorSource) error {
	c, err := simulator()
	if err != nil {
		return err
	}
	for number := uint64(0); ; {
		screen, err := c.Screen(ctx, number)
		if err == nil {
			number, err = screen.Number, a.printScreen(screen)
		}
		if err != nil {
			return err
		}
	}
}

// savePicture writes the picture to a file. One that is there stays as it is unless
// there is a picture.
func (a *app) savePicture(ctx context.Context, c *control.Client, path string) error {
	var picture bytes.Buffer
	if err := c.ScreenPicture(ctx, &picture); err != nil {
		return err
	}
	return a.writeResult(path, picture.Bytes(), "picture")
}

// touchCommand is a finger.
func (a *app) touchCommand(simulator simulatorSource) *cobra.Command {
	return &cobra.Command{
		Use: "touch X Y", Short: "Touch the screen at a pixel, counted from the upper left corner",
		Example: "  hsm7 sim touch 240 700", Args: exactArgs(2),
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, args []string) error {
			x, errX := strconv.Atoi(args[0])
			y, errY := strconv.Atoi(args[1])
			if errors.Join(errX, errY) != nil {
				return usagef("%q, %q is no pixel", args[0], args[1])
			}
			return a.touch(ctx, c, control.Touch{X: &x, Y: &y})
		}),
	}
}

// pressCommand is a keyboard.
func (a *app) pressCommand(simulator simulatorSource) *cobra.Command {
	return &cobra.Command{
		Use: "press KEY...", Short: "Press keys of a keyboard: 0 to 9, Enter, Escape, Backspace, Tab, y, n, ArrowUp, ArrowDown",
		Example: "  hsm7 sim press 1 2 3 4 Enter",
		Args:    checkArgs(cobra.MinimumNArgs(1)), ValidArgsFunction: cobra.FixedCompletions(touchscreen.Keys(), cobra.ShellCompDirectiveNoFileComp),
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, args []string) error {
			if i := slices.IndexFunc(args, func(key string) bool { return !touchscreen.HasKey(key) }); i >= 0 {
				return usagef("argument %d is no key of a keyboard here, which has %s", i+1, strings.Join(touchscreen.Keys(), ", ")) // it may be a PIN
			}
			for _, key := range args[:len(args)-1] {
				if _, err := c.Touch(ctx, control.Touch{Key: key}); err != nil {
					return err
				}
			}
			return a.touch(ctx, c, control.Touch{Key: args[len(args)-1]})
		}),
	}
}

// answers are the words that answer a screen.
var answers = []string{"ok", "yes", "no", "cancel", "type", "number", "choose"}

// answerCommand answers a screen whatever it looks like.
func (a *app) answerCommand(simulator simulatorSource) *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use: "answer ok|yes|no|cancel|type DIGITS|number N|choose ITEM", Short: "Answer the screen, without looking where its buttons are",
		Long: `Answer the screen, without looking where its buttons are. With --at it waits until
that screen is shown; docs/trusted-path.md lists the screens.`,
		Example: "  hsm7 sim answer yes\n  hsm7 sim answer --at write/pin type 1234\n  hsm7 sim answer --at create/m number 3\n  hsm7 sim answer choose 2",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return answers, cobra.ShellCompDirectiveNoFileComp
		},
		Args: checkArgs(cobra.RangeArgs(1, 2)),
		RunE: a.withSimulator(simulator, func(ctx context.Context, c *control.Client, args []string) error {
			if !slices.Contains(answers, args[0]) {
				return usagef("%q answers no screen; what does: %s", args[0], strings.Join(answers, ", "))
			}
			if _, err := person.ParseAct(args); err != nil {
				return usagef("%w", err)
			}
			if err := checkScreen("--at", at); err != nil {
				return err
			}
			screen, err := awaitScreen(ctx, c.Screen, at)
			if err != nil {
				return err
			}
			return a.touch(ctx, c, control.Touch{Answer: strings.Join(args, " "), Screen: screen.Number})
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "wait for this screen, such as create/reuse")
	return cmd
}

// checkScreen tells that a flag waits for a screen that is never shown. It may be left out.
func checkScreen(flag, id string) error {
	if id == "" {
		return nil
	}
	if err := person.CheckScreen(id, dialogue.Screens()); err != nil {
		return usagef("%s: %w", flag, err)
	}
	return nil
}

// awaitScreen looks until the screen of an ID is shown; an empty one is any. look is
// that of control.Client.
func awaitScreen(ctx context.Context, look func(context.Context, uint64) (control.Screen, error), id string) (s control.Screen, err error) {
	for seen := "before any is seen"; ; seen = "while " + s.ID + " is shown" {
		if s, err = look(ctx, s.Number); err != nil {
			return s, fmt.Errorf("wait for the screen %s, %s: %w", cmp.Or(id, "that is shown"), seen, err)
		}
		if id == "" || s.ID == id {
			return s, nil
		}
	}
}

func (a *app) touch(ctx context.Context, c *control.Client, t control.Touch) error {
	if _, err := c.Touch(ctx, t); err != nil {
		return err
	}
	return a.done("done")
}
