package inspect

import (
	"math"
	"time"
)

const (
	// maxWindow bounds Settings.Window, so that a flow's dialogue stays
	// below 12 KiB.
	maxWindow = 512
	// maxTickets is how many records a TLS 1.3 server may send in front of
	// its first answer as part of the handshake: session tickets (RFC 8446,
	// Section 4.6.1), indistinguishable from data. OpenSSL sends two;
	// a server may be set to send more.
	maxTickets = 8
	// shortestPacket is the length of SSTP's shortest packet (MS-SSTP
	// 2.2.1): what is shorter is a part of one, or of an HTTP head.
	shortestPacket = 8
	// maxFragments is how many fragments in a row are pieces of their own.
	// What is cut into single bytes must not fill the window.
	maxFragments = 3
)

// A piece is one application data record, or several fragments in a row: who
// sent it, and how much plaintext it holds.
type piece struct {
	lo, hi uint16
	from   Direction
}

func (p piece) size() Size { return Size{int(p.lo), int(p.hi)} }

// of says that the piece is of that direction, of any where it is 0.
func (p piece) of(d Direction) bool { return d == 0 || p.from == d }

func (p piece) side() Side {
	if p.from == ServerToClient {
		return Server
	}
	return Client
}

// isFragment says that a record is too short for a packet of its own. Ciphers
// that pad to blocks do not tell it from a short packet: there it is one that
// takes no more than the least.
func isFragment(s Size) bool {
	const block = 16
	return s.Hi < shortestPacket || s.Lo == 0 && s.Hi < block
}

// A turn is what one side sends before the other speaks.
type turn struct {
	from      Direction
	first     uint16 // index of its first piece
	records   uint16 // it was sent in
	fragments uint16 // among them
	lo, hi    int32  // plaintext in all
}

// A dialogue is the order and sizes of the first application data records.
// Programs may cut what they write into records as they like; what stays is
// the stream that records add up to, and who waits for whom. So rules ask
// about turns and about the places where writes end, not about single
// records.
type dialogue struct {
	pieces []piece
	turns  []turn
	// row is how many fragments the newest turn ends with.
	row int
	// records without fragments, and bytes of all, at least so many; those
	// beyond the window count too.
	records, bytes int
	// inside is how much longer records are than what they hold: the records
	// of another TLS.
	inside int
	// tickets says that the first answer may stand behind session tickets.
	tickets bool
}

// add appends a record and says whether there was room in the window.
func (d *dialogue) add(from Direction, s Size, window int) bool {
	d.bytes = min(d.bytes+s.Lo, math.MaxInt32)
	if d.inside > 0 {
		s = s.less(d.inside)
	}
	if !isFragment(s) {
		d.records++
	}
	if len(d.pieces) >= window {
		return false
	}
	if d.pieces == nil {
		d.pieces = make([]piece, 0, 16)
		d.turns = make([]turn, 0, 8)
	}
	if n := len(d.turns); n == 0 || d.turns[n-1].from != from {
		d.turns = append(d.turns, turn{from: from, first: uint16(len(d.pieces))})
		d.row = 0
	}
	t := &d.turns[len(d.turns)-1]
	t.records = min(t.records, math.MaxUint16-1) + 1
	t.lo, t.hi = t.lo+int32(s.Lo), t.hi+int32(s.Hi)
	if isFragment(s) {
		t.fragments = min(t.fragments, math.MaxUint16-1) + 1
		d.row++
	} else {
		d.row = 0
	}
	if d.row > maxFragments {
		last := len(d.pieces) - 1
		s = s.plus(d.pieces[last].size())
		d.pieces = d.pieces[:last]
	}
	d.pieces = append(d.pieces, piece{lo: clamp(s.Lo), hi: clamp(s.Hi), from: from})
	return true
}

func clamp(n int) uint16 { return uint16(max(0, min(n, math.MaxUint16))) }

// idle counts short exchanges on an otherwise quiet connection.
type idle struct {
	last    time.Time // of the last record
	asked   Size      // the short record that broke the silence
	asker   Direction
	pending bool
	sizes   [maxIdleSizes]Size
	counts  [maxIdleSizes]int
}

const (
	maxIdleSizes = 4
	// idleGap is a silence: shorter than every known keep-alive interval
	// (SoftEther asks every 2.5 to 4.8 s, others every 15 to 60 s), longer
	// than a round trip.
	idleGap = 1500 * time.Millisecond
	// idleAnswer is how soon a keep-alive is answered at most.
	idleAnswer = 3 * time.Second
	// maxIdleBytes is what a keep-alive holds at most.
	maxIdleBytes = 64
)

// add takes a record and says whether it completed an exchange.
func (i *idle) add(from Direction, s Size, t time.Time) bool {
	gap := t.Sub(i.last)
	i.last = t
	if i.pending && from != i.asker && gap <= idleAnswer && s == i.asked {
		i.pending = false
		return i.count(s)
	}
	if gap >= idleGap && s.Lo <= maxIdleBytes {
		i.pending, i.asked, i.asker = true, s, from
		return false
	}
	if from == i.asker || gap > idleAnswer {
		i.pending = false
	}
	return false
}

func (i *idle) count(s Size) bool {
	for k := range i.sizes {
		if i.counts[k] == 0 || i.sizes[k] == s {
			i.sizes[k] = s
			i.counts[k]++
			return true
		}
	}
	return false
}
