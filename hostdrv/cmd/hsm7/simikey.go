package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/control"
	"usbhsm7/ikey/ring"
)

// ikeyCommand holds what people do with iKeys, and what happens to them.
func (a *app) ikeyCommand(simulator simulatorSource) *cobra.Command {
	cmd := group("", "ikey", "Handle the iKeys of a simulated device: make, insert, remove, lose, damage",
		a.ikeyListCommand(simulator), a.ikeyMakeCommand(simulator), a.ikeyStickerCommand(simulator),
		a.ikeyDo(simulator, "copy NAME COPY", "Copy an iKey, so that no device can tell the two apart", 2,
			func(ctx context.Context, c *control.Client, args []string) error {
				return c.MakeIKey(ctx, control.NewIKey{Name: args[1], CopyOf: args[0]})
			}),
		a.ikeyDo(simulator, "insert NAME", "Plug an iKey into the port, instead of the one that is there", 1,
			func(ctx context.Context, c *control.Client, args []string) error { return c.InsertIKey(ctx, args[0]) }),
		a.ikeyDo(simulator, "remove", "Pull out what is in the port", 0,
			func(ctx context.Context, c *control.Client, _ []string) error { return c.RemoveIKey(ctx) }),
		a.ikeyDo(simulator, "rename NAME NEW-NAME", "Give an iKey another name", 2,
			func(ctx context.Context, c *control.Client, args []string) error {
				return c.ChangeIKey(ctx, args[0], control.IKeyChange{Name: args[1]})
			}),
		a.ikeyDo(simulator, "lose NAME", "Lose an iKey", 1, changing(func(_ int, change *control.IKeyChange) { change.Lost = new(true) })),
		a.ikeyDo(simulator, "find NAME", "Find a lost iKey again", 1, changing(func(_ int, change *control.IKeyChange) { change.Lost = new(false) })),
		a.ikeyDo(simulator, "damage NAME", "Damage an iKey, so that nothing can read it", 1, changing(func(_ int, change *control.IKeyChange) { change.Damage = true })),
		a.ikeyDo(simulator, "wear NAME WRITES", "Have the memory of an iKey take so many writes and no more", 2, changing(func(n int, change *control.IKeyChange) { change.Wear = &n })),
		a.ikeyDo(simulator, "pull-after NAME BYTES", "Have an iKey slip out of the port when so many bytes have passed", 2, changing(func(n int, change *control.IKeyChange) { change.PullAfter = &n })),
	)
	cmd.Example = "  hsm7 sim ikey make so-1 --colour blue\n  hsm7 sim ikey insert so-1\n  hsm7 sim ikey list"
	return cmd
}

// ikeyDo makes a command of one request about iKeys.
func (a *app) ikeyDo(simulator simulatorSource, use, short string, args int, do func(context.Context, *control.Client, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: exactArgs(args), ValidArgsFunction: namesOfIKeys(simulator, args), RunE: a.withSimulator(simulator,
		func(ctx context.Context, c *control.Client, args []string) error {
			if err := do(ctx, c, args); err != nil {
				return err
			}
			return a.done("done")
		})}
}

// namesOfIKeys completes the first of so many arguments. Without a simulator there
// is nothing to complete.
func namesOfIKeys(simulator simulatorSource, args int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, _ string) (names []string, directive cobra.ShellCompDirective) {
		if args > 0 && len(given) == 0 {
			names = keysOf(cmd.Context(), simulator)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func keysOf(ctx context.Context, simulator simulatorSource) (names []string) {
	c, err := simulator()
	if err != nil {
		return nil
	}
	keys, _ := c.IKeys(ctx)
	for _, k := range keys {
		names = append(names, k.Name)
	}
	return names
}

// changing returns what has something happen to an iKey: args are its name and,
// perhaps, a number.
func changing(set func(n int, change *control.IKeyChange)) func(context.Context, *control.Client, []string) error {
	return func(ctx context.Context, c *control.Client, args []string) error {
		var n int
		if len(args) == 2 {
			var err error
			if n, err = strconv.Atoi(args[1]); err != nil || n < 0 {
				return usagef("%q is not a number from 0", args[1])
			}
		}
		var change control.IKeyChange
		set(n, &change)
		return c.ChangeIKey(ctx, args[0], change)
	}
}

func (a *app) ikeyListCommand(simulator simulatorSource) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the iKeys", Args: noArgs, RunE: a.withSimulator(simulator,
		func(ctx context.Context, c *control.Client, _ []string) error {
			keys, err := c.IKeys(ctx)
			if err != nil {
				return err
			}
			return a.print(keys, func(w io.Writer) { printIKeys(w, keys) })
		})}
}

func printIKeys(w io.Writer, keys []control.IKey) {
	if len(keys) == 0 {
		fmt.Fprintln(w, "no iKeys; hsm7 sim ikey make NAME makes one")
	}
	for _, k := range keys {
		where := ""
		switch {
		case k.InPort:
			where = "in the port"
		case k.Lost:
			where = "lost"
		}
		fmt.Fprintf(w, "%-20s  %-7s  %-11s  %s\n", k.Name, k.Colour, where, k.Text)
	}
}

func (a *app) ikeyMakeCommand(simulator simulatorSource) *cobra.Command {
	var colour, text string
	cmd := a.ikeyDo(simulator, "make NAME", "Make a blank iKey", 1, func(ctx context.Context, c *control.Client, args []string) error {
		if err := c.MakeIKey(ctx, control.NewIKey{Name: args[0], Colour: colour}); err != nil || text == "" {
			return err
		}
		return c.ChangeIKey(ctx, args[0], control.IKeyChange{Text: &text})
	})
	cmd.Example = "  hsm7 sim ikey make so-1 --colour blue --text 'SO 1 of 3'"
	cmd.ValidArgsFunction = cobra.NoFileCompletions // the name is new
	stickerFlags(cmd, &colour, &text)
	return cmd
}

func (a *app) ikeyStickerCommand(simulator simulatorSource) *cobra.Command {
	var colour, text string
	var cmd *cobra.Command
	cmd = a.ikeyDo(simulator, "sticker NAME", "Put another colour on the sticker of an iKey, or another text", 1, func(ctx context.Context, c *control.Client, args []string) error {
		var change control.IKeyChange
		if cmd.Flags().Changed("colour") {
			change.Colour = &colour
		}
		if cmd.Flags().Changed("text") {
			change.Text = &text
		}
		return c.ChangeIKey(ctx, args[0], change)
	})
	cmd.Example = "  hsm7 sim ikey sticker so-1 --colour grey\n  hsm7 sim ikey sticker so-1 --text ''"
	stickerFlags(cmd, &colour, &text)
	cmd.MarkFlagsOneRequired("colour", "text")
	return cmd
}

// stickerFlags are about the outside of an iKey, which no device can see.
func stickerFlags(cmd *cobra.Command, colour, text *string) {
	colours := slices.Sorted(maps.Keys(ring.Colours()))
	cmd.Flags().StringVar(colour, "colour", "", "of the sticker: "+strings.Join(colours, ", ")+" (docs/trusted-path.md says for whom)")
	cmd.Flags().StringVar(text, "text", "", "on the sticker")
	_ = cmd.RegisterFlagCompletionFunc("colour", cobra.FixedCompletions(colours, cobra.ShellCompDirectiveNoFileComp))
}
