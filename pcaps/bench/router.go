//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"sstpwarden/pcaps/netlab"
)

// A router is where packets are carried: a client's network, a server's, and what
// stands between them.
type router struct {
	lab        *netlab.Routed
	dir        string
	self, ours string
	origin     *issued
	server     *child
	window     time.Duration
	rounds     int
}

// The ports of the peer's services, at each of the server's addresses.
const (
	echoPort  = "7001"
	httpsPort = "7002"
)

// pairs are the addresses that connections are made between: the kernel spreads
// connections over queues by addresses.
var pairs = []struct{ client, server string }{
	{netlab.Client4, netlab.Server4},
	{netlab.Client4b, netlab.Server4b},
	{netlab.Client4, netlab.Server4b},
	{netlab.Client4b, netlab.Server4},
}

func newRouter(ctx context.Context, o *options, dir string) (*router, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	r := &router{dir: dir, self: self, ours: o.program, window: window, rounds: min(o.rounds, proxyRounds)}
	issuer, err := issue(dir, "bench-root", nil)
	if err != nil {
		return nil, err
	}
	if r.origin, err = issue(dir, originName, issuer); err != nil {
		return nil, err
	}
	if r.lab, err = netlab.NewRouted(); err != nil {
		return nil, err
	}
	// Ports of connections that ended are used again after a second, as no client
	// makes so many that it waits for one.
	if err := errors.Join(r.lab.Client.Sysctl("ipv4/tcp_tw_reuse", "1"), r.lab.Client.Sysctl("ipv4/ip_local_port_range", "1024 65535")); err != nil {
		return nil, errors.Join(err, r.lab.Close())
	}
	r.server, err = r.start(ctx, r.lab.Server, r.peerAnswers, self, "peer", r.origin.certFile, r.origin.keyFile, ":"+echoPort, ":"+httpsPort)
	if err != nil {
		return nil, errors.Join(err, r.lab.Close())
	}
	return r, nil
}

func (r *router) close() error {
	r.server.stop()
	return r.lab.Close()
}

// start starts a program on a host, and waits until it is ready.
func (r *router) start(ctx context.Context, host *netlab.Host, ready func(context.Context) error, command ...string) (*child, error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := host.Command(ctx, command[0], command[1:]...)
	c, err := begin(cmd.Cmd, cmd.Start, cancel)
	if err != nil {
		return nil, err
	}
	waiting, over := context.WithTimeout(ctx, startPatience)
	defer over()
	for {
		err := ready(waiting)
		if err == nil {
			return c, nil
		}
		select {
		case <-c.ended:
			return nil, fmt.Errorf("starting %s: %w%s", command[0], errors.Join(c.err, err), c.stderr.note())
		case <-waiting.Done():
			c.stop()
			return nil, fmt.Errorf("starting %s: %w%s", command[0], err, c.stderr.note())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *router) peerAnswers(ctx context.Context) error {
	for _, port := range []string{echoPort, httpsPort} {
		c, err := r.lab.Client.Dial(ctx, net.JoinHostPort(netlab.Server4, port), net.Dialer{})
		if err != nil {
			return err
		}
		_ = c.Close()
	}
	return nil
}

// beginInspector starts what is measured, as it is shipped but for the hook.
func (r *router) beginInspector(ctx context.Context) (*child, error) {
	admin := filepath.Join(r.dir, "admin.sock")
	return r.start(ctx, r.lab.Router, func(context.Context) error {
		_, err := os.Stat(admin)
		return err
	}, r.ours, "nfq", "--hook", "forward", "--admin", "unix:"+admin)
}

// beginNaive starts a program that accepts what is queued, packet by packet.
func (r *router) beginNaive(ctx context.Context) (*child, error) {
	ready := filepath.Join(r.dir, "naive.ready")
	return r.start(ctx, r.lab.Router, func(context.Context) error {
		_, err := os.Stat(ready)
		return err
	}, r.self, "naive", ready)
}
