// Sstplab is a lab's SSTP server and client.
package main

import (
	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
)

func main() { cli.Main(newRoot()) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sstplab",
		Short: "An SSTP server and client, to test with",
		Long: `sstplab is a whole SSTP endpoint: a server and a client with a PPP of their own,
that carry real IP through a TUN device (as root) or a TCP/IP stack of their own
(without), speak as known implementations do (--profile), and do things wrong
when told to (--fault).

It is made for labs and for finding out what is wrong with a server. It is no
VPN to rely on: nobody has audited it for that.

Exit status: 0 done, 1 the tunnel or the check failed, 2 wrong usage.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.AddCommand(newServe(), newDial(), newMatrix(), newWeigh())
	return root
}
