package access

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// DestinationOptions say where a proxy may go. The zero value refuses what nobody
// wants by accident, and no more.
type DestinationOptions struct {
	// Ports that may be dialled, all if there are none.
	Ports Ports
	// Allow are exceptions: networks that may be dialled although they are
	// reserved or denied. Deny are networks that may not be dialled.
	//
	// Where several networks have an address, reserved ones included, the longest
	// prefix counts: to allow fd00::/8 does not open the metadata service inside
	// it, and 10.1.2.3 may be allowed out of a denied 10.0.0.0/8. Between equals,
	// Deny counts more than Allow, and Allow more than what is reserved.
	Allow, Deny Networks
	// Listeners are where the proxy itself listens, all its listeners, with their
	// real ports. They are never dialled, whatever Allow says: the proxy would
	// serve itself until nothing is left of it. An unspecified address stands for
	// all addresses of this host.
	Listeners []netip.AddrPort
}

// Destinations judge addresses that are about to be dialled. They are safe for
// concurrent use.
//
// Refused unless allowed are loopback, unspecified, link-local, multicast and
// broadcast addresses, those at which clouds tell machines about themselves, and
// addresses of IPv6 that carry one of these as IPv4.
type Destinations struct {
	options DestinationOptions
	own     hostAddresses
}

// NewDestinations makes Destinations.
func NewDestinations(o DestinationOptions) *Destinations {
	listeners := make([]netip.AddrPort, len(o.Listeners))
	for i, l := range o.Listeners {
		listeners[i] = netip.AddrPortFrom(plain(l.Addr()), l.Port())
	}
	o.Listeners = listeners
	return &Destinations{options: o, own: hostAddresses{look: interfaceAddresses}}
}

// Control refuses to connect where Check does. It is for [net.Dialer]'s
// ControlContext, which calls it with each address of a name, resolved, right
// before a socket connects there.
func (d *Destinations) Control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	switch {
	case !strings.HasPrefix(network, "tcp"):
		return &RefusedError{Addr: to, Reason: strconv.Quote(network) + " is not TCP"}
	case err == nil:
		return d.Check(to)
	case strings.HasPrefix(address, ":"): // no address at all: Linux connects to itself
		return &RefusedError{Addr: to, Reason: "no address means this host"}
	}
	return &RefusedError{Addr: to, Reason: strconv.Quote(address) + " is no address"}
}

// Check says whether the address may be dialled: nil, or a [*RefusedError].
func (d *Destinations) Check(to netip.AddrPort) error {
	refuse := func(reason, remedy string) error {
		return &RefusedError{Addr: to, Reason: reason, Remedy: remedy}
	}
	a := plain(to.Addr())
	if !a.IsValid() || to.Port() == 0 {
		return refuse("it names no address and port", "")
	}
	if reason, remedy := d.judgePort(to.Port()); reason != "" {
		return refuse(reason, remedy)
	}
	all := []netip.Addr{a}
	if e, ok := embedded(a); ok && !a.IsUnspecified() && !a.IsLoopback() {
		all = append(all, e)
	}
	for _, a := range all {
		what, remedy := d.judge(a)
		if self, err := d.self(netip.AddrPortFrom(a, to.Port())); err != nil {
			what, remedy = "may be the proxy itself: "+err.Error(), ""
		} else if self {
			what, remedy = "is the proxy itself", "clients that want something of it are to ask it without a proxy"
		}
		if what == "" {
			continue
		}
		reason := a.String() + " " + what
		if a != all[0] {
			reason += fmt.Sprintf(", and %s leads there", all[0])
		}
		return refuse(reason, remedy)
	}
	return nil
}

// CheckName says whether another proxy may be asked for a host, which may be an
// address: nil, or a [*RefusedError]. What a name stands for is the other's to
// look up and to judge, so that of a name the port counts alone. A host whose last
// label is a number is no name: where it is no address as we write them, it may
// be one to whoever looks it up.
func (d *Destinations) CheckName(host string, port uint16) error {
	if a, err := netip.ParseAddr(host); err == nil {
		return d.Check(netip.AddrPortFrom(a, port))
	}
	refuse := func(reason, remedy string) error {
		return &RefusedError{Name: net.JoinHostPort(host, strconv.Itoa(int(port))), Reason: reason, Remedy: remedy}
	}
	if host == "" || port == 0 {
		return refuse("it names no host and port", "")
	}
	if reason, remedy := d.judgePort(port); reason != "" {
		return refuse(reason, remedy)
	}
	label := strings.TrimSuffix(host, ".")
	label = label[strings.LastIndexByte(label, '.')+1:]
	if _, err := strconv.ParseUint(label, 0, 64); err == nil || label != "" && strings.Trim(label, "0123456789") == "" {
		return refuse("it is neither a name nor an address with four numbers", "")
	}
	return nil
}

// judgePort says what is against a port, "" if nothing.
func (d *Destinations) judgePort(port uint16) (reason, remedy string) {
	if d.options.Ports.Contains(port) {
		return "", ""
	}
	return fmt.Sprintf("port %d is none of those that may be used (%s)", port, d.options.Ports),
		"if clients need it, add it to the destination ports"
}

// judge says what is against an address: "is a loopback address". The longest
// prefix counts, and of equal ones the last that is asked.
func (d *Destinations) judge(a netip.Addr) (what, remedy string) {
	longest := -1
	counts := func(p netip.Prefix) bool {
		if p.Bits() < longest || !p.Contains(a) {
			return false
		}
		longest = p.Bits()
		return true
	}
	for _, r := range reservedNetworks {
		if counts(r.prefix) {
			what, remedy = r.what, fmt.Sprintf("if clients need it, add %s to the allowed destinations", a)
		}
	}
	for _, p := range d.options.Allow {
		if counts(p) {
			what, remedy = "", ""
		}
	}
	for _, p := range d.options.Deny {
		if counts(p) {
			what, remedy = fmt.Sprintf("is in %s, which is denied", p), fmt.Sprintf("if clients need it, add %s to the allowed destinations", a)
		}
	}
	return what, remedy
}

// self says whether the proxy listens there.
func (d *Destinations) self(to netip.AddrPort) (bool, error) {
	for _, l := range d.options.Listeners {
		at := l.Addr()
		switch {
		case l.Port() != to.Port():
		case at == to.Addr(), to.Addr().IsUnspecified() && at.IsLoopback():
			return true, nil
		case !at.IsUnspecified(), at.Is4() && !to.Addr().Is4():
		case to.Addr().IsUnspecified(), to.Addr().IsLoopback():
			return true, nil
		default:
			if ours, err := d.own.has(to.Addr()); ours || err != nil {
				return ours, err
			}
		}
	}
	return false, nil
}
