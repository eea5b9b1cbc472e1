package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/hostdrv"
)

// inventory is what the device says of itself and of its credentials. It holds no
// secret: whoever can reach the device may ask for all of it.
type inventory struct {
	Device   command.InfoResponse        `json:"device"`
	Roles    []credential                `json:"roles"`
	Policies map[string][]changedPolicy  `json:"policies"` // of "hsm" and "partition": those that are not as delivered
	Audit    command.AuditStatusResponse `json:"audit"`
}

// credential is one role.
type credential struct {
	Role string `json:"role"`
	Name string `json:"name"`
	command.RoleStateResponse
}

// changedPolicy is a policy that is more restrictive than the capability.
type changedPolicy struct {
	ID         uint8  `json:"id"`
	Name       string `json:"name"`
	Value      uint16 `json:"value"`
	Capability uint16 `json:"capability"`
}

func (a *app) inventoryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "inventory", Short: "Report the device, its roles and the policies that restrict it", GroupID: "device", Args: noArgs,
		Long: `Report the hardware and the credentials: identity and state of the device, which
roles have passwords or iKeys, which are locked, the policies that restrict what the
model can do, and the audit log. For the files of an audit; it holds no secret
and needs no login.`,
		Example: "  hsm7 inventory\n  hsm7 inventory --json >inventory-7000001.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDevice(cmd.Context(), func(ctx context.Context, d *hostdrv.Device) error {
				i, err := takeInventory(ctx, d)
				if err != nil {
					return err
				}
				return a.print(i, func(w io.Writer) { printInventory(w, i) })
			})
		},
	}
}

func takeInventory(ctx context.Context, d *hostdrv.Device) (*inventory, error) {
	i := &inventory{Roles: []credential{}, Policies: map[string][]changedPolicy{}}
	var err error
	if i.Device, err = d.Info(ctx); err != nil {
		return nil, err
	}
	slots := []command.Slot{command.SlotAdmin}
	if i.Device.Partition != command.PartitionAbsent {
		slots = append(slots, command.SlotPartition)
	}
	for _, slot := range slots {
		if err := i.addSlot(ctx, d, slot); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// addSlot adds the roles and the policies of a slot.
func (i *inventory) addSlot(ctx context.Context, d *hostdrv.Device, slot command.Slot) error {
	s, err := d.OpenSession(ctx, slot, hostdrv.SessionOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	for _, info := range command.RoleTable {
		if info.Slot != slot {
			continue
		}
		state, err := s.RoleState(ctx, info.Role)
		if err != nil {
			return err
		}
		i.Roles = append(i.Roles, credential{info.Short, info.Name, state})
	}
	name, list := "hsm", s.HSMPolicies
	if slot == command.SlotPartition {
		name, list = "partition", s.PartitionPolicies
	} else if i.Audit, err = s.AuditStatus(ctx); err != nil {
		return err
	}
	policies, err := list(ctx)
	if err != nil {
		return err
	}
	i.Policies[name] = []changedPolicy{}
	for _, p := range policies {
		if p.Changeable && p.Value != p.Capability {
			i.Policies[name] = append(i.Policies[name], changedPolicy{p.ID, p.Name, p.Value, p.Capability})
		}
	}
	return s.Close(ctx)
}

func printInventory(w io.Writer, i *inventory) {
	d := &i.Device
	fmt.Fprintf(w, "%s, serial %s, firmware %s\n", d.Model, d.Serial, d.Firmware)
	fmt.Fprintf(w, "HSM %s, label %q; partition %s, label %q, %d objects\n\n", d.State, d.Label, d.Partition, d.PartitionLabel, d.Objects)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROLE\tLOGS IN WITH\tLOCKED\tATTEMPTS LEFT")
	for _, r := range i.Roles {
		fmt.Fprintf(table, "%s (%s)\t%s\t%s\t%d\n", r.Name, r.Role, logsInWith(r), yes(r.Locked), r.AttemptsLeft)
	}
	fmt.Fprintln(table, "\nPOLICY\tVALUE\tCAPABILITY\t")
	for _, owner := range []string{"hsm", "partition"} {
		for _, p := range i.Policies[owner] {
			fmt.Fprintf(table, "%s %d %s\t%d\t%d\t\n", owner, p.ID, p.Name, p.Value, p.Capability)
		}
	}
	_ = table.Flush()
	fmt.Fprintln(w)
	printAuditStatus(w, i.Audit)
}

func logsInWith(r credential) string {
	switch {
	case !r.Initialised:
		return "nothing yet"
	case r.ChangeDue || r.ChallengeDue:
		return authentication(r.RoleStateResponse) + ", to be changed"
	}
	return authentication(r.RoleStateResponse)
}
