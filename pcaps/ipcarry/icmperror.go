package ipcarry

import (
	"encoding/binary"
	"net/netip"
)

// A reason is why a packet could not go on.
type reason uint8

const (
	unreachableHost reason = iota
	unreachablePort
	prohibited
	tooBig
)

// errorCodes are type and code of ICMP (RFC 792, RFC 1812 Section 5.2.7.1) and of ICMPv6
// (RFC 4443, Section 3).
var errorCodes = [...]struct{ type4, code4, type6, code6 uint8 }{
	unreachableHost: {3, 1, 1, 3},
	unreachablePort: {3, 3, 1, 4},
	prohibited:      {3, 13, 1, 1},
	tooBig:          {3, 4, 2, 0},
}

// How much of a packet an error message quotes: RFC 1812, Section 4.3.2.3 wants a message
// of 576 bytes at most, RFC 4443, Section 2.4 (c) one of 1280.
const (
	quote4 = 576 - ipv4Header - icmpHeader
	quote6 = 1280 - ipv6Header - icmpHeader
)

// appendError appends the ICMP error message that tells the sender of p why it did not
// arrive. from is who says so; mtu counts for tooBig only.
func appendError(b []byte, p *packet, from netip.Addr, why reason, mtu int) []byte {
	c := errorCodes[why]
	kind, code, quote := c.type4, c.code4, quote4
	if p.src.Is6() {
		kind, code, quote = c.type6, c.code6, quote6
	}
	body := make([]byte, 4, 4+quote)
	if why == tooBig {
		if p.src.Is4() {
			binary.BigEndian.PutUint16(body[2:], uint16(mtu)) // RFC 1191, Section 4
		} else {
			binary.BigEndian.PutUint32(body, uint32(mtu))
		}
	}
	body = append(body, p.bytes[:min(len(p.bytes), quote)]...)
	return appendICMP(b, from, p.src, 64, kind, code, body)
}

// mayAnswer tells whether an error message about p may be sent: never about an error
// message, about a later fragment or to a sender that is none (RFC 1122, Section 3.2.2;
// RFC 4443, Section 2.4).
func (p *packet) mayAnswer() bool {
	if p.fragment || p.src.IsUnspecified() || p.src.IsMulticast() || p.dst.IsMulticast() {
		return false
	}
	d := p.data()
	switch p.proto {
	case protoICMP:
		return len(d) > 0 && (d[0] == 8 || d[0] == 0)
	case protoICMPv6:
		return len(d) > 0 && d[0] >= 128
	}
	return true
}

// quote stands in for a packet in an error message: its header, and the first bytes of
// what follows, by which its sender knows it again.
func quote(from, to netip.Addr, proto uint8, head [8]byte) packet {
	b := appendHeader(nil, from, to, proto, len(head), 64)
	at := len(b)
	return packet{bytes: append(b, head[:]...), src: from, dst: to, proto: proto, payload: at}
}

func quoteUDP(from, to netip.AddrPort) packet {
	var head [8]byte
	binary.BigEndian.PutUint16(head[0:], from.Port())
	binary.BigEndian.PutUint16(head[2:], to.Port())
	head[5] = udpHeader
	return quote(from.Addr(), to.Addr(), protoUDP, head)
}
