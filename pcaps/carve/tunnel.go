package carve

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// A Tunnel is a connection that is to be carved, as the audit's
// [tcpflow.Table] knew it when it closed it.
type Tunnel struct {
	Key inspect.FlowKey
	// Start is the time of the first packet, [tcpflow.Conn.Start].
	Start time.Time
	// FirstPacket is its number in the capture, from 1: that of
	// [capfile.Packet], and [tcpflow.Conn.FirstPacket] where the table was
	// given all packets.
	FirstPacket uint64
	// Packets that were counted to the connection, in both directions.
	Packets uint64
	// FlowID is the event's; the file's name has it.
	FlowID uint64
	// Secrets are the lines of a TLS key log that open the connection, nil
	// without: [inspect.Flow.KeyLog]. They are written to the file.
	Secrets []byte
	// Comment is what the file says of itself, a text of one or more lines.
	// Control characters in it are replaced, and what is beyond 32 KiB is cut.
	Comment string
}

// ends are those of a connection, the lower one first.
type ends [2]netip.AddrPort

func endsOf(a, b netip.AddrPort) ends {
	if b.Compare(a) < 0 {
		return ends{b, a}
	}
	return ends{a, b}
}

// A wanted tunnel is one whose packets are being looked for.
type wanted struct {
	index int // among the tunnels
	first uint64
	start int64 // Unix time, ns
	left  uint64
	begun bool
}

// A matcher tells which packets belong to which tunnel. All packets are put to
// it, in the capture's order. A table counts every packet of two ends to the
// connection it knows of them, from the first one on until it forgets it: so
// the number of the first and how many there are tell which they are.
type matcher struct {
	byEnds map[ends][]wanted // those that are not complete, in order of their beginning
	left   int               // how many there are
	last   []uint64          // by tunnel: its last packet's number, 0 until it is complete
}

func newMatcher(tunnels []Tunnel) *matcher {
	m := &matcher{byEnds: make(map[ends][]wanted, len(tunnels)), left: len(tunnels), last: make([]uint64, len(tunnels))}
	for i := range tunnels {
		t := &tunnels[i]
		key := endsOf(t.Key.Client, t.Key.Server)
		m.byEnds[key] = append(m.byEnds[key], wanted{index: i, first: t.FirstPacket, start: t.Start.UnixNano(), left: t.Packets})
	}
	for _, list := range m.byEnds {
		slices.SortStableFunc(list, func(a, b wanted) int { return cmp.Compare(a.first, b.first) })
	}
	return m
}

// match gives the tunnel that a packet belongs to, -1 for none, and says
// whether it counts: a fragment that does not complete its datagram belongs to
// a connection and is not counted.
func (m *matcher) match(number uint64, at time.Time, s *tcpflow.Segment) (tunnel int, counts bool, err error) {
	from, to, counts := s.Ends()
	if !from.IsValid() {
		return -1, false, nil
	}
	key := endsOf(from, to)
	list := m.byEnds[key]
	if len(list) == 0 || number < list[0].first {
		return -1, false, nil
	}
	w := &list[0]
	if !counts {
		return w.index, false, nil
	}
	if !w.begun && (number != w.first || at.UnixNano() != w.start) {
		return -1, false, fmt.Errorf("it %w: packet %d is another. Audit it again", ErrChanged, w.first)
	}
	w.begun = true
	tunnel = w.index
	if w.left--; w.left == 0 {
		m.last[tunnel] = number
		m.left--
		m.byEnds[key] = list[1:]
	}
	return tunnel, true, nil
}

// incomplete says, at the capture's end, what is wrong with it.
func (m *matcher) incomplete() error {
	return fmt.Errorf("it %w, or was audited with other limits: %d of the connections are not there, or not whole. Audit it again", ErrChanged, m.left)
}
