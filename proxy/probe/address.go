package probe

import (
	"fmt"
	"net/netip"
)

// An AddressError says why an address is not asked.
type AddressError struct {
	Addr netip.Addr
	Kind string // "private", "loopback", ...
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("%s is not asked: %s", e.Addr, e.Kind)
}

// Public says whether an address belongs to the Internet at large, with an
// *[AddressError] where it does not: private, loopback, link-local, multicast and
// reserved ranges (the IANA special-purpose registries), the metadata services of
// clouds, and IPv6 addresses that lead to such an IPv4 address.
func Public(addr netip.Addr) error {
	a := addr.Unmap().WithZone("")
	kind := "no address"
	switch {
	case !a.IsValid():
	case a.IsUnspecified():
		kind = "the unspecified address"
	case a.IsLoopback():
		kind = "a loopback address"
	case a.IsPrivate():
		kind = "a private address"
	case a.IsLinkLocalUnicast():
		kind = "a link-local address, metadata services among them"
	case a.IsMulticast():
		kind = "a multicast address"
	default:
		kind = special(a)
	}
	if kind == "" {
		if inner, ok := embedded(a); ok && Public(inner) != nil {
			kind = fmt.Sprintf("it leads to %s, which is not public", inner)
		}
	}
	if kind == "" {
		return nil
	}
	return &AddressError{addr, kind}
}

// specials are what netip has no word for.
var specials = []struct {
	prefix netip.Prefix
	kind   string
}{
	{netip.MustParsePrefix("168.63.129.16/32"), "the metadata service of a cloud"}, // Azure's is a public address
	{netip.MustParsePrefix("100.64.0.0/10"), "a shared address of a provider"},     // RFC 6598; Alibaba's metadata too
	{netip.MustParsePrefix("0.0.0.0/8"), "a reserved address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved address"},
	{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for benchmarks"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"}, // 255.255.255.255 too
	{netip.MustParsePrefix("100::/64"), "an address that discards"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a private address"}, // RFC 8215
	{netip.MustParsePrefix("2001:db8::/32"), "an address for documentation"},
	{netip.MustParsePrefix("3fff::/20"), "an address for documentation"},
	{netip.MustParsePrefix("2001:2::/48"), "an address for benchmarks"},
	{netip.MustParsePrefix("5f00::/16"), "a reserved address"},
	{netip.MustParsePrefix("fec0::/10"), "a private address"},
	{netip.MustParsePrefix("::/96"), "a reserved address"},
}

func special(a netip.Addr) string {
	for _, s := range specials {
		if s.prefix.Contains(a) {
			return s.kind
		}
	}
	return ""
}

var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last four bytes
	sixToFour = netip.MustParsePrefix("2002::/16")    // RFC 3056: bytes 2 to 5
	teredo    = netip.MustParsePrefix("2001::/32")    // RFC 4380: the last four bytes, inverted
)

// embedded gives the IPv4 address that an IPv6 address leads to.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if !a.Is6() {
		return a, false
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(a):
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	}
	return a, false
}
