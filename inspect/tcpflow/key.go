package tcpflow

import (
	"cmp"
	"encoding/binary"
	"net/netip"
)

// An address is an IPv6 address, or an IPv4 address in lo. Which of them is
// said elsewhere.
type address struct{ hi, lo uint64 }

func address4(b []byte) address { return address{lo: uint64(binary.BigEndian.Uint32(b))} }

func address6(b []byte) address {
	return address{hi: binary.BigEndian.Uint64(b), lo: binary.BigEndian.Uint64(b[8:])}
}

// connKey names a connection, the same for both directions: the end with the
// lower address, then port, is end 0. No padding: it is hashed as memory.
type connKey struct {
	addr   [2]address
	port   [2]uint16
	family uint32 // 4 or 6
}

// makeKey also says which end the packet's sender is.
func makeKey(family uint32, src, dst address, srcPort, dstPort uint16) (k connKey, sender int) {
	k.family = family
	if src.hi < dst.hi || src.hi == dst.hi && (src.lo < dst.lo || src.lo == dst.lo && srcPort <= dstPort) {
		k.addr, k.port = [2]address{src, dst}, [2]uint16{srcPort, dstPort}
		return k, 0
	}
	k.addr, k.port = [2]address{dst, src}, [2]uint16{dstPort, srcPort}
	return k, 1
}

// end gives one end as the standard library writes it.
func (k *connKey) end(i int) netip.AddrPort {
	a := k.addr[i]
	if k.family == 4 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a.lo))
		return netip.AddrPortFrom(netip.AddrFrom4(b), k.port[i])
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.hi)
	binary.BigEndian.PutUint64(b[8:], a.lo)
	return netip.AddrPortFrom(netip.AddrFrom16(b), k.port[i])
}

// compare orders keys, for a deterministic order of events.
func (k *connKey) compare(o *connKey) int {
	return cmp.Or(
		cmp.Compare(k.family, o.family),
		k.addr[0].compare(o.addr[0]), k.addr[1].compare(o.addr[1]),
		cmp.Compare(k.port[0], o.port[0]), cmp.Compare(k.port[1], o.port[1]),
	)
}

func (a address) compare(b address) int {
	return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo))
}
