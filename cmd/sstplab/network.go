package main

import (
	"log/slog"
	"net/netip"

	"sstpwarden/pcaps/ipcarry"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/sstpref"
)

// A network is where the packets of a server's clients go, and who has which
// address.
type network struct {
	pool       *ipcarry.Pool
	dns4, dns6 []netip.Addr
	to         interface {
		Attach(own []netip.Prefix, mtu int, t ipcarry.Tunnel) (ipcarry.Port, error)
	}
}

// network makes the network that the flags name.
func (f *serveFlags) network(log *slog.Logger, closing *closers) (*network, error) {
	n := &network{}
	prefixes, err := parseEach(f.pool, "--pool", netip.ParsePrefix)
	if err != nil {
		return nil, err
	}
	dns, err := parseEach(f.dns, "--dns", netip.ParseAddr)
	if err != nil {
		return nil, err
	}
	for _, d := range dns {
		if d.Is4() {
			n.dns4 = append(n.dns4, d)
		} else {
			n.dns6 = append(n.dns6, d)
		}
	}
	if len(n.dns4) > 2 {
		return nil, usable("--dns: IPCP has room for two name servers of IPv4, and there are %d", len(n.dns4))
	}
	if n.pool, err = ipcarry.NewPool(prefixes...); err != nil {
		return nil, usable("--pool: %w", err)
	}
	if f.net == "tun" {
		d, err := ipcarry.NewDevice(ipcarry.DeviceConfig{Name: f.tun, MTU: f.mtu, Gateways: n.pool.GatewayPrefixes(), Log: log})
		if err != nil {
			return nil, failed("%w", err)
		}
		log.Info("tun", "name", d.Name())
		closing.add(d.Close)
		n.to = d
		return n, nil
	}
	u, err := ipcarry.NewForwarder(ipcarry.ForwarderConfig{Gateways: n.pool.Gateways(), Deny: n.pool.Prefixes(), Log: log})
	if err != nil {
		return nil, failed("%w", err)
	}
	closing.add(u.Close)
	n.to = u
	return n, nil
}

// assign gives a client its addresses.
func (n *network) assign(name string) (*sstpref.Lease, error) {
	l, err := n.pool.TakeFor(name)
	if err != nil {
		return nil, err
	}
	return &sstpref.Lease{
		Addresses: pppref.Addresses{
			Local: l.Gateway4, Peer: l.Addr4, DNS: n.dns4,
			LocalInterface: ipcarry.ServerID6, PeerInterface: l.ID6,
		},
		Carry: func(up sstpref.Up, t sstpref.Tunnel) (sstpref.Port, error) {
			port, err := n.to.Attach(l.Own(), up.MTU, t)
			if err == nil && l.Prefix6.IsValid() {
				port = ipcarry.WithRouter(port, t, ipcarry.Advertise(l.Prefix6, up.MTU, n.dns6...), up.Addresses.LocalInterface.LinkLocal())
			}
			return port, err
		},
		Release: func() { n.pool.Release(l) },
	}, nil
}

// parseEach parses the values of a flag.
func parseEach[T any](values []string, flag string, parse func(string) (T, error)) ([]T, error) {
	out := make([]T, len(values))
	for i, v := range values {
		var err error
		if out[i], err = parse(v); err != nil {
			return nil, usable("%s %s: %w", flag, v, err)
		}
	}
	return out, nil
}
