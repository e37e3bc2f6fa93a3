package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/bypass"
)

func newBypass() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bypass",
		Short: "Show and edit what a running proxy exempts from opening TLS",
		Long: `A proxy that opens TLS leaves closed what is on its bypass list: what the
configuration names, what an administrator added, servers whose certificate a
client rejected, and allowed tunnels that were found inside opened TLS. None of
it is exempt from inspection.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var admin string
	cmd.PersistentFlags().StringVar(&admin, "admin", defaultAdmin, "the proxy's admin listener at `ADDR`: unix:/PATH/OF/SOCKET or 127.0.0.1:PORT")
	client := func() (*adminClient, error) { return newAdminClient(admin, "the proxy", "a proxy that can open TLS") }
	cmd.AddCommand(newBypassList(client), newBypassAdd(client), newBypassRemove(client), newBypassClear(client))
	return cmd
}

func newBypassList(client func() (*adminClient, error)) *cobra.Command {
	var kinds []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the entries",
		Args:  cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, query, err := clientAndKinds(client, kinds)
			if err != nil {
				return err
			}
			var entries []bypass.Entry
			if err := c.ask(cmd.Context(), http.MethodGet, "/bypass"+query, nil, &entries); err != nil {
				return err
			}
			return printed(printEntries(cmd.OutOrStdout(), entries, asJSON, asJSON))
		},
	}
	registerKinds(cmd, &kinds, "only entries of these `KINDS`: configured, added, tunnel, rejected")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one list")
	return cmd
}

func newBypassAdd(client func() (*adminClient, error)) *cobra.Command {
	var a bypass.Addition
	var lasts time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Add an entry for some time",
		Long: `A connection is exempt if it agrees with all that is given. The entry lasts
for a day unless --for says otherwise, and over restarts of the proxy. What is
to last belongs in the configuration.`,
		Example: `  sstpwarden bypass add --name .bank.example --reason 'pinned app'
  sstpwarden bypass add --address 198.51.100.7 --port 443 --client 10.1.0.0/16 --for 2h`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkAddition(&a, lasts); err != nil {
				return err
			}
			c, err := client()
			if err != nil {
				return err
			}
			if lasts > 0 {
				a.Expires = time.Now().Add(lasts).Truncate(time.Second)
			}
			var e bypass.Entry
			if err := c.ask(cmd.Context(), http.MethodPost, "/bypass", &a, &e); err != nil {
				return err
			}
			return printed(printEntries(cmd.OutOrStdout(), []bypass.Entry{e}, asJSON, false))
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&a.Name, "name", "", "the server's `NAME`; *.example.org for all below it, .example.org for both")
	fl.StringVar(&a.Address, "address", "", "the server's address or a `PREFIX` that has it")
	fl.Uint16Var(&a.Port, "port", 0, "the server's `PORT`")
	fl.StringVar(&a.Client, "client", "", "the client's address or a `PREFIX` that has it")
	fl.StringVar(&a.User, "user", "", "the `USER` who logged in to the proxy")
	fl.DurationVar(&lasts, "for", bypass.DefaultLifetime, "the `TIME` it lasts, such as 2h; 0 for ever")
	fl.StringVar(&a.Reason, "reason", "", "a `TEXT` that says why, for whoever lists the entries")
	fl.BoolVar(&asJSON, "json", false, "print the entry as JSON")
	return cmd
}

// checkAddition finds what is wrong with the flags, before anybody is asked.
func checkAddition(a *bypass.Addition, lasts time.Duration) error {
	switch {
	case a.Name == "" && a.Address == "" && a.Client == "" && a.User == "":
		return cli.Usagef("what is exempt? Give --name, --address, --client or --user, or several of them")
	case lasts < 0:
		return cli.Usagef("--for %v is over already: give a time such as 24h, or 0 for ever", lasts)
	case a.Name != "":
		if _, err := bypass.ParseName(a.Name); err != nil {
			return cli.Usagef("--name: %w", err)
		}
	}
	if _, err := a.Entry(); err != nil {
		return cli.Usagef("--%w", err)
	}
	return nil
}

func newBypassRemove(client func() (*adminClient, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID...",
		Short: "Remove entries by their IDs",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			c, err := client()
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := c.ask(cmd.Context(), http.MethodDelete, "/bypass/"+url.PathEscape(id), nil, nil); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func newBypassClear(client func() (*adminClient, error)) *cobra.Command {
	var kinds []string
	cmd := &cobra.Command{
		Use:   "clear --kind KIND",
		Short: "Remove all entries of a kind",
		Args:  cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(kinds) == 0 {
				return cli.Usagef("which kind? Give --kind tunnel, rejected or added, or several with commas between")
			}
			c, query, err := clientAndKinds(client, kinds)
			if err != nil {
				return err
			}
			var done struct{ Removed int }
			if err := c.ask(cmd.Context(), http.MethodDelete, "/bypass"+query, nil, &done); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "entries removed: %d\n", done.Removed)
			return printed(err)
		},
	}
	registerKinds(cmd, &kinds, "the `KINDS`: added, tunnel, rejected")
	return cmd
}

func registerKinds(cmd *cobra.Command, kinds *[]string, usage string) {
	cmd.Flags().StringSliceVar(kinds, "kind", nil, usage)
}

// clientAndKinds gives the client, and kinds as a query.
func clientAndKinds(client func() (*adminClient, error), kinds []string) (c *adminClient, query string, err error) {
	for _, k := range kinds {
		if _, err := bypass.ParseKind(k); err != nil {
			return nil, "", cli.Usagef("--kind: %w", err)
		}
	}
	if len(kinds) > 0 {
		query = "?" + url.Values{"kind": kinds}.Encode()
	}
	c, err = client()
	return c, query, err
}

// printEntries prints entries as a table, or as JSON: a list or the one.
func printEntries(w io.Writer, entries []bypass.Entry, asJSON, list bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if list {
			return enc.Encode(entries)
		}
		return enc.Encode(entries[0])
	}
	if len(entries) == 0 {
		_, err := fmt.Fprintln(w, "nothing is exempt from opening")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tKIND\tSERVER\tCLIENT\tUSER\tUSES\tLAST USED (UTC)\tEXPIRES (UTC)\tREASON")
	for _, e := range entries {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", e.ID, e.Kind, entryServer(&e), orDash(prefixText(e.Client)),
			orDash(event.Printable(e.User)), e.Uses, timeOr(e.Used, "never"), timeOr(e.Expires, "never"), orDash(event.Printable(e.Reason)))
	}
	return tw.Flush()
}

// entryServer gives what an entry says of the server: "vpn.example.org 192.0.2.1 :443".
func entryServer(e *bypass.Entry) string {
	var parts []string
	if e.Name != "" {
		parts = append(parts, event.Printable(e.Name))
	}
	if e.Address.IsValid() {
		parts = append(parts, prefixText(e.Address))
	}
	if e.Port != 0 {
		parts = append(parts, fmt.Sprintf(":%d", e.Port))
	}
	return orDash(strings.Join(parts, " "))
}

// prefixText leaves out the length of a prefix that is one address.
func prefixText(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return ""
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func timeOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.DateTime)
}
