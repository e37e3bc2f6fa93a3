package tcpflow

import (
	"net/netip"
	"time"
)

// A Segment is what a [Decoder] read of one packet, TCP or not, for
// [Table.Segment]. It refers to the packet's bytes, which must not change
// before the table took it.
type Segment struct {
	key      connKey
	time     time.Time
	payload  []byte // of TCP, as captured
	length   int    // of TCP's payload on the wire, len(payload) or more
	wire     int    // wire bytes of the packet
	frame    int    // the same, of all fragments together
	seq, ack uint32
	vlan     [2]uint16
	from     int // which end of key the sender is
	outcome  Outcome

	syn, fin, rst, hasAck bool
	fastOpen              bool
}

// Ends gives the TCP segment's sender and receiver, both zero where the packet
// is none that could be read. Of a fragmented datagram, the first fragment has
// them as well as the one that completes it.
//
// Counts says that a [Table] counts the packet to the connection of these
// ends: as long as it knows the connection to every such packet, fragments
// together as one.
func (s *Segment) Ends() (from, to netip.AddrPort, counts bool) {
	if s.key.family == 0 {
		return from, to, false
	}
	return s.key.end(s.from), s.key.end(1 - s.from), s.outcome == OutcomeTracked && !s.badFlags()
}

// Outcome is what the decoder made of the packet. Of OutcomeTracked a table
// may yet make OutcomeStray or OutcomeBadFlags.
func (s *Segment) Outcome() Outcome { return s.outcome }

// badFlags says that no stack takes the segment.
func (s *Segment) badFlags() bool {
	return s.syn && (s.fin || s.rst) || !s.syn && !s.rst && !s.hasAck
}
