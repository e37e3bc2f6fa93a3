package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A Scope says which connections a table is about. The zero Scope is all TCP.
type Scope struct {
	// Interfaces are those that packets come in by; empty is all.
	Interfaces []string
	// Networks are those of the clients; empty is all. Where there are only
	// networks of one address family, clients of the other are out of scope.
	Networks []netip.Prefix
	// Ports are the servers'; empty is all.
	Ports []PortRange
	// Exclude are destinations that are left alone.
	Exclude []netip.Prefix
}

// A PortRange is all ports from First to Last, both included.
type PortRange struct {
	First, Last uint16
}

// String writes a range as ParseScope reads it.
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// A ScopeError says which item of a scope is wrong.
type ScopeError struct {
	Item string // as given
	Err  error
}

func (e *ScopeError) Error() string { return fmt.Sprintf("scope %q: %v", e.Item, e.Err) }

func (e *ScopeError) Unwrap() error { return e.Err }

// ParseScope reads items like these, each of which may come more than once:
//
//	interface=eth1             packets that come in there
//	network=10.0.0.0/8         clients of this network, or with this address
//	port=443  port=8000-8100   servers' ports
//	exclude=192.0.2.0/24       servers that are left alone
//
// An error is a *ScopeError.
func ParseScope(items []string) (Scope, error) {
	var s Scope
	for _, item := range items {
		if err := s.add(item); err != nil {
			return Scope{}, &ScopeError{Item: item, Err: err}
		}
	}
	return s, nil
}

func (s *Scope) add(item string) error {
	key, value, found := strings.Cut(item, "=")
	if !found {
		return errors.New("want interface=NAME, network=PREFIX, port=NUMBER or exclude=PREFIX")
	}
	switch key {
	case "interface":
		s.Interfaces = append(s.Interfaces, value)
		return checkInterface(value)
	case "network":
		p, err := parsePrefix(value)
		s.Networks = append(s.Networks, p)
		return err
	case "exclude":
		p, err := parsePrefix(value)
		s.Exclude = append(s.Exclude, p)
		return err
	case "port":
		r, err := parsePorts(value)
		s.Ports = append(s.Ports, r)
		return err
	}
	return fmt.Errorf("%q is not interface, network, port or exclude", key)
}

// String lists the items as ParseScope reads them, "all TCP" if there are none.
func (s Scope) String() string {
	var items []string
	for _, name := range s.Interfaces {
		items = append(items, "interface="+name)
	}
	for _, p := range s.Networks {
		items = append(items, "network="+p.String())
	}
	for _, r := range s.Ports {
		items = append(items, "port="+r.String())
	}
	for _, p := range s.Exclude {
		items = append(items, "exclude="+p.String())
	}
	if items == nil {
		return "all TCP"
	}
	return strings.Join(items, " ")
}

// Validate checks a Scope that ParseScope did not make. An error is a *ScopeError.
func (s Scope) Validate() error {
	for _, name := range s.Interfaces {
		if err := checkInterface(name); err != nil {
			return &ScopeError{Item: "interface=" + name, Err: err}
		}
	}
	for _, p := range s.Networks {
		if err := checkPrefix(p); err != nil {
			return &ScopeError{Item: "network=" + p.String(), Err: err}
		}
	}
	for _, r := range s.Ports {
		if err := r.check(); err != nil {
			return &ScopeError{Item: "port=" + r.String(), Err: err}
		}
	}
	for _, p := range s.Exclude {
		if err := checkPrefix(p); err != nil {
			return &ScopeError{Item: "exclude=" + p.String(), Err: err}
		}
	}
	return nil
}

// checkInterface takes what the kernel takes as a name, without what would have to be
// quoted in nft's text. An interface need not be there yet.
func checkInterface(name string) error {
	switch {
	case name == "":
		return errors.New("no name of an interface")
	case len(name) > 15:
		return errors.New("names of interfaces have at most 15 characters")
	case name == "." || name == "..":
		return errors.New("not a name of an interface")
	case strings.ContainsAny(name, "*+"):
		return errors.New("there are no wildcards here: name every interface")
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || strings.IndexByte(`/:"\`, c) >= 0 {
			return fmt.Errorf("%q cannot be in a name of an interface", c)
		}
	}
	return nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	var p netip.Prefix
	if strings.Contains(s, "/") {
		var err error
		if p, err = netip.ParsePrefix(s); err != nil {
			return p, errors.New("not a network: want one like 192.0.2.0/24 or 2001:db8::/32")
		}
	} else {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return p, errors.New("not a network or address: want one like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1")
		}
		if a.Zone() != "" {
			return p, errors.New("an address here has no zone: use interface=")
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	return p, checkPrefix(p)
}

func checkPrefix(p netip.Prefix) error {
	switch {
	case !p.IsValid():
		return errors.New("not a network")
	case p.Addr().Is4In6():
		return errors.New("an IPv4 network is written as such")
	case p != p.Masked():
		return fmt.Errorf("the address has more bits than the network: did you mean %v?", p.Masked())
	}
	return nil
}

func parsePorts(s string) (PortRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	var r PortRange
	for _, end := range []struct {
		text string
		to   *uint16
	}{{first, &r.First}, {last, &r.Last}} {
		n, err := strconv.ParseUint(end.text, 10, 16)
		if err != nil {
			return r, fmt.Errorf("%q is not a port: want 1 to 65535, or two like 8000-8100", end.text)
		}
		*end.to = uint16(n)
	}
	return r, r.check()
}

func (r PortRange) check() error {
	switch {
	case r.First == 0:
		return errors.New("ports begin at 1")
	case r.First > r.Last:
		return fmt.Errorf("the range is the wrong way round: did you mean %d-%d?", r.Last, r.First)
	}
	return nil
}

// ofFamily keeps what belongs to IPv4 or IPv6, without what others contain, in order.
func ofFamily(prefixes []netip.Prefix, ipv6 bool) []netip.Prefix {
	var sorted []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is6() == ipv6 {
			sorted = append(sorted, p)
		}
	}
	slices.SortFunc(sorted, netip.Prefix.Compare) // a network comes right before those in it
	var kept []netip.Prefix
	for _, p := range sorted {
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// joinPorts sorts ranges and joins those that overlap or touch.
func joinPorts(ranges []PortRange) []PortRange {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b PortRange) int { return int(a.First) - int(b.First) })
	var joined []PortRange
	for _, r := range sorted {
		if n := len(joined); n > 0 && int(r.First) <= int(joined[n-1].Last)+1 {
			joined[n-1].Last = max(joined[n-1].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}
