package nft

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What TPROXY gave to a socket has to be routed to this host, whatever its destination:
// by a rule for the packet mark, which leads to a table with a local default route.
//
// The kernel does not bind these to a process as it does a table of nftables, so they
// stay after a crash. There they do nothing: nobody but the table sets that mark, so
// with the table gone no packet meets the rule. They carry a protocol number of their
// own, by which the next start or Teardown finds them, whatever the options were.
const (
	// routingProtocol is who made a rule or a route; iproute2 lists the numbers in
	// rt_protos, and has no name for this one.
	routingProtocol = 83
	// rulePriority is before rules without a mark that decide for all packets.
	rulePriority = 83
	loopback     = 1 // LOOPBACK_IFINDEX of include/net/flow.h
)

// families are those of rtnetlink, IPv4 first: what fails for lack of a capability fails
// there, and only IPv6 may be missing.
var families = []int{unix.AF_INET, unix.AF_INET6}

func familyName(f int) string {
	if f == unix.AF_INET6 {
		return "IPv6"
	}
	return "IPv4"
}

// noIPv6 tells the errors of hosts where IPv6 is switched off or not built in. EACCES is
// that of a loopback interface without IPv6.
func noIPv6(f int, err error) bool {
	return f == unix.AF_INET6 && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EACCES))
}

// addRouting makes rules and routes, unless they are there, and removes ours that are
// not like them.
func addRouting(h *netlink.Handle, o ProxyOptions) error {
	for _, f := range families {
		if err := addRoutingOf(h, f, o); err != nil && !noIPv6(f, err) {
			return fmt.Errorf("routing %s to this host by mark %#x and table %d: %w", familyName(f), o.Divert(), o.Table, err)
		}
	}
	return nil
}

func addRoutingOf(h *netlink.Handle, f int, o ProxyOptions) error {
	routes, err := routesOf(h, f)
	if err != nil {
		return err
	}
	found := false
	for _, r := range routes {
		switch ours := r.Protocol == routingProtocol; {
		case r.Table == o.Table && !ours:
			return fmt.Errorf("%v is in that table already: choose one that is empty", r)
		case r.Table == o.Table:
			found = true
		case ours:
			if err := ignoreGone(h.RouteDel(&r)); err != nil {
				return err
			}
		}
	}
	if !found {
		if err := h.RouteAdd(localDefault(f, o.Table)); err != nil {
			return err
		}
	}
	return addRule(h, f, o)
}

func addRule(h *netlink.Handle, f int, o ProxyOptions) error {
	rules, err := rulesOf(h, f)
	if err != nil {
		return err
	}
	found := false
	for _, r := range rules {
		if r.Table == o.Table && r.Mark == o.Divert() && r.Mask != nil && *r.Mask == o.Mask && r.Priority == rulePriority {
			found = true
			continue
		}
		if err := ignoreGone(h.RuleDel(&r)); err != nil {
			return err
		}
	}
	if found {
		return nil
	}
	r := netlink.NewRule()
	r.Family, r.Priority, r.Table, r.Protocol = f, rulePriority, o.Table, routingProtocol
	r.Mark, r.Mask = o.Divert(), &o.Mask
	return h.RuleAdd(r)
}

func localDefault(f, table int) *netlink.Route {
	dst := &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	if f == unix.AF_INET6 {
		dst = &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	}
	return &netlink.Route{
		Family: f, LinkIndex: loopback, Dst: dst, Table: table,
		Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST, Protocol: routingProtocol,
	}
}

// removeRouting removes what is ours and says what that was.
func removeRouting(h *netlink.Handle) (removed []string, err error) {
	for _, f := range families {
		rules, err := rulesOf(h, f)
		if err != nil && !noIPv6(f, err) {
			return removed, err
		}
		for _, r := range rules {
			if err := ignoreGone(h.RuleDel(&r)); err != nil {
				return removed, fmt.Errorf("removing the %s rule for mark %#x: %w", familyName(f), r.Mark, err)
			}
			removed = append(removed, fmt.Sprintf("%s rule for mark %#x to table %d", familyName(f), r.Mark, r.Table))
		}
		routes, err := routesOf(h, f)
		if err != nil && !noIPv6(f, err) {
			return removed, err
		}
		for _, r := range routes {
			if r.Protocol != routingProtocol {
				continue
			}
			if err := ignoreGone(h.RouteDel(&r)); err != nil {
				return removed, fmt.Errorf("removing the %s route in table %d: %w", familyName(f), r.Table, err)
			}
			removed = append(removed, fmt.Sprintf("%s route in table %d", familyName(f), r.Table))
		}
	}
	return removed, nil
}

// dumps is how often a list is asked for that changes while it is made.
const dumps = 5

// rulesOf lists our rules.
func rulesOf(h *netlink.Handle, f int) ([]netlink.Rule, error) {
	var ours []netlink.Rule
	for range dumps {
		all, err := h.RuleList(f)
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			continue
		}
		for _, r := range all {
			if r.Protocol == routingProtocol {
				ours = append(ours, r)
			}
		}
		return ours, err
	}
	return nil, netlink.ErrDumpInterrupted
}

// routesOf lists the routes of all tables.
func routesOf(h *netlink.Handle, f int) ([]netlink.Route, error) {
	for range dumps {
		// With RT_FILTER_TABLE and no table all of them are listed.
		all, err := h.RouteListFiltered(f, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return nil, netlink.ErrDumpInterrupted
}

// ignoreGone makes it no error that something to be removed is not there.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
