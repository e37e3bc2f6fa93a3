package bypass

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseName checks the name of a server, or of those below one, and puts it in lower
// case without the root's dot.
func ParseName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(s, "."))
	base := strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	_, err := netip.ParseAddr(base)
	switch {
	case err == nil:
		return "", fmt.Errorf("%s is an address, not a name: give it as the address", base)
	case strings.ContainsFunc(name, func(r rune) bool { return r > '~' }):
		return "", fmt.Errorf(`%s is not as a client sends it: write its ASCII form ("xn--...")`, strconv.Quote(s))
	case hostName(base) == "" || name[0] == '*' && !strings.HasPrefix(name, "*."):
		return "", fmt.Errorf("%s is no name of a server: write one such as vpn.example.org, *.example.org for all below it, or .example.org for both", strconv.Quote(s))
	}
	return name, nil
}

// ParsePrefix reads a prefix or a single address.
func ParsePrefix(s string) (netip.Prefix, error) {
	a, err := netip.ParseAddr(s)
	p := netip.PrefixFrom(a, a.BitLen())
	if err != nil {
		p, err = netip.ParsePrefix(s)
	}
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%s is no address and no prefix: write one such as 192.0.2.1, 10.1.0.0/16 or 2001:db8::/32", strconv.Quote(s))
	case a.Zone() != "":
		return netip.Prefix{}, fmt.Errorf("%s names an interface: write %s", s, a.WithZone(""))
	case p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%s is IPv4 written as IPv6: write %s", s, p.Addr().Unmap())
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%s has bits set beyond its prefix: write %s for the network, or %s for the one address", s, p.Masked(), p.Addr())
	}
	return p, nil
}

// hostName gives a name that a client asked for as entries have it, or nothing if it
// is no name of a host.
func hostName(s string) string {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return ""
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool {
			return ('a' > r || r > 'z') && ('A' > r || r > 'Z') && ('0' > r || r > '9') && r != '-' && r != '_'
		}) {
			return ""
		}
	}
	return strings.ToLower(s)
}

// nameMatches says whether an entry's name has the name of a host.
func nameMatches(pattern, name string) bool {
	switch {
	case name == "":
		return false
	case pattern[0] == '*':
		return strings.HasSuffix(name, pattern[1:])
	case pattern[0] == '.':
		return name == pattern[1:] || strings.HasSuffix(name, pattern)
	}
	return name == pattern
}

func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// single gives the prefix of one address.
func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
