package ipcarry

import (
	"encoding/binary"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Types of ICMP and ICMPv6 messages.
const (
	echoReply4   = 0
	echoRequest4 = 8
	echoRequest6 = 128
	echoReply6   = 129
)

// An echo is an echo request or reply of ICMP (RFC 792) or ICMPv6 (RFC 4443, Section 4).
type echo struct {
	id, seq uint16
	data    []byte
}

// appendEcho appends a message without its first four bytes.
func (e *echo) appendEcho(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, e.id)
	b = binary.BigEndian.AppendUint16(b, e.seq)
	return append(b, e.data...)
}

// handleEcho answers a client's ping or passes it on. It runs within Deliver.
func (c *client) handleEcho(id stack.TransportEndpointID, pkt *stack.PacketBuffer) bool {
	h := pkt.TransportHeader().Slice()
	if len(h) < icmpHeader {
		return false
	}
	want := uint8(echoRequest4)
	if pkt.NetworkProtocolNumber == header.IPv6ProtocolNumber {
		want = echoRequest6
	}
	if h[0] != want || h[1] != 0 {
		return false
	}
	from, to := fromStack(id.RemoteAddress), fromStack(id.LocalAddress)
	e := echo{
		id:   binary.BigEndian.Uint16(h[4:]),
		seq:  binary.BigEndian.Uint16(h[6:]),
		data: pkt.Data().AsRange().ToSlice(),
	}
	switch {
	case c.f.isGateway(to):
		c.answer(from, to, &e)
	case !c.f.allowed(to):
		c.f.count.refused.Add(1)
		c.refuseEcho(from, to, &e, prohibited)
	default:
		c.f.pings.send(c, from, to, &e)
	}
	return true
}

// answer sends the client the reply to its ping. It does not wait.
func (c *client) answer(client, from netip.Addr, e *echo) {
	kind := uint8(echoReply4)
	if client.Is6() {
		kind = echoReply6
	}
	b := appendICMP(nil, from, client, 64, kind, 0, e.appendEcho(nil))
	if len(b) > int(c.link.mtu) {
		c.f.count.dropped.Add(1) // a ping that took fragments to come gets none to go back
		return
	}
	c.link.send(b)
}

func (c *client) refuseEcho(from, to netip.Addr, e *echo, why reason) {
	head := [8]byte{echoRequest4}
	proto := uint8(protoICMP)
	if from.Is6() {
		head[0], proto = echoRequest6, protoICMPv6
	}
	binary.BigEndian.PutUint16(head[4:], e.id)
	binary.BigEndian.PutUint16(head[6:], e.seq)
	c.refuse(new(quote(from, to, proto, head)), why)
}
