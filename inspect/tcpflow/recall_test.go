package tcpflow_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"sstpwarden/inspect/tcpflow"
)

// Each script runs after a handshake. A segment whose text begins with "!" has the
// rest of it as its bytes, and is one that conflicts with what came before.
func TestRecall(t *testing.T) {
	long := strings.Repeat("x", 600)
	tests := []struct {
		name     string
		steps    []seg
		c2s, s2c string
		oneWay   bool // the server's packets go elsewhere
	}{
		{"in order", []seg{c(ACK, 1001, 5001, "abc"), s(ACK, 5001, 1004, "XYZ"), c(ACK, 1004, 5004, "def")}, "abcdef", "XYZ", false},
		{
			"retransmissions, whole, in part, with more, in other pieces",
			[]seg{
				c(ACK, 1001, 5001, "abc"), c(ACK, 1004, 5001, "def"), c(ACK, 1001, 5001, "abc"), c(ACK, 1002, 5001, "b"),
				c(ACK, 1003, 5001, "cdefg"), c(ACK, 1001, 5001, "abcdefghi"), c(ACK, 1005, 5001, "ef"),
			},
			"abcdefghi", "", false,
		},
		{"another copy of what was delivered", []seg{c(ACK, 1001, 5001, "junk"), c(ACK, 1001, 5001, "!true"), c(ACK, 1005, 5001, "more")}, "junkmore", "", false},
		{"a longer one", []seg{c(ACK, 1001, 5001, "junk"), c(ACK, 1001, 5001, "!true and more")}, "junk", "", false},
		{"one that begins before it", []seg{c(ACK, 1001, 5001, "ab"), c(ACK, 1003, 5001, "junk"), c(ACK, 1002, 5001, "!btrue")}, "abjunk", "", false},
		{"one from the server", []seg{s(ACK, 5001, 1001, "junk"), s(ACK, 5001, 1001, "!true")}, "", "junk", false},
		{"one byte", []seg{c(ACK, 1001, 5001, "a"), c(ACK, 1001, 5001, "!b")}, "a", "", false},
		{
			"another copy of what was acknowledged is the receiver's to ignore",
			[]seg{c(ACK, 1001, 5001, "abcdef"), s(ACK, 5001, 1004, ""), c(ACK, 1001, 5001, "ABC"), c(ACK, 1001, 5001, "ABCdefg"), c(ACK, 1003, 5001, "!CDef")},
			"abcdefg", "", false,
		},
		{
			"a gap of which a part is acknowledged",
			[]seg{s(ACK, 5001, 1003, ""), c(ACK, 1001, 5001, "abjunk"), c(ACK, 1001, 5001, "!ABtrue"), c(ACK, 1001, 5001, "AB")},
			"abjunk", "", false,
		},
		{"a keep-alive probe", []seg{c(ACK, 1001, 5001, "abc"), s(ACK, 5001, 1004, ""), c(ACK, 1003, 5001, "?"), c(ACK, 1004, 5001, "d")}, "abcd", "", false},
		{"another copy of what came early", []seg{c(ACK, 1003, 5001, "junk"), c(ACK, 1001, 5001, "!abtrue"), c(ACK, 1001, 5001, "ab")}, "abjunk", "", false},
		{"another early one", []seg{c(ACK, 1003, 5001, "junk"), c(ACK, 1005, 5001, "!true"), c(ACK, 1005, 5001, "nk+"), c(ACK, 1001, 5001, "ab")}, "abjunk+", "", false},
		{"bytes behind the end", []seg{c(ACK, 1001, 5001, "ab"), c(FIN|ACK, 1003, 5001, ""), c(ACK, 1003, 5001, "!true"), c(ACK, 1001, 5001, "!abtrue"), c(ACK, 1001, 5001, "ab")}, "ab", "", false},
		{"bytes behind an early end", []seg{c(FIN|ACK, 1005, 5001, ""), c(ACK, 1003, 5001, "!true"), c(ACK, 1001, 5001, "abcd")}, "abcd", "", false},
		{"the end again", []seg{c(FIN|ACK, 1001, 5001, "ab"), c(FIN|ACK, 1001, 5001, "ab"), s(ACK, 5001, 1004, "bye")}, "ab", "bye", false},
		{"a SYN that the server has no use for", []seg{c(SYN, 1101, 0, ""), c(ACK, 1001, 5001, "abc")}, "abc", "", false},
		{"a reset that was none", []seg{c(ACK, 1001, 5001, "abc"), c(RST, 1004, 0, ""), c(ACK, 1001, 5001, "!ABC"), c(ACK, 1004, 5001, "def")}, "abcdef", "", false},
		{
			"a keep-alive probe where acknowledgements are not seen",
			[]seg{c(SYN, 1000, 0, ""), c(ACK, 1001, 5001, "abc"), c(ACK, 1003, 5001, "?"), c(ACK, 1002, 5001, "!?"), c(ACK, 1004, 5001, "d")},
			"abcd", "", true,
		},
		{
			"more than is remembered",
			[]seg{c(ACK, 1001, 5001, long), c(ACK, 1601, 5001, long), c(ACK, 1601, 5001, strings.ToUpper(long)), c(ACK, 1001, 5001, "!y")},
			long + long, "", false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := &recorder{t: t}
			k := newChecked(t, tcpflow.Config{Recall: 1000}, func(*tcpflow.Conn) tcpflow.Stream { return rec })
			if !tt.oneWay {
				shake(k.table)
			}
			conflicts := 0
			for i, p := range tt.steps {
				want := tcpflow.OutcomeTracked
				if text, ok := strings.CutPrefix(p.data, "!"); ok {
					p.data, want = text, tcpflow.OutcomeConflict
					conflicts++
				}
				ip := p.ip()
				if r := k.table.IPPacket(began, ip, len(ip)); r.Outcome != want || r.Conn == nil {
					t.Errorf("segment %d: %v, want %v", i, r.Outcome, want)
				}
			}
			k.finish()
			if n := int(k.table.Stats().Outcomes[tcpflow.OutcomeConflict]); n != conflicts {
				t.Errorf("%d conflicts are counted, want %d", n, conflicts)
			}
			if rec.c2s() != tt.c2s || rec.s2c() != tt.s2c {
				t.Errorf("got %q, %q; want %q, %q", rec.c2s(), rec.s2c(), tt.c2s, tt.s2c)
			}
		})
	}
}

func shake(table *tcpflow.Table) {
	for _, p := range []seg{c(SYN, 1000, 0, ""), s(SYN|ACK, 5000, 1001, ""), c(ACK, 1001, 5001, "")} {
		ip := p.ip()
		table.IPPacket(began, ip, len(ip))
	}
}

// However a stream is cut, repeated, mixed up and acknowledged, copies of the same bytes
// never conflict; and nothing is remembered once connections are gone.
func TestRecallNeverAccusesEqualCopies(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		text := randomText(rng, 1+rng.IntN(3000))
		rec := &recorder{t: t}
		k := newChecked(t, tcpflow.Config{Recall: 1 + rng.IntN(4000)}, func(*tcpflow.Conn) tcpflow.Stream { return rec })
		shake(k.table)
		for at := 0; at < len(text); {
			from := max(0, at-rng.IntN(400)+rng.IntN(200))
			if from > len(text) {
				continue
			}
			to := min(len(text), from+1+rng.IntN(300))
			ip := c(ACK, uint32(1001+from), 5001, text[from:to]).ip()
			if r := k.table.IPPacket(began, ip, len(ip)); r.Outcome != tcpflow.OutcomeTracked {
				t.Fatalf("%d to %d of %d: %v", from, to, len(text), r.Outcome)
			}
			if from <= at {
				at = max(at, to)
			}
			if rng.IntN(3) == 0 {
				ip := s(ACK, 5001, uint32(1001+rng.IntN(at+1)), "").ip()
				k.table.IPPacket(began, ip, len(ip))
			}
		}
		k.finish()
	}
}
