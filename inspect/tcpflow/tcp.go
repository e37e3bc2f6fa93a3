package tcpflow

// near is how far sequence numbers may be from the expected one to count as
// the same connection's where there are no bytes to tell by.
const near = 1 << 20

// lateReset is how far an RST may be behind: it carries what its sender had
// been told of, while its own bytes were on the way.
const lateReset = 1 << 16

// segment takes a TCP segment.
func (t *Table) segment(s *Segment) (*Conn, Outcome) {
	if s.badFlags() {
		return nil, OutcomeBadFlags
	}
	c := t.current // packets of a connection often follow each other; one that is closed has no key
	if c == nil || c.key != s.key {
		c = t.conns[s.key]
	}
	if c != nil && s.syn && c.replacedBy(s.from, s.seq) {
		t.close(c, EndReplaced)
		c = nil
	}
	if c == nil {
		if s.rst || s.fin && s.length == 0 {
			return nil, OutcomeStray
		}
		c = t.open(s)
	}
	t.current, t.changed = c, false
	t.touch(c, s.time)
	c.half[s.from].Packets++
	c.half[s.from].Bytes += uint64(s.frame)
	if t.contradicts(c, s) {
		return c, OutcomeConflict
	}
	t.take(c, s)
	return c, OutcomeTracked
}

// take acts on a segment's flags, numbers and payload.
func (t *Table) take(c *Conn, s *Segment) {
	from, length, seq := s.from, s.length, s.seq
	if s.rst {
		t.reset(c, s)
		return
	}
	if s.syn {
		if !t.synchronize(c, s) {
			return
		}
		seq++
		if length > 0 && !s.hasAck && !s.fastOpen {
			// Receivers that do not speak TCP Fast Open ignore it.
			t.stats.SynDataIgnored++
			length = 0
		}
	} else if c.ends[from]&endKnown == 0 {
		c.ends[from] |= endKnown
		c.half[from].next = seq
	}
	if s.hasAck {
		t.acknowledge(c, from, s.ack)
	}
	if length > 0 {
		t.payload(c, s, seq)
	}
	if s.fin {
		t.fin(c, from, seq+uint32(length))
	}
}

// replacedBy says whether a SYN from one end begins another connection.
func (c *Conn) replacedBy(from int, seq uint32) bool {
	h := &c.half[from]
	switch {
	case c.ends[from]&endSYN != 0 && h.isn == seq:
		return false // retransmitted
	case c.in == listClosing:
		return true
	case c.ends[from]&endKnown == 0:
		return false // simultaneous open, or the answer to a SYN
	}
	return !isNear(seq, h.next)
}

func isNear(seq, next uint32) bool {
	d := int32(seq - next)
	return -near <= d && d <= near
}

// synchronize takes a SYN, with or without ACK. It says whether the rest of
// the segment counts.
func (t *Table) synchronize(c *Conn, s *Segment) bool {
	from, peer := s.from, 1-s.from
	h := &c.half[from]
	if c.ends[from]&endSYN == 0 || h.isn != s.seq {
		if h.Payload > 0 || c.ends[from]&endConfirmed != 0 && s.seq+1 != h.next {
			t.stats.IgnoredSyns++ // a receiver answers and forgets it (RFC 5961, Section 4)
			return false
		}
		h.isn, h.next = s.seq, s.seq+1
		c.ends[from] |= endKnown | endSYN
	}
	client := from
	if s.hasAck {
		c.flags |= connSYNACK
		client = peer
		if p := &c.half[peer]; p.Payload == 0 {
			// What it acknowledges is the SYN it took, if several were sent
			// or none was seen.
			p.next = s.ack
			if c.ends[peer]&endSYN == 0 {
				p.isn = s.ack - 1
			}
			c.ends[peer] |= endKnown | endConfirmed
		}
	} else {
		c.flags |= connSYN
	}
	if c.flags&connOriented == 0 {
		c.flags |= connOriented
		c.client = uint8(client)
	}
	return true
}

// payload takes a segment's bytes, the first of which has the number seq.
func (t *Table) payload(c *Conn, s *Segment, seq uint32) {
	from, length := s.from, s.length
	h := &c.half[from]
	if h.Payload == 0 && c.ends[from]&endConfirmed == 0 && t.pickUp(c, from, seq, length) {
		return
	}
	h.Payload += uint64(length)
	if c.flags&connStarted == 0 {
		t.start(c, s)
	}
	if c.in == listClosing {
		t.reopen(c, from, seq+uint32(length))
	}
	if c.live() {
		t.accept(c, from, seq, s.payload, length, s.time)
		return
	}
	if end := seq + uint32(length); before(h.next, end) {
		h.next = end
	}
}

// pickUp settles where an end's bytes begin, at its first payload, where the
// peer did not vouch for it. It says that the segment is no payload.
func (t *Table) pickUp(c *Conn, from int, seq uint32, length int) bool {
	h := &c.half[from]
	if !isNear(seq, h.next) {
		h.next = seq
		c.flags |= connMidstream
	}
	if c.ends[from]&endSYN != 0 {
		return false
	}
	if length == 1 {
		// More likely a keep-alive probe, whose byte can be anything, than
		// the first byte worth having.
		h.next = seq + 1
		return true
	}
	if seq == h.next+1 {
		h.next = seq // h.next came from a keep-alive probe without a byte
	}
	return false
}

// start begins a connection's stream, at its first payload.
func (t *Table) start(c *Conn, s *Segment) {
	c.orient(s.from, s.payload)
	c.flags |= connStarted
	c.ends[0], c.ends[1] = c.ends[0]&^endRST, c.ends[1]&^endRST // a reset of what then goes on was none
	c.end = EndOpen
	t.stats.Streams++
	t.move(c, listFlows)
	c.stream = t.cfg.Open(c)
	if c.stream == nil || c.stream.Settled() {
		c.flags |= connSettled
	}
}

// fin takes a FIN with the sequence number seq.
func (t *Table) fin(c *Conn, from int, seq uint32) {
	h := &c.half[from]
	ahead := int32(seq - h.next)
	if ahead < 0 || ahead > maxAhead {
		return
	}
	t.rememberFIN(c, from, seq)
	switch {
	case c.live() && ahead > 0:
		d := &t.assembly(c).dir[from]
		d.fin, d.finAt = true, seq
	case ahead == 0 || c.flags&connSettled != 0 && ahead <= near:
		h.next = seq
		t.finish(c, from)
	case ahead <= near:
		t.mark(c, from) // bytes may yet come before it
	}
}

// finish ends one direction: all before its FIN was delivered or skipped.
// The FIN takes a sequence number (RFC 9293, Section 3.4); if bytes follow it
// all the same, they may have come already.
func (t *Table) finish(c *Conn, from int) {
	c.half[from].next++
	t.mark(c, from)
	t.drain(c, from)
}

// mark notes that one direction has ended, and the connection with the other.
func (t *Table) mark(c *Conn, from int) {
	c.ends[from] |= endFIN
	if c.ends[1-from]&endFIN != 0 && c.in != listClosing {
		c.end = EndFIN
		t.move(c, listClosing)
	}
}

// reset takes an RST, if its numbers are the connection's. The connection
// lingers, for what is still on its way.
func (t *Table) reset(c *Conn, s *Segment) {
	from, peer := s.from, 1-s.from
	switch {
	case c.ends[from]&endKnown != 0:
		if d := int32(s.seq - c.half[from].next); d < -lateReset || d > near {
			t.stats.IgnoredResets++
			return
		}
	case s.hasAck && c.ends[peer]&endKnown != 0:
		// It refuses a SYN (RFC 9293, Section 3.10.7.3).
		if !isNear(s.ack, c.half[peer].next) {
			t.stats.IgnoredResets++
			return
		}
	}
	c.ends[from] |= endRST
	if c.live() {
		t.assembly(c).dir[from].resetAt = s.seq
	}
	c.end = EndRST
	if c.in != listClosing {
		t.move(c, listClosing)
	}
}

// reopen takes back an end that was none: whoever sent FIN or RST goes on
// with new bytes, up to end.
func (t *Table) reopen(c *Conn, from int, end uint32) {
	last := c.half[from].next
	if c.ends[from]&endRST != 0 {
		if !c.live() {
			return
		}
		last = c.asm.dir[from].resetAt
	} else if c.ends[from]&endFIN == 0 {
		return
	}
	if ahead := int32(end - last); ahead <= 0 || ahead > near {
		return
	}
	c.ends[from] &^= endFIN | endRST
	switch {
	case c.ends[1-from]&endRST != 0:
		c.end = EndRST
	default:
		c.end = EndOpen
		t.move(c, listFlows)
	}
}
