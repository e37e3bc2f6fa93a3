package export

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"sstpwarden/inspect"
)

// A signature is a rule of Suricata or Snort.
type signature struct {
	// key names it for its id: the rule's id, and which of its signatures it is.
	key     string
	proto   string // as the signature begins: http, tcp-pkt
	flow    string // to_server, to_client
	options []string
	// needs are flow bits that must be set; sets and clears are one that it
	// sets or clears, "" for none. Silent says that it does nothing else.
	needs        []string
	sets, clears string
	silent       bool
	// once says that what it asks for comes again and again on a connection.
	once bool
}

// A signer makes signatures of what rules ask. Each gives the options, and
// what they leave out; or a reason why there are none.
type signer struct {
	block string // the action that blocks
	quiet string // the option of a signature that only sets a bit
	// request and response make one of a head each. Lists have one value.
	request, response func(m *inspect.HeadMatch, connect bool) (signature, limits)
	hello             func(m *inspect.HelloMatch) (signature, limits, string)
	certificate       func(m *inspect.CertificateMatch) (signature, limits, string)
	// names expands a list of server names to what the engine asks for one by one.
	names func(list []string) []string
	// record asks for a packet that begins with a record of application data
	// of that many bytes.
	record func(s inspect.Size) signature
	// other asks for a packet that begins with a record of another length.
	other func(length int) signature
	// control asks for a packet that begins with a control message of SSTP.
	control func(message int) signature
}

// A translation is what an engine makes of a rule.
type translation struct {
	signatures []signature
	limits     limits
	reason     string // why there is nothing
}

// sign writes the signatures of all rules.
func (s *signer) sign(d *document) {
	made := make(map[string]*translation, len(d.rules))
	for i := range d.rules {
		r := &d.rules[i]
		t := &translation{reason: cmp.Or(tellsNothing(r), beyond(r))}
		if t.reason == "" {
			*t = s.translate(r)
		}
		made[r.ID] = t
	}
	sameRecords(d.rules, made)
	required(d.rules, made)
	ids := identify(made)
	bits := linked(d.rules, made)
	for i := range d.rules {
		r := &d.rules[i]
		t := made[r.ID]
		if t.reason != "" {
			d.leaveOut(r.ID, t.reason)
			continue
		}
		action, how := "alert", "alerts"
		if d.blocking(r, t.limits) {
			action, how = s.block, "blocks"
		}
		d.begin(r, how, t.limits)
		for _, g := range t.signatures {
			d.linef("%s", s.text(r, g, action, bits, made, ids))
		}
	}
}

// text writes one signature.
func (s *signer) text(r *inspect.Rule, g signature, action string, bits map[string]bool, made map[string]*translation, ids map[string]int) string {
	class := "misc-activity"
	if action == s.block {
		class = "policy-violation"
	}
	options := []string{`msg:"SSTP ` + r.ID + ": " + message(r.About) + `"`}
	if g.flow != "" {
		options = append(options, "flow:established,"+g.flow)
	} else {
		options = append(options, "flow:established")
	}
	if len(r.Requires) > 0 {
		if held := present(r.Requires, made); len(held) > 0 {
			options = append(options, "flowbits:isset,"+strings.Join(bitsOf(held), "|"))
		}
	}
	for _, id := range present(r.Unless, made) {
		options = append(options, "flowbits:isnotset,"+bitOf(id))
	}
	for _, b := range g.needs {
		options = append(options, "flowbits:isset,"+b)
	}
	options = append(options, g.options...)
	once := g.once && action != s.block
	if once {
		options = append(options, "flowbits:isnotset,"+bitOf(r.ID))
	}
	switch {
	case g.clears != "":
		options = append(options, "flowbits:unset,"+g.clears)
	case g.sets != "":
		options = append(options, "flowbits:set,"+g.sets)
	case once || bits[r.ID]:
		options = append(options, "flowbits:set,"+bitOf(r.ID))
	}
	if g.silent {
		action = "alert"
		options = append(options, s.quiet)
	}
	options = append(options, "classtype:"+class, fmt.Sprintf("metadata:sstpwarden_rule %s, sstpwarden_weight %s", r.ID, strings.TrimPrefix(strength(r), "weight ")))
	sid := ids[g.key]
	body := strings.Join(options, "; ")
	return fmt.Sprintf("%s %s any any -> any any (%s; sid:%d; rev:%d;)", action, g.proto, body, sid, revision(action+g.proto+body))
}

// message writes text for msg, which stands in quotes.
func message(about string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`"\;|`, r) {
			return '\''
		}
		return r
	}, printable(about))
}

func (s *signer) translate(r *inspect.Rule) translation {
	m := &r.Match
	switch {
	case m.Connect != nil:
		return s.head(r.ID, m.Connect, true)
	case m.HTTP != nil:
		return s.head(r.ID, m.HTTP, false)
	case m.Hello != nil:
		one := *m.Hello
		one.SNI = s.names(one.SNI)
		return alternatives(r.ID, one, helloChoices, s.hello)
	case m.Certificate != nil:
		return alternatives(r.ID, *m.Certificate, certificateChoices, s.certificate)
	case m.SSTP != nil:
		return s.messages(r.ID, m.SSTP)
	}
	return s.records(r.ID, m)
}

// alternatives makes a signature of each combination. What cannot be said of
// one is left out with a word; if none can be said, that is the reason.
func alternatives[M any](id string, m M, choices func(*M) []choice, each func(*M) (signature, limits, string)) translation {
	var t translation
	var why string
	err := combinations(m, choices, func(one *M, key string) error {
		g, l, reason := each(one)
		if reason != "" {
			why = reason
			return nil
		}
		g.key = keyOf(id, key)
		t.signatures = append(t.signatures, g)
		t.limits.add(l)
		return nil
	})
	switch {
	case err != nil:
		return translation{reason: err.Error()}
	case len(t.signatures) == 0:
		return translation{reason: why}
	case why != "":
		t.limits.narrower = append(t.limits.narrower, "a part "+why)
	}
	return t
}

func keyOf(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "\x00")
}

// head makes one or, where the response is asked about too, two signatures of
// each combination.
func (s *signer) head(id string, m *inspect.HeadMatch, connect bool) translation {
	if reason := beyondHead(m); reason != "" {
		return translation{reason: reason}
	}
	var t translation
	err := combinations(*m, headChoices, func(one *inspect.HeadMatch, key string) error {
		asked := asksRequest(one) || connect
		answered := asksResponse(one)
		bit := bitOf(id) + ".asked"
		if key != "" {
			bit += fmt.Sprintf(".%x", digest(key))
		}
		if asked {
			g, l := s.request(one, connect)
			g.key, g.flow = keyOf(id, key), "to_server"
			if answered {
				g.key, g.sets, g.silent = keyOf(id, key, "asked"), bit, true
			}
			t.signatures = append(t.signatures, g)
			t.limits.add(l)
		}
		if answered {
			g, l := s.response(one, connect)
			g.key, g.flow = keyOf(id, key), "to_client"
			t.limits.add(l)
			if asked {
				g.needs = []string{bit}
				t.limits.wider = append(t.limits.wider, "the response may be that of another request on the connection")
			}
			t.signatures = append(t.signatures, g)
		}
		return nil
	})
	if err != nil {
		return translation{reason: err.Error()}
	}
	return t
}

// messages makes signatures of control messages read in clear.
func (s *signer) messages(id string, m *inspect.SSTPMatch) translation {
	if reason := beyondMessages(m); reason != "" {
		return translation{reason: reason}
	}
	l := limits{narrower: []string{"a message that does not begin a packet is not seen"}}
	g := s.control(messageType(m.Message))
	g.key, g.once = id, true
	switch m.Control {
	case "client":
		g.flow = "to_server"
	case "server":
		g.flow = "to_client"
	case "both":
		ask := s.control(0)
		ask.key, ask.flow, ask.silent, ask.sets = keyOf(id, "client"), "to_server", true, bitOf(id)+".client"
		g.flow, g.needs = "to_client", []string{ask.sets}
		l.narrower = append(l.narrower, "the client's has to come first")
		return translation{signatures: []signature{ask, g}, limits: l}
	}
	return translation{signatures: []signature{g}, limits: l}
}

// bitOf names the flow bit that says that a rule held.
func bitOf(id string) string { return "sstp." + id }

func bitsOf(ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, bitOf(id))
	}
	return out
}

// present gives those of the rules that came out.
func present(ids []string, made map[string]*translation) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return made[id].reason != "" })
}

// linked says which rules others ask for, and so must set a bit.
func linked(rules []inspect.Rule, made map[string]*translation) map[string]bool {
	bits := map[string]bool{}
	for i := range rules {
		if made[rules[i].ID].reason != "" {
			continue
		}
		for _, id := range slices.Concat(rules[i].Requires, rules[i].Unless) {
			bits[id] = true
		}
	}
	return bits
}

// required leaves out what holds only after rules that are left out.
func required(rules []inspect.Rule, made map[string]*translation) {
	for again := true; again; {
		again = false
		for i := range rules {
			r := &rules[i]
			if made[r.ID].reason != "" || len(r.Requires) == 0 {
				continue
			}
			switch held := present(r.Requires, made); len(held) {
			case len(r.Requires):
			case 0:
				made[r.ID].reason = after(r.Requires)
				again = true
			}
		}
	}
}

func after(ids []string) string {
	return "holds only after " + strings.Join(ids, " or ") + ", of which none is here"
}

// The range that signature ids of one's own are taken from.
const (
	firstID = 1_000_000
	countID = 1_000_000
)

// identify gives each signature its id: from the hash of its key, so that it
// stays the same whatever else is in a set. Of two with the same hash, the one
// whose key sorts first has it, the other takes the next that is free.
func identify(made map[string]*translation) map[string]int {
	var keys []string
	for _, t := range made {
		if t.reason == "" {
			for _, g := range t.signatures {
				keys = append(keys, g.key)
			}
		}
	}
	slices.Sort(keys)
	ids, taken := make(map[string]int, len(keys)), make(map[int]bool, len(keys))
	for _, k := range keys {
		id := int(digest(k) % countID)
		for taken[id] {
			id = (id + 1) % countID
		}
		taken[id] = true
		ids[k] = firstID + id
	}
	return ids
}

func digest(s string) uint32 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint32(sum[:])
}

// revision changes with a signature's text. It is no count: an export knows
// nothing of the one before it.
func revision(text string) int { return 1 + int(digest(text)%65535) }

// content writes bytes for a signature's content.
func content(s string) string {
	var b strings.Builder
	hex := false
	for i := range len(s) {
		plain := letter(s[i]) || strings.IndexByte(" -_./{}()*,=?+@", s[i]) >= 0
		switch {
		case plain && hex:
			b.WriteByte('|')
		case !plain && !hex:
			b.WriteByte('|')
		case !plain:
			b.WriteByte(' ')
		}
		hex = !plain
		if plain {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%02X", s[i])
		}
	}
	if hex {
		b.WriteByte('|')
	}
	return b.String()
}
