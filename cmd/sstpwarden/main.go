// Sstpwarden recognises SSTP, Microsoft's VPN inside HTTPS, and lets a policy
// say what is to be done with it.
package main

import (
	_ "time/tzdata" // policies name time zones, and not every machine has them

	"sstpwarden/cmd/cli"

	"github.com/spf13/cobra"
)

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sstpwarden",
		Short: "Recognise SSTP, Microsoft's VPN inside HTTPS, and say what is to be done with it",
		Long: `sstpwarden finds SSTP (PPP over HTTPS on port 443) by what it says in clear,
by what opened TLS holds, and with no keys at all by the sizes and order of
TLS records; a policy (OPA) then allows, logs or drops it.

Exit status: 0 done, 1 something could not be read or done, 2 wrong usage,
3 --fail-on was met.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddCommand(newAudit(), newPolicy(), newRules(), newProbe(), newCA())
	root.AddCommand(services()...)
	return root
}
