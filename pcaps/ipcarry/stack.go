package ipcarry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A StackConfig says who the client is.
type StackConfig struct {
	// Addrs are the client's addresses. With a link-local one of IPv6 the Stack asks the
	// server for Router Advertisements and takes addresses and name servers from them.
	Addrs []netip.Addr
	// DNS are the tunnel's name servers. Without any, names are resolved by this host,
	// outside the tunnel.
	DNS []netip.Addr
	// MTU is that of the tunnel in bytes.
	MTU int
	// Log takes what a user should know.
	Log *slog.Logger
}

// A Stack is the client's end of a tunnel without privileges: a TCP/IP stack within the
// program. It is a Port, and safe for concurrent use but for Deliver.
type Stack struct {
	cfg   StackConfig
	link  *link
	stack *stack.Stack
	once  sync.Once // says that names are resolved by this host

	closed  atomic.Bool
	end     context.CancelFunc
	tasks   sync.WaitGroup
	waiters chan struct{} // closed and renewed when addresses change; under mu

	mu    sync.Mutex
	addrs []netip.Addr
	dns   []netip.Addr
}

// NewStack makes the client's end of t.
func NewStack(cfg StackConfig, t Tunnel) (*Stack, error) {
	if len(cfg.Addrs) == 0 {
		return nil, errors.New("a stack needs an address: the server gave none")
	}
	if err := checkMTU(cfg.MTU); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := newLink(cfg.MTU, t)
	inner, err := newNetstack(l)
	if err != nil {
		l.stop()
		return nil, err
	}
	s := &Stack{cfg: cfg, link: l, stack: inner, dns: slices.Clone(cfg.DNS), waiters: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	for _, a := range cfg.Addrs {
		if err := s.addAddr(a); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	for _, a := range cfg.Addrs {
		if a.Is6() && a.IsLinkLocalUnicast() {
			s.tasks.Go(func() { s.solicit(ctx, a) })
			break
		}
	}
	return s, nil
}

func (s *Stack) addAddr(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	address := tcpip.ProtocolAddress{
		Protocol:          family(a),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: toStack(a), PrefixLen: a.BitLen()},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.addrs, a) {
		return nil
	}
	if err := s.stack.AddProtocolAddress(nicID, address, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("giving the stack the address %v: %w", a, stackError(err))
	}
	s.addrs = append(s.addrs, a)
	close(s.waiters)
	s.waiters = make(chan struct{})
	return nil
}

// Deliver takes a packet that the server sent.
func (s *Stack) Deliver(p []byte) error {
	if s.closed.Load() {
		return ErrClosed
	}
	ip, ok := parsePacket(p)
	if !ok {
		return nil
	}
	if ra, _, err := ParseRouterAdvertisement(p); err == nil {
		s.learn(&ra)
		return nil
	}
	s.link.inject(&ip)
	return nil
}

// Close ends all connections.
func (s *Stack) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.end()
	s.link.stop()
	s.stack.Close()
	s.stack.Wait()
	s.tasks.Wait()
	return nil
}

// solicit asks for Router Advertisements until one has brought an address (RFC 4861,
// Section 6.3.7).
func (s *Stack) solicit(ctx context.Context, local netip.Addr) {
	const times, interval = 3, 4 * time.Second
	for range times {
		s.link.send(AppendRouterSolicitation(nil, local))
		wait, cancel := context.WithTimeout(ctx, interval)
		_, err := s.WaitAddr6(wait)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
	}
}

// maxLearned bounds the addresses that advertisements may bring.
const maxLearned = 16

// learn makes addresses of the prefixes of ra and the client's interface identifier.
func (s *Stack) learn(ra *RouterAdvertisement) {
	addrs := s.Addrs()
	i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() })
	if i < 0 {
		return
	}
	local := addrs[i].As16()
	s.mu.Lock()
	for _, a := range ra.DNS {
		if !slices.Contains(s.dns, a) && len(s.dns) < maxLearned {
			s.dns = append(s.dns, a)
		}
	}
	s.mu.Unlock()
	for _, prefix := range ra.Prefixes {
		if len(s.Addrs()) >= maxLearned {
			return
		}
		if err := s.addAddr(InterfaceID(prefix, [8]byte(local[8:]))); err != nil {
			s.cfg.Log.Warn("an address of a router advertisement does not fit", "error", err)
		}
	}
}

// Addrs returns the addresses that the Stack has now.
func (s *Stack) Addrs() []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.addrs)
}

// WaitAddr6 waits for an IPv6 address that reaches further than the tunnel.
func (s *Stack) WaitAddr6(ctx context.Context) (netip.Addr, error) {
	for {
		s.mu.Lock()
		changed := s.waiters
		for _, a := range s.addrs {
			if a.Is6() && !a.IsLinkLocalUnicast() {
				s.mu.Unlock()
				return a, nil
			}
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return netip.Addr{}, fmt.Errorf("no router advertisement brought an IPv6 address: %w", ctx.Err())
		}
	}
}

// ListenTCP listens on an address of the Stack's.
func (s *Stack) ListenTCP(addr netip.AddrPort) (net.Listener, error) {
	l, err := gonet.ListenTCP(s.stack, fullAddress(addr), family(addr.Addr()))
	if err != nil {
		return nil, fmt.Errorf("listening in the tunnel: %w", err)
	}
	return l, nil
}

func fullAddress(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nicID, Addr: toStack(a.Addr()), Port: a.Port()}
}
