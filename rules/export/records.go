package export

import (
	"fmt"
	"strings"

	"sstpwarden/inspect"
)

// An overhead is what a kind of cipher adds to the plaintext of a record, in
// bytes. Block ciphers are not among them: they hide the length.
type overhead struct {
	name  string
	bytes int
}

var overheads = []overhead{
	{"tls13", 17},  // the type and the tag
	{"gcm", 24},    // an explicit nonce and the tag
	{"chacha", 16}, // the tag
}

// maxPlaintext is what a record holds at most (RFC 8446, Section 5.1).
const maxPlaintext = 1 << 14

// A write is what one side sends at once, of one of some lengths.
type write struct {
	from  inspect.Side
	bytes inspect.Lengths
}

// exact says that there is one length, to the byte.
func (w *write) exact() bool { return len(w.bytes) == 1 && w.bytes[0].Exact() }

// leastExact is how many lengths must be known to the byte: fewer would be met
// everywhere, where nothing tells how writes follow each other.
const leastExact = 2

// writes gives what sides send one after the other, as far as a signature can
// ask for it.
func writes(m *inspect.Match) (out []write, reason string) {
	switch {
	case m.Dialogue != nil && m.Dialogue.Within > 0:
		return nil, sizes + ", at the place that another rule found"
	case m.Dialogue != nil:
		for _, t := range m.Dialogue.Turns {
			if t.Fragments != nil {
				return nil, "counts the records of a turn"
			}
			if len(t.Starts) == 0 {
				out = append(out, write{t.From, t.Bytes})
			}
			for _, s := range t.Starts {
				out = append(out, write{t.From, s})
			}
		}
	case m.Run != nil && (m.Run.From == inspect.Either || m.Run.Longest || m.Run.OneSided):
		return nil, sizes + ", which a signature of a packet cannot keep"
	case m.Run != nil:
		for _, b := range m.Run.Writes {
			out = append(out, write{m.Run.From, b})
		}
	}
	// Before the first of them come heads of HTTP, of which nearly any length
	// will do: to ask for these would cost time on every packet.
	for len(out) > 0 && !out[0].exact() {
		out = out[1:]
	}
	n := 0
	for i := range out {
		if out[i].exact() {
			n++
		}
	}
	if n < leastExact {
		return nil, fmt.Sprintf("%s; fewer than %d of them are exact, and the rest says nothing to one who cannot count every record", sizes, leastExact)
	}
	return out, ""
}

// records makes chains of signatures, one for each kind of cipher: each asks
// for a packet that begins with a record of a length and sets a bit, which the
// next one asks for.
func (s *signer) records(id string, m *inspect.Match) translation {
	ws, reason := writes(m)
	if reason != "" {
		return translation{reason: reason}
	}
	t := translation{limits: limits{
		wider:    []string{"asks for nothing before the first exact length"},
		narrower: []string{"records that do not begin a packet, and block ciphers, are not seen"},
	}}
	for _, o := range overheads {
		before := ""
		for i, w := range ws {
			step := fmt.Sprintf("%s.%d", o.name, i+1)
			last := i == len(ws)-1
			for _, b := range w.bytes {
				g := s.record(inspect.Size{Lo: max(1, b.Lo) + o.bytes, Hi: min(b.Hi, maxPlaintext) + o.bytes})
				g.key, g.flow = keyOf(id, step, fmt.Sprint(b)), "to_server"
				if w.from == inspect.Server {
					g.flow = "to_client"
				}
				if before != "" {
					g.needs = []string{before}
				}
				if last {
					g.once = true
				} else {
					g.sets, g.silent = bitOf(id)+"."+step, true
				}
				t.signatures = append(t.signatures, g)
			}
			before = bitOf(id) + "." + step
			if !last && m.Dialogue != nil {
				t.signatures = append(t.signatures, s.interrupted(keyOf(id, step), before, o, ws[i:i+2])...)
			}
		}
	}
	return t
}

// interrupted makes signatures that clear the bit of a write where a packet
// comes that begins with neither it nor the one that is to follow. None of them
// holds of these, so that it does not matter which is asked first.
func (s *signer) interrupted(key, bit string, o overhead, ws []write) []signature {
	var out []signature
	for _, w := range ws {
		if !w.exact() {
			continue
		}
		g := s.other(w.bytes[0].Lo + o.bytes)
		g.key, g.flow = keyOf(key, "not", string(w.from)), "to_server"
		if w.from == inspect.Server {
			g.flow = "to_client"
		}
		g.needs, g.clears, g.silent = []string{bit}, bit, true
		out = append(out, g)
	}
	return out
}

// sameRecords leaves out rules whose exact lengths an earlier rule has: they
// differ in what signatures cannot tell.
func sameRecords(rules []inspect.Rule, made map[string]*translation) {
	first := map[string]string{}
	for i := range rules {
		r := &rules[i]
		if made[r.ID].reason != "" || r.Match.Dialogue == nil && r.Match.Run == nil {
			continue
		}
		ws, _ := writes(&r.Match)
		var key []string
		for i := range ws {
			if ws[i].exact() {
				key = append(key, string(ws[i].from)+" "+ws[i].bytes.String())
			}
		}
		k := strings.Join(key, ", ")
		if id, had := first[k]; had {
			made[r.ID].reason = "has the exact lengths of " + id + ", and differs in what signatures cannot tell"
			continue
		}
		first[k] = r.ID
	}
}
