package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"usbhsm7/firmware/command"
	"usbhsm7/firmware/hsm/policy"
	"usbhsm7/hostdrv"
)

// policyOwner is the HSM or the partition, with the role that sets its policies.
type policyOwner struct {
	name   string
	role   command.Role
	list   func(*hostdrv.Session, context.Context) ([]command.PolicyInfo, error)
	change func(*hostdrv.Session, context.Context, command.PolicyChangeRequest) error
	loses  string // in a destructive change
}

var (
	ofHSM = policyOwner{
		"HSM", command.RoleSO, (*hostdrv.Session).HSMPolicies, (*hostdrv.Session).ChangeHSMPolicies,
		"the partition with every key on it",
	}
	ofPartition = policyOwner{
		"partition", command.RolePO, (*hostdrv.Session).PartitionPolicies, (*hostdrv.Session).ChangePartitionPolicies,
		"every key on the partition",
	}
)

func (a *app) policiesCommand(owner policyOwner) *cobra.Command {
	return &cobra.Command{
		Use: "policies", Short: "Show the capabilities and policies of the " + owner.name, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSession(cmd.Context(), owner.role.Slot(), func(ctx context.Context, s *hostdrv.Session) error {
				list, err := owner.list(s, ctx)
				if err != nil {
					return err
				}
				return a.print(list, func(w io.Writer) { printPolicies(w, list) })
			})
		},
	}
}

func printPolicies(w io.Writer, list []command.PolicyInfo) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPOLICY\tVALUE\tCAPABILITY\tDESTRUCTIVE")
	for _, p := range list {
		value := strconv.Itoa(int(p.Value))
		if !p.Changeable && p.ID > policy.QuorumAuthentication { // the first two say what was chosen at the initialisation
			value = "-"
		}
		destructive := [...]string{"", "turning off", "turning on", "both ways"}[p.Destructive&3]
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%s\n", p.ID, p.Name, value, p.Capability, destructive)
	}
	_ = table.Flush()
}

func (a *app) changePolicyCommand(owner policyOwner) *cobra.Command {
	var (
		from        passwordSource
		destructive bool
	)
	cmd := &cobra.Command{
		Use: "change-policy ID=VALUE...", Short: "Change policies of the " + owner.name + ", all or none",
		Long:    "Change policies of the " + owner.name + ", all or none. Some changes destroy " + owner.loses + ";\nsuch a change needs --destructive, and no other takes it.",
		Example: fmt.Sprintf("  hsm7 %s policies\n  hsm7 %[1]s change-policy 12=0 --destructive", strings.ToLower(owner.name)),
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			req := command.PolicyChangeRequest{Destructive: destructive}
			if len(args) == 0 {
				return usagef("no policy given; usage: %s", cmd.UseLine())
			}
			for _, arg := range args {
				setting, err := parseSetting(arg)
				if err != nil {
					return err
				}
				req.Settings = append(req.Settings, setting)
			}
			return a.withLogin(cmd.Context(), owner.role, from, func(ctx context.Context, s *hostdrv.Session) error {
				if err := owner.change(s, ctx, req); err != nil {
					return err
				}
				return a.done("policies of the %s changed", owner.name)
			})
		},
	}
	cmd.Flags().BoolVar(&destructive, "destructive", false, "the change may destroy "+owner.loses)
	passwordFlag(cmd, &from)
	return cmd
}

// policyFlag adds --policy, which fills a template.
func policyFlag(cmd *cobra.Command, template *[]command.PolicySetting) {
	cmd.Flags().Func("policy", "policy to set, as `ID=VALUE`; may be given several times", func(text string) error {
		setting, err := parseSetting(text)
		*template = append(*template, setting)
		return err
	})
}

func parseSetting(text string) (command.PolicySetting, error) {
	id, value, ok := strings.Cut(text, "=")
	n, errN := strconv.ParseUint(id, 10, 8)
	v, errV := strconv.ParseUint(value, 10, 16)
	if !ok || errN != nil || errV != nil {
		return command.PolicySetting{}, usagef("%q is not like 21=0", text)
	}
	return command.PolicySetting{ID: uint8(n), Value: uint16(v)}, nil
}
