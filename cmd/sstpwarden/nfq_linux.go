package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sstpwarden/cmd/cli"
	"sstpwarden/cmd/daemon"
	"sstpwarden/nfq/nft"
)

// nfqFlags are those of `sstpwarden nfq`.
type nfqFlags struct {
	serviceFlags
	hooks     []string
	queues    int
	scope     []string
	loopback  bool
	fail      string
	midstream string
	simulate  []string
	keep      bool
	print     bool
	remove    bool
}

func newNFQ() *cobra.Command {
	var f nfqFlags
	cmd := &cobra.Command{
		Use:   "nfq [flags]",
		Short: "Inspect what this machine forwards, takes and sends, and end what the policy drops",
		Long: `Nfq has the kernel queue the first packets of each TCP connection, looks at them,
asks the policy, and ends tunnels before they carry anything. Packets pass while
it looks. Once it is known what a connection is, the kernel carries the rest.

It needs no proxy and changes nothing for clients: it is for routers, and for
single machines. One table of nftables, inet sstpwarden, sends the packets here;
it is installed at the start and removed at the end. If the program dies, the
kernel removes it (--fail open), or stops what is in its scope (--fail closed)
until the program runs again or nfq --remove is called.`,
		Example: `  sstpwarden nfq --events /var/log/sstpwarden.json
  sstpwarden nfq --dry-run --events -
  sstpwarden nfq --hook forward --scope interface=lan0 --scope network=10.0.0.0/8
  sstpwarden nfq --print --scope port=443
  sstpwarden nfq --remove`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.remove {
				return removeInspect(cmd, &f)
			}
			c, err := f.configure(cmd.Flags())
			if err != nil {
				return err
			}
			if f.print {
				return printInspect(cmd, c)
			}
			return runNFQ(cmd.Context(), c, f.config)
		},
	}
	fl := cmd.Flags()
	f.register(fl)
	fl.StringSliceVar(&f.hooks, "hook", nil, "inspect in these `HOOKS`: forward for what is routed, input and output, both, for this machine's own connections (default all)")
	fl.IntVar(&f.queues, "queues", 0, "use `N` queues of the kernel, each with a thread of its own (default one per processor)")
	fl.StringArrayVar(&f.scope, "scope", nil, "which connections, `KEY=VALUE` of interface, network (of clients), port, exclude (servers); repeatable, all TCP without it")
	fl.BoolVar(&f.loopback, "loopback", false, "inspect this machine's connections to itself, too")
	fl.StringVar(&f.fail, "fail", "", "whether connections pass (open) or not (closed) while nobody inspects them (default open)")
	fl.StringVar(&f.midstream, "midstream", "", "what is done with connections that were up before: let, watch or cut (default watch)")
	fl.StringSliceVar(&f.simulate, "simulate", nil, "take these `CAUSES` to be there, to see what the configuration makes of them: midstream, memory, undecided, unreadable, conflict, policy_error, policy_timeout, overflow")
	fl.BoolVar(&f.keep, "keep", false, "leave the firewall's table in place at the end")
	fl.BoolVar(&f.print, "print", false, "print the firewall's table as nft text, and do nothing else")
	fl.BoolVar(&f.remove, "remove", false, "remove the firewall's table that a crash or --keep left, and do nothing else")
	return cmd
}

// configure gives the configuration with the flags over it.
func (f *nfqFlags) configure(fl *pflag.FlagSet) (*daemon.Config, error) {
	c, err := f.load(fl)
	if err != nil {
		return nil, err
	}
	n := &c.NFQ
	over(fl, "hook", &n.Hooks, f.hooks)
	over(fl, "queues", &n.Queues.Count, f.queues)
	over(fl, "loopback", &n.Loopback, f.loopback)
	over(fl, "fail", &n.Fail, f.fail)
	over(fl, "midstream", &n.Exceptions.Midstream, f.midstream)
	over(fl, "simulate", &n.Simulate, f.simulate)
	over(fl, "keep", &n.Keep, f.keep)
	if fl.Changed("scope") {
		scope, err := nft.ParseScope(f.scope)
		if err != nil {
			return nil, cli.Usagef("nfq: --scope: %w", err)
		}
		n.Scope = configScope(scope)
	}
	if err := c.Check(); err != nil {
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	return c, nil
}

// printInspect writes the table as it would be installed on this machine: where the
// kernel cannot be asked, as one would be that has nft's own queue statement.
func printInspect(cmd *cobra.Command, c *daemon.Config) error {
	o := tableOptions(c)
	if q, err := nft.FindQueue(); err == nil {
		o.Statement = q
	}
	_, err := fmt.Fprint(cmd.OutOrStdout(), nft.InspectTable(o).Script())
	return printed(err)
}

// removeInspect removes what a crash or --keep left.
func removeInspect(cmd *cobra.Command, f *nfqFlags) error {
	switch {
	case f.print:
		return cli.Usagef("nfq: --remove and --print at once: leave one out")
	case f.keep:
		return cli.Usagef("nfq: --remove and --keep at once: leave one out")
	}
	removed, err := nft.TeardownInspect()
	switch {
	case errors.Is(err, nft.ErrInUse):
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("nfq: %w; its table goes with it", err)}
	case err != nil:
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("nfq: %w", err)}
	case removed:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "removed table inet %s\n", nft.InspectTableName)
	default:
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "there was nothing to remove")
	}
	return printed(err)
}

// runNFQ runs until ctx is done.
func runNFQ(ctx context.Context, c *daemon.Config, path string) error {
	s, err := openNFQ(ctx, c, path)
	if err != nil {
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("nfq: %w", err)}
	}
	if err := s.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("nfq: %w", err)}
	}
	return nil
}
