package access

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// hostLifetime is how long the host's addresses are taken to stay as they are. They
// come and go with leases and links, and a flood of connections is not to ask the
// kernel for them each time.
const hostLifetime = 5 * time.Second

// hostAddresses are the addresses of this host.
type hostAddresses struct {
	look func() ([]net.Addr, error)

	mu    sync.Mutex
	known map[netip.Addr]bool
	at    time.Time // when they were looked up
}

func interfaceAddresses() ([]net.Addr, error) { return net.InterfaceAddrs() }

// has says whether an address is one of this host's. What was known before stands
// in where they cannot be looked up.
func (h *hostAddresses) has(a netip.Addr) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil || time.Since(h.at) >= hostLifetime {
		list, err := h.look()
		switch {
		case err == nil:
			h.known, h.at = addressSet(list), time.Now()
		case h.known == nil:
			return false, fmt.Errorf("looking up the addresses of this host: %w", err)
		}
	}
	return h.known[a], nil
}

func addressSet(list []net.Addr) map[netip.Addr]bool {
	set := make(map[netip.Addr]bool, len(list))
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok {
			set[plain(ip)] = true
		}
	}
	return set
}
