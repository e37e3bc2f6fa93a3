package pppref

import (
	"slices"

	"sstpwarden/inspect/ppp"
)

var typeInterface = ppp.InterfaceIdentifier{}.OptionType()

// ipv6cp negotiates the IPv6 Control Protocol (RFC 5072).
type ipv6cp struct {
	link *Link
	self *protocol
	wishes
	peer ppp.InterfaceIdentifier
}

func (c *ipv6cp) reset() {
	c.wishes, c.peer = slices.Clone(c.link.cfg.IPV6CP), ppp.InterfaceIdentifier{}
	if c.index(typeInterface) < 0 || c.local() != (ppp.InterfaceIdentifier{}) {
		return
	}
	local := c.link.assigned.LocalInterface
	if local == (ppp.InterfaceIdentifier{}) {
		local = c.link.randomInterface()
	}
	c.set(local)
}

// local returns this end's identifier, zero if it asks for none.
func (c *ipv6cp) local() ppp.InterfaceIdentifier {
	if i := c.index(typeInterface); i >= 0 {
		o, _ := c.wishes[i].(ppp.InterfaceIdentifier)
		return o
	}
	return ppp.InterfaceIdentifier{}
}

func (c *ipv6cp) request() []ppp.Option { return c.wishes }

// naked takes the identifier that the peer proposes (RFC 5072, Section 4.1).
func (c *ipv6cp) naked(o ppp.Option) *Error {
	id, ok := o.(ppp.InterfaceIdentifier)
	switch {
	case !ok:
		c.drop(o.OptionType())
	case id == ppp.InterfaceIdentifier{} || id == c.peer:
		c.set(c.link.randomInterface())
	default:
		c.set(id)
	}
	return nil
}

func (c *ipv6cp) rejected(t uint8) *Error {
	if t == typeInterface {
		return failure(StepIPV6CP, "the peer rejects interface identifiers, without which there are no addresses")
	}
	c.drop(t)
	return nil
}

func (c *ipv6cp) confirmed() *Error { return nil }

func (c *ipv6cp) judge(o ppp.Option) (verdict, ppp.Option, *Error) {
	if o.OptionType() != typeInterface {
		return reject, nil, nil
	}
	id, ok := o.(ppp.InterfaceIdentifier)
	want := c.link.assigned.PeerInterface
	switch {
	case want != ppp.InterfaceIdentifier{}:
		if id == want {
			return accept, nil, nil
		}
		return nak, want, nil
	case !ok, id == ppp.InterfaceIdentifier{}, id == c.local():
		return nak, c.propose(), nil
	default:
		return accept, nil, nil
	}
}

// propose makes an identifier for the peer.
func (c *ipv6cp) propose() ppp.InterfaceIdentifier {
	if want := c.link.assigned.PeerInterface; want != (ppp.InterfaceIdentifier{}) {
		return want
	}
	return c.link.randomInterface()
}

func (c *ipv6cp) missing(asked []ppp.Option) []ppp.Option {
	if c.link.cfg.Role == Client || wishes(asked).index(typeInterface) >= 0 {
		return nil
	}
	return []ppp.Option{c.propose()}
}

func (c *ipv6cp) granted(options []ppp.Option) {
	c.peer = ppp.InterfaceIdentifier{}
	for _, o := range options {
		if id, ok := o.(ppp.InterfaceIdentifier); ok {
			c.peer = id
		}
	}
}

func (c *ipv6cp) up() {
	c.link.emit(IPv6Up{Addresses{LocalInterface: c.local(), PeerInterface: c.peer}})
}

func (c *ipv6cp) down()             { c.link.networkDown(c.self) }
func (c *ipv6cp) finished()         { c.link.networkFinished(c.self) }
func (c *ipv6cp) failed(err *Error) { c.self.close(err.Reason) }
