package ipcarry

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A ForwarderConfig says what a Forwarder does. The zero value is usable.
type ForwarderConfig struct {
	// Gateways are the server's own addresses in the tunnels. They answer ping; nothing
	// else listens there.
	Gateways []netip.Addr
	// Deny are destinations that are refused on top of those that always are. The pool's
	// own prefixes belong here: what no client has would leave by the host's routes.
	Deny []netip.Prefix
	// DNS is where TCP and UDP to port 53 of a gateway go, nowhere if it is not valid. It
	// may be a loopback address: that is how clients use the host's own resolver.
	DNS netip.AddrPort
	// Dial reaches a destination, "tcp" or "udp". The default is this host's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// MaxConns and MaxConnsPerClient bound TCP connections, those that are being opened
	// included: 4096 and 256 by default. What is too many gets a RST.
	MaxConns, MaxConnsPerClient int
	// MaxFlows and MaxFlowsPerClient bound UDP flows, that is pairs of addresses and
	// ports: 8192 and 512 by default. Beyond them a client's longest idle flow ends.
	MaxFlows, MaxFlowsPerClient int
	// FlowIdle ends a UDP flow without datagrams: 2 minutes by default (RFC 4787, REQ-5).
	FlowIdle time.Duration
	// DialTimeout bounds the opening of a TCP connection: 15 seconds by default.
	DialTimeout time.Duration

	// Log takes what an admin should know. Nothing is logged for a packet.
	Log *slog.Logger
}

const (
	defaultMaxConns          = 4096
	defaultMaxConnsPerClient = 256
	defaultMaxFlows          = 8192
	defaultMaxFlowsPerClient = 512
	defaultFlowIdle          = 2 * time.Minute
	defaultDialTimeout       = 15 * time.Second
)

func (c *ForwarderConfig) setDefaults() {
	number := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	number(&c.MaxConns, defaultMaxConns)
	number(&c.MaxConnsPerClient, defaultMaxConnsPerClient)
	number(&c.MaxFlows, defaultMaxFlows)
	number(&c.MaxFlowsPerClient, defaultMaxFlowsPerClient)
	if c.FlowIdle == 0 {
		c.FlowIdle = defaultFlowIdle
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
}

// A Forwarder carries the TCP connections, UDP flows and pings of clients to what this
// host reaches, and needs no privileges for it: to the network it is an ordinary program.
//
// A client can reach every address but those of the loopback, unspecified and multicast
// kind, IPv6 link-local ones, addresses of clients and those that the configuration denies.
// Refused and unreachable TCP connections get a RST, UDP and pings an ICMP error. Each
// client has a TCP/IP stack of its own, so that one whose tunnel stands still holds up
// nobody else. It is safe for concurrent use.
type Forwarder struct {
	cfg   ForwarderConfig
	pings *pinger
	count counters
	conns atomic.Int64
	flows atomic.Int64

	mu      sync.Mutex
	clients map[*client]bool
	closed  bool
}

// NewForwarder makes a Forwarder. It opens the sockets that pings need, so that the
// program can give up its privileges afterwards.
func NewForwarder(cfg ForwarderConfig) (*Forwarder, error) {
	cfg.setDefaults()
	for _, n := range []int{cfg.MaxConns, cfg.MaxConnsPerClient, cfg.MaxFlows, cfg.MaxFlowsPerClient} {
		if n < 0 {
			return nil, fmt.Errorf("a bound of %d connections or flows makes no sense", n)
		}
	}
	f := &Forwarder{cfg: cfg, clients: map[*client]bool{}}
	f.pings = newPinger(cfg.Log, &f.count)
	return f, nil
}

// Attach makes the Port of a client that has the addresses own and whose tunnel carries
// packets of mtu bytes.
func (f *Forwarder) Attach(own []netip.Prefix, mtu int, t Tunnel) (Port, error) {
	if err := checkOwn(own); err != nil {
		return nil, err
	}
	if err := checkMTU(mtu); err != nil {
		return nil, err
	}
	c, err := newClient(f, own, mtu, t)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	err = f.admit(own)
	if err == nil {
		f.clients[c] = true
	}
	f.mu.Unlock()
	if err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// admit tells whether nobody has these addresses. f.mu is held.
func (f *Forwarder) admit(own []netip.Prefix) error {
	if f.closed {
		return ErrClosed
	}
	for c := range f.clients {
		for _, has := range c.own {
			for _, wants := range own {
				if has.Overlaps(wants) {
					return fmt.Errorf("%v is in use by another client, which has %v", wants, has)
				}
			}
		}
	}
	return nil
}

func (f *Forwarder) detach(c *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.clients, c)
}

// Close ends all Ports and waits for what they run, but not for a WritePacket that hangs.
func (f *Forwarder) Close() error {
	f.mu.Lock()
	f.closed = true
	clients := make([]*client, 0, len(f.clients))
	for c := range f.clients {
		clients = append(clients, c)
	}
	f.mu.Unlock()
	for _, c := range clients {
		_ = c.Close()
	}
	f.pings.close()
	return nil
}

// A destination is where a client's packets go.
type destination struct {
	to netip.AddrPort
	ok bool // false: refused
}

// target tells where a connection or flow of a client to dst goes.
func (f *Forwarder) target(dst netip.AddrPort) destination {
	a := dst.Addr()
	if f.isGateway(a) {
		return destination{f.cfg.DNS, f.cfg.DNS.IsValid() && dst.Port() == 53}
	}
	return destination{dst, f.allowed(a)}
}

// allowed tells whether clients may reach a.
func (f *Forwarder) allowed(a netip.Addr) bool {
	if !unicast(a) || contains(f.cfg.Deny, a.Unmap()) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.clients {
		if contains(c.own, a.Unmap()) {
			return false
		}
	}
	return true
}

func (f *Forwarder) isGateway(a netip.Addr) bool {
	return slices.Contains(f.cfg.Gateways, a)
}

var (
	thisNetwork4 = netip.MustParsePrefix("0.0.0.0/8")   // RFC 791: this host, on Linux the loopback
	reserved4    = netip.MustParsePrefix("240.0.0.0/4") // RFC 1112, and the broadcast address
	embedded6    = netip.MustParsePrefix("::/96")       // RFC 4291, 2.5.5.1; ::1 and :: as well
)

// unicast tells whether a is the address of another host, whatever way it is written in:
// not loopback, unspecified, multicast, broadcast or bound to a link.
func unicast(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsMulticast() &&
		!thisNetwork4.Contains(a) && !reserved4.Contains(a) && !embedded6.Contains(a) &&
		(a.Is4() || !a.IsLinkLocalUnicast())
}
