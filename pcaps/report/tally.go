package report

import (
	"regexp"
	"slices"
	"time"

	"sstpwarden/policies/event"
)

// A tally counts what the head of the page says of the events.
type tally struct {
	events         int
	found          int // suspected or confirmed
	foundDropped   int // of those, what the policy drops
	otherDropped   int // dropped, and neither suspected nor confirmed
	first, last    time.Time
	opened, closed int            // of those found with TLS: read inside, or not
	why            map[string]int // of closed, by reason
	revisions      []string       // of the policies that decided
}

// maxKinds bounds the reasons and revisions that are told apart.
const maxKinds = 8

func (t *tally) add(e *event.Event) {
	t.events++
	if t.events == 1 || e.Timestamp.Before(t.first) {
		t.first = e.Timestamp.Time
	}
	if last := endOf(e); last.After(t.last) {
		t.last = last
	}
	dropped := e.Decision != nil && e.Decision.Action == "drop"
	switch {
	case found(e):
		t.found++
		if dropped {
			t.foundDropped++
		}
		t.inside(e.TLS)
	case dropped:
		t.otherDropped++
	}
	if e.Decision != nil {
		t.revision(e.Decision.Revision)
	}
}

// inside counts whether the TLS of something found could be read.
func (t *tally) inside(tls *event.TLS) {
	switch {
	case tls == nil:
		return
	case tls.Opened:
		t.opened++
		return
	}
	t.closed++
	why := identifier.ReplaceAllString(tls.NotOpened, "…")
	if why == "" {
		why = "no secrets were given"
	}
	if t.why == nil {
		t.why = map[string]int{}
	}
	if _, known := t.why[why]; !known && len(t.why) == maxKinds {
		why = "other reasons"
	}
	t.why[why]++
}

// identifier is what tells reasons apart that are the same: "no secrets for
// client random e29554c5d887678b.. in the key log".
var identifier = regexp.MustCompile(`\b[0-9a-f]{8,}\b(\.\.)?`)

func (t *tally) revision(r string) {
	if r != "" && len(t.revisions) < maxKinds && !slices.Contains(t.revisions, r) {
		t.revisions = append(t.revisions, r)
	}
}
