package login

import "net/netip"

// A source is where a client is: an address, or the first 64 bits of one in IPv6.
// The zero source stands for clients without an address.
type source struct{ prefix netip.Prefix }

func sourceOf(a netip.Addr) source {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil { // of the zero Addr
		return source{}
	}
	return source{p}
}

func (s source) String() string {
	switch {
	case !s.prefix.IsValid():
		return "an unknown address"
	case s.prefix.IsSingleIP():
		return s.prefix.Addr().String()
	}
	return s.prefix.String()
}
