package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"sstpwarden/cmd/cli"
	"sstpwarden/pcaps/matrix"
)

// deviceFlags are those of a device under test.
type deviceFlags struct {
	role    string
	peer    string
	control string
	proxy   string
	bind    string
	port    int
}

func (f *deviceFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.role, "role", "", "test a device between two hosts: be its `SIDE`, client or server")
	fl.StringVar(&f.peer, "peer", "", "as client: the server's `ADDR`, as reached through the device")
	fl.StringVar(&f.control, "control", "", "where the client asks the server for far ends, `ADDR[:PORT]`; best a way past the device (default: the peer, or all of the server's)")
	fl.StringVar(&f.proxy, "proxy", "", "as client: the device is an HTTP proxy at `ADDR:PORT`")
	fl.StringVar(&f.bind, "bind", "", "as server: the `ADDR` that far ends listen on (default all)")
	fl.IntVar(&f.port, "port", 0, "as server: have far ends listen on port `N`, one at a time (default any)")
}

// check says whether the flags go together.
func (f *deviceFlags) check() error {
	switch f.role {
	case "":
		if f.peer+f.control+f.proxy+f.bind != "" || f.port != 0 {
			return cli.Usagef("matrix: --peer, --control, --proxy, --bind and --port are for --role client or server")
		}
	case "client":
		switch {
		case f.peer == "":
			return cli.Usagef("matrix: --role client: where is the server? Name it with --peer ADDR")
		case f.bind != "" || f.port != 0:
			return cli.Usagef("matrix: --bind and --port are for --role server")
		case hasPort(f.peer):
			return cli.Usagef("matrix: --peer %s: leave the port out: each far end has its own (--port at the server sets it)", f.peer)
		case f.proxy != "" && !hasPort(f.proxy):
			return cli.Usagef("matrix: --proxy %s: write ADDR:PORT", f.proxy)
		}
	case "server":
		switch {
		case f.peer != "" || f.proxy != "":
			return cli.Usagef("matrix: --peer and --proxy are for --role client")
		case hasPort(f.bind):
			return cli.Usagef("matrix: --bind %s: leave the port out, or set it with --port", f.bind)
		case f.port < 0 || f.port > 65535:
			return cli.Usagef("matrix: --port %d is no port", f.port)
		}
	default:
		return cli.Usagef("matrix: --role %s is not known: use client or server", f.role)
	}
	return nil
}

// hasPort says whether an address has a port, or is meant to.
func hasPort(address string) bool {
	if _, err := netip.ParseAddr(address); err == nil {
		return false
	}
	return strings.Contains(address, ":")
}

// controlAddress is where orders go.
func (f *deviceFlags) controlAddress() string {
	at := f.control
	if at == "" {
		at = f.peer
	}
	if _, _, err := net.SplitHostPort(at); err == nil {
		return at
	}
	return net.JoinHostPort(at, strconv.Itoa(matrix.DefaultControl))
}

// device is what the client's cells lead through, nil without --role.
func (f *deviceFlags) device() *matrix.Device {
	if f.role != "client" {
		return nil
	}
	return &matrix.Device{Peer: f.peer, Control: f.controlAddress(), Proxy: f.proxy}
}

// serve is the server's side, until ctx is done.
func (f *deviceFlags) serve(ctx context.Context, stdout io.Writer) error {
	ln, err := net.Listen("tcp", f.controlAddress())
	if err != nil {
		return failed("matrix: %w%s", err, lookListen(err))
	}
	var mu sync.Mutex
	say := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(stdout, cli.Printable(text))
	}
	say("taking orders on " + ln.Addr().String())
	s := matrix.DeviceServer{Bind: f.bind, Port: f.port, Log: say}
	if err := s.Serve(ctx, ln); err != nil {
		return failed("matrix: %w", err)
	}
	return nil
}
