package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
)

func newBans() *cobra.Command {
	var admin string
	var asJSON bool
	client := func() (*adminClient, error) {
		const whose = "sstpwarden nfq or proxy"
		return newAdminClient(admin, whose, whose)
	}
	list := func(cmd *cobra.Command, _ []string) error {
		c, err := client()
		if err != nil {
			return err
		}
		var bans []shownBan
		if err := c.ask(cmd.Context(), http.MethodGet, "/bans", nil, &bans); err != nil {
			return err
		}
		return printed(printBans(cmd.OutOrStdout(), bans, asJSON))
	}
	cmd := &cobra.Command{
		Use:   "bans",
		Short: "Show and take back the bans of a running nfq or proxy",
		Long: `Where a policy bans, a client that tried a tunnel cannot connect to that server
for some time. Sstpwarden nfq has the kernel refuse it, the proxy refuses it
itself, for connections that the firewall sends it. Without a command it lists.`,
		Example: `  sstpwarden bans
  sstpwarden bans clear 10.1.2.3
  sstpwarden bans clear 192.0.2.1:443 --admin 127.0.0.1:9180`,
		Args: cli.NoArgs,
		RunE: list,
	}
	cmd.PersistentFlags().StringVar(&admin, "admin", defaultAdmin, "the program's admin listener at `ADDR`: unix:/PATH/OF/SOCKET or 127.0.0.1:PORT")
	show := &cobra.Command{Use: "list", Short: "List the bans, those that last longest first", Args: cli.NoArgs, RunE: list}
	for _, c := range []*cobra.Command{cmd, show} {
		c.Flags().BoolVar(&asJSON, "json", false, "print JSON, one list")
	}
	cmd.AddCommand(show, newBansClear(client))
	return cmd
}

func newBansClear(client func() (*adminClient, error)) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "clear ADDR... | --all",
		Short: "Take bans back: those of a client or a server, or all",
		Long: `ADDR is the address of a client or of a server, or one port of a server as in
192.0.2.1:443 and [2001:db8::1]:443. The policy may make the ban again at the
next attempt.`,
		RunE: func(cmd *cobra.Command, addrs []string) error {
			switch {
			case len(addrs) == 0 && !all:
				return cli.Usagef("whose? Give addresses of clients or servers, or --all")
			case len(addrs) > 0 && all:
				return cli.Usagef("addresses and --all at once: leave one out")
			}
			for _, a := range addrs {
				if _, err := parseEndpoint(a); err != nil {
					return cli.Usagef("%w", err)
				}
			}
			c, err := client()
			if err != nil {
				return err
			}
			queries := []string{""}
			if !all {
				queries = addrs
			}
			removed := 0
			for _, q := range queries {
				if q != "" {
					q = "?" + url.Values{"address": {q}}.Encode()
				}
				var done struct{ Removed int }
				if err := c.ask(cmd.Context(), http.MethodDelete, "/bans"+q, nil, &done); err != nil {
					return err
				}
				removed += done.Removed
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "bans removed: %d\n", removed)
			return printed(err)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "take all back")
	return cmd
}

// printBans prints bans as a table, or as JSON.
func printBans(w io.Writer, bans []shownBan, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(bans)
	}
	if len(bans) == 0 {
		_, err := fmt.Fprintln(w, "nobody is banned")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "CLIENT\tSERVER\tGOES ON FOR")
	for _, b := range bans {
		client := "all"
		if b.Client.IsValid() {
			client = b.Client.String()
		}
		left := time.Duration(b.Left * float64(time.Second))
		fmt.Fprintf(tw, "%s\t%s\t%v\n", client, b.Server, max(left.Round(time.Second), time.Second))
	}
	return tw.Flush()
}
