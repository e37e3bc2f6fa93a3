package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// maxWritePieces is how many records one write may be cut into and still be
// seen as one: header and body apart, which servers do.
const maxWritePieces = 2

type dialogueMatcher struct {
	DialogueMatch
	// certain wants to know the length of turns for sure: what a cipher hides
	// must not speak against SSTP.
	certain bool
	begins  Direction // of the first turn
	after   []int     // the required rules
}

// match asks about the last turns, so that a rule is found in the moment its
// last step is there.
func (m *dialogueMatcher) match(f *Flow) (string, bool) {
	if m.late(&f.dialogue) || m.Within > 0 && len(f.dialogue.pieces)-f.anchorAt(m.after) > m.Within {
		return "", false
	}
	if len(m.Inside) == 0 {
		return m.matchAt(f, 0)
	}
	for _, n := range m.Inside {
		if detail, ok := m.matchAt(f, n); ok && f.session.SizesExact {
			return detail, true
		}
	}
	return "", false
}

// late says that the newest turn, which may grow still, is too long already for
// what it is to start with: that held when it came, or does not. Of bulk nothing
// more is asked.
func (m *dialogueMatcher) late(d *dialogue) bool {
	n := len(d.turns)
	starts := len(m.Turns[len(m.Turns)-1].Starts)
	return n > 0 && starts > 0 && len(d.pieces)-int(d.turns[n-1].first) > starts*maxWritePieces+maxTickets
}

// held has what follows read as records of the TLS inside.
func (m *dialogueMatcher) held(f *Flow) {
	for _, n := range m.Inside {
		if _, ok := m.matchAt(f, n); ok {
			f.dialogue.inside = n
			return
		}
	}
}

// matchAt takes each record for so many bytes more than what it holds.
func (m *dialogueMatcher) matchAt(f *Flow, inside int) (string, bool) {
	d := &f.dialogue
	base := len(d.turns) - len(m.Turns)
	if base < 0 || m.First && base != 0 && base != tornTurns || !f.obs.Seen[0] || !f.obs.Seen[1] ||
		d.turns[base].from != m.begins { // both alternate
		return "", false
	}
	torn := base == tornTurns && d.torn()
	if m.First && base > 0 && !torn {
		return "", false
	}
	for i := len(m.Turns) - 1; i > 0; i-- {
		if !m.matchTurn(d, base, i, inside) {
			return "", false
		}
	}
	first := d.span(base)
	if m.First && base > 0 || !m.matchTurn(d, base, 0, inside) {
		if !torn || !m.matchSpan(&m.Turns[0], d.mended(), inside) {
			return "", false
		}
		first = d.mended()
	}
	return m.detail(d, base, first), true
}

// passed: turns and records are only ever appended.
func (m *dialogueMatcher) passed(f *Flow) bool {
	most := len(m.Turns)
	if f.dialogue.tickets {
		most += tornTurns
	}
	return m.First && len(f.dialogue.turns) > most ||
		m.Within > 0 && len(f.dialogue.pieces)-f.anchorAt(m.after) > m.Within
}

func (m *dialogueMatcher) detail(d *dialogue, base int, first span) string {
	var b strings.Builder
	for i := range m.Turns {
		s := first
		if i > 0 {
			s = d.span(base + i)
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s", m.Turns[i].From, s)
	}
	return b.String()
}

// matchTurn asks of step i, where the first one is turn base.
func (m *dialogueMatcher) matchTurn(d *dialogue, base, i, inside int) bool {
	s := &m.Turns[i]
	for p, skip := d.span(base+i), d.skippable(base+i); ; skip-- {
		if m.matchSpan(s, p, inside) {
			return true
		}
		if skip == 0 {
			return false
		}
		p = p.rest()
	}
}

func (m *dialogueMatcher) matchSpan(s *Step, p span, inside int) bool {
	total := p.total.less(p.records * inside)
	switch {
	case s.Bytes != nil && (!s.Bytes.Match(total) || m.certain && !s.Bytes.Holds(total)),
		s.Records != nil && !s.Records.Match(Size{p.records, p.records}),
		s.Fragments != nil && !s.Fragments.Match(Size{p.fragments, p.fragments}):
		return false
	}
	return startsWith(p.pieces, s.Starts, p.over, inside)
}

// startsWith says that writes of the wanted lengths end one after another in
// p. Where the other side spoke behind p, the last one ended however it is cut.
func startsWith(p []piece, writes []Lengths, over bool, inside int) bool {
	if len(writes) == 0 {
		return true
	}
	var sum Size
	for i := range p {
		if i >= maxWritePieces && (!over || len(writes) > 1) {
			return false
		}
		sum = sum.plus(p[i].size().less(inside))
		if !writes[0].Match(sum) {
			continue
		}
		if i < maxWritePieces && startsWith(p[i+1:], writes[1:], over, inside) || over && len(writes) == 1 && i == len(p)-1 {
			return true
		}
	}
	return false
}

type runMatcher struct {
	RunMatch
	after []int // the required rules
}

// match asks about runs that end with the newest record.
func (m runMatcher) match(f *Flow) (string, bool) {
	d, dir := &f.dialogue, m.From.direction()
	n := len(d.pieces)
	if n == 0 || !d.pieces[n-1].of(dir) || m.OneSided && f.obs.Seen[dir.Reverse().index()] {
		return "", false
	}
	from := f.anchorAt(m.after)
	if m.Within > 0 && n-from > m.Within {
		return "", false
	}
	start, ok := endsWith(d.pieces[from:], dir, m.Writes, m.First)
	if !ok {
		return "", false
	}
	if m.Longest && !longest(d.pieces[from:]) {
		return "", false
	}
	return m.detail(d.pieces[from+start:]), true
}

func (m runMatcher) detail(p []piece) string {
	var b strings.Builder
	dir := m.From.direction()
	side := Side("")
	for i := range p {
		if !p[i].of(dir) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		if s := p[i].side(); s != side {
			b.WriteString(string(s) + " ")
			side = s
		}
		b.WriteString(p[i].size().String())
	}
	return b.String()
}

// passed: what was seen stays so, and the first rule that held stays the first.
func (m runMatcher) passed(f *Flow) bool {
	return m.OneSided && f.obs.Seen[m.From.direction().Reverse().index()] ||
		m.Within > 0 && len(f.dialogue.pieces)-f.anchorAt(m.after) > m.Within
}

// endsWith says that the newest pieces of one side, or of either, are the
// wanted writes, and where they begin: with the side's first piece, if first
// is asked for.
func endsWith(p []piece, dir Direction, writes []Lengths, first bool) (start int, ok bool) {
	if len(writes) == 0 {
		return len(p), !first || !slices.ContainsFunc(p, func(q piece) bool { return q.of(dir) })
	}
	want := writes[len(writes)-1]
	var sum Size
	for i, taken := len(p)-1, 0; i >= 0 && taken < maxWritePieces; i-- {
		if !p[i].of(dir) {
			continue
		}
		if p[i].from != p[len(p)-1].from && dir == 0 {
			break // nobody finishes what the other began
		}
		taken++
		sum = sum.plus(p[i].size())
		if !want.Match(sum) {
			continue
		}
		if start, ok := endsWith(p[:i], dir, writes[:len(writes)-1], first); ok {
			return min(start, i), true
		}
	}
	return 0, false
}

// longest says that no earlier piece is as long as the newest.
func longest(p []piece) bool {
	last := p[len(p)-1]
	for _, q := range p[:len(p)-1] {
		if q.hi >= last.lo {
			return false
		}
	}
	return true
}

type mirroredMatcher struct {
	MirroredMatch
	after []int
}

// mirrorReach is how many records back an answer may lie behind its question:
// both sides of PPP negotiate at once.
const mirrorReach = 6

func (m mirroredMatcher) match(f *Flow) (string, bool) {
	from := f.anchorAt(m.after)
	p := f.dialogue.pieces[from:]
	if len(p) > m.Within {
		return "", false
	}
	var used [maxWindow]bool
	var sizes []string
	for i := range p {
		if !m.Bytes.Match(p[i].size()) {
			continue
		}
		for j := i - 1; j >= 0 && j >= i-mirrorReach; j-- {
			if !used[j] && p[j].from != p[i].from && p[j].lo == p[i].lo && p[j].hi == p[i].hi {
				used[i], used[j] = true, true
				sizes = append(sizes, p[i].size().String())
				break
			}
		}
	}
	if len(sizes) < m.AtLeast {
		return "", false
	}
	return "both sides " + strings.Join(sizes, ", "), true
}

type idleMatcher struct{ IdleMatch }

func (m idleMatcher) match(f *Flow) (string, bool) {
	for k, s := range f.idle.sizes {
		if f.idle.counts[k] >= m.AtLeast && m.Bytes.Match(s) {
			return fmt.Sprintf("%d times %s bytes and as many back after silence", f.idle.counts[k], s), true
		}
	}
	return "", false
}
