package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/ipcarry"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/profile"
)

type dialFlags struct {
	endFlags
	passwordFile string
	ca           string
	insecure     bool
	sni          string
	noSNI        bool
	proxy        string
	socks        string
	check        string
	timeout      time.Duration
	tun          string
	routes       []string
	cert, key    string
}

func newDial() *cobra.Command {
	var f dialFlags
	cmd := &cobra.Command{
		Use:   "dial sstp://NAME:PASSWORD@HOST:PORT",
		Short: "Dial an SSTP server",
		Long: `dial is an SSTP client. It says at which step a connection fails: tcp, proxy,
tls, certificate, http, sstp, lcp, authentication, ipcp or data, and what to look
at. The password may also come from --password-file or from the environment
variable ` + passwordVariable + `.

As root it makes a TUN device, else the tunnel is reached through --socks, which
speaks SOCKS5 and HTTP. --check gets a URL through the tunnel and ends. Without
--check it stays until the server ends the tunnel (exit status 1), or SIGINT or
SIGTERM comes (0).`,
		Example: `  sstplab dial --check http://192.0.2.10/ sstp://alice:secret@vpn.example
  sstplab dial --net user --socks 127.0.0.1:1080 sstp://alice@vpn.example:8443`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.listFaults:
				return printFaults(cmd.OutOrStdout())
			case len(args) == 0:
				return cli.Usagef("dial: which server? Write sstp://NAME:PASSWORD@HOST:PORT")
			}
			return f.run(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.passwordFile, "password-file", "", "read the password from the first line of `FILE`")
	fl.StringVar(&f.ca, "ca", "", "trust the certificates in `FILE` (PEM) instead of the system's")
	fl.BoolVar(&f.insecure, "insecure", false, "trust any certificate, of the server and of the checked URL")
	fl.StringVar(&f.sni, "sni", "", "tell the server `NAME` in place of the host (SNI)")
	fl.BoolVar(&f.noSNI, "no-sni", false, "tell the server no name")
	fl.StringVar(&f.proxy, "proxy", "", "go through the HTTP proxy `URL`: http://[USER:PASSWORD@]HOST:PORT")
	fl.StringVar(&f.socks, "socks", "", "offer the tunnel as a SOCKS5 and HTTP proxy on `ADDR`")
	fl.StringVar(&f.check, "check", "", "get `URL` through the tunnel, and end: exit status 0 only after a 2xx")
	fl.DurationVar(&f.timeout, "timeout", time.Minute, "give up connecting, and checking, after `TIME`")
	fl.StringVar(&f.tun, "tun", "sstp%d", "the `NAME` of the TUN device")
	fl.StringSliceVar(&f.routes, "route", nil, "with --net tun, route `CIDR` into the tunnel; may be repeated")
	fl.StringVar(&f.cert, "client-cert", "", "the user's certificate for eap-tls, PEM `FILE`; with --client-key")
	fl.StringVar(&f.key, "client-key", "", "its private key, PEM `FILE`")
	f.register(fl, profile.ClientNames())
	return cmd
}

func (f *dialFlags) run(ctx context.Context, address string, stdout io.Writer) error {
	log := f.logger(stdout)
	if err := f.resolveNet(); err != nil {
		return err
	}
	var closing closers
	defer closing.close()
	c, err := f.config(address, log, &closing)
	if err != nil {
		return err
	}
	var proxy net.Listener
	if f.socks != "" {
		if proxy, err = net.Listen("tcp", f.socks); err != nil {
			return failed("listening for --socks: %w%s", err, lookListen(err))
		}
		closing.add(proxy.Close)
	}
	var inside tunnelEnd
	c.Carry = func(up sstpref.Up, t sstpref.Tunnel) (sstpref.Port, error) {
		var err error
		inside, err = f.end(up, t, log)
		return inside, err
	}
	opening, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	s, err := sstpref.Dial(opening, c)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w (--timeout %v)", err, f.timeout)
		}
		return failed("%w", err)
	}
	err = f.use(ctx, s, inside, proxy, log)
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if late := s.Disconnect(wait, "user request"); late != nil && err == nil {
		log.Warn("disconnect", "error", "the server did not answer, and the connection was cut off")
	}
	return err
}

// use does what the tunnel is for, until that is done, ctx is, or the tunnel has
// ended.
func (f *dialFlags) use(ctx context.Context, s *sstpref.Session, inside tunnelEnd, proxy net.Listener, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 2)
	if f.check != "" {
		go func() { done <- f.checkURL(ctx, inside, log) }()
	}
	if proxy != nil {
		log.Info("proxy_listening", "address", proxy.Addr().String())
		serving := make(chan struct{})
		defer func() { <-serving }()
		defer cancel()
		go func() {
			defer close(serving)
			if err := ipcarry.ServeProxy(ctx, proxy, inside.DialContext, log); err != nil && ctx.Err() == nil {
				done <- failed("serving --socks: %w", err)
			}
		}()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if f.check != "" {
			return failed("the check was interrupted")
		}
		return nil
	case <-s.Done():
		return failed("the tunnel ended: %w", s.Err())
	}
}

// checkURL gets the URL through the tunnel.
func (f *dialFlags) checkURL(ctx context.Context, inside tunnelEnd, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	r, err := ipcarry.Check(ctx, f.check, inside.DialContext, &tls.Config{InsecureSkipVerify: f.insecure})
	if err != nil {
		return failed("check: %w", err)
	}
	log.Info("check", "url", f.check, "status", r.Status, "bytes", r.Bytes, "remote", r.Remote.String(), "seconds", r.Total.Seconds())
	return nil
}

// config reads what flags and files say of the client.
func (f *dialFlags) config(address string, log *slog.Logger, closing *closers) (c sstpref.ClientConfig, err error) {
	t, err := parseTarget(address, f.passwordFile)
	if err != nil {
		return c, err
	}
	c.Host, c.Port, c.Log = t.host, t.port, log
	c.MTU = f.mtu
	c.Insecure, c.SNI, c.NoSNI, c.Path = f.insecure, f.sni, f.noSNI, f.path
	c.Credentials = pppauth.Credentials{Name: t.user, Password: t.password, Insecure: f.insecure}
	if c.Profile, err = profile.ClientByName(f.profile); err != nil {
		return c, cli.Usagef("dial: --profile: %w", err)
	}
	if c.Faults, err = sstpref.ParseFaults(f.faults); err != nil {
		return c, cli.Usagef("dial: --fault: %w", err)
	}
	if len(f.auth) > 0 {
		if c.Methods, err = pppauth.ParseMethods(strings.Join(f.auth, ",")); err != nil {
			return c, cli.Usagef("dial: --auth: %w", err)
		}
	}
	if f.proxy != "" {
		if c.Proxy, err = sstpref.ParseProxy(f.proxy); err != nil {
			return c, cli.Usagef("dial: --proxy: %w", err)
		}
	}
	if c.MinTLS, c.MaxTLS, err = f.tlsVersions(); err != nil {
		return c, err
	}
	if f.ca != "" {
		if c.Roots, err = readRoots(f.ca); err != nil {
			return c, err
		}
		c.Credentials.Roots = c.Roots
	}
	if (f.cert == "") != (f.key == "") {
		return c, cli.Usagef("dial: --client-cert and --client-key go together")
	}
	if f.cert != "" {
		if c.Credentials.Certificate, err = tls.LoadX509KeyPair(f.cert, f.key); err != nil {
			return c, usable("reading the user's certificate: %w", err)
		}
	} else if t.user == "" {
		return c, cli.Usagef("dial: who logs in? Write sstp://NAME:PASSWORD@HOST:PORT")
	}
	if len(f.routes) > 0 && f.net != "tun" {
		return c, cli.Usagef("dial: --route needs --net tun")
	}
	c.KeyLog, c.Record, err = f.recording(closing)
	return c, err
}

// A tunnelEnd is where a client's packets go, and how to use the tunnel.
type tunnelEnd interface {
	ipcarry.Port
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// end makes the tunnel's inner end.
func (f *dialFlags) end(up sstpref.Up, t sstpref.Tunnel, log *slog.Logger) (tunnelEnd, error) {
	var addrs []netip.Addr
	if a := up.Addresses.Local; a.IsValid() {
		addrs = append(addrs, a)
	}
	if id := up.Addresses.LocalInterface; id != (ppp.InterfaceIdentifier{}) {
		addrs = append(addrs, id.LinkLocal())
	}
	if f.net == "user" {
		return ipcarry.NewStack(ipcarry.StackConfig{Addrs: addrs, DNS: up.Addresses.DNS, MTU: up.MTU, Log: log}, t)
	}
	routes, err := parseEach(f.routes, "--route", netip.ParsePrefix)
	if err != nil {
		return nil, err
	}
	if p := up.Addresses.Peer; p.IsValid() && p != up.Peer.Addr() {
		routes = append(routes, netip.PrefixFrom(p, p.BitLen())) // as point-to-point interfaces have it
	}
	d, err := ipcarry.NewClientDevice(ipcarry.ClientDeviceConfig{
		Name: f.tun, Addrs: addrs, DNS: up.Addresses.DNS, MTU: up.MTU, Routes: routes, Keep: []netip.Addr{up.Peer.Addr()}, Log: log,
	}, t)
	if err == nil {
		log.Info("tun", "name", d.Name())
	}
	return d, err
}
