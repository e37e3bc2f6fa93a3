package ipcarry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// IPV6CP (RFC 5072) gives a PPP client no more than a link-local address. Its global one
// it makes itself (SLAAC, RFC 4862) of the prefix in a Router Advertisement, so that a
// server which gives out IPv6 has to send those.

// Types of Neighbor Discovery (RFC 4861, Section 4) and of its options (Section 4.6, and
// RFC 8106, Section 5.1).
const (
	typeRouterSolicitation  = 133
	typeRouterAdvertisement = 134
	optionPrefix            = 3
	optionMTU               = 5
	optionDNS               = 25
)

// ndHops is the hop limit of all Neighbor Discovery: it proves that no router forwarded
// the message (RFC 4861, Section 3.1).
const ndHops = 255

const (
	raHeader      = 16
	prefixOption  = 32
	flagOnLink    = 0x80
	flagAutonomic = 0x40
)

var (
	allNodes   = netip.MustParseAddr("ff02::1")
	allRouters = netip.MustParseAddr("ff02::2")
)

// A RouterAdvertisement is what a server tells an IPv6 client (RFC 4861, Section 4.2).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Type 134    |    Code 0     |           Checksum            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Cur Hop Limit |M|O| Reserved  |        Router Lifetime        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                         Reachable Time                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                          Retrans Timer                        |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   Options: prefix information, MTU, recursive DNS servers
//	+-+-+-+-+-+-+-+-+-+-+-+-
type RouterAdvertisement struct {
	// Lifetime is how long the server is a default router: whole seconds up to 65535, 0
	// for not at all.
	Lifetime time.Duration
	// Prefixes are those that the client makes addresses of, of 64 bits each.
	Prefixes []netip.Prefix
	// Valid and Preferred are how long such addresses live, in whole seconds.
	Valid, Preferred time.Duration
	// MTU is that of the tunnel, 0 for not said.
	MTU int
	// DNS are recursive name servers, DNSLifetime how long they may be used.
	DNS         []netip.Addr
	DNSLifetime time.Duration
}

// Advertise returns what a server tells a client by default: lifetimes are those of
// RFC 4861, Section 6.2.1, with the router's as long as it can be, since the tunnel ends
// before the router does.
func Advertise(prefix netip.Prefix, mtu int, dns ...netip.Addr) RouterAdvertisement {
	const router = 9000 * time.Second
	ra := RouterAdvertisement{
		Lifetime: router, Prefixes: []netip.Prefix{prefix},
		Valid: 30 * 24 * time.Hour, Preferred: 7 * 24 * time.Hour,
		MTU: mtu, DNSLifetime: router,
	}
	for _, a := range dns {
		if a.Is6() && !a.Is4In6() {
			ra.DNS = append(ra.DNS, a)
		}
	}
	return ra
}

// Append appends the IPv6 packet. src is the server's link-local address, dst the
// client's, or not valid for all nodes.
func (ra *RouterAdvertisement) Append(b []byte, src, dst netip.Addr) []byte {
	if !dst.IsValid() {
		dst = allNodes
	}
	body := []byte{64, 0} // current hop limit; no DHCPv6
	body = binary.BigEndian.AppendUint16(body, uint16(min(seconds(ra.Lifetime), 0xffff)))
	body = append(body, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, p := range ra.Prefixes {
		addr := p.Masked().Addr().As16()
		body = append(body, optionPrefix, prefixOption/8, uint8(p.Bits()), flagOnLink|flagAutonomic)
		body = binary.BigEndian.AppendUint32(body, seconds(ra.Valid))
		body = binary.BigEndian.AppendUint32(body, seconds(ra.Preferred))
		body = append(append(body, 0, 0, 0, 0), addr[:]...)
	}
	if ra.MTU > 0 {
		body = append(body, optionMTU, 1, 0, 0)
		body = binary.BigEndian.AppendUint32(body, uint32(ra.MTU))
	}
	if len(ra.DNS) > 0 {
		body = append(body, optionDNS, uint8(1+2*len(ra.DNS)), 0, 0)
		body = binary.BigEndian.AppendUint32(body, seconds(ra.DNSLifetime))
		for _, a := range ra.DNS {
			addr := a.As16()
			body = append(body, addr[:]...)
		}
	}
	return appendICMP(b, src, dst, ndHops, typeRouterAdvertisement, 0, body)
}

func seconds(d time.Duration) uint32 {
	return uint32(min(max(d/time.Second, 0), 0xffffffff))
}

// errNotRA says that a packet is none, or not one to listen to.
var errNotRA = errors.New("no Router Advertisement")

// ParseRouterAdvertisement reads the Router Advertisement that an IPv6 packet is. It
// checks what RFC 4861, Section 6.1.2 demands, and leaves prefixes out that no address can
// be made of (RFC 4862, Section 5.5.3).
func ParseRouterAdvertisement(p []byte) (ra RouterAdvertisement, router netip.Addr, err error) {
	ip, ok := parsePacket(p)
	if !ok || ip.src.Is4() || ip.proto != protoICMPv6 || len(ip.data()) < raHeader || ip.data()[0] != typeRouterAdvertisement {
		return ra, router, errNotRA
	}
	msg := ip.data()
	switch {
	case !ip.src.IsLinkLocalUnicast():
		return ra, router, fmt.Errorf("%w: it comes from %v, which is not link-local", errNotRA, ip.src)
	case p[7] != ndHops:
		return ra, router, fmt.Errorf("%w: its hop limit is %d instead of 255", errNotRA, p[7])
	case msg[1] != 0 || fold(sum(pseudo6(ip.src, ip.dst, protoICMPv6, len(msg)), msg)) != 0:
		return ra, router, fmt.Errorf("%w: its code or checksum is wrong", errNotRA)
	}
	ra.Lifetime = time.Duration(binary.BigEndian.Uint16(msg[6:])) * time.Second
	if err := ra.parseOptions(msg[raHeader:]); err != nil {
		return RouterAdvertisement{}, router, err
	}
	return ra, ip.src, nil
}

func (ra *RouterAdvertisement) parseOptions(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || int(b[1])*8 > len(b) {
			return fmt.Errorf("%w: an option's length is wrong", errNotRA)
		}
		o := b[:int(b[1])*8]
		b = b[len(o):]
		switch o[0] {
		case optionPrefix:
			ra.parsePrefix(o)
		case optionMTU:
			if len(o) == 8 {
				ra.MTU = int(min(binary.BigEndian.Uint32(o[4:]), maxMTU))
			}
		case optionDNS:
			ra.parseDNS(o)
		}
	}
	return nil
}

func lifetime(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second
}

// parsePrefix takes the prefix if it is for SLAAC. Valid and Preferred are those of the
// last one.
func (ra *RouterAdvertisement) parsePrefix(o []byte) {
	if len(o) != prefixOption || o[2] != 64 || o[3]&flagAutonomic == 0 || len(ra.Prefixes) >= maxRAItems {
		return
	}
	valid, preferred := lifetime(o[4:]), lifetime(o[8:])
	addr := netip.AddrFrom16([16]byte(o[16:]))
	if addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.Is4In6() || preferred > valid || valid == 0 {
		return
	}
	ra.Prefixes = append(ra.Prefixes, netip.PrefixFrom(addr, 64).Masked())
	ra.Valid, ra.Preferred = valid, preferred
}

// maxRAItems bounds what a client takes of one kind.
const maxRAItems = 8

func (ra *RouterAdvertisement) parseDNS(o []byte) {
	if len(o) < 24 || len(o)%16 != 8 || lifetime(o[4:]) == 0 {
		return
	}
	ra.DNSLifetime = lifetime(o[4:])
	for o = o[8:]; len(o) > 0 && len(ra.DNS) < maxRAItems; o = o[16:] {
		ra.DNS = append(ra.DNS, netip.AddrFrom16([16]byte(o)))
	}
}

// AppendRouterSolicitation appends the packet by which a client asks for an advertisement
// (RFC 4861, Section 4.1). src is its link-local address.
func AppendRouterSolicitation(b []byte, src netip.Addr) []byte {
	return appendICMP(b, src, allRouters, ndHops, typeRouterSolicitation, 0, []byte{0, 0, 0, 0})
}

// ParseRouterSolicitation tells whether the packet is a Router Solicitation and returns
// who asks, an unspecified address at times (RFC 4861, Section 6.1.1).
func ParseRouterSolicitation(p []byte) (from netip.Addr, ok bool) {
	ip, ok := parsePacket(p)
	if !ok || ip.src.Is4() || ip.proto != protoICMPv6 {
		return netip.Addr{}, false
	}
	msg := ip.data()
	if len(msg) < icmpHeader || msg[0] != typeRouterSolicitation || msg[1] != 0 || p[7] != ndHops ||
		fold(sum(pseudo6(ip.src, ip.dst, protoICMPv6, len(msg)), msg)) != 0 {
		return netip.Addr{}, false
	}
	return ip.src, true
}

// InterfaceID puts a 64-bit interface identifier, as IPV6CP negotiates it, into a prefix:
// fe80::/64 gives the link-local address, one of a RouterAdvertisement the global one.
func InterfaceID(prefix netip.Prefix, id [8]byte) netip.Addr {
	a := prefix.Masked().Addr().As16()
	copy(a[8:], id[:])
	return netip.AddrFrom16(a)
}

// LinkLocal is the prefix of link-local addresses that SLAAC uses (RFC 4291, 2.5.6).
var LinkLocal = netip.MustParsePrefix("fe80::/64")
