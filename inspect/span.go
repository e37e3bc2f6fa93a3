package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// A span is what one side sent without being answered.
type span struct {
	pieces    []piece
	records   int // that the pieces came in
	fragments int // among them
	total     Size
	over      bool // it will not grow
}

// span gives turn t.
func (d *dialogue) span(t int) span {
	x := &d.turns[t]
	return span{d.pieces[x.first:d.end(t)], int(x.records), int(x.fragments), Size{int(x.lo), int(x.hi)}, t+1 < len(d.turns)}
}

// rest leaves out the first piece.
func (s span) rest() span {
	s.records--
	s.total = Size{s.total.Lo - int(s.pieces[0].lo), s.total.Hi - int(s.pieces[0].hi)}
	s.pieces = s.pieces[1:]
	return s
}

// String gives the sizes of the records, or their sum where they are many.
func (s span) String() string {
	const most = 6
	if s.records > most {
		return fmt.Sprintf("%s in %d records", s.total, s.records)
	}
	var b strings.Builder
	for i, p := range s.pieces {
		if i > 0 {
			b.WriteByte('+')
		}
		b.WriteString(p.size().String())
	}
	return b.String()
}

// end gives the index behind the last piece of turn t.
func (d *dialogue) end(t int) int {
	if t+1 < len(d.turns) {
		return int(d.turns[t+1].first)
	}
	return len(d.pieces)
}

// skippable gives how many leading pieces of turn t may be tickets. Those that
// a server sends at once are alike, but for what they hold.
func (d *dialogue) skippable(t int) int {
	if !d.tickets || t > 1 || d.turns[t].from != ServerToClient {
		return 0
	}
	p := d.pieces[d.turns[t].first:d.end(t)]
	if !maybeTicket(p[0]) {
		return 0
	}
	return min(maxTickets, alike(p), len(p)-1)
}

// maybeTicket says that a piece may be one by its length: those seen have 41 to 250
// bytes (RFC 8446, Section 4.6.1: 13 around the ticket and its nonce).
func maybeTicket(p piece) bool {
	const shortest, longest = 30, 512
	s := p.size()
	return s.Hi >= shortest && s.Lo <= longest
}

// alike gives how many pieces in front are as long as the first.
func alike(p []piece) int {
	n := 0
	for n < len(p) && p[n] == p[0] {
		n++
	}
	return n
}

// tornTurns is how many turns more there are where tickets came into the middle
// of the client's first.
const tornTurns = 2

// torn says that this may be: the server's first turn is nothing but tickets,
// which are alike, and there are several or what the client sent before is cut.
func (d *dialogue) torn() bool {
	if !d.tickets || len(d.turns) <= tornTurns || d.turns[0].from != ClientToServer {
		return false
	}
	t := d.span(1).pieces
	if len(t) > maxTickets || !maybeTicket(t[0]) || alike(t) < len(t) {
		return false
	}
	return len(t) > 1 || d.turns[0].fragments > 0
}

// mended gives the client's first turn as it was before it was torn.
func (d *dialogue) mended() span {
	a, b := d.span(0), d.span(tornTurns)
	return span{slices.Concat(a.pieces, b.pieces), a.records + b.records, a.fragments + b.fragments, a.total.plus(b.total), b.over}
}
