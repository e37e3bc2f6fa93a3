package tcpflow

import "time"

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
