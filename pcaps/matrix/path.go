package matrix

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

// A route is the way between a cell's ends. It may be used by several cells at once.
type route interface {
	// open begins a cell's far end, and returns its address.
	open(ctx context.Context, l *Lab, c *Cell, s *Setup) (addr string, far farEnd, err error)
	// dial connects from the near end.
	dial(ctx context.Context, addr string) (net.Conn, error)
	// proxy is the address of the HTTP proxy on the way, "" for none.
	proxy() string
	close() error
}

// A pathKind is a path that a grid can name.
type pathKind struct {
	name     string
	about    string
	enforces bool // tunnels are to be cut there
	proxied  bool // there is an HTTP proxy on it
	root     bool
	open     func(ctx context.Context, o *Options, l *Lab) (route, error)
}

// pathKinds are the paths that a grid can name.
func pathKinds() []pathKind {
	return []pathKind{
		{name: Direct, about: "nothing between the ends", open: openDirect},
		{name: "proxy", about: "an HTTP proxy that lets everything through", proxied: true, open: openPlainProxy},
		{name: "explicit", about: "sstpwarden proxy, as an explicit proxy", enforces: true, proxied: true, open: openExplicit},
		{name: "opened", about: "sstpwarden proxy that opens TLS", enforces: true, proxied: true, open: openOpened},
		{name: "transparent", about: "sstpwarden proxy, transparent on a router", enforces: true, root: true, open: openTransparent},
		{name: "router", about: "sstpwarden nfq on a router", enforces: true, root: true, open: openRouter},
		{name: devicePathName, about: "a device under test, by --role", enforces: true, open: openDevice},
	}
}

// PathNames returns the paths that a grid can name.
func PathNames() []string {
	var names []string
	for _, k := range pathKinds() {
		names = append(names, k.name)
	}
	return names
}

func findPath(name string) (pathKind, error) {
	kinds := pathKinds()
	if i := slices.IndexFunc(kinds, func(k pathKind) bool { return k.name == name }); i >= 0 {
		return kinds[i], nil
	}
	return pathKind{}, fmt.Errorf("no path %q: there are %s", name, strings.Join(PathNames(), ", "))
}

// A skipError says why a path cannot be had here. Its cells are skipped.
type skipError struct{ reason string }

func (e *skipError) Error() string { return e.reason }

// lacks says what a path needs and does not have here, "" for nothing.
func (k *pathKind) lacks() string {
	if k.root && os.Geteuid() != 0 {
		return "needs root"
	}
	return ""
}

// directPath is this host's loopback.
type directPath struct{}

func openDirect(context.Context, *Options, *Lab) (route, error) { return directPath{}, nil }

func (directPath) open(ctx context.Context, l *Lab, c *Cell, s *Setup) (string, farEnd, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	return l.serveOn(c, s, ln)
}

func (directPath) dial(ctx context.Context, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

func (directPath) proxy() string { return "" }
func (directPath) close() error  { return nil }

// Paths returns the paths that a grid can name, each with what it is.
func Paths() (out [][2]string) {
	for _, k := range pathKinds() {
		out = append(out, [2]string{k.name, k.about})
	}
	return out
}
