package pppref

import (
	"net/netip"
	"slices"

	"sstpwarden/inspect/ppp"
)

// ipcp negotiates the IP Control Protocol (RFC 1332, RFC 1877).
type ipcp struct {
	link *Link
	self *protocol
	wishes
	peer netip.Addr // the peer's own address, as it was acknowledged
}

func (c *ipcp) reset() {
	c.wishes, c.peer = slices.Clone(c.link.cfg.IPCP), netip.Addr{}
	if c.link.cfg.Role != Server {
		return
	}
	if a, ok := c.address(ppp.IPAddress); ok && a.IsUnspecified() {
		if local := c.link.assigned.Local; local.Is4() {
			c.set(ppp.IPCPAddress{Type: ppp.IPAddress, Addr: local})
		} else {
			c.drop(uint8(ppp.IPAddress))
		}
	}
}

// address returns what is asked for as the address of type t.
func (c *ipcp) address(t ppp.IPCPAddressType) (netip.Addr, bool) {
	i := c.index(uint8(t))
	if i < 0 {
		return netip.Addr{}, false
	}
	o, ok := c.wishes[i].(ppp.IPCPAddress)
	return o.Addr, ok
}

func (c *ipcp) request() []ppp.Option { return c.wishes }

func (c *ipcp) naked(o ppp.Option) *Error {
	a, ok := o.(ppp.IPCPAddress)
	switch {
	case !ok:
		c.drop(o.OptionType())
	case c.link.cfg.Role == Server: // the server's own address is not the client's to choose
	case a.Type == ppp.IPAddress && a.Addr.IsUnspecified():
		return noAddress("the server proposed 0.0.0.0")
	case a.Addr.IsUnspecified():
		c.drop(uint8(a.Type))
	case !c.set(a) && a.Type == ppp.IPAddress:
		c.wishes = append(c.wishes, a)
	}
	return nil
}

func noAddress(what string) *Error {
	return failure(StepIPCP, "%s instead of an address: see whether its address pool is used up, and whether the user may have one", what)
}

func (c *ipcp) rejected(t uint8) *Error {
	if t == uint8(ppp.IPAddress) && c.link.cfg.Role == Client {
		return noAddress("the server rejected the request for one")
	}
	c.drop(t)
	return nil
}

func (c *ipcp) confirmed() *Error {
	if a, ok := c.address(ppp.IPAddress); ok && a.IsUnspecified() && c.link.cfg.Role == Client {
		return noAddress("the server acknowledged 0.0.0.0")
	}
	return nil
}

func (c *ipcp) judge(o ppp.Option) (verdict, ppp.Option, *Error) {
	if slices.Contains(c.link.cfg.Quirks.RejectIPCP, o.OptionType()) {
		return reject, nil, nil
	}
	a, ok := o.(ppp.IPCPAddress)
	if c.link.cfg.Role == Client {
		// A server says its own address; it gets none from a client.
		if ok && a.Type == ppp.IPAddress && !a.Addr.IsUnspecified() {
			return accept, nil, nil
		}
		return reject, nil, nil
	}
	t := ppp.IPCPAddressType(o.OptionType())
	want, ok := c.given(t)
	switch {
	case !ok:
		return reject, nil, nil
	case a.Addr == want:
		return accept, nil, nil
	default:
		return nak, ppp.IPCPAddress{Type: t, Addr: want}, nil
	}
}

// given returns what the client gets as the address of type t, if it gets one.
func (c *ipcp) given(t ppp.IPCPAddressType) (netip.Addr, bool) {
	var from []netip.Addr
	i := 0
	switch t {
	case ppp.IPAddress:
		from = []netip.Addr{c.link.assigned.Peer}
	case ppp.PrimaryDNS:
		from = c.link.assigned.DNS
	case ppp.SecondaryDNS:
		from, i = c.link.assigned.DNS, 1
	case ppp.PrimaryNBNS:
		from = c.link.assigned.NBNS
	case ppp.SecondaryNBNS:
		from, i = c.link.assigned.NBNS, 1
	}
	if i >= len(from) || !from[i].Is4() {
		return netip.Addr{}, false
	}
	return from[i], true
}

func (c *ipcp) missing(asked []ppp.Option) []ppp.Option {
	if c.link.cfg.Role == Client || wishes(asked).index(uint8(ppp.IPAddress)) >= 0 {
		return nil
	}
	return []ppp.Option{ppp.IPCPAddress{Type: ppp.IPAddress, Addr: c.link.assigned.Peer}}
}

func (c *ipcp) granted(options []ppp.Option) {
	c.peer = netip.Addr{}
	for _, o := range options {
		if a, ok := o.(ppp.IPCPAddress); ok && a.Type == ppp.IPAddress {
			c.peer = a.Addr
		}
	}
}

// addresses returns what was agreed.
func (c *ipcp) addresses() Addresses {
	local, _ := c.address(ppp.IPAddress)
	a := Addresses{Local: local, Peer: c.peer}
	if c.link.cfg.Role == Server {
		a.DNS, a.NBNS = slices.Clone(c.link.assigned.DNS), slices.Clone(c.link.assigned.NBNS)
		return a
	}
	for _, s := range []struct {
		list *[]netip.Addr
		t    ppp.IPCPAddressType
	}{
		{&a.DNS, ppp.PrimaryDNS},
		{&a.DNS, ppp.SecondaryDNS},
		{&a.NBNS, ppp.PrimaryNBNS},
		{&a.NBNS, ppp.SecondaryNBNS},
	} {
		if addr, ok := c.address(s.t); ok && !addr.IsUnspecified() && !slices.Contains(*s.list, addr) {
			*s.list = append(*s.list, addr)
		}
	}
	return a
}

func (c *ipcp) up()               { c.link.emit(IPv4Up{c.addresses()}) }
func (c *ipcp) down()             { c.link.networkDown(c.self) }
func (c *ipcp) finished()         { c.link.networkFinished(c.self) }
func (c *ipcp) failed(err *Error) { c.self.close(err.Reason) }
