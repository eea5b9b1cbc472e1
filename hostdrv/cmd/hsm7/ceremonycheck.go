package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/dialogue"
	"usbhsm7/hostdrv/ceremony"
)

func (a *app) ceremonyCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Say what is wrong in the file of a ceremony, without holding it",
		Example: "  hsm7 ceremony check docs/ceremonies/initialise-root-ca.yaml",
		Args:    exactArgs(1), ValidArgsFunction: completeYAML,
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := ceremony.Read(args[0], dialogue.Screens())
			if err != nil {
				return err
			}
			if err := checkCommands(c); err != nil {
				return err
			}
			_, err = c.Before()
			if err != nil {
				return err
			}
			return a.print(c.Summary(), func(w io.Writer) {
				s := c.Summary()
				fmt.Fprintf(w, "%s\n  %s, %s, %s, %s\n", s.Title, counted(s.Steps, "step"), counted(s.People, "participant"), counted(s.Keys, "iKey"), counted(s.Faults, "fault"))
				if s.NeedsPeople {
					fmt.Fprintln(w, "  only people know all PINs: it is held by hand")
				}
			})
		},
	}
}
