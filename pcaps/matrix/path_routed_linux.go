package matrix

import (
	"context"
	"errors"
	"net"
	"os"
	"regexp"

	"sstpwarden/pcaps/netlab"
)

// A routedPath leads from one network namespace through a second to a third: client,
// router, server.
type routedPath struct {
	lab     *netlab.Routed
	program *program
}

func (r *routedPath) listen(ctx context.Context) (net.Listener, error) {
	return r.lab.Server.Listen(ctx, netlab.Server4+":0", net.ListenConfig{})
}

func (r *routedPath) open(ctx context.Context, l *Lab, c *Cell, s *Setup) (string, farEnd, error) {
	ln, err := r.listen(ctx)
	if err != nil {
		return "", nil, err
	}
	return l.serveOn(c, s, ln)
}

func (r *routedPath) dial(ctx context.Context, addr string) (net.Conn, error) {
	return r.lab.Client.Dial(ctx, addr, net.Dialer{})
}

func (r *routedPath) proxy() string { return "" }

func (r *routedPath) close() error {
	r.program.stop()
	return r.lab.Close()
}

// openTransparent has sstpwarden proxy on the router, which the kernel hands all
// connections.
func openTransparent(ctx context.Context, o *Options, _ *Lab) (route, error) {
	return openRouted(ctx, o, "proxy", "--transparent", ":3129", "--setup", "--scope", "interface="+netlab.Inside, "--fail", "closed")
}

// openRouter has sstpwarden nfq there.
func openRouter(ctx context.Context, o *Options, _ *Lab) (route, error) {
	return openRouted(ctx, o, "nfq", "--hook", "forward", "--scope", "interface="+netlab.Inside, "--fail", "closed")
}

// serves is what sstpwarden says when its rules are in place.
var serves = regexp.MustCompile(`msg="?(listening|inspecting)`)

// connects says whether a connection reaches a server through the router.
func (r *routedPath) connects(ctx context.Context) error {
	ln, err := r.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }() // nothing else is to come
	c, err := r.dial(ctx, ln.Addr().String())
	if err != nil {
		return err
	}
	return c.Close()
}

func openRouted(ctx context.Context, o *Options, args ...string) (route, error) {
	warden, err := FindSstpwarden(o.Sstpwarden)
	if err != nil {
		return nil, &skipError{"no sstpwarden: name it with --sstpwarden PATH"}
	}
	lab, err := netlab.NewRouted()
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, &skipError{"needs root"}
		}
		return nil, err
	}
	r := &routedPath{lab: lab}
	cmd := lab.Router.Command(context.WithoutCancel(ctx), warden, args...)
	r.program, err = begin(ctx, cmd.Cmd, cmd.Start, func(ctx context.Context, log string) error {
		if !serves.MatchString(log) {
			return errors.New("it has not said that it serves")
		}
		return r.connects(ctx)
	})
	if err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	return r, nil
}
