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
	"sstpwarden/proxy/access"
)

// serviceFlags are those that a service has over its configuration.
type serviceFlags struct {
	config   string
	policy   string
	data     []string
	rules    string
	events   []string
	admin    string
	user     string
	logLevel string
	dryRun   bool
}

func (f *serviceFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.config, "config", "", "configuration `FILE`; sstpwarden config example prints one. Flags win over it")
	fl.StringVar(&f.policy, "policy", "", "policies: `DIR` or bundle (.tar.gz) in place of those built in")
	fl.StringArrayVar(&f.data, "data", nil, "data `FILE` for the policies, JSON or YAML: what is sanctioned (repeatable)")
	fl.StringVar(&f.rules, "rules", "", "detection rules `FILE` in place of those built in")
	fl.StringArrayVar(&f.events, "events", nil, "send events to `DEST`: a file, -, syslog://HOST:PORT, syslog+tcp://HOST:PORT or syslog:///dev/log (repeatable)")
	fl.StringVar(&f.admin, "admin", "", "health, metrics and lists at `ADDR`: 127.0.0.1:9180, or unix:PATH")
	fl.StringVar(&f.user, "user", "", "go on as `USER` once ports are bound and files are open")
	fl.StringVar(&f.logLevel, "log-level", "", "how much is logged: `LEVEL` is debug, info, warn or error")
	fl.BoolVar(&f.dryRun, "dry-run", false, "tell what would be done, and do nothing")
}

// load reads the configuration, and puts the flags over it that were given.
func (f *serviceFlags) load(fl *pflag.FlagSet) (*daemon.Config, error) {
	c := new(daemon.Default())
	if f.config != "" {
		loaded, err := daemon.Load(f.config)
		if err != nil {
			return nil, &cli.ExitError{Status: cli.ExitUsage, Err: err}
		}
		c = loaded
	}
	over(fl, "policy", &c.Policy.Dir, f.policy)
	over(fl, "data", &c.Policy.Data, f.data)
	over(fl, "rules", &c.Rules, f.rules)
	over(fl, "events", &c.Events.Dest, f.events)
	over(fl, "admin", &c.Admin.Listen, f.admin)
	over(fl, "user", &c.User, f.user)
	over(fl, "log-level", &c.Log.Level, f.logLevel)
	over(fl, "dry-run", &c.DryRun, f.dryRun)
	if c.Policy.Dir == builtIn {
		c.Policy.Dir = ""
	}
	return c, nil
}

// over sets what a flag says, if it was given.
func over[T any](fl *pflag.FlagSet, name string, field *T, value T) {
	if fl.Changed(name) {
		*field = value
	}
}

// proxyFlags are those of `sstpwarden proxy`.
type proxyFlags struct {
	serviceFlags
	listen      []string
	transparent []string
	mode        string
	setup       bool
	teardown    bool
	fail        string
	local       bool
	scope       []string
	clients     []string
	reach       []string
	htpasswd    string
	upstream    string
	ca          string
}

func newProxy() *cobra.Command {
	var f proxyFlags
	cmd := &cobra.Command{
		Use:   "proxy --listen ADDR [flags]",
		Short: "Carry clients' connections, and end those that the policy drops",
		Long: `Proxy is an HTTP proxy (--listen) and a transparent one (--transparent), which
looks at every connection, asks the policy, and ends tunnels before they carry
anything. All others go through as they are; once it is known what a connection
is, the kernel carries it.

The explicit proxy serves clients of private networks, and refuses to connect to
this machine itself and to link-local and cloud metadata addresses; say
otherwise with --allow-client and --allow-destination. The transparent one is
sent connections by the firewall: --setup installs the rules for that and
removes them in the end, and --teardown removes what a crash left.`,
		Example: `  sstpwarden proxy --listen :3128 --events /var/log/sstpwarden.json
  sstpwarden proxy --listen 127.0.0.1:3128 --dry-run --events -
  sstpwarden proxy --transparent :3129 --mode tproxy --setup --scope interface=lan0
  sstpwarden proxy --config /etc/sstpwarden/sstpwarden.yaml`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.teardown {
				return teardown(cmd, &f)
			}
			c, err := f.configure(cmd.Flags())
			if err != nil {
				return err
			}
			paceCollector()
			return runProxy(cmd.Context(), c, f.config)
		},
	}
	fl := cmd.Flags()
	f.register(fl)
	fl.StringArrayVar(&f.listen, "listen", nil, "serve clients that know of the proxy at `ADDR`, such as :3128 (repeatable)")
	fl.StringArrayVar(&f.transparent, "transparent", nil, "serve connections that the firewall sends here at `ADDR`, such as :3129 (repeatable)")
	fl.StringVar(&f.mode, "mode", "", "how the firewall sends them: redirect, or tproxy, which keeps the client's address (default redirect)")
	fl.BoolVar(&f.setup, "setup", false, "install the firewall's rules for --transparent, and remove them in the end")
	fl.BoolVar(&f.teardown, "teardown", false, "remove rules that a crash left, and do nothing else")
	fl.StringArrayVar(&f.scope, "scope", nil, "with --setup: which connections, `KEY=VALUE` of interface, network (of clients), port, exclude (servers); repeatable, all TCP without it")
	fl.StringVar(&f.fail, "fail", "", "with --setup: whether such connections go past (open) or nowhere (closed) while the proxy does not run (default open)")
	fl.BoolVar(&f.local, "local", false, "with --setup: this machine's own connections too")
	fl.StringSliceVar(&f.clients, "allow-client", nil, "serve clients of these `NETWORKS` (default private)")
	fl.StringSliceVar(&f.reach, "allow-destination", nil, "reach servers in these `NETWORKS` too, of those out of reach: 127.0.0.0/8 for this machine")
	fl.StringVar(&f.htpasswd, "auth", "", "ask clients for a name and a password of this htpasswd `FILE` (bcrypt)")
	fl.StringVar(&f.upstream, "upstream", "", "go through the HTTP proxy at `URL`: http://[USER:PASSWORD@]HOST:PORT")
	fl.StringVar(&f.ca, "ca", "", "open TLS where the policy says so, with the authority in `DIR` (sstpwarden ca init)")
	return cmd
}

// configure gives the configuration with the flags over it.
func (f *proxyFlags) configure(fl *pflag.FlagSet) (*daemon.Config, error) {
	c, err := f.load(fl)
	if err != nil {
		return nil, err
	}
	p := &c.Proxy
	over(fl, "listen", &p.Listen, f.listen)
	over(fl, "transparent", &p.Transparent.Listen, f.transparent)
	over(fl, "mode", &p.Transparent.Mode, f.mode)
	over(fl, "setup", &p.Transparent.Setup, f.setup)
	over(fl, "fail", &p.Transparent.Fail, f.fail)
	over(fl, "local", &p.Transparent.Local, f.local)
	over(fl, "auth", &p.Auth.File, f.htpasswd)
	over(fl, "upstream", &p.Upstream, f.upstream)
	over(fl, "ca", &p.Intercept.CA, f.ca)
	if fl.Changed("scope") {
		scope, err := nft.ParseScope(f.scope)
		if err != nil {
			return nil, cli.Usagef("proxy: --scope: %w", err)
		}
		p.Transparent.Scope = configScope(scope)
	}
	if fl.Changed("allow-client") {
		if p.Clients, err = access.ParseNetworks(f.clients); err != nil {
			return nil, cli.Usagef("proxy: --allow-client: %w", err)
		}
	}
	if fl.Changed("allow-destination") {
		if p.Destinations.Allow, err = access.ParseNetworks(f.reach); err != nil {
			return nil, cli.Usagef("proxy: --allow-destination: %w", err)
		}
	}
	if err := c.Check(); err != nil {
		return nil, &cli.ExitError{Status: cli.ExitUsage, Err: err}
	}
	return c, nil
}

// teardown removes what the proxy put into the firewall.
func teardown(cmd *cobra.Command, f *proxyFlags) error {
	if f.setup {
		return cli.Usagef("proxy: --setup and --teardown at once: leave one out")
	}
	removed, err := nft.Teardown()
	for _, what := range removed {
		fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", what)
	}
	switch {
	case errors.Is(err, nft.ErrInUse):
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("proxy: %w; its rules go with it", err)}
	case err != nil:
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("removing the firewall's rules: %w", err)}
	}
	if len(removed) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "there was nothing to remove")
	}
	return nil
}

// runProxy runs until ctx is done.
func runProxy(ctx context.Context, c *daemon.Config, path string) error {
	s, err := openProxy(ctx, c, path)
	if _, said := errors.AsType[*cli.ExitError](err); said {
		return err
	}
	if err != nil {
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("proxy: %w", err)}
	}
	if err := s.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("proxy: %w", err)}
	}
	return nil
}

func configScope(s nft.Scope) daemon.Scope {
	out := daemon.Scope{Interfaces: s.Interfaces, Networks: s.Networks, Exclude: s.Exclude}
	for _, p := range s.Ports {
		out.Ports = append(out.Ports, daemon.PortRange(p))
	}
	return out
}
