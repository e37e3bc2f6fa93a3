package tcpflow

import "time"

// What a point needs that decides on packets while they pass, and can tell the kernel to
// show it no more of a connection.

// Opens says that the segment asks for a connection: it has SYN, and no ACK.
func (s *Segment) Opens() bool {
	return s.outcome == OutcomeTracked && s.syn && !s.hasAck && !s.badFlags()
}

// Find gives the connection between the ends of s, nil where the table has none.
func (t *Table) Find(s *Segment) *Conn {
	if s.key.family == 0 {
		return nil
	}
	return t.conns[s.key]
}

// Forget closes a connection of which no more packets are wanted. It counts as left open
// unless it ended before.
func (t *Table) Forget(c *Conn) { t.close(c, EndOpen) }

// Advance tells the time, as [Table.Advance] does, to a decoder of the caller's.
func (d *Decoder) Advance(ts time.Time) { d.advance(ts) }
