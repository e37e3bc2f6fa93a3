package ipcarry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// attemptTime is how long one of several addresses of a host is tried.
const attemptTime = 10 * time.Second

// DialContext connects through the tunnel: network is tcp, tcp4, tcp6, udp, udp4 or udp6,
// address a host and a port. It is of the shape that http.Transport takes. The addresses
// of a name are tried one after another.
func (s *Stack) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	kind, want, err := splitNetwork(network)
	if err != nil {
		return nil, err
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, service) // a table, no network
	if err != nil {
		return nil, err
	}
	addrs, err := s.lookup(ctx, "ip"+want, host)
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, a := range addrs {
		conn, err := s.attempt(ctx, kind, netip.AddrPortFrom(a, uint16(port)), i < len(addrs)-1)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// splitNetwork splits "tcp6" into "tcp" and "6".
func splitNetwork(network string) (kind, want string, err error) {
	kind = strings.TrimRight(network, "46")
	want = network[len(kind):]
	if (kind != "tcp" && kind != "udp") || len(want) > 1 {
		return "", "", net.UnknownNetworkError(network)
	}
	return kind, want, nil
}

// attempt connects to one address. If more are to be tried, it gives up sooner.
func (s *Stack) attempt(ctx context.Context, kind string, to netip.AddrPort, more bool) (net.Conn, error) {
	if more {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, attemptTime)
		defer cancel()
	}
	remote := fullAddress(to)
	if kind == "udp" {
		conn, err := gonet.DialUDP(s.stack, nil, &remote, family(to.Addr()))
		if err != nil { // not conn itself: a nil *UDPConn is no nil net.Conn
			return nil, err
		}
		return conn, nil
	}
	conn, err := gonet.DialContextTCP(ctx, s.stack, remote, family(to.Addr()))
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("connecting to %v through the tunnel: no answer: %w", to, ctx.Err())
		}
		return nil, err
	}
	return conn, nil
}

// lookup returns the addresses of host that the Stack has a family for: network is "ip",
// "ip4" or "ip6".
func (s *Stack) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	var all []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		all = []netip.Addr{a}
	} else if all, err = s.LookupNetIP(ctx, network, host); err != nil {
		return nil, err
	}
	var four, six bool
	for _, a := range s.Addrs() {
		four = four || a.Is4()
		six = six || a.Is6() && !a.IsLinkLocalUnicast()
	}
	var fit []netip.Addr
	for _, a := range all {
		a = a.Unmap().WithZone("")
		if a.Is4() && four && network != "ip6" || a.Is6() && (six || a.IsLinkLocalUnicast()) && network != "ip4" {
			fit = append(fit, a)
		}
	}
	if len(fit) == 0 {
		return nil, fmt.Errorf("%s is %v, and the tunnel's own addresses are %v: no family in common", host, all, s.Addrs())
	}
	return fit, nil
}

// LookupNetIP resolves a name with the tunnel's name servers, or with this host's resolver
// if the tunnel has none. This host's /etc/hosts comes first in either case.
func (s *Stack) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	s.mu.Lock()
	dns := s.dns
	s.mu.Unlock()
	if len(dns) == 0 {
		s.once.Do(func() {
			s.cfg.Log.Warn("the tunnel has no name servers: this host resolves names, outside the tunnel")
		})
		return net.DefaultResolver.LookupNetIP(ctx, network, host)
	}
	addrs, err := resolver(dns, s.DialContext).LookupNetIP(ctx, network, absolute(host))
	if err != nil {
		return nil, fmt.Errorf("asking the tunnel's name servers %v: %w", dns, err)
	}
	return addrs, nil
}

// absolute keeps the host's search domains from a name.
func absolute(host string) string {
	if strings.HasSuffix(host, ".") {
		return host
	}
	return host + "."
}

// resolver asks the name servers dns in turn, whatever this host's are.
func resolver(dns []netip.Addr, dial func(ctx context.Context, network, address string) (net.Conn, error)) *net.Resolver {
	var next atomic.Uint32
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		server := dns[int(next.Add(1)-1)%len(dns)]
		return dial(ctx, network, netip.AddrPortFrom(server, 53).String())
	}}
}
