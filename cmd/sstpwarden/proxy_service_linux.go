package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"sstpwarden/cmd/cli"
	"sstpwarden/cmd/daemon"
	"sstpwarden/nfq/nft"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy"
	"sstpwarden/proxy/access"
	"sstpwarden/proxy/bypass"
	"sstpwarden/proxy/probe"
)

// A proxyService is the proxy as it runs.
type proxyService struct {
	daemon    *daemon.Daemon
	config    *daemon.Config
	listeners []proxy.Listener
	server    *proxy.Server
	bypass    *bypass.List
	asker     *probe.Asker
	claim     *nft.Claim                    // of the firewall's table; nil for none
	rules     atomic.Pointer[nft.Installed] // of the firewall; nil for none
}

// A connection takes its client's and its server's socket; pipes are held only
// while bytes are under way. Other files are logs, lists, and the runtime's.
const (
	filesPerConnection = 2
	otherFiles         = 512
)

// openProxy opens everything that the configuration names, so that what is wrong
// is told before anything is served.
func openProxy(ctx context.Context, c *daemon.Config, path string) (*proxyService, error) {
	s := &proxyService{}
	var err error
	if c.Proxy.Transparent.Setup { // a second process is told of the first one
		if s.claim, err = nft.ClaimTable(nft.ProxyTableName); err != nil {
			return nil, err
		}
	}
	d, err := daemon.New(ctx, *c, policies.PointProxy)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.daemon, s.config = d, d.Config()
	if s.claim != nil {
		warnUnclaimed(d, s.claim)
	}
	if err := s.open(path); err != nil {
		return nil, errors.Join(err, s.close(), d.Close())
	}
	return s, nil
}

func (s *proxyService) open(path string) error {
	need := uint64(s.config.Proxy.Limits.Connections)*filesPerConnection + otherFiles
	switch files, err := daemon.RaiseFileLimit(need); {
	case err != nil:
		s.daemon.Logger().Warn("raising the limit of open files", "error", err)
	case files < need:
		s.daemon.Logger().Warn("fewer files can be open than the limit of connections may take", "files", files, "needed", need)
	}
	if err := s.listen(); err != nil {
		return err
	}
	pc := proxy.Config{
		Inspector: s.daemon.Inspector, Gate: s.daemon.Gate(), Emit: s.daemon.Emit, Log: s.daemon.Logger(),
		Clients: s.config.Proxy.Clients, Realm: s.config.Proxy.Auth.Realm,
		Destinations: s.destinations(),
		Limiter:      access.NewLimiter(s.config.Proxy.Limits.Connections, s.config.Proxy.Limits.PerClient),
		Timeouts:     proxy.Timeouts(s.config.Proxy.Timeouts),
		Mark:         s.mark(),
	}
	var err error
	if pc.Upstream, err = upstreamURL(s.config.Proxy.Upstream); err != nil {
		return err
	}
	if pc.Users, err = s.users(); err != nil {
		return err
	}
	if pc.Bypass, err = s.openBypass(path); err != nil {
		return err
	}
	if pc.Intercept, err = s.intercept(); err != nil {
		return err
	}
	s.asker = newAsker(s.config.Proxy.Probe)
	pc.Probe = s.asker
	s.server = proxy.New(pc)
	s.daemon.Registry().MustRegister(&proxyMetrics{s})
	proxyBans(s.server).register(s.daemon)
	if err := s.setup(); err != nil {
		return err
	}
	return daemon.DropPrivileges(s.config.User, s.capabilities())
}

// comeTime is how long connections may take to come to the listener that were on their
// way when new ones began to go past: most take a moment, and a client that is gone
// never comes.
const comeTime = 3 * time.Second

// run serves until ctx is done.
func (s *proxyService) run(ctx context.Context) error {
	for _, l := range s.listeners {
		s.daemon.Logger().Info("listening", "address", l.Addr().String(), "mode", l.Mode)
	}
	err := s.daemon.Run(ctx, func(ctx context.Context) error {
		accepting, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		defer context.AfterFunc(ctx, func() {
			s.letPast()
			stop()
		})()
		err := s.server.Serve(accepting, s.daemon.Hard(), s.listeners...)
		s.linger()
		return err
	})
	return errors.Join(err, s.close())
}

// letPast has new connections go past the proxy, before it stops taking them.
func (s *proxyService) letPast() {
	rules := s.rules.Load()
	if rules == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.daemon.Hard(), comeTime)
	defer cancel()
	if err := rules.LetPast(ctx); err != nil {
		s.daemon.Logger().Warn("a new connection may be refused until the proxy has stopped", "error", err)
	}
}

// linger keeps the rules until the last words of connections have arrived.
func (s *proxyService) linger() {
	rules := s.rules.Load()
	if rules == nil {
		return
	}
	if err := rules.Linger(s.daemon.Hard()); err != nil {
		s.daemon.Logger().Warn("the end of a connection may not have arrived", "error", err)
	}
}

func (s *proxyService) removeRules() error {
	if rules := s.rules.Swap(nil); rules != nil {
		return rules.Close()
	}
	return nil
}

// close undoes what is outside of the process, and keeps what is to be kept.
func (s *proxyService) close() error {
	var errs []error
	errs = append(errs, s.removeRules())
	if s.asker != nil {
		s.asker.Close()
	}
	if s.bypass != nil {
		errs = append(errs, s.bypass.Close())
	}
	for _, l := range s.listeners {
		_ = l.Close()
	}
	if s.claim != nil {
		errs = append(errs, s.claim.Close())
	}
	return errors.Join(errs...)
}

func (s *proxyService) listen() error {
	add := func(name, mode string, addrs []string, controls ...daemon.Control) error {
		list, err := s.daemon.Listeners(name, "tcp", addrs, controls...)
		for _, l := range list {
			s.listeners = append(s.listeners, proxy.Listener{Listener: l, Mode: mode})
		}
		return err
	}
	if err := add("proxy", event.ModeExplicit, s.config.Proxy.Listen); err != nil {
		return err
	}
	t := s.config.Proxy.Transparent
	mode, controls := event.ModeRedirect, []daemon.Control(nil)
	if t.Mode == daemon.ModeTPROXY {
		mode, controls = event.ModeTPROXY, []daemon.Control{nft.TransparentListenControl(nft.DefaultMark)}
	}
	if err := add("transparent", mode, t.Listen, controls...); err != nil {
		return err
	}
	if len(s.listeners) > 0 {
		return nil
	}
	if names := s.daemon.UnusedSockets(); len(names) > 0 {
		return cli.Usagef("proxy: systemd passed a socket named %s: write FileDescriptorName=proxy or FileDescriptorName=transparent into its unit", event.Printable(names[0]))
	}
	return cli.Usagef("proxy: where to listen? Give --listen ADDR, such as :3128, or --transparent ADDR")
}

// setup has the firewall send connections here.
func (s *proxyService) setup() error {
	t := s.config.Proxy.Transparent
	if !t.Setup {
		return nil
	}
	mode, err := nft.ParseMode(t.Mode)
	if err != nil {
		return err
	}
	o := nft.ProxyOptions{
		Mode: mode, Local: t.Local, FailOpen: t.Fail == daemon.FailOpen,
		Scope: t.Scope.Table(),
	}
	for _, l := range s.listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && l.Mode != event.ModeExplicit {
			o.Port = uint16(a.Port)
			break
		}
	}
	warnInterfaces(s.daemon, t.Scope.Interfaces)
	rules, err := nft.Setup(o)
	if err != nil {
		return fmt.Errorf("having the firewall send connections here: %w", err)
	}
	s.rules.Store(rules)
	if warning := rules.Warning(); warning != nil {
		s.daemon.Logger().Warn("the firewall's rules would outlive a crash, though they should not", "error", warning)
	}
	text := rules.Table().String()
	s.daemon.Handle("GET /rules", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, text)
	}))
	return nil
}

// proxyBans are the proxy's own bans as those of a firewall.
func proxyBans(s *proxy.Server) *bansHandler {
	return &bansHandler{
		list: func() ([]nft.Ban, error) {
			var bans []nft.Ban
			for _, n := range s.Bans() {
				bans = append(bans, nft.Ban(n))
			}
			return bans, nil
		},
		remove: func(bans []nft.Ban) error {
			for _, n := range bans {
				s.Unban(proxy.Ban(n))
			}
			return nil
		},
	}
}
