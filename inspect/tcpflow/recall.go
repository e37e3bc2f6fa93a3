package tcpflow

import "bytes"

// A recall remembers what one end sent and its peer has not acknowledged yet: of these
// bytes nobody can tell which copy the peer takes if another one differs.
type recall struct {
	seq  uint32 // of the first byte
	head int    // where in b that is
	b    []byte

	fin   bool // a FIN came
	finAt uint32
}

// keptSpace is what an empty recall keeps for what is to come.
const keptSpace = 4 << 10

func (r *recall) len() int    { return len(r.b) - r.head }
func (r *recall) end() uint32 { return r.seq + uint32(r.len()) }

// add remembers data that begins at seq. Behind a gap it does not: what comes before
// the gap is about to be acknowledged, or what counts.
func (r *recall) add(seq uint32, data []byte) (added int) {
	switch {
	case r.len() == 0:
		r.seq = seq
	case seq != r.end():
		return 0
	case r.head > 0 && len(r.b)+len(data) > cap(r.b):
		r.b = r.b[:copy(r.b, r.b[r.head:])]
		r.head = 0
	}
	r.b = append(r.b, data...)
	return len(data)
}

// release forgets what comes before ack.
func (r *recall) release(ack uint32) (released int) {
	n := min(int(int32(ack-r.seq)), r.len())
	if n <= 0 {
		return 0
	}
	r.seq += uint32(n)
	if r.head += n; r.head == len(r.b) {
		r.head, r.b = 0, r.b[:0]
		if cap(r.b) > keptSpace {
			r.b = nil
		}
	}
	return n
}

// differs says that data, which begins at seq, is not what is remembered.
func (r *recall) differs(seq uint32, data []byte) bool {
	return r.len() > 0 && differ(r.seq, r.b[r.head:], seq, data)
}

// differ says that two runs of bytes differ where they overlap.
func differ(aSeq uint32, a []byte, bSeq uint32, b []byte) bool {
	if d := int32(bSeq - aSeq); d >= 0 {
		a = a[min(int(d), len(a)):]
	} else {
		b = b[min(-int(d), len(b)):]
	}
	n := min(len(a), len(b))
	return !bytes.Equal(a[:n], b[:n])
}

// remember keeps delivered bytes until they are acknowledged, if there is room.
func (t *Table) remember(c *Conn, from int, seq uint32, data []byte) {
	if t.cfg.Recall <= 0 || len(data) == 0 {
		return
	}
	if c.ends[from]&endAcked != 0 && before(seq, c.half[from].ack) { // it was lost here alone
		n := int(c.half[from].ack - seq)
		if n >= len(data) {
			return
		}
		data, seq = data[n:], seq+uint32(n)
	}
	r := t.recall(c, from)
	if r.len()+len(data) <= t.cfg.Recall && t.recalled+len(data) <= t.cfg.MaxBuffered {
		t.recalled += r.add(seq, data)
	}
}

// rememberFIN keeps where the first FIN was.
func (t *Table) rememberFIN(c *Conn, from int, seq uint32) {
	if t.cfg.Recall <= 0 || c.flags&connSettled != 0 {
		return
	}
	if r := t.recall(c, from); !r.fin {
		r.fin, r.finAt = true, seq
	}
}

// recall gives what is remembered of one end.
func (t *Table) recall(c *Conn, from int) *recall {
	said := t.said[c]
	if said == nil {
		if n := len(t.spareSaid); n > 0 {
			said, t.spareSaid = t.spareSaid[n-1], t.spareSaid[:n-1]
		} else {
			said = new([2]recall)
		}
		t.said[c] = said
	}
	return &said[from]
}

// release forgets what the peer of one end has acknowledged.
func (t *Table) release(c *Conn, from int, ack uint32) {
	if t.recalled == 0 {
		return
	}
	if said := t.said[c]; said != nil {
		t.recalled -= said[from].release(ack)
	}
}

// forgetSaid forgets all that is remembered of a connection.
func (t *Table) forgetSaid(c *Conn) {
	said := t.said[c]
	if said == nil {
		return
	}
	for i := range said {
		r := &said[i]
		t.recalled -= r.release(r.end())
		*r = recall{b: r.b}
	}
	delete(t.said, c)
	t.spareSaid = append(t.spareSaid, said)
}

// contradicts says that a segment has other bytes than one before it where the receiver
// has neither acknowledged, or any behind the sender's FIN. No stack sends such: one of
// the two is not meant for the receiver, and made so that it does not take it.
func (t *Table) contradicts(c *Conn, s *Segment) bool {
	if t.cfg.Recall <= 0 || s.rst || s.length == 0 || c.flags&connSettled != 0 {
		return false
	}
	from, seq := s.from, s.seq
	if s.syn {
		seq++
	}
	end := seq + uint32(s.length)
	if s.length == 1 && end == c.half[from].next && c.ends[from]&endAcked == 0 {
		return false // a keep-alive probe, whose byte can be anything, where acknowledgements are not seen
	}
	if said := t.said[c]; said != nil {
		if r := &said[from]; r.fin && before(r.finAt, end) || r.differs(seq, s.payload) {
			return true
		}
	}
	if c.asm == nil {
		return false
	}
	d := &c.asm.dir[from]
	for i := d.held.find(seq); i < len(d.held.list) && before(d.held.list[i].seq, end); i++ {
		if p := &d.held.list[i]; differ(p.seq, p.data, seq, s.payload) {
			return true
		}
	}
	return false
}
