package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
)

// setOfNetworks makes a set of networks that are all of one address family, not empty,
// sorted and apart, see ofFamily.
func setOfNetworks(name string, networks []netip.Prefix) Set {
	s := Set{Name: name, Type: nftables.TypeIPAddr, Interval: true}
	if networks[0].Addr().Is6() {
		s.Type = nftables.TypeIP6Addr
	}
	for _, p := range networks {
		text := p.String()
		if p.IsSingleIP() {
			text = p.Addr().String()
		}
		last := lastAddr(p)
		s.Elements = append(s.Elements, interval(text, p.Addr().AsSlice(), last.Next().AsSlice()))
	}
	return s
}

// lastAddr is the highest address in p.
func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Addr().AsSlice()
	for i := p.Bits(); i < len(a)*8; i++ {
		a[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(a)
	return last
}

// setOfPorts makes a set of ranges that are sorted and apart, see joinPorts.
func setOfPorts(name string, ranges []PortRange) Set {
	s := Set{Name: name, Type: nftables.TypeInetService, Interval: true}
	for _, r := range ranges {
		var end []byte
		if r.Last < 65535 {
			end = binary.BigEndian.AppendUint16(nil, r.Last+1)
		}
		s.Elements = append(s.Elements, interval(r.String(), binary.BigEndian.AppendUint16(nil, r.First), end))
	}
	return s
}

// interval is all from first to before end; without end it has none.
func interval(text string, first, end []byte) Element {
	if len(end) == 0 {
		return Element{text, []nftables.SetElement{{Key: first, IntervalOpen: true}}}
	}
	return Element{text, []nftables.SetElement{{Key: first}, {Key: end, IntervalEnd: true}}}
}

func setOfInterfaces(name string, interfaces []string) Set {
	s := Set{Name: name, Type: nftables.TypeIFName}
	seen := make(map[string]bool)
	for _, i := range interfaces {
		if !seen[i] { // the kernel takes no element twice
			seen[i] = true
			s.Elements = append(s.Elements, Element{fmt.Sprintf("%q", i), []nftables.SetElement{{Key: interfaceName(i)}}})
		}
	}
	return s
}

// interfaceName is a name as the kernel compares it, of IFNAMSIZ bytes.
func interfaceName(s string) []byte {
	b := make([]byte, 16)
	copy(b, s)
	return b
}
