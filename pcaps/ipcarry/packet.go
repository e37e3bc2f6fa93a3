package ipcarry

import (
	"encoding/binary"
	"net/netip"
)

// Numbers of protocols over IP (IANA protocol numbers).
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoFrag6  = 44
	protoICMPv6 = 58
)

const (
	ipv4Header = 20
	ipv6Header = 40
	udpHeader  = 8
	icmpHeader = 8 // type, code, checksum and four bytes of the message
)

// A packet is an IP packet whose length fields are checked against its bytes.
type packet struct {
	bytes    []byte // without what stands behind the packet's own end
	src, dst netip.Addr
	proto    uint8 // of what follows the header: an extension header's as well
	payload  int   // offset of what follows the header
	fragment bool  // a part of a larger packet
}

// parsePacket reads the header of p. Options and extension headers are not read.
func parsePacket(p []byte) (packet, bool) {
	if len(p) == 0 {
		return packet{}, false
	}
	switch p[0] >> 4 {
	case 4:
		return parse4(p)
	case 6:
		return parse6(p)
	}
	return packet{}, false
}

func parse4(p []byte) (packet, bool) {
	if len(p) < ipv4Header {
		return packet{}, false
	}
	header, total := int(p[0]&0xf)*4, int(binary.BigEndian.Uint16(p[2:]))
	if header < ipv4Header || total < header || total > len(p) {
		return packet{}, false
	}
	return packet{
		bytes:    p[:total],
		src:      netip.AddrFrom4([4]byte(p[12:16])),
		dst:      netip.AddrFrom4([4]byte(p[16:20])),
		proto:    p[9],
		payload:  header,
		fragment: binary.BigEndian.Uint16(p[6:])&0x3fff != 0, // offset, or more to come
	}, true
}

func parse6(p []byte) (packet, bool) {
	if len(p) < ipv6Header {
		return packet{}, false
	}
	total := ipv6Header + int(binary.BigEndian.Uint16(p[4:]))
	if total > len(p) {
		return packet{}, false
	}
	return packet{
		bytes:    p[:total],
		src:      netip.AddrFrom16([16]byte(p[8:24])),
		dst:      netip.AddrFrom16([16]byte(p[24:40])),
		proto:    p[6],
		payload:  ipv6Header,
		fragment: p[6] == protoFrag6,
	}, true
}

// data returns what follows the IP header.
func (p *packet) data() []byte { return p.bytes[p.payload:] }

// carriesTCPData tells whether the packet is a whole TCP segment with data.
func (p *packet) carriesTCPData() bool {
	d := p.data()
	return p.proto == protoTCP && !p.fragment && len(d) >= 20 && len(d) > int(d[12]>>4)*4
}

// sum adds b to an Internet checksum (RFC 1071) that is not folded yet.
func sum(acc uint32, b []byte) uint32 {
	for len(b) >= 2 {
		acc += uint32(b[0])<<8 | uint32(b[1])
		b = b[2:]
	}
	if len(b) == 1 {
		acc += uint32(b[0]) << 8
	}
	return acc
}

// fold ends a checksum: what it returns goes into the packet.
func fold(acc uint32) uint16 {
	for acc > 0xffff {
		acc = acc>>16 + acc&0xffff
	}
	return ^uint16(acc)
}

// pseudo6 sums the pseudo-header of RFC 8200, Section 8.1.
func pseudo6(src, dst netip.Addr, proto uint8, length int) uint32 {
	s, d := src.As16(), dst.As16()
	return sum(sum(uint32(proto)+uint32(length), s[:]), d[:])
}

// appendHeader appends an IP header for a payload of that length, of the family of dst.
func appendHeader(b []byte, src, dst netip.Addr, proto uint8, length int, hops uint8) []byte {
	if dst.Is4() {
		at := len(b)
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Header+length))
		b = append(b, 0, 0, 0, 0, hops, proto, 0, 0)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		binary.BigEndian.PutUint16(b[at+10:], fold(sum(0, b[at:])))
		return b
	}
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, proto, hops)
	return append(append(b, src.AsSlice()...), dst.AsSlice()...)
}

// appendICMP appends a packet with an ICMP message of either family: body is what
// follows its checksum.
func appendICMP(b []byte, src, dst netip.Addr, hops, kind, code uint8, body []byte) []byte {
	proto, length := uint8(protoICMP), 4+len(body)
	acc := uint32(0)
	if dst.Is6() {
		proto = protoICMPv6
		acc = pseudo6(src, dst, protoICMPv6, length)
	}
	b = appendHeader(b, src, dst, proto, length, hops)
	at := len(b)
	b = append(append(b, kind, code, 0, 0), body...)
	binary.BigEndian.PutUint16(b[at+2:], fold(sum(acc, b[at:])))
	return b
}
