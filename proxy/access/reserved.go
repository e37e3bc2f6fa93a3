package access

import (
	"fmt"
	"net/netip"
)

// A reserved network is not for clients of a proxy.
type reserved struct {
	prefix netip.Prefix
	what   string // "is a loopback address"
}

// reservedNetworks are out of reach unless they are allowed. A proxy that dials
// them speaks with the rights of its own host: to services that trust whoever is
// local, and to what a cloud tells its machines, credentials among it.
//
// Most clouds serve that below 169.254.0.0/16 or fe80::/10, which are refused as a
// whole. What is elsewhere was looked up in the documentation of those who serve
// it.
var reservedNetworks = reserve(
	"127.0.0.0/8", "is a loopback address", // RFC 1122, Section 3.2.1.3
	"::1/128", "is a loopback address", // RFC 4291, Section 2.5.3
	"0.0.0.0/8", "means this host", // RFC 1122, Section 3.2.1.3; Linux connects 0.0.0.0 to itself
	"::/128", "means this host", // RFC 4291, Section 2.5.2
	"169.254.0.0/16", "is a link-local address, where clouds serve credentials", // RFC 3927
	"fe80::/10", "is a link-local address", // RFC 4291, Section 2.5.6
	"224.0.0.0/4", "is a multicast address", // RFC 5771
	"ff00::/8", "is a multicast address", // RFC 4291, Section 2.7
	"255.255.255.255/32", "is the broadcast address", // RFC 919

	// Amazon EC2, "Access instance metadata"; Amazon EKS, "Set up the Amazon EKS Pod Identity Agent".
	"fd00:ec2::254/128", "is Amazon's metadata service",
	"fd00:ec2::23/128", "is Amazon's agent for pod credentials",
	// Google Compute Engine, "View and query VM metadata".
	"fd20:ce::254/128", "is Google's metadata service",
	// Microsoft Azure, "What is IP address 168.63.129.16?".
	"168.63.129.16/32", "is the wire server of Azure",
	// Alibaba Cloud ECS, "Instance metadata"; the IPv6 address as cloud-init has it.
	"100.100.100.200/32", "is Alibaba's metadata service",
	"fd00:100::100:200/128", "is Alibaba's metadata service",
	// Oracle's own SDK for Python, oci/auth/signers.
	"fd00:c1::a9fe:a9fe/128", "is Oracle's metadata service",
	// cloud-init, "Scaleway".
	"fd00:42::42/128", "is Scaleway's metadata service",
	// Akamai, "Use the Metadata service API".
	"fd00:a9fe:a9fe::1/128", "is Akamai's metadata service",
)

func reserve(pairs ...string) (list []reserved) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, reserved{netip.MustParsePrefix(pairs[i]), pairs[i+1]})
	}
	return list
}

// Networks whose addresses carry one of IPv4, which the packets end up at.
var (
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291, Section 2.5.5.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765, Section 2.1
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052, Section 2.1
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215; most use the last 32 bits of it
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056, Section 2
)

// embedded gives the address of IPv4 that one of IPv6 carries. Prefixes that a
// network chose for its own translator cannot be known here.
func embedded(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case a.Is4():
		return netip.Addr{}, false
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case compatible.Contains(a), translated.Contains(a), nat64.Contains(a), nat64Local.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return netip.Addr{}, false
}

// RefusedError is why an address may not be dialled.
type RefusedError struct {
	Name   string         // name and port, where somebody else was to dial
	Addr   netip.AddrPort // what was to be dialled
	Reason string         // "127.0.0.1 is a loopback address"
	Remedy string         // what an administrator can do, "" if nothing
}

func (e *RefusedError) Error() string {
	to := "the address"
	switch {
	case e.Addr.IsValid():
		to = e.Addr.String()
	case e.Name != "":
		to = e.Name
	}
	s := fmt.Sprintf("%s is out of reach through this proxy: %s", to, e.Reason)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}
