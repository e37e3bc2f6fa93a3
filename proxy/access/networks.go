package access

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Networks are prefixes of addresses. IPv4 stands there as IPv4, not mapped into
// IPv6: [ParseNetworks] sees to that.
type Networks []netip.Prefix

// Private are the networks whose hosts are nearby: those of RFC 1918, IPv6's unique
// local addresses (RFC 4193), loopback and link-local addresses.
//
// The shared space 100.64.0.0/10 (RFC 6598) is not among them. It belongs to
// providers: whoever gets his address out of it may have the provider's other
// customers as neighbours, and would serve them as an open proxy. Where clients do
// have such addresses, as in some overlay networks and clusters, it is to be added.
var Private = Networks{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
}

// Contains says whether one of the networks has the address. IPv4 mapped into IPv6
// counts as IPv4, and zones do not count. No network has the zero Addr.
func (n Networks) Contains(a netip.Addr) bool {
	a = plain(a)
	for _, p := range n {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ParseNetworks reads prefixes such as 10.1.0.0/16 and single addresses. The word
// private stands for [Private]. The error names the first that is wrong, and says
// what to write.
func ParseNetworks(list []string) (Networks, error) {
	var n Networks
	for _, s := range list {
		if s == "private" {
			n = append(n, Private...)
			continue
		}
		p, err := parseNetwork(s)
		if err != nil {
			return nil, err
		}
		n = append(n, p)
	}
	return n, nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	address, bits, isPrefix := strings.Cut(s, "/")
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%s is no network: write a prefix such as 10.1.0.0/16 or 2001:db8::/32, an address, or private", strconv.Quote(s))
	case a.Zone() != "":
		return netip.Prefix{}, fmt.Errorf("%s names an interface, which no network has: write %s", s, a.WithZone(""))
	case a.Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s is IPv4 written as IPv6: write %s", s, a.Unmap())
	case !isPrefix:
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%s is no length of a prefix of %s: write 0 to %d", strconv.Quote(bits), a, a.BitLen())
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%s has bits set beyond its prefix: write %s for the network, or %s for the one address", s, p.Masked(), a)
	}
	return p, nil
}

// plain gives the address as it is compared: IPv4 as such, and no zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// clientOf gives what counts as one client: an address of IPv4, and of IPv6 the
// first address of its /64.
func clientOf(a netip.Addr) netip.Addr {
	a = plain(a)
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64) // every address of IPv6 has one
	return p.Addr()
}

// clientName says who a client is.
func clientName(client netip.Addr) string {
	switch {
	case !client.IsValid():
		return "an unknown address"
	case client.Is6():
		return netip.PrefixFrom(client, 64).String()
	}
	return client.String()
}
