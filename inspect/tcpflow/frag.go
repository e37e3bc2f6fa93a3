package tcpflow

import (
	"bytes"
	"time"

	"github.com/google/gopacket/layers"
)

// maxDatagram is the longest IPv4 packet; an IPv6 packet's payload is no
// longer either, short of jumbograms, which cannot be fragmented.
const maxDatagram = 65535

// ip6Datagram stands in datagramKey.proto for IPv6, which identifies
// datagrams without the protocol. It is no IPv4 protocol number.
const ip6Datagram = 1 << 8

// datagramKey says which fragments belong together (RFC 791, Section 3.2;
// RFC 8200, Section 4.5).
type datagramKey struct {
	src, dst address
	id       uint32
	proto    uint32
}

type fragment struct {
	key    datagramKey
	offset int // in bytes
	more   bool
	next   layers.IPProtocol
	data   []byte
	length int // on the wire
}

// A datagram is being put together.
type datagram struct {
	links[datagram]
	key     datagramKey
	number  uint64 // of all that were begun, from 1
	start   int64  // table clock
	held    pieces
	have    int // bytes held
	total   int // bytes in all, -1 until the last fragment came
	next    layers.IPProtocol
	count   uint64 // fragments
	wire    int    // wire bytes of the fragments' frames
	refused bool   // overlapping IPv6 fragments: the rest is refused too
}

func (g *datagram) link() *links[datagram] { return &g.links }

// A defragmenter puts IPv4 and IPv6 fragments together. Where fragments
// overlap, the first copy wins in IPv4; in IPv6 the datagram is refused (RFC
// 5722, Section 4), but for exact duplicates (RFC 8200, Section 4.5).
type defragmenter struct {
	maxDatagrams int
	maxBytes     int
	timeout      time.Duration
	stats        *Stats
	now          int64 // table clock

	byKey map[datagramKey]*datagram
	all   list[datagram, *datagram] // oldest first
	bytes int
	begun uint64 // datagrams, so far
}

// fragment keeps a fragment, or goes on with the datagram that it completes.
func (d *Decoder) fragment(f fragment) Outcome {
	g, outcome := d.frags.add(f, d.to.frame)
	if g != nil {
		d.datagrams = append(d.datagrams, g.number)
	}
	if outcome == OutcomeTracked {
		d.to.frame = g.wire
		data := g.held.join()
		return d.upper(g.next, data, len(data))
	}
	if f.offset == 0 && f.next == layers.IPProtocolTCP {
		d.segment(f.data, f.length) // for Segment.Ends
	}
	return outcome
}

// Datagrams gives the numbers of the fragmented datagrams that the packet
// decoded last is a part of: none of most packets, several where tunnels were
// fragmented, the outermost first. Datagrams are counted from 1 as they begin.
// The slice is valid until the next Decode.
func (d *Decoder) Datagrams() []uint64 { return d.datagrams }

// OldestDatagram is the number of the oldest datagram that is being put
// together, 0 if there is none. Those before it are complete or given up, and
// no packet belongs to them any more.
func (d *Decoder) OldestDatagram() uint64 {
	if d.frags.all.first == nil {
		return 0
	}
	return d.frags.all.first.number
}

// add keeps a fragment. It returns the datagram that the fragment belongs to,
// nil where it is refused before that is looked for, and OutcomeTracked if it
// completes the datagram.
func (r *defragmenter) add(f fragment, frame int) (*datagram, Outcome) {
	r.stats.Fragments++
	if f.length == 0 || f.more && f.length%8 != 0 || f.offset+f.length > maxDatagram {
		r.stats.FragmentsMalformed++
		return nil, OutcomeFragmentDropped
	}
	if len(f.data) < f.length {
		r.stats.FragmentsTruncated++
		return nil, OutcomeFragmentDropped
	}
	g := r.byKey[f.key]
	if g == nil {
		r.begun++
		g = &datagram{key: f.key, number: r.begun, start: r.now, total: -1}
		r.byKey[f.key] = g
		r.all.pushBack(g)
	}
	g.count++
	g.wire += frame
	if g.refused {
		r.stats.FragmentsOverlapping++
		return g, OutcomeFragmentDropped
	}
	end := f.offset + f.length
	if g.total >= 0 && (end > g.total || !f.more && end != g.total) || !f.more && end < g.end() {
		r.stats.FragmentsMalformed++
		return g, OutcomeFragmentDropped
	}
	if outcome := r.keep(g, f); outcome != OutcomeFragment {
		return g, outcome
	}
	if !f.more {
		g.total = end
	}
	if f.offset == 0 {
		g.next = f.next
	}
	if g.have == g.total {
		r.forget(g)
		r.stats.Reassembled++
		return g, OutcomeTracked
	}
	return g, r.makeRoom(g)
}

// end is where what is held of g ends.
func (g *datagram) end() int {
	if n := len(g.held.list); n > 0 {
		return int(g.held.list[n-1].end())
	}
	return 0
}

func (r *defragmenter) keep(g *datagram, f fragment) Outcome {
	if f.key.proto == ip6Datagram && g.holds(f) {
		return OutcomeFragment
	}
	cost := g.held.cost
	repeated := g.held.insert(uint32(f.offset), f.data, f.length, time.Time{})
	r.bytes += g.held.cost - cost
	g.have += f.length - repeated
	if repeated > 0 && f.key.proto == ip6Datagram {
		r.stats.FragmentsOverlapping += g.count
		r.bytes -= g.held.cost
		g.held, g.refused = pieces{}, true
		return OutcomeFragmentDropped
	}
	return OutcomeFragment
}

// holds says that f is an exact duplicate.
func (g *datagram) holds(f fragment) bool {
	for i := range g.held.list {
		if h := &g.held.list[i]; int(h.seq) == f.offset {
			return bytes.Equal(h.data, f.data)
		}
	}
	return false
}

// makeRoom gives up the oldest datagrams until the limits hold, g itself
// last.
func (r *defragmenter) makeRoom(g *datagram) Outcome {
	for r.all.n > r.maxDatagrams || r.bytes > r.maxBytes {
		oldest := r.all.first
		r.stats.FragmentsEvicted += oldest.lost()
		r.forget(oldest)
		if oldest == g {
			return OutcomeFragmentDropped
		}
	}
	return OutcomeFragment
}

// expire gives up datagrams that take too long.
func (r *defragmenter) expire() {
	for g := r.all.first; g != nil && r.now-g.start > int64(r.timeout); g = r.all.first {
		r.stats.FragmentsExpired += g.lost()
		r.forget(g)
	}
}

// lost counts the fragments that go with g and are not yet counted.
func (g *datagram) lost() uint64 {
	if g.refused {
		return 0
	}
	return g.count
}

func (r *defragmenter) forget(g *datagram) {
	r.bytes -= g.held.cost
	r.all.remove(g)
	delete(r.byKey, g.key)
}

// flush gives up all datagrams.
func (r *defragmenter) flush() {
	for g := r.all.first; g != nil; g = r.all.first {
		r.stats.FragmentsExpired += g.lost()
		r.forget(g)
	}
}
