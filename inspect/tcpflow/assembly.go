package tcpflow

import (
	"time"

	"sstpwarden/inspect"
)

// maxAhead is how far ahead of the expected one a sequence number may be: the
// largest window that TCP has (RFC 7323, Section 2.3).
const maxAhead = 1 << 30

// An assembly is what a connection needs where its bytes do not simply come
// in order. It exists from when that first happens until the stream is
// settled.
type assembly struct {
	links[assembly] // in Table.waiting while anything is held
	conn            *Conn
	since           int64 // table clock when the present wait began
	dir             [2]inbound
}

func (a *assembly) link() *links[assembly] { return &a.links }

func (a *assembly) cost() int { return a.dir[0].held.cost + a.dir[1].held.cost }

// inbound is what comes from one end.
type inbound struct {
	held    pieces
	missing int    // skipped, and not yet told to the stream
	stalled bool   // the peer acknowledged up to the gap since it opened: it waits too
	fin     bool   // a FIN came early
	finAt   uint32 // its sequence number
	resetAt uint32 // of the RST, where its end has endRST
}

// accept takes payload that end from sent to a live connection. length is
// that on the wire, len(data) or more.
func (t *Table) accept(c *Conn, from int, seq uint32, data []byte, length int, at time.Time) {
	h := &c.half[from]
	if seq == h.next && len(data) == length && c.asm == nil {
		h.next += uint32(length)
		t.remember(c, from, seq, data)
		t.feed(c, from, data, at)
		return
	}
	end := seq + uint32(length)
	switch ahead := int32(seq - h.next); {
	case ahead > maxAhead:
		t.stats.IgnoredSegments++
	case ahead > 0:
		t.stats.OutOfOrder++
		if c.ends[from]&endAcked == 0 || before(h.ack, seq) {
			t.hold(c, from, seq, data, length, at)
			return
		}
		t.skipTo(c, from, seq)
		t.advance(c, from, seq, data, length, at)
	case before(h.next, end):
		t.advance(c, from, seq, data, length, at)
	case length == 1 && end == h.next:
		// A keep-alive probe repeats the last byte, or makes one up.
	default:
		t.stats.RepeatedBytes += uint64(length)
	}
}

// advance delivers what is new of bytes that begin at next or before it, and
// what was held and follows.
func (t *Table) advance(c *Conn, from int, seq uint32, data []byte, length int, at time.Time) {
	h := &c.half[from]
	end := seq + uint32(length)
	for t.drain(c, from); c.live() && before(h.next, end); t.drain(c, from) {
		stop := end
		if held := c.held(from); len(held) > 0 && before(held[0].seq, end) {
			stop = held[0].seq
		}
		data = data[min(int(h.next-seq), len(data)):]
		n := int(stop - h.next)
		t.stats.RepeatedBytes += uint64(h.next - seq)
		seq, h.next = stop, stop
		have := min(n, len(data))
		t.deliver(c, from, data[:have], n-have, at)
		data = data[have:]
	}
	if before(h.next, end) {
		h.next = end // settled on the way
		return
	}
	t.stats.RepeatedBytes += uint64(end - seq)
}

// drain delivers held pieces that no gap precedes.
func (t *Table) drain(c *Conn, from int) {
	if c.asm == nil || !c.live() {
		return
	}
	h, d := &c.half[from], &c.asm.dir[from]
	n := 0
	for ; n < len(d.held.list) && !before(h.next, d.held.list[n].seq); n++ {
		p := &d.held.list[n]
		h.next = p.end()
		t.deliver(c, from, p.data, int(p.short), p.at)
		if !c.live() {
			return
		}
	}
	t.unhold(c.asm, from, n)
	if d.fin && d.finAt == h.next {
		d.fin = false
		t.finish(c, from)
	}
}

// skipTo gives up what is missing before seq, and delivers what was held.
func (t *Table) skipTo(c *Conn, from int, seq uint32) {
	h := &c.half[from]
	for t.drain(c, from); c.live() && before(h.next, seq); t.drain(c, from) {
		stop := seq
		if held := c.held(from); len(held) > 0 && before(held[0].seq, seq) {
			stop = held[0].seq
		}
		t.lose(c, from, int(stop-h.next))
		h.next = stop
	}
}

// skipAll gives up all that is missing between held pieces.
func (t *Table) skipAll(c *Conn, from int) {
	for held := c.held(from); len(held) > 0; held = c.held(from) {
		t.skipTo(c, from, held[0].seq)
	}
}

func (t *Table) lose(c *Conn, from, n int) {
	t.assembly(c).dir[from].missing += n
	c.half[from].Missing += uint64(n)
	t.stats.MissingBytes += uint64(n)
}

// deliver feeds data; the short bytes after it are not in the capture.
func (t *Table) deliver(c *Conn, from int, data []byte, short int, at time.Time) {
	if len(data) > 0 {
		t.remember(c, from, c.half[from].next-uint32(len(data)+short), data)
		t.feed(c, from, data, at)
	}
	if short > 0 && c.live() {
		t.lose(c, from, short)
	}
}

func (t *Table) feed(c *Conn, from int, data []byte, at time.Time) {
	s := inspect.Segment{Direction: c.direction(from), Time: at, Data: data}
	if c.asm != nil {
		d := &c.asm.dir[from]
		s.Missing, d.missing = d.missing, 0
	}
	if c.stream.Feed(s) {
		if c == t.current {
			t.changed = true
		}
		if t.cfg.Changed != nil {
			t.cfg.Changed(c)
		}
	}
	if c.stream.Settled() {
		t.settle(c)
	}
}

// settle ends the ordering of a connection's bytes.
func (t *Table) settle(c *Conn) {
	c.flags |= connSettled
	t.forgetSaid(c)
	a := c.asm
	if a == nil {
		return
	}
	for from := range a.dir {
		if a.dir[from].fin {
			t.finish(c, from)
		}
	}
	t.dropAssembly(c)
}

// hold keeps early bytes, if there is room.
func (t *Table) hold(c *Conn, from int, seq uint32, data []byte, length int, at time.Time) {
	a := t.assembly(c)
	d := &a.dir[from]
	need := d.held.need(seq, data, length)
	overFlow := a.cost()+need > t.cfg.MaxBufferedPerFlow
	overTotal := !overFlow && !t.makeRoom(a, need)
	switch {
	case overFlow && d.stalled:
		t.stats.FlowLimitSegments++
		return
	case overTotal && d.stalled:
		t.stats.TotalLimitSegments++
		return
	case overFlow || overTotal:
		t.stats.HolesOverLimit++
		t.skipTo(c, from, seq)
		t.advance(c, from, seq, data, length, at)
		return
	}
	waiting, cost := a.cost() > 0, d.held.cost
	t.stats.RepeatedBytes += uint64(d.held.insert(seq, data, length, at))
	t.buffered += d.held.cost - cost
	if !waiting {
		a.since = t.clock.now
		t.waiting.pushBack(a)
	}
}

// unhold forgets the first n pieces from one end. What is held after them
// waits behind another gap.
func (t *Table) unhold(a *assembly, from, n int) {
	if n == 0 {
		return
	}
	d := &a.dir[from]
	t.buffered -= d.held.cost
	d.held.drop(n)
	t.buffered += d.held.cost
	d.stalled = false
	if a.cost() == 0 {
		t.waiting.remove(a)
		return
	}
	a.since = t.clock.now
	t.waiting.moveToBack(a)
}

// makeRoom has the connections that wait longest give up until need bytes
// fit into MaxBuffered. It says whether they do; a itself gives up nothing.
func (t *Table) makeRoom(a *assembly, need int) bool {
	for t.buffered+need > t.cfg.MaxBuffered {
		oldest := t.waiting.first
		if oldest == nil || oldest == a {
			return false
		}
		t.giveUp(oldest)
	}
	return true
}

// giveUp empties what is held for a connection: delivers it, or where the
// receiver waits for the same gap, forgets it.
func (t *Table) giveUp(a *assembly) {
	c := a.conn
	for from := range a.dir {
		switch n := len(c.held(from)); {
		case n == 0:
		case a.dir[from].stalled:
			t.stats.TotalLimitSegments += uint64(n)
			t.unhold(a, from, n)
		default:
			t.stats.HolesOverLimit++
			t.skipAll(c, from)
		}
	}
}

// acknowledge notes that end from has all its peer sent before ack.
func (t *Table) acknowledge(c *Conn, from int, ack uint32) {
	peer := 1 - from
	h, marks := &c.half[peer], &c.ends[peer]
	if *marks&(endSYN|endConfirmed) == endSYN && ack == h.next {
		*marks |= endConfirmed
	}
	if *marks&endKnown == 0 || int32(ack-h.next) > maxAhead {
		return
	}
	if *marks&endAcked == 0 || before(h.ack, ack) {
		h.ack = ack
		*marks |= endAcked
		t.release(c, peer, ack)
	}
	held := c.held(peer)
	if len(held) == 0 {
		return
	}
	if !before(h.next, ack) {
		c.asm.dir[peer].stalled = true
		return
	}
	for ; len(held) > 0 && !before(h.ack, held[0].seq); held = c.held(peer) {
		t.skipTo(c, peer, held[0].seq)
	}
}

// sweepHoles gives up gaps that nobody waits for any more.
func (t *Table) sweepHoles() {
	for a := t.waiting.first; a != nil && t.clock.now-a.since > int64(t.cfg.HoleTimeout); a = t.waiting.first {
		a.since = t.clock.now
		t.waiting.moveToBack(a)
		c := a.conn
		for from := range a.dir {
			if held := c.held(from); len(held) > 0 && !a.dir[from].stalled {
				t.stats.HolesTimedOut++
				t.skipTo(c, from, held[0].seq)
			}
		}
	}
}

// flush delivers all that is held, the client's first, and tells what is
// missing at the end.
func (t *Table) flush(c *Conn) {
	for _, from := range [2]int{int(c.client), 1 - int(c.client)} {
		t.skipAll(c, from)
		if c.asm != nil && c.asm.dir[from].missing > 0 {
			t.feed(c, from, nil, c.Last())
		}
	}
	if c.asm != nil {
		t.dropAssembly(c)
	}
}

// assembly gives a connection's assembly, a new one if it has none.
func (t *Table) assembly(c *Conn) *assembly {
	if c.asm != nil {
		return c.asm
	}
	if n := len(t.spareAssemblies); n > 0 {
		c.asm, t.spareAssemblies = t.spareAssemblies[n-1], t.spareAssemblies[:n-1]
	} else {
		c.asm = new(assembly)
	}
	c.asm.conn = c
	return c.asm
}

// dropAssembly takes it back, with what is still held.
func (t *Table) dropAssembly(c *Conn) {
	a := c.asm
	for from := range a.dir {
		t.unhold(a, from, len(a.dir[from].held.list))
	}
	*a = assembly{}
	c.asm = nil
	t.spareAssemblies = append(t.spareAssemblies, a)
}
