package record

import (
	"net"
	"net/netip"
)

// A side is one end of a connection, as an index.
type side uint8

const (
	client side = iota
	server
)

func (s side) other() side { return 1 - s }

// ends are the addresses of a connection's sides.
type ends [2]netip.AddrPort

// What addresses are made up (RFC 5737, RFC 3849), and from which port on.
var (
	documentation4 = [2]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")}
	documentation6 = [2]netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::1")}
)

const (
	firstMadeUp = 49152 // the first dynamic port (RFC 6335, Section 6)
	numMadeUp   = 1<<16 - firstMadeUp
	serverPort  = 443
)

// name finds the addresses that the connection has in the capture, c.mu being
// held.
func (c *Capture) name(inner net.Conn, isServer bool) ends {
	e := ends{address(inner.LocalAddr()), address(inner.RemoteAddr())}
	if isServer {
		e[client], e[server] = e[server], e[client]
	}
	e = e.complete()
	if e[client].Port() == 0 {
		e[client] = c.port(e[client])
	}
	for range numMadeUp {
		if _, taken := c.live[e]; !taken {
			break
		}
		e[client] = c.port(e[client])
	}
	return e
}

// port gives the client the next port that is made up.
func (c *Capture) port(of netip.AddrPort) netip.AddrPort {
	port := c.madeUp
	if c.madeUp++; c.madeUp == 0 {
		c.madeUp = firstMadeUp
	}
	return netip.AddrPortFrom(of.Addr(), port)
}

// address is that of an end of TCP, or of another kind that is written alike. It
// is not valid where there is none.
func address(a net.Addr) netip.AddrPort {
	var found netip.AddrPort
	switch a := a.(type) {
	case nil:
		return found
	case *net.TCPAddr:
		if a == nil {
			return found
		}
		found = a.AddrPort()
	default:
		found, _ = netip.ParseAddrPort(a.String())
	}
	if !found.IsValid() || found.Addr().IsUnspecified() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(found.Addr().Unmap().WithZone(""), found.Port())
}

// complete makes up what is missing, but for the client's port, and makes both of
// one family.
func (e ends) complete() ends {
	documentation := documentation4
	if e[client].Addr().Is6() || e[server].Addr().Is6() {
		documentation = documentation6
	}
	for i := range e {
		switch a := e[i].Addr(); {
		case !a.IsValid():
			e[i] = netip.AddrPortFrom(documentation[i], e[i].Port())
		case a.Is4() && documentation[i].Is6():
			e[i] = netip.AddrPortFrom(netip.AddrFrom16(a.As16()), e[i].Port())
		}
	}
	if e[server].Port() == 0 {
		e[server] = netip.AddrPortFrom(e[server].Addr(), serverPort)
	}
	return e
}
