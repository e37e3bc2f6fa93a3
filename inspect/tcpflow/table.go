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

const (
	// stepBack is how far time may go back without it being a new beginning,
	// as where captures were concatenated.
	stepBack = int64(time.Minute)
	// sweepEvery is how often timeouts are looked at.
	sweepEvery = int64(100 * time.Millisecond)
	// touchShift makes units of about a second of the table's clock.
	touchShift = 30
)

// A Table follows TCP connections through packets. It is not safe for
// concurrent use: each worker has its own, and all packets of a connection
// must reach the same one. Its callbacks must not call it. It keeps the memory
// of what it forgot for what is to come, and so never shrinks.
type Table struct {
	cfg     Config
	stats   Stats
	decoder decoder
	conns   map[connKey]*Conn
	lists   [numLists]list[Conn, *Conn]
	timeout [numLists]int64

	waiting  list[assembly, *assembly] // longest first
	buffered int                       // sum of assembly.cost

	clock  int64 // ns; never steps back
	offset int64 // from packet time to clock
	swept  int64 // clock of the last sweep
	begun  bool

	// Of the packet being taken.
	current *Conn
	changed bool

	// What connections left behind, for those to come.
	spareConns      []*Conn
	spareAssemblies []*assembly
}

// A Result says what became of a packet.
type Result struct {
	// Conn is the packet's connection, nil unless Outcome is OutcomeTracked.
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
	t := &Table{cfg: c.withDefaults(), conns: make(map[connKey]*Conn)}
	t.timeout = [numLists]int64{
		listHalfOpen: int64(t.cfg.HalfOpenTimeout),
		listFlows:    int64(t.cfg.IdleTimeout),
		listClosing:  int64(t.cfg.CloseTimeout),
	}
	t.decoder.frags = defragmenter{
		maxDatagrams: t.cfg.MaxDatagrams, maxBytes: t.cfg.MaxFragmentBytes, timeout: t.cfg.FragmentTimeout,
		stats: &t.stats, byKey: make(map[datagramKey]*datagram),
	}
	return t
}

// Packet takes a captured packet. data is what was captured and is not kept;
// wireLen is the packet's length on the wire, which counts as len(data) where
// it is less. It does not allocate where the connection is known and its
// bytes come in order.
func (t *Table) Packet(link LinkType, ts time.Time, data []byte, wireLen int) Result {
	t.Advance(ts)
	outcome := t.decoder.decode(link, data, wireLen)
	var c *Conn
	if outcome == OutcomeTracked {
		t.stats.TCP++
		c, outcome = t.segment(ts)
	}
	t.stats.Packets++
	t.stats.Bytes += uint64(max(wireLen, len(data)))
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
	now := ts.UnixNano() + t.offset
	switch {
	case !t.begun:
		t.begun, t.swept = true, now
	case now < t.clock-stepBack:
		t.offset += t.clock - now
		return
	case now <= t.clock:
		return
	}
	t.clock, t.decoder.frags.now = now, now
	if now-t.swept >= sweepEvery {
		t.swept = now
		t.sweep()
	}
}

func (t *Table) sweep() {
	t.sweepHoles()
	for id := range t.lists {
		l := &t.lists[id]
		for c := l.first; c != nil && t.clock-c.active > t.timeout[id]; c = l.first {
			t.close(c, EndIdle)
		}
	}
	t.decoder.frags.expire()
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
	t.decoder.frags.flush()
}

// Stats gives the counts so far.
func (t *Table) Stats() Stats { return t.stats }

// Len is the number of connections in the table, half-open and ended ones
// included.
func (t *Table) Len() int { return len(t.conns) }

// open begins a connection with the packet just decoded.
func (t *Table) open(key *connKey, from int, ts time.Time) *Conn {
	var c *Conn
	if n := len(t.spareConns); n > 0 {
		c, t.spareConns = t.spareConns[n-1], t.spareConns[:n-1]
	} else {
		c = new(Conn)
	}
	now := ts.UnixNano()
	*c = Conn{
		key: *key, start: now, last: now, active: t.clock, number: t.stats.Packets + 1,
		vlan: t.decoder.vlan, client: uint8(key.guessClient(from)),
	}
	if !t.decoder.tcp.SYN {
		c.flags = connMidstream
	}
	t.conns[*key] = c
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
	if c.active>>touchShift != t.clock>>touchShift {
		t.lists[c.in].moveToBack(c)
	}
	c.last, c.active = ts.UnixNano(), t.clock
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
