package proxy

import (
	"context"
	"net"
	"net/netip"

	"sstpwarden/nfq/nft"
	"sstpwarden/policies/event"
)

// transparent serves a client that does not know of the proxy: the kernel sent
// its connection here. Nothing is said to it but what the server says.
func (s *Server) transparent(ctx context.Context, conn *net.TCPConn, client netip.AddrPort, mode string) {
	server, err := original(conn, mode)
	if err != nil {
		s.log.warn("original", "finding out where a redirected connection was to go", "client", client, "err", err)
		return
	}
	k := s.open(mode, client, server)
	defer k.flush()
	k.closes(closer(conn))
	if s.bans.has(k.info.Key.Client.Addr(), k.info.Key.Server, s.now()) {
		s.counts.refusedBan.Add(1)
		k.end(event.EndRefused, errBanned)
		return
	}
	to, err := s.dialOriginal(ctx, server, client, mode)
	if err != nil {
		how := k.unreached(server.String(), err)
		abort(conn)
		k.end(how, err)
		return
	}
	k.tunnel(ctx, conn, nil, to)
}

// original gives the address that the client wanted.
func original(conn *net.TCPConn, mode string) (netip.AddrPort, error) {
	if mode == event.ModeTPROXY {
		return local(conn), nil // the kernel left it as it was
	}
	to, err := nft.OriginalDst(conn)
	return plainAddr(to), err
}

// dialOriginal connects to where the client wanted to go, from its own address
// where that is kept.
func (s *Server) dialOriginal(ctx context.Context, server, client netip.AddrPort, mode string) (*leg, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeouts.Dial)
	defer cancel()
	if s.config.Upstream != nil {
		return s.dial(ctx, target{host: server.Addr().String(), port: server.Port(), addrs: []netip.Addr{server.Addr()}}, nil)
	}
	var from netip.Addr
	if mode == event.ModeTPROXY {
		from = client.Addr()
	}
	conn, err := s.dialAddr(ctx, server, from)
	if err != nil {
		return nil, err
	}
	return newLeg(conn, nil)
}
