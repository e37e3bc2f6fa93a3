package main

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
)

// The addresses are those set aside for documentation and benchmarks: RFC 1918
// and RFC 3849 inside, RFC 2544 and RFC 3849 outside.

// hosts is how many machines are behind the edge.
const hosts = 1500

// A network gives flows their ends. No two flows have the same ones.
type network struct {
	random *rand.Rand
	ports  [hosts]uint16 // opened by each host
}

// connect opens a flow from some host inside to a named server.
func (n *network) connect(server string, port uint16) *flow {
	host := n.random.IntN(hosts)
	n.ports[host]++
	f := &flow{timestamps: host%2 == 0}
	if host%5 == 0 {
		f.vlan = uint16(100 + host%7)
	}
	clientPort := 20000 + n.ports[host]%45000

	h := fnv.New32a()
	h.Write([]byte(server))
	site := h.Sum32()&^3 | uint32(n.random.IntN(4)) // some addresses a name
	if n.random.IntN(100) < 15 {
		f.client = netip.AddrPortFrom(v6("2001:db8:1::", uint32(host)), clientPort)
		f.server = netip.AddrPortFrom(v6("2001:db8:ffff::", site), port)
		return f
	}
	f.client = netip.AddrPortFrom(v4("10.20.0.0", uint32(host)), clientPort)
	f.server = netip.AddrPortFrom(v4("198.18.0.0", site%(1<<17)), port)
	return f
}

func v4(base string, n uint32) netip.Addr {
	b := netip.MustParseAddr(base).As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}

func v6(base string, n uint32) netip.Addr {
	b := netip.MustParseAddr(base).As16()
	binary.BigEndian.PutUint32(b[12:], n)
	return netip.AddrFrom16(b)
}
