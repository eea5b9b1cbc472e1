package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"usbhsm7/usbip/socket/labca"
)

// tlsLine is what tls new --json prints: the files that each side needs.
type tlsLine struct {
	CA      string   `json:"ca"`
	Server  string   `json:"server"`
	Clients []string `json:"clients"` // without .pem and .key
	Until   string   `json:"until"`
}

func (a *app) tlsCommand() *cobra.Command {
	var plan labca.Plan
	var days int
	cmd := &cobra.Command{
		Use: "new DIR", Short: "Make certificates for a simulator that other machines use", Args: exactArgs(1),
		Long: `Make certificates for a simulator that other machines use: a CA, one for the
simulator's server and one for each client. The CA's own key is not kept, so that
nobody can add a client later. Private keys get mode 0600; nothing is overwritten.`,
		Example: "  hsm7 tls new tls --host hsm.example --host 192.0.2.7 --client alice --client ci",
		RunE: func(_ *cobra.Command, args []string) error {
			if days < 1 {
				return usagef("--days %d: certificates are valid for a day or longer", days)
			}
			plan.Valid = time.Duration(days) * 24 * time.Hour
			return a.newTLS(args[0], plan)
		},
	}
	cmd.Flags().StringSliceVar(&plan.Hosts, "host", nil, "name or address under which the server is reached, besides localhost; may be repeated")
	cmd.Flags().StringSliceVar(&plan.Clients, "client", []string{"client"}, "name of a client; may be repeated")
	cmd.Flags().IntVar(&days, "days", 365, "how long the certificates are valid")
	return group("bus", "tls", "Certificates between simulators and the machines that use them", cmd)
}

func (a *app) newTLS(dir string, plan labca.Plan) error {
	switch err := labca.Write(dir, plan); {
	case errors.Is(err, labca.ErrPlan):
		return usagef("%w", err)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w; choose another folder, or remove that one", err)
	case err != nil:
		return err
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	line := tlsLine{
		CA: file("ca.pem"), Server: file("server"),
		Until: time.Now().Add(plan.Valid).Format(time.DateOnly),
	}
	for _, name := range plan.Clients {
		line.Clients = append(line.Clients, file(name))
	}
	return a.print(line, func(w io.Writer) {
		fmt.Fprintf(w, "Certificates are in %s, valid until %s.\n\n", dir, line.Until)
		fmt.Fprintf(w, "Where the device is (server.pem, server.key, ca.pem):\n")
		fmt.Fprintf(w, "  usbhsm7 --state-dir hsm --listen 0.0.0.0:3240 --tls-cert %[1]s.pem --tls-key %[1]s.key --tls-ca %[2]s\n\n", line.Server, line.CA)
		for i, client := range line.Clients {
			name := plan.Clients[i]
			fmt.Fprintf(w, "Where it is used (%[1]s.pem, %[1]s.key, ca.pem):\n", name)
			fmt.Fprintf(w, "  export HSM7_TLS_CERT=%[1]s.pem HSM7_TLS_KEY=%[1]s.key HSM7_TLS_CA=%[2]s\n\n", client, line.CA)
		}
		fmt.Fprintln(w, "Then: hsm7 list --usbip HOST:3240, or to attach it: sudo -E hsm7 attach --watch --usbip HOST:3240")
	})
}
