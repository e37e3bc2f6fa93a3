package main

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref"
	"sstpwarden/pcaps/sstpref/call"
	"sstpwarden/pcaps/sstpref/login"
	"sstpwarden/pcaps/sstpref/profile"
)

type serveFlags struct {
	endFlags
	listen    string
	cert, key string
	clientCA  string
	users     []string
	usersFile string
	pool      []string
	dns       []string
	tun       string
	hello     time.Duration
	maxLogins int
	runAs     string
}

func newServe() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve --listen ADDR --user NAME:PASSWORD",
		Short: "Serve SSTP",
		Long: `serve is an SSTP server. Its clients' packets go to a TUN device as root, where
forwarding and NAT are this host's matter, or through a TCP/IP stack of its own:
TCP, UDP and ping to every address that this host reaches but its own loopback.

Without --cert it makes a certificate for itself. What happens is told on
standard output; SIGINT and SIGTERM disconnect all clients.`,
		Example: `  sstplab serve --listen :8443 --net user --user alice:secret
  sstplab serve --listen :443 --cert c.pem --key k.pem --users-file users --profile rras`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.listFaults {
				return printFaults(cmd.OutOrStdout())
			}
			return f.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", ":443", "listen on `ADDR`, host:port")
	fl.StringVar(&f.cert, "cert", "", "the certificate, PEM `FILE`; with --key")
	fl.StringVar(&f.key, "key", "", "its private key, PEM `FILE`")
	fl.StringVar(&f.clientCA, "client-ca", "", "who vouches for clients in eap-tls, PEM `FILE`")
	fl.StringArrayVar(&f.users, "user", nil, "who may log in: `NAME:PASSWORD`; may be repeated; all users of this machine can see it")
	fl.StringVar(&f.usersFile, "users-file", "", "who may log in: `FILE` with NAME:PASSWORD a line")
	fl.StringSliceVar(&f.pool, "pool", []string{"10.99.0.0/24", "fd99::/48"}, "addresses for clients: `CIDR`, of IPv4, IPv6 or both; the first is the server's")
	fl.StringSliceVar(&f.dns, "dns", nil, "name servers for clients: `ADDR`")
	fl.StringVar(&f.tun, "tun", "sstp%d", "the `NAME` of the TUN device")
	fl.DurationVar(&f.hello, "hello", 0, "`TIME` of silence until an Echo Request (default: the profile's)")
	fl.IntVar(&f.maxLogins, "max-connections", login.DefaultMaxConnections, "`N` connections may be there that have not logged in")
	fl.StringVar(&f.runAs, "run-as", "nobody", "as root, go on as `USER` once all is open; root to stay root")
	f.register(fl, profile.ServerNames())
	return cmd
}

func (f *serveFlags) run(ctx context.Context, stdout io.Writer) error {
	log := f.logger(stdout)
	if err := f.resolveNet(); err != nil {
		return err
	}
	var closing closers
	defer closing.close()
	c, err := f.config(log, &closing)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return failed("listening: %w%s", err, lookListen(err))
	}
	closing.add(ln.Close)
	netw, err := f.network(log, &closing)
	if err != nil {
		return err
	}
	c.Assign = netw.assign
	server, err := sstpref.NewServer(c)
	if err != nil {
		return failed("serving: %w", err)
	}
	dropped, err := dropPrivileges(f.runAs)
	if err != nil {
		return failed("%w", err)
	}
	log.Info("listening", "address", ln.Addr().String(), "net", f.net, "profile", f.profile, "pool", f.pool, "run_as", map[bool]string{true: f.runAs}[dropped])
	return f.serve(ctx, server, ln, log)
}

// serve runs the server until ctx is done, then disconnects its clients.
func (f *serveFlags) serve(ctx context.Context, server *sstpref.Server, ln net.Listener, log *slog.Logger) error {
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if late := server.Shutdown(wait); late != nil {
		log.Warn("shutdown", "error", "some clients did not answer and were cut off")
	}
	log.Info("stopped")
	if err != nil {
		return failed("serving: %w", err)
	}
	return nil
}

// config reads what flags and files say of the server.
func (f *serveFlags) config(log *slog.Logger, closing *closers) (c sstpref.ServerConfig, err error) {
	if c.Profile, err = profile.ServerByName(f.profile); err != nil {
		return c, cli.Usagef("serve: --profile: %w", err)
	}
	if c.Faults, err = sstpref.ParseFaults(f.faults); err != nil {
		return c, cli.Usagef("serve: --fault: %w", err)
	}
	if len(f.auth) > 0 {
		if c.Methods, err = pppauth.ParseMethods(strings.Join(f.auth, ",")); err != nil {
			return c, cli.Usagef("serve: --auth: %w", err)
		}
	}
	if c.TLS, err = f.tls(log); err != nil {
		return c, err
	}
	users, err := f.readUsers(log)
	if err != nil {
		return c, err
	}
	c.Authenticator = pppauth.Authenticator{Password: users.Password, Certificate: c.TLS.Certificates[0]}
	if f.clientCA != "" {
		if c.Authenticator.ClientCAs, err = readRoots(f.clientCA); err != nil {
			return c, err
		}
	}
	c.Limiter, c.Admission = login.NewLimiter(login.LimiterConfig{}), login.NewAdmission(f.maxLogins)
	c.Path, c.Log = f.path, log
	c.Timers = call.Timers{Hello: f.hello}
	keys, capture, err := f.recording(closing)
	if err != nil {
		return c, err
	}
	c.TLS.KeyLogWriter, c.Record, c.MTU = keys, capture, f.mtu
	return c, nil
}

func (f *serveFlags) tls(log *slog.Logger) (*tls.Config, error) {
	lowest, highest, err := f.tlsVersions()
	if err != nil {
		return nil, err
	}
	if (f.cert == "") != (f.key == "") {
		return nil, cli.Usagef("serve: --cert and --key go together")
	}
	var cert tls.Certificate
	if f.cert != "" {
		if cert, err = tls.LoadX509KeyPair(f.cert, f.key); err != nil {
			return nil, usable("reading the certificate: %w", err)
		}
	} else {
		name, err := os.Hostname()
		if err != nil {
			name = "sstplab"
		}
		if cert, err = sstpref.SelfSigned(time.Now(), false, name, "localhost", "127.0.0.1", "::1"); err != nil {
			return nil, failed("%w", err)
		}
		log.Info("certificate", "self_signed_for", name, "sha256", fingerprint(cert.Leaf))
	}
	return sstpref.ServerTLS(cert, lowest, highest), nil
}

func (f *serveFlags) readUsers(log *slog.Logger) (*login.Users, error) {
	users := login.NewUsers()
	for _, u := range f.users {
		if err := users.Add(u); err != nil {
			return nil, cli.Usagef("serve: --user: %w", err)
		}
	}
	if f.usersFile != "" {
		warning, err := users.ReadFile(f.usersFile)
		if err != nil {
			return nil, usable("%w", err)
		}
		if warning != "" {
			log.Warn("users", "warning", warning)
		}
	}
	if users.Len() == 0 && f.clientCA == "" {
		return nil, cli.Usagef("serve: nobody may log in: name users with --user NAME:PASSWORD or --users-file FILE")
	}
	return users, nil
}
