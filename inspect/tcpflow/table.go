package tcpflow

import (
	"cmp"
	"slices"
	"time"
)

// Connections stand in one of three lists, least recently active first.
type listID uint8

const (
	listHalfOpen listID = iota // no payload yet
	listFlows
	listClosing // FIN both ways, or RST
	numLists
)

// touchShift makes units of about a second of the table's clock.
const touchShift = 30

// A Table follows TCP connections through packets. It is not safe for
// concurrent use: each worker has its own, and all packets of a connection
// must reach the same one. Its callbacks must not call it. It keeps the memory
// of what it forgot for what is to come, and so never shrinks.
type Table struct {
	cfg     Config
	stats   Stats
	decoder *Decoder // of Packet
	decoded Segment  // by it
	conns   map[connKey]*Conn
	lists   [numLists]list[Conn, *Conn]
	timeout [numLists]int64

	waiting  list[assembly, *assembly] // longest first
	buffered int                       // sum of assembly.cost

	said     map[*Conn]*[2]recall // of connections of which something is remembered
	recalled int                  // bytes, of all

	clock clock

	// Of the packet being taken, or else of the one before.
	current *Conn
	changed bool

	// What connections left behind, for those to come.
	spareConns      []*Conn
	spareAssemblies []*assembly
	spareSaid       []*[2]recall
}

// A Result says what became of a packet.
type Result struct {
	// Conn is the packet's connection, nil unless Outcome is OutcomeTracked or
	// OutcomeConflict.
	// It is valid until Config.Closed is called for it, which no earlier than
	// the next call of the table does.
	Conn *Conn
	// Changed says that a Feed of Conn's stream returned true.
	Changed bool
	Outcome Outcome
}

// New makes a Table. It panics if c.Open is nil.
func New(c Config) *Table {
	if c.Open == nil {
		panic("tcpflow: Config.Open is nil")
	}
	t := &Table{cfg: c.withDefaults(), conns: make(map[connKey]*Conn), said: make(map[*Conn]*[2]recall)}
	t.timeout = [numLists]int64{
		listHalfOpen: int64(t.cfg.HalfOpenTimeout),
		listFlows:    int64(t.cfg.IdleTimeout),
		listClosing:  int64(t.cfg.CloseTimeout),
	}
	t.decoder = NewDecoder(t.cfg)
	return t
}

// Packet takes a captured packet. data is what was captured and is not kept;
// wireLen is the packet's length on the wire, which counts as len(data) where
// it is less. It does not allocate where the connection is known and its
// bytes come in order.
func (t *Table) Packet(link LinkType, ts time.Time, data []byte, wireLen int) Result {
	t.decoder.Decode(&t.decoded, link, ts, data, wireLen)
	return t.Segment(&t.decoded)
}

// Segment takes a packet that a [Decoder] of the caller's read: Decode and
// Segment do together what Packet does. s and the packet's bytes are not kept.
func (t *Table) Segment(s *Segment) Result {
	t.tell(s.time)
	var c *Conn
	outcome := s.outcome
	if outcome == OutcomeTracked {
		t.stats.TCP++
		c, outcome = t.segment(s)
	}
	t.stats.Packets++
	t.stats.Bytes += uint64(s.wire)
	t.stats.Outcomes[outcome]++
	if c == nil {
		return Result{Outcome: outcome}
	}
	return Result{Conn: c, Changed: t.changed, Outcome: outcome}
}

// IPPacket takes a packet that begins with its IP header, as from NFQUEUE.
func (t *Table) IPPacket(ts time.Time, data []byte, wireLen int) Result {
	return t.Packet(LinkRaw, ts, data, wireLen)
}

// Advance tells the time. Packets do so too: it is for the times when none
// come.
func (t *Table) Advance(ts time.Time) {
	t.decoder.advance(ts)
	t.tell(ts)
}

func (t *Table) tell(ts time.Time) {
	if t.clock.advance(ts) {
		t.sweep()
	}
}

func (t *Table) sweep() {
	t.sweepHoles()
	for id := range t.lists {
		l := &t.lists[id]
		for c := l.first; c != nil && t.clock.now-c.active > t.timeout[id]; c = l.first {
			t.close(c, EndIdle)
		}
	}
}

// Flush closes all connections, in order of their first packet's time, then
// of their addresses. The table can be used again.
func (t *Table) Flush() {
	all := make([]*Conn, 0, len(t.conns))
	for _, c := range t.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *Conn) int {
		return cmp.Or(cmp.Compare(a.start, b.start), a.key.compare(&b.key))
	})
	for _, c := range all {
		t.close(c, EndOpen)
	}
	t.decoder.Flush()
}

// Stats gives the counts so far.
func (t *Table) Stats() Stats {
	s := t.stats
	s.Add(t.decoder.Stats())
	return s
}

// Len is the number of connections in the table, half-open and ended ones
// included.
func (t *Table) Len() int { return len(t.conns) }

// open begins a connection with its first segment.
func (t *Table) open(s *Segment) *Conn {
	var c *Conn
	if n := len(t.spareConns); n > 0 {
		c, t.spareConns = t.spareConns[n-1], t.spareConns[:n-1]
	} else {
		c = new(Conn)
	}
	now := s.time.UnixNano()
	*c = Conn{
		key: s.key, start: now, last: now, active: t.clock.now, number: t.stats.Packets + 1,
		vlan: s.vlan, client: uint8(s.key.guessClient(s.from)),
	}
	if !s.syn {
		c.flags = connMidstream
	}
	t.conns[s.key] = c
	t.lists[listHalfOpen].pushBack(c)
	t.stats.Opened++
	if l := &t.lists[listHalfOpen]; l.n > t.cfg.MaxHalfOpen && l.first != c {
		t.close(l.first, EndEvicted)
	}
	return c
}

// touch notes that a packet came. Lists are in order to about a second only:
// moving an entry for every packet would touch its neighbours' memory.
func (t *Table) touch(c *Conn, ts time.Time) {
	if c.active>>touchShift != t.clock.now>>touchShift {
		t.lists[c.in].moveToBack(c)
	}
	c.last, c.active = ts.UnixNano(), t.clock.now
}

// move puts a connection in another list, and evicts one if there are too
// many with payload or ended, but not c.
func (t *Table) move(c *Conn, to listID) {
	t.lists[c.in].remove(c)
	t.lists[to].pushBack(c)
	c.in = to
	flows, closing := &t.lists[listFlows], &t.lists[listClosing]
	if flows.n+closing.n <= t.cfg.MaxFlows {
		return
	}
	switch {
	case closing.first != nil && closing.first != c:
		t.close(closing.first, EndEvicted)
	case flows.first != nil && flows.first != c:
		t.close(flows.first, EndEvicted)
	}
}

// close tells the rest of a connection's bytes and forgets it. why counts
// unless FIN or RST ended the connection before.
func (t *Table) close(c *Conn, why End) {
	t.flush(c)
	t.forgetSaid(c)
	if c.in != listClosing {
		c.end = why
	}
	*t.stats.ended(c)++
	t.lists[c.in].remove(c)
	delete(t.conns, c.key)
	if t.cfg.Closed != nil {
		t.cfg.Closed(c)
	}
	*c = Conn{}
	t.spareConns = append(t.spareConns, c)
}

// ended is the counter for how c ended.
func (s *Stats) ended(c *Conn) *uint64 {
	halfOpen := c.in == listHalfOpen
	switch {
	case c.end == EndFIN:
		return &s.Finished
	case c.end == EndRST:
		return &s.Reset
	case c.end == EndReplaced:
		return &s.Replaced
	case c.end == EndIdle && halfOpen:
		return &s.HalfOpenIdle
	case c.end == EndIdle:
		return &s.Idle
	case c.end == EndEvicted && halfOpen:
		return &s.HalfOpenEvicted
	case c.end == EndEvicted:
		return &s.FlowsEvicted
	}
	return &s.LeftOpen
}
