package mitm

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Constraints limit what an authority's certificates may be for: clients refuse
// the others, whoever has the key (RFC 5280, Section 4.2.1.10, critical).
//
// What is permitted is all that is permitted: with DNS names and no networks no
// address is, and with networks and no DNS names no name is. What is excluded is
// taken out of that. The zero value does not limit.
type Constraints struct {
	// PermitDNS and ExcludeDNS are names that stand for themselves and all
	// names below them: "corp.example".
	PermitDNS, ExcludeDNS []string
	// PermitNet and ExcludeNet are networks of addresses.
	PermitNet, ExcludeNet []netip.Prefix
}

var everyAddress = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// everyName is the constraint that all DNS names are within.
const everyName = ""

func (c *Constraints) apply(t *x509.Certificate) error {
	permitDNS, err := checkDNS(c.PermitDNS)
	if err != nil {
		return err
	}
	excludeDNS, err := checkDNS(c.ExcludeDNS)
	if err != nil {
		return err
	}
	excludeNet := slices.Clone(c.ExcludeNet)
	switch {
	case len(permitDNS) > 0 && len(c.PermitNet) == 0:
		excludeNet = slices.Concat(excludeNet, everyAddress)
	case len(permitDNS) == 0 && len(c.PermitNet) > 0:
		excludeDNS = append(excludeDNS, everyName)
	}
	t.PermittedDNSDomains, t.ExcludedDNSDomains = permitDNS, excludeDNS
	if t.PermittedIPRanges, err = ipNets(c.PermitNet); err != nil {
		return err
	}
	if t.ExcludedIPRanges, err = ipNets(excludeNet); err != nil {
		return err
	}
	t.PermittedDNSDomainsCritical = c.any()
	return nil
}

func (c *Constraints) any() bool {
	return len(c.PermitDNS)+len(c.ExcludeDNS)+len(c.PermitNet)+len(c.ExcludeNet) > 0
}

func checkDNS(names []string) ([]string, error) {
	var checked []string
	for _, name := range names {
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "*") {
			return nil, fmt.Errorf("%q is not a DNS name: write %q, names below it are meant too", name, strings.TrimLeft(name, "*."))
		}
		lower := strings.ToLower(strings.TrimSuffix(name, "."))
		if !isDNSName(lower) {
			return nil, fmt.Errorf("%q is not a DNS name: write it like corp.example (xn-- for other alphabets)", name)
		}
		if _, err := netip.ParseAddr(lower); err == nil {
			return nil, fmt.Errorf("%q is an address: give it as a network", name)
		}
		checked = append(checked, lower)
	}
	return checked, nil
}

// isDNSName takes letters, digits, hyphens and underscores (RFC 1035, Section 2.3.1).
func isDNSName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func ipNets(prefixes []netip.Prefix) ([]*net.IPNet, error) {
	var nets []*net.IPNet
	for _, p := range prefixes {
		switch {
		case !p.IsValid():
			return nil, fmt.Errorf("a network is not valid: write it like 192.0.2.0/24")
		case p.Addr().Is4In6() || p != p.Masked():
			return nil, fmt.Errorf("%s is not a network: write it like 192.0.2.0/24, with no bits set behind the prefix", p)
		}
		nets = append(nets, &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	return nets, nil
}

// A ConstraintError says that an authority's name constraints forbid a
// certificate, so that clients would refuse it.
type ConstraintError struct {
	Name string // the DNS name or address
}

func (e *ConstraintError) Error() string {
	return fmt.Sprintf("the authority's name constraints do not allow %q: pass such connections on unopened", e.Name)
}

// Allows says whether the authority's constraints allow a certificate for a
// host, a DNS name or address. A certificate may have other names that they
// forbid: [Authority.Leaf] tells.
func (a *Authority) Allows(host string) bool {
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil {
		return allowsIP(a.cert, ip)
	}
	return allowsDNS(a.cert, host)
}

// forbidden gives the first name of a certificate that the constraints forbid, "" if there
// is none.
func (a *Authority) forbidden(leaf *x509.Certificate) string {
	names := leaf.DNSNames
	if cn := leaf.Subject.CommonName; len(names) == 0 && isDNSName(strings.ToLower(cn)) && net.ParseIP(cn) == nil {
		names = []string{cn} // as openssl does
	}
	for _, name := range names {
		if !allowsDNS(a.cert, name) {
			return name
		}
	}
	for _, ip := range leaf.IPAddresses {
		if !allowsIP(a.cert, ip) {
			return ip.String()
		}
	}
	return ""
}

func allowsDNS(ca *x509.Certificate, name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	within := func(domain string) bool { return withinDomain(name, domain) }
	// A wildcard stands for excluded names as well.
	below, wildcard := strings.CutPrefix(name, "*.")
	covers := func(domain string) bool {
		_, parent, _ := strings.Cut(domain, ".")
		return within(domain) || wildcard && strings.EqualFold(parent, below)
	}
	if slices.ContainsFunc(ca.ExcludedDNSDomains, covers) {
		return false
	}
	return len(ca.PermittedDNSDomains) == 0 || slices.ContainsFunc(ca.PermittedDNSDomains, within)
}

// withinDomain takes a leading period, as some authorities have it, for names
// below and not the name itself, as crypto/x509 does.
func withinDomain(name, domain string) bool {
	domain = strings.ToLower(domain)
	if domain == everyName || name == domain {
		return true
	}
	return strings.HasSuffix(name, "."+strings.TrimPrefix(domain, "."))
}

func allowsIP(ca *x509.Certificate, ip net.IP) bool {
	within := func(n *net.IPNet) bool { return n.Contains(ip) }
	if slices.ContainsFunc(ca.ExcludedIPRanges, within) {
		return false
	}
	return len(ca.PermittedIPRanges) == 0 || slices.ContainsFunc(ca.PermittedIPRanges, within)
}
