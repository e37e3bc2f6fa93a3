package inspect

import (
	"math/bits"
	"slices"
	"time"
	"unicode/utf8"
)

// A Flow inspects one connection. It belongs to one goroutine at a time.
type Flow struct {
	in    *Inspector
	rules *Ruleset
	key   FlowKey
	start time.Time
	now   time.Time // of the segment that is being read

	obs       Observation
	detection Detection
	layer     layer     // the outermost; nil once settled
	session   *TLSFacts // of the innermost TLS; nil without
	outerTLS  *tlsLayer // nil without TLS, and once settled
	dialogue  dialogue
	idle      idle

	pending trigger        // what happened since rules were last asked
	changed bool           // the Detection did, during this Feed
	open    ruleMask       // rules that may be asked, as far as they require others
	shut    ruleMask       // rules that are not asked any more
	over    ruleMask       // rules whose place in the dialogue is past
	counts  map[int]int    // of rules that may count more than once
	lastFor map[int]int    // turn at which such a rule counted last
	anchors map[int]int    // record at which rules that others require held
	closed  bool           // nothing more is read
	votes   map[string]int // "c"+client or "s"+server -> weight

	kept     *destination // where the memory has the flow; nil where it has not
	borrowed int          // the part of the score that rests on other flows
}

// A layer reads one protocol of a flow and hands on what is inside.
type layer interface {
	feed(f *Flow, s Segment)
}

// Key of the connection.
func (f *Flow) Key() FlowKey { return f.key }

// Start is the time of the connection's first packet.
func (f *Flow) Start() time.Time { return f.start }

// Observation gives the facts so far. It is the flow's and changes with the
// next Feed.
func (f *Flow) Observation() *Observation { return &f.obs }

// Detection gives the judgement so far. Its Evidence is the flow's; it is
// only ever appended to.
func (f *Flow) Detection() Detection { return f.detection }

// SetMidstream says, before the first Feed, that the connection's beginning
// was not seen.
func (f *Flow) SetMidstream() { f.obs.Midstream = true }

// Feed takes the next bytes of one direction and says whether the Detection
// changed.
func (f *Flow) Feed(s Segment) (changed bool) {
	if f.layer == nil {
		return false
	}
	f.changed = false
	f.now = s.Time
	if len(s.Data) > 0 {
		f.obs.Seen[s.Direction.index()] = true
	}
	f.obs.Lost += uint64(s.Missing)
	f.layer.feed(f, s)
	if f.Settled() {
		f.release()
	}
	return f.changed
}

// Learn takes evidence from outside the bytes: a probe's answer.
func (f *Flow) Learn(e Evidence) (changed bool) {
	if slices.Contains(f.detection.Evidence, e) {
		return false
	}
	f.detection.Evidence = append(f.detection.Evidence, e)
	f.conclude()
	f.compare()
	if f.decided() {
		f.close()
		f.release()
	}
	return true
}

// Settled says that nothing more can change the Detection, so that the
// connection's bytes may go on without being looked at.
func (f *Flow) Settled() bool {
	return f.closed
}

// decided says that the verdict will not change whatever comes.
func (f *Flow) decided() bool {
	switch f.detection.Verdict {
	case VerdictCleared:
		// Where the stream is in clear, SSTP or TLS may yet be read: the
		// layer says when that is over.
		if f.obs.TLS != nil {
			return !f.obs.TLS.Opened && f.searched()
		}
		return f.obs.Protocol == ""
	case VerdictConfirmed:
		return f.detection.Kind == KindTunnel && !f.in.follow
	default:
		return false
	}
}

// searched says that enough of a cleared connection's TLS was looked at for a
// set-up behind what cleared it.
func (f *Flow) searched() bool {
	s := &f.rules.settings
	return f.dialogue.bytes >= s.LetGo || len(f.dialogue.pieces) >= s.Window
}

// close ends reading. Layers look at closed before every record, head and
// packet: what is read must not depend on how the bytes were cut.
func (f *Flow) close() { f.closed = true }

// release lets go of what only reading needs.
func (f *Flow) release() {
	f.layer, f.outerTLS = nil, nil
	f.dialogue = dialogue{}
	f.counts, f.lastFor, f.anchors = nil, nil, nil
}

// note says that something happened, and asks the rules that it may make
// hold. Rules that require others are asked again when one of those held.
func (f *Flow) note(t trigger) {
	if f.closed {
		return
	}
	if !f.askAll(t) {
		return
	}
	f.changed = true
	f.conclude()
	f.compare()
	if f.decided() {
		f.close()
	}
}

// compare has the memory know of new evidence, and asks the rules about other
// flows to the same server.
func (f *Flow) compare() {
	if f.recall() && !f.closed && f.askAll(onDestination) {
		f.conclude()
	}
}

// askAll asks the rules that t may make hold, and says whether any did.
func (f *Flow) askAll(t trigger) (changed bool) {
	for f.pending = t; f.pending != 0; {
		var asked ruleMask
		for pending := f.pending; pending != 0; pending &= pending - 1 {
			asked.addAll(&f.rules.byTrigger[bits.TrailingZeros16(uint16(pending))])
		}
		f.pending = 0
		for w := range asked {
			for left := asked[w] & f.open[w] &^ f.shut[w] &^ f.over[w]; left != 0; left &= left - 1 {
				// One that held just now may have shut others.
				if i := w*64 + bits.TrailingZeros64(left); !f.shut.has(i) && f.ask(i) {
					changed = true
				}
			}
		}
	}
	return changed
}

// ask puts one rule and notes its evidence where it holds.
func (f *Flow) ask(i int) bool {
	r := &f.rules.rules[i]
	if r.Coarse != nil && f.weight(r) == 0 {
		return false // lengths known as well as here say nothing
	}
	if r.times > 1 && f.counts[i] > 0 && f.lastFor[i] == len(f.dialogue.turns) {
		return false
	}
	var detail string
	for _, m := range r.match {
		d, ok := m.match(f)
		if !ok {
			if x, has := m.(passing); has && x.passed(f) {
				f.over.add(i)
			}
			return false
		}
		if detail != "" && d != "" {
			detail += "; "
		}
		detail += d
	}
	f.hold(i, r, detail)
	return true
}

func (f *Flow) hold(i int, r *compiled, detail string) {
	if r.times > 1 {
		if f.counts == nil {
			f.counts, f.lastFor = map[int]int{}, map[int]int{}
		}
		f.counts[i]++
		f.lastFor[i] = len(f.dialogue.turns)
	}
	if r.times == 1 || f.counts[i] == r.times {
		f.shut.add(i)
	}
	for _, m := range r.match {
		if x, has := m.(holding); has {
			x.held(f)
		}
	}
	f.shut.addAll(&r.shuts)
	if r.unlocks != 0 {
		if f.anchors == nil {
			f.anchors = map[int]int{}
		}
		if _, again := f.anchors[i]; !again {
			f.anchors[i] = len(f.dialogue.pieces)
		}
		f.open.addAll(&r.opens)
		f.pending |= r.unlocks
	}
	weight := f.weight(r) - f.weighed(r.back)
	if weight == 0 && (r.Weight != 0 || len(r.back) > 0) {
		return // nothing is taken back, or just what it weighs
	}
	if f.detection.Evidence == nil {
		f.detection.Evidence = make([]Evidence, 0, 4)
	}
	e := Evidence{Rule: r.ID, Weight: weight, Proof: r.Proof, Detail: r.About}
	if detail != "" {
		e.Detail += ": " + cut(detail, maxDetail)
	}
	f.detection.Evidence = append(f.detection.Evidence, e)
	f.detection.Kind = max(f.detection.Kind, r.Kind)
	if r.asksOthers() {
		f.borrowed += weight
	}
	if r.step != "" && weight > 0 && (f.session == nil || !f.session.Opened) {
		f.moment(r.step)
	}
	f.vote("c", r.Client, weight)
	f.vote("s", r.Server, weight)
}

// weight gives what a rule weighs where lengths are known as well as here.
func (f *Flow) weight(r *compiled) int {
	if r.Coarse != nil && f.session != nil && !f.session.SizesExact {
		return *r.Coarse
	}
	return r.Weight
}

// weighed gives what rules have weighed so far.
func (f *Flow) weighed(rules []int) (sum int) {
	for _, i := range rules {
		for k := range f.detection.Evidence {
			if e := &f.detection.Evidence[k]; e.Rule == f.rules.rules[i].ID {
				sum += e.Weight
			}
		}
	}
	return sum
}

// renew has the rules look at another session's records from here on: those of
// TLS inside the one that was opened.
func (f *Flow) renew() {
	f.dialogue, f.idle, f.over = dialogue{}, idle{}, ruleMask{}
	f.anchors = nil
	clear(f.lastFor)
}

// maxDetail bounds what evidence tells of what was seen, in bytes: a header
// may have 64 KiB.
const maxDetail = 512

// cut shortens s to n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

// anchorAt gives the record at which the first of the rules held, 0 where
// there are none.
func (f *Flow) anchorAt(rules []int) int {
	at, found := 0, false
	for _, i := range rules {
		if n, ok := f.anchors[i]; ok && (!found || n < at) {
			at, found = n, true
		}
	}
	return at
}

// vote counts for an implementation's name.
func (f *Flow) vote(side, name string, weight int) {
	if name == "" || weight <= 0 {
		return
	}
	if f.votes == nil {
		f.votes = map[string]int{}
	}
	f.votes[side+name] += weight
}

// elected gives the name with the most votes; of equal ones the first in
// the alphabet, so that the same facts give the same name.
func (f *Flow) elected(side string) string {
	best, most := "", 0
	for k, n := range f.votes {
		if k[:1] == side && (n > most || n == most && k[1:] < best) {
			best, most = k[1:], n
		}
	}
	return best
}

// conclude makes the verdict of the evidence.
func (f *Flow) conclude() {
	d := &f.detection
	proof := false
	d.Score = 0
	for i := range d.Evidence {
		d.Score += d.Evidence[i].Weight
		proof = proof || d.Evidence[i].Proof
	}
	s := f.rules.settings
	d.Probability = s.probability(d.Score)
	switch {
	case proof:
		d.Verdict, d.Probability = VerdictConfirmed, 1
	case d.Score >= s.Suspected:
		d.Verdict = VerdictSuspected
	case d.Score <= s.Cleared && f.obs.Lost == 0 && !f.obs.Midstream:
		// What is missing may be what would speak for SSTP.
		d.Verdict = VerdictCleared
	default:
		d.Verdict = VerdictUndetermined
	}
	d.Client, d.Server = "", ""
	if d.Verdict.Strength() >= VerdictSuspected.Strength() || d.Kind != KindNone {
		d.Client, d.Server = f.elected("c"), f.elected("s")
	}
}
