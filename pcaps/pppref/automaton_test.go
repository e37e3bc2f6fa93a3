package pppref

import (
	"slices"
	"strings"
	"testing"
)

// rfcTable is the table of RFC 1661, Section 4.1, states 0 to 5 and 6 to 9 side by
// side. Letters after a state are the specification's footnotes.
const rfcTable = `
Up    2      irc,scr/6 -         -              -      -      -         -         -         -
Down  -      -         0         tls/1          0      1      1         1         1         tld/1
Open  tls/1  1         irc,scr/6 3r             5r     5r     6         7         8         9r
Close 0      tlf/0     2         2              4      4      irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
TO+   -      -         -         -              str/4  str/5  scr/6     scr/6     scr/8     -
TO-   -      -         -         -              tlf/2  tlf/3  tlf/3p    tlf/3p    tlf/3p    -
RCR+  -      -         sta/2     irc,scr,sca/8  4      5      sca/8     sca,tlu/9 sca/8     tld,scr,sca/8
RCR-  -      -         sta/2     irc,scr,scn/6  4      5      scn/6     scn/7     scn/6     tld,scr,scn/6
RCA   -      -         sta/2     sta/3          4      5      irc/7     scr/6x    irc,tlu/9 tld,scr/6x
RCN   -      -         sta/2     sta/3          4      5      irc,scr/6 scr/6x    irc,scr/8 tld,scr/6x
RTR   -      -         sta/2     sta/3          sta/4  sta/5  sta/6     sta/6     sta/6     tld,zrc,sta/5
RTA   -      -         2         3              tlf/2  tlf/3  6         6         8         tld,scr/6
RUC   -      -         scj/2     scj/3          scj/4  scj/5  scj/6     scj/7     scj/8     scj/9
RXJ+  -      -         2         3              4      5      6         6         8         9
RXJ-  -      -         tlf/2     tlf/3          tlf/2  tlf/3  tlf/3     tlf/3     tlf/3     tld,irc,str/5
RXR   -      -         2         3              4      5      6         7         8         ser/9
`

func TestTransitions(t *testing.T) {
	events := []string{
		"Up", "Down", "Open", "Close", "TO+", "TO-", "RCR+", "RCR-", "RCA", "RCN", "RTR", "RTA", "RUC", "RXJ+", "RXJ-", "RXR",
	}
	actions := []string{"", "tlu", "tld", "tls", "tlf", "irc", "zrc", "scr", "sca", "scn", "str", "sta", "scj", "ser"}
	rows := strings.Split(strings.TrimSpace(rfcTable), "\n")
	if len(rows) != numEvents || len(events) != numEvents {
		t.Fatalf("%d rows and %d events, want %d", len(rows), len(events), numEvents)
	}
	cells := 0
	for e, row := range rows {
		fields := strings.Fields(row)
		if fields[0] != events[e] || len(fields) != 1+numStates {
			t.Fatalf("row %d is %q with %d cells", e, fields[0], len(fields)-1)
		}
		for s, want := range fields[1:] {
			got := transitions[e][s]
			if want == "-" {
				if got.valid {
					t.Errorf("%s in state %d: %+v, want none", events[e], s, got)
				}
				continue
			}
			cells++
			done, next, ok := strings.Cut(want, "/")
			if !ok {
				done, next = "", want
			}
			var names []string
			for _, a := range got.actions {
				names = append(names, actions[a])
			}
			if !got.valid || strings.Join(names, ",") != done || int(got.next) != int(next[0]-'0') {
				t.Errorf("%s in state %d: %v, then %d, want %s", events[e], s, names, got.next, want)
			}
		}
	}
	if cells != 120 {
		t.Errorf("%d transitions, want 120", cells)
	}
}

// The timer runs in states 4 to 8 (RFC 1661, Section 4.1), and every action that
// starts it leads into one of them.
func TestTimedStates(t *testing.T) {
	for s := range state(numStates) {
		if want := s >= 4 && s <= 8; s.timed() != want {
			t.Errorf("state %d timed: %v", s, s.timed())
		}
	}
	for e := range transitions {
		for s, c := range transitions[e] {
			for _, a := range []action{scr, str, zrc} {
				if slices.Contains(c.actions, a) && !c.next.timed() {
					t.Errorf("event %d in state %d starts the timer for state %d", e, s, c.next)
				}
			}
			if c.valid && slices.Contains(c.actions, scr) && !c.next.negotiating() {
				t.Errorf("event %d in state %d asks and goes to %d", e, s, c.next)
			}
		}
	}
}
