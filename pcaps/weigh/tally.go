package weigh

import (
	"maps"
	"slices"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/sstp"
)

// minIdle is how long a connection must last for keep-alives to be looked for.
const minIdle = 30 * time.Second

// A Connection is one that was inspected, and what it is known to be.
type Connection struct {
	SSTP bool
	// Kind is what connections that are not independent of this one share.
	Kind   string
	Lasted time.Duration
	// Closed is what is seen without secrets, Opened with them; the same where
	// there are none.
	Closed, Opened *inspect.Flow
}

// facet is what is counted by itself: a rule, where lengths are exact or not.
type facet struct {
	rule   string
	coarse bool
}

// count of the connections of one kind.
type count struct{ held, asked int }

// side holds the counts of what is SSTP, or of what is not, by kind.
type side map[facet]map[string]*count

// A Tally counts how often rules hold.
type Tally struct {
	rules []inspect.Rule
	sides [2]side // others, SSTP
	kinds [2]map[string]bool
}

// NewTally makes one for the rules of a set.
func NewTally(rs *inspect.Ruleset) *Tally {
	return &Tally{rules: rs.Rules(), sides: [2]side{{}, {}}, kinds: [2]map[string]bool{{}, {}}}
}

// Add counts one connection.
func (t *Tally) Add(c *Connection) {
	which := 0
	if c.SSTP {
		which = 1
	}
	t.kinds[which][c.Kind] = true
	closed, opened := held(c.Closed), held(c.Opened)
	for i := range t.rules {
		r := &t.rules[i]
		f, has := c.Closed, closed
		if readsClear(&r.Match) {
			f, has = c.Opened, opened
		}
		o := f.Observation()
		if !asked(r, o, has, c.Lasted) {
			continue
		}
		key := facet{r.ID, takesSizes(&r.Match) && o.TLS != nil && !o.TLS.SizesExact}
		if t.sides[which][key] == nil {
			t.sides[which][key] = map[string]*count{}
		}
		n := t.sides[which][key][c.Kind]
		if n == nil {
			n = &count{}
			t.sides[which][key][c.Kind] = n
		}
		n.asked++
		if has[r.ID] {
			n.held++
		}
	}
}

// votes sums up one facet: one for each kind of connection.
func (s side) votes(f facet) (v Votes) {
	for _, kind := range slices.Sorted(maps.Keys(s[f])) { // the same sum each time
		n := s[f][kind]
		v.Of++
		v.Held += float64(n.held) / float64(n.asked)
	}
	return v
}

// held gives the rules that held.
func held(f *inspect.Flow) map[string]bool {
	out := map[string]bool{}
	for _, e := range f.Detection().Evidence {
		out[e.Rule] = true
	}
	return out
}

// readsClear says that the rule is about what stands in clear, or in opened TLS.
func readsClear(m *inspect.Match) bool {
	return m.Connect != nil || m.HTTP != nil || m.SSTP != nil || m.Stream != nil && m.Stream.Exchanges != nil
}

// takesSizes says that the rule is about the lengths of records.
func takesSizes(m *inspect.Match) bool {
	return m.Dialogue != nil || m.Run != nil || m.Mirrored != nil || m.Idle != nil
}

// asked says that the rule could have held on a connection: what it is about was
// there, and so were the rules it requires. One that speaks against SSTP until
// others hold was asked until then.
func asked(r *inspect.Rule, o *inspect.Observation, held map[string]bool, lasted time.Duration) bool {
	among := func(ids []string) bool { return slices.ContainsFunc(ids, func(id string) bool { return held[id] }) }
	m := &r.Match
	switch {
	case held[r.ID]:
		return true
	case len(r.Requires) > 0 && !among(r.Requires), r.Weight > 0 && among(r.Unless), m.Destination != nil,
		m.Connect != nil && o.Connect == nil,
		m.HTTP != nil && o.HTTP == nil,
		m.SSTP != nil && o.SSTP == nil && o.HTTP == nil,
		m.Hello != nil && (o.TLS == nil || !o.TLS.Hello),
		m.Certificate != nil && (o.TLS == nil || o.TLS.Certificate == nil),
		m.Stream != nil && !streamSeen(m.Stream, o),
		m.Run != nil && m.Run.OneSided != (o.Seen[0] != o.Seen[1]),
		takesSizes(m) && !sizesSeen(m, o),
		m.Idle != nil && lasted < minIdle:
		return false
	}
	return true
}

func streamSeen(m *inspect.StreamMatch, o *inspect.Observation) bool {
	switch {
	case m.Exchanges != nil:
		return o.HTTP != nil
	case m.ServerFirst, m.Records != nil, m.Bytes != nil:
		return o.TLS != nil && !o.Midstream && o.TLS.Records[0] > 0 && o.TLS.Records[1] > 0
	}
	return o.Protocol != ""
}

// sizesSeen says that application data passed in TLS, both ways or in the
// direction that a rule about one of them asks for.
func sizesSeen(m *inspect.Match, o *inspect.Observation) bool {
	switch {
	case o.TLS == nil || o.Midstream:
		return false
	case m.Run == nil || !m.Run.OneSided:
		return o.TLS.Records[0] > 0 && o.TLS.Records[1] > 0
	case m.Run.From == inspect.Client:
		return o.TLS.Records[0] > 0
	}
	return o.TLS.Records[1] > 0
}

// spoken says that SSTP was read on a connection.
func spoken(o *inspect.Observation) bool {
	return o.SSTP != nil && o.SSTP.Control != [2]int{} || o.HTTP != nil && o.HTTP.Request != nil && o.HTTP.Request.Method == sstp.Method
}
