package inspect_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/rules"
)

// ask is a rule about other flows, of weight 20. Either set may be "".
func ask(t testing.TB, id, flows, score string) inspect.Rule {
	t.Helper()
	m := &inspect.DestinationMatch{}
	if flows != "" {
		m.Flows = lengths(t, flows)
	}
	if score != "" {
		m.Score = lengths(t, score)
	}
	r := rule(id, inspect.Match{Destination: m})
	r.Weight = 20
	return r
}

// weighs is a rule that holds when the client writes n bytes.
func weighs(t testing.TB, id, n string, weight int) inspect.Rule {
	t.Helper()
	r := writeRule(t, id, n)
	r.Weight = weight
	return r
}

// judgeWith gives an Inspector that remembers.
func judgeWith(t testing.TB, m *inspect.Memory, rules ...inspect.Rule) *inspect.Inspector {
	t.Helper()
	rs, err := inspect.NewRuleset(settings, rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	return inspect.NewInspector(inspect.Options{Rules: rs, Memory: m})
}

// key gives the ends of the nth connection to a server.
func key(n int, server string) inspect.FlowKey {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n >> 8)}), uint16(50000+n&255))
	return inspect.FlowKey{Client: client, Server: netip.MustParseAddrPort(server)}
}

// nth plays the nth connection to a server: a handshake and writes.
func nth(in *inspect.Inspector, n int, server string, at time.Time, writes ...int) *inspect.Flow {
	return openSizesAt(in, aesGCM13, key(n, server), at).handshake().data(writes...).flow
}

// other gives the detail of evidence that rests on other flows, "" for none.
func other(f *inspect.Flow) string {
	for _, e := range f.Detection().Evidence {
		if d, ok := strings.CutPrefix(e.Detail, "a test: "); ok && strings.Contains(d, "other connection") {
			return d
		}
	}
	return ""
}

const host = "198.51.100.7:443"

// TestWeakFlows adds up: the third is a case, and so is the first once it has
// something new to say.
func TestWeakFlows(t *testing.T) {
	m := inspect.NewMemory(inspect.MemoryOptions{})
	in := judgeWith(t, m, ask(t, "t.others", "2-", "45-"), weighs(t, "t.weak", "1", 30), weighs(t, "t.more", "2", 1))
	first := openSizesAt(in, aesGCM13, key(1, host), start).handshake().data(1)
	second := nth(in, 2, host, start.Add(time.Minute), 1)
	nth(in, 9, host, start.Add(time.Minute), 9) // an ordinary one
	third := nth(in, 3, host, start.Add(2*time.Minute), 1)
	for i, test := range []struct {
		flow   *inspect.Flow
		want   inspect.Verdict
		detail string
	}{
		{first.flow, inspect.VerdictUndetermined, ""},
		{second, inspect.VerdictUndetermined, ""},
		{third, inspect.VerdictSuspected, "2 other connections to 198.51.100.7:443 in the last 2m, scores 30, 30"},
	} {
		if d := test.flow.Detection(); d.Verdict != test.want || other(test.flow) != test.detail {
			t.Errorf("flow %d: %s", i+1, dump(d))
		}
	}
	if got := held(third); got != "t.weak t.others" || third.Detection().Score != 50 {
		t.Errorf("%s: %s", got, dump(third.Detection()))
	}
	first.at = start.Add(3 * time.Minute)
	first.data(-9, 2)
	if d := first.flow.Detection(); d.Verdict != inspect.VerdictSuspected || d.Score != 51 {
		t.Error(dump(d))
	}
	// What the memory added is not remembered: nobody has more than his own.
	fourth := nth(in, 4, host, start.Add(4*time.Minute), 1)
	if got, want := other(fourth), "3 other connections to 198.51.100.7:443 in the last 3m, scores 31, 30, 30"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := m.Stats(), (inspect.MemoryStats{Servers: 1, Connections: 4}); got != want {
		t.Errorf("%+v", got)
	}
}

// TestNothingKept has a set, or an Inspector, without a use for a memory.
func TestNothingKept(t *testing.T) {
	m := inspect.NewMemory(inspect.MemoryOptions{})
	weak, asks := weighs(t, "t.weak", "1", 30), ask(t, "t.others", "1-", "")
	for _, in := range []*inspect.Inspector{judgeWith(t, m, weak), judgeWith(t, nil, weak, asks), judgeWith(t, m, weighs(t, "t.weak", "1", 24), asks)} {
		for n := range 5 {
			if f := nth(in, n, host, start, 1); len(f.Detection().Evidence) != 1 {
				t.Error(dump(f.Detection()))
			}
		}
	}
	if got := m.Stats(); got != (inspect.MemoryStats{}) {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]bool{"": true, "disable: [destination.weak_flows]": false} {
		rs, err := rules.Parse([]byte("version: 1\nextends: default\n"+text), "test")
		if err != nil {
			t.Fatal(err)
		}
		if s, asked := rs.Memory(); asked != want || s != (inspect.MemorySettings{HalfLife: 6 * time.Hour, Least: 25}) {
			t.Errorf("%q: %v %v", text, s, asked)
		}
	}
	rs, err := inspect.NewRuleset(inspect.Settings{Suspected: 10, Cleared: -1, Window: 8}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if s, asked := rs.Memory(); asked || s != (inspect.MemorySettings{HalfLife: 6 * time.Hour, Least: 10}) {
		t.Error(s, asked)
	}
}

// TestMemoryFades halves scores with age, by the time of the segments.
func TestMemoryFades(t *testing.T) {
	tests := []struct {
		score string // that is asked for
		after time.Duration
		want  string
	}{
		{"40", 0, "1 other connection to 198.51.100.7:443 in the last 1m, score 40"},
		{"20", 6 * time.Hour, "1 other connection to 198.51.100.7:443 in the last 6h, score 40"},
		{"10", 12*time.Hour + 30*time.Second, ""},
		{"9", 12*time.Hour + 30*time.Second, "1 other connection to 198.51.100.7:443 in the last 12h1m, score 40"},
		{"2", 24*time.Hour - time.Second, "1 other connection to 198.51.100.7:443 in the last 24h, score 40"},
		{"0-", 24 * time.Hour, ""},
		{"40", -time.Hour, "1 other connection to 198.51.100.7:443 in the last 1m, score 40"},
	}
	for _, test := range tests {
		in := judgeWith(t, inspect.NewMemory(inspect.MemoryOptions{}), ask(t, "t.others", "", test.score), weighs(t, "t.weak", "1", 40))
		nth(in, 1, host, start, 1)
		if got := other(nth(in, 2, host, start.Add(test.after), 1)); got != test.want {
			t.Errorf("score %s after %v: %q, want %q", test.score, test.after, got, test.want)
		}
	}
	// What is too old goes when something new comes.
	m := inspect.NewMemory(inspect.MemoryOptions{})
	in := judgeWith(t, m, ask(t, "t.others", "1-", ""), weighs(t, "t.weak", "1", 40))
	nth(in, 1, host, start, 1)
	nth(in, 2, host, start.Add(25*time.Hour), 1)
	if got, want := m.Stats(), (inspect.MemoryStats{Servers: 1, Connections: 1}); got != want {
		t.Errorf("%+v", got)
	}
}

// TestDestinations says which connections go to the same server.
func TestDestinations(t *testing.T) {
	connect := func(target string) []inspect.Segment {
		return []inspect.Segment{c("CONNECT " + target + " HTTP/1.1\r\nX-Weak: 1\r\n\r\n")}
	}
	get := func(target string) []inspect.Segment {
		return []inspect.Segment{c("GET " + target + " HTTP/1.1\r\nX-Weak: 1\r\nHost: a\r\n\r\n")}
	}
	weak := func(id string, m inspect.Match) inspect.Rule {
		r := rule(id, m)
		r.Weight = 30
		return r
	}
	head := &inspect.HeadMatch{Header: []string{"X-Weak"}}
	tests := []struct {
		name       string
		a, b       string // the other end
		say, reply []inspect.Segment
		want       string
	}{
		{"the same", host, host, get("/"), get("/x"), host},
		{"another port", host, "198.51.100.7:8443", get("/"), get("/"), ""},
		{"another server", host, "198.51.100.8:443", get("/"), get("/"), ""},
		{"mapped", host, "[::ffff:198.51.100.7]:443", get("/"), get("/"), host},
		{"IPv6", "[2001:db8::7]:443", "[2001:db8::7]:443", get("/"), get("/"), "[2001:db8::7]:443"},
		{"through a proxy", host, host, connect("vpn.example:443"), connect("VPN.example.:443"), "vpn.example:443"},
		{"through two proxies", host, "203.0.113.1:3128", connect("vpn.example:443"), connect("vpn.example:443"), "vpn.example:443"},
		{"through a proxy to others", host, host, connect("vpn.example:443"), connect("other.example:443"), ""},
		{"to another port", host, host, connect("vpn.example:443"), connect("vpn.example:444"), ""},
		{"directly and through a proxy", host, "203.0.113.1:3128", get("/"), connect(host), host},
		{"the proxy and what is behind it", host, host, get("/"), connect("vpn.example:443"), ""},
		{"what cannot be read", host, host, connect("[:443"), connect("[:443"), ""},
		{"a proxy without CONNECT", host, host, get("http://a/"), get("http://a/"), ""},
	}
	for _, test := range tests {
		m := inspect.NewMemory(inspect.MemoryOptions{})
		in := judgeWith(t, m, ask(t, "t.others", "1-", ""), weak("t.connect", inspect.Match{Connect: head}), weak("t.http", inspect.Match{HTTP: head}))
		feed(in, connection{key: key(1, test.a), start: start, segments: talk(test.say...)})
		f := feed(in, connection{key: key(2, test.b), start: start, segments: talk(test.reply...)})
		want := ""
		if test.want != "" {
			want = "1 other connection to " + test.want + " in the last 1m, score 30"
		}
		if got := other(f); got != want {
			t.Errorf("%s: %q, want %q", test.name, got, want)
		}
	}
}

// TestMoves has a connection that asks a proxy for one server after another.
func TestMoves(t *testing.T) {
	m := inspect.NewMemory(inspect.MemoryOptions{})
	r := rule("t.connect", inspect.Match{Connect: &inspect.HeadMatch{Header: []string{"X-Weak"}}})
	r.Weight, r.Times = 30, 2
	first := rule("t.http", inspect.Match{HTTP: &inspect.HeadMatch{Method: []string{"OPTIONS"}}})
	in := judgeWith(t, m, ask(t, "t.others", "1-", ""), r, first)
	refused := "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"
	feed(in, connection{key: key(1, host), start: start, segments: talk(
		c("CONNECT a.example:443 HTTP/1.1\r\nX-Weak: 1\r\n\r\n"), s(refused),
		c("CONNECT b.example:443 HTTP/1.1\r\n\r\n"), s(refused), c("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"))})
	for target, want := range map[string]string{"a.example:443": "", "b.example:443": "1 other connection to b.example:443 in the last 1m, score 31"} {
		f := feed(in, connection{key: key(2, host), start: start, segments: talk(c("CONNECT " + target + " HTTP/1.1\r\nX-Weak: 1\r\n\r\n"))})
		if got := other(f); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// TestFallsAndRises follows a connection whose own score comes and goes.
func TestFallsAndRises(t *testing.T) {
	m := inspect.NewMemory(inspect.MemoryOptions{})
	in := judgeWith(t, m, ask(t, "t.others", "1-", ""), weighs(t, "t.up", "1", 30), weighs(t, "t.down", "2", -10), weighs(t, "t.again", "3", 12))
	x := openSizesAt(in, aesGCM13, key(1, host), start).handshake()
	for _, test := range []struct{ write, connections int }{{9, 0}, {1, 1}, {2, 0}, {3, 1}} {
		x.data(test.write, -9)
		if got := m.Stats().Connections; got != test.connections {
			t.Errorf("after %d: %d connections", test.write, got)
		}
	}
	if got, want := other(nth(in, 2, host, start, 1)), "1 other connection to 198.51.100.7:443 in the last 1m, score 32"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSeenTwice counts a connection once, however often it is seen; its ports
// may come again.
func TestSeenTwice(t *testing.T) {
	in := judgeWith(t, inspect.NewMemory(inspect.MemoryOptions{}), ask(t, "t.others", "1-", ""), weighs(t, "t.weak", "1", 30))
	nth(in, 1, host, start, 1)
	if got := other(nth(in, 1, host, start, 1)); got != "" {
		t.Error(got)
	}
	if got := other(nth(in, 1, host, start.Add(time.Minute), 1)); got == "" {
		t.Error("the next connection from the same port is another one")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := inspect.NewMemory(inspect.MemoryOptions{Servers: 2, PerServer: 3})
	in := judgeWith(t, m, ask(t, "t.others", "1-", ""),
		weighs(t, "t.weak", "30", 30), weighs(t, "t.strong", "40", 40), weighs(t, "t.stronger", "45", 45))
	to := func(n, write int, server string) *inspect.Flow { return nth(in, n, server, start, write) }
	const a, b, c = "198.51.100.1:443", "198.51.100.2:443", "198.51.100.3:443"
	to(1, 30, a)
	to(2, 40, b)
	to(3, 40, a)
	to(4, 40, c) // b is the longest without anything new
	if got := other(to(5, 30, a)); got != "2 other connections to "+a+" in the last 1m, scores 40, 30" {
		t.Error(got)
	}
	if got, want := m.Stats(), (inspect.MemoryStats{Servers: 2, Connections: 4, EvictedServers: 1}); got != want {
		t.Errorf("%+v", got)
	}
	// Of one server, the weakest go, the oldest of them first.
	for n := range 3 {
		to(6+n, 45, a)
	}
	if got := other(to(10, 30, a)); got != "3 other connections to "+a+" in the last 1m, scores 45, 45, 45" {
		t.Error(got)
	}
	if got, want := m.Stats(), (inspect.MemoryStats{Servers: 2, Connections: 4, EvictedServers: 1, EvictedConnections: 4}); got != want {
		t.Errorf("%+v", got)
	}
	// A connection that was evicted leaves as any other does.
	x := openSizesAt(in, aesGCM13, key(11, b), start).handshake().data(30)
	to(12, 30, c)
	to(13, 30, a)
	x.flow.Learn(inspect.Evidence{Rule: "probe.refused", Weight: -50})
	if got, want := m.Stats(), (inspect.MemoryStats{Servers: 2, Connections: 2, EvictedServers: 4, EvictedConnections: 4}); got != want {
		t.Errorf("%+v", got)
	}
}

func TestManyScores(t *testing.T) {
	in := judgeWith(t, inspect.NewMemory(inspect.MemoryOptions{}), ask(t, "t.others", "12", ""), weighs(t, "t.weak", "1", 30))
	for n := range 12 {
		nth(in, n, host, start, 1)
	}
	want := "12 other connections to 198.51.100.7:443 in the last 1m, scores 30, 30, 30, 30, 30, 30, 30, 30, ..."
	if got := other(nth(in, 99, host, start, 1)); got != want {
		t.Errorf("%q", got)
	}
}

// TestMemoryLearns takes what a probe tells, also of flows that are settled.
func TestMemoryLearns(t *testing.T) {
	m := inspect.NewMemory(inspect.MemoryOptions{})
	in := judgeWith(t, m, ask(t, "t.others", "1-", "50-"), weighs(t, "t.weak", "1", 30), weighs(t, "t.clears", "2", -20))
	proof := inspect.Evidence{Rule: "probe.accepted", Weight: 1, Proof: true}
	settled := nth(in, 1, host, start, 2)
	if !settled.Settled() || m.Stats().Connections != 0 {
		t.Fatal(dump(settled.Detection()))
	}
	settled.Learn(proof) // own score -19, and yet as good as a suspicion
	f := nth(in, 2, host, start, 1)
	if got := other(f); got != "1 other connection to "+host+" in the last 1m, score 50" {
		t.Error(got)
	}
	// A flow that learns asks, too.
	g := nth(in, 3, host, start)
	g.Learn(inspect.Evidence{Rule: "probe.perhaps", Weight: 30})
	if other(g) == "" || g.Detection().Verdict != inspect.VerdictSuspected {
		t.Error(dump(g.Detection()))
	}
	g.Learn(inspect.Evidence{Rule: "probe.refused", Weight: -60})
	if got := m.Stats().Connections; got != 2 {
		t.Errorf("%d connections", got)
	}
}

// TestDestinationAndMore asks about others and something else at once, and
// requires rules and is required.
func TestDestinationAndMore(t *testing.T) {
	both := ask(t, "t.both", "1-", "")
	both.Match.Stream = &inspect.StreamMatch{Records: lengths(t, "2-")}
	after := ask(t, "t.after", "1-", "")
	after.Requires = []string{"t.both"}
	never := ask(t, "t.never", "1-", "")
	never.Unless = []string{"t.weak"}
	in := judgeWith(t, inspect.NewMemory(inspect.MemoryOptions{}), weighs(t, "t.weak", "1", 25), both, after, never)
	nth(in, 1, host, start, 1)
	x := openSizesAt(in, aesGCM13, key(2, host), start).handshake().data(1)
	if got := held(x.flow); got != "t.weak" {
		t.Error(got)
	}
	if x.data(9, 9); held(x.flow) != "t.weak t.both t.after" {
		t.Error(held(x.flow))
	}
	if got := other(nth(in, 3, host, start, 1, 9, 9)); !strings.HasSuffix(got, "scores 25, 25") {
		t.Errorf("%q: more than their own", got)
	}
}

// TestForgottenInBetween has a connection ask about a server that was evicted
// since it was entered.
func TestForgottenInBetween(t *testing.T) {
	both := ask(t, "t.both", "1-", "")
	both.Match.Stream = &inspect.StreamMatch{Records: lengths(t, "2-")}
	in := judgeWith(t, inspect.NewMemory(inspect.MemoryOptions{Servers: 1}), weighs(t, "t.weak", "1", 25), both)
	nth(in, 1, host, start, 1)
	x := openSizesAt(in, aesGCM13, key(2, host), start).handshake().data(1)
	nth(in, 3, "198.51.100.8:443", start, 1)
	if x.data(9, 9); held(x.flow) != "t.weak" {
		t.Error(held(x.flow))
	}
}

// TestMemoryIsShared has several goroutines inspect with one memory.
func TestMemoryIsShared(t *testing.T) {
	m := inspect.NewMemory(inspect.MemoryOptions{Servers: 50})
	var wg sync.WaitGroup
	for g := range 4 {
		in := judgeWith(t, m, ask(t, "t.others", "1-", ""), weighs(t, "t.weak", "1", 30), weighs(t, "t.down", "2", -30))
		wg.Go(func() {
			for i := range 400 {
				server := fmt.Sprintf("198.51.100.%d:443", i%100)
				f := nth(in, g<<8+i/100, server, start, 1)
				if i%2 == 0 {
					f.Learn(inspect.Evidence{Rule: "probe.refused", Weight: -50})
				}
				m.Stats()
			}
		})
	}
	wg.Wait()
	if got := m.Stats(); got.Servers > 50 || got.Connections < got.Servers || got.Connections > 16*50 || got.EvictedServers == 0 {
		t.Errorf("%+v", got)
	}
}

// TestMemoryAndCuts wants the same of captures in a row, however they are cut
// and whenever they are read.
func TestMemoryAndCuts(t *testing.T) {
	var conns []connection
	for _, path := range captures(t, "positive/*fail*.pcap") {
		cs, _ := readCapture(t, path)
		for _, c := range cs {
			c.key.Server = netip.MustParseAddrPort(host)
			conns = append(conns, c)
		}
	}
	conns = slices.DeleteFunc(conns, func(c connection) bool { return !lossless(c) })
	rs := rules.Default()
	run := func(cut int) (all []string) {
		in := inspect.NewInspector(inspect.Options{Rules: rs, Memory: inspect.NewMemory(inspect.MemoryOptions{})})
		for _, c := range conns {
			if cut > 0 {
				c = cutEvery(c, cut)
			}
			f := feed(in, c)
			all = append(all, dump(f.Detection()), dump(f.Observation()))
		}
		return all
	}
	want := run(0)
	if len(conns) < 2 || strings.Contains(want[0], "destination.weak_flows") {
		t.Fatalf("%d connections: %v", len(conns), want)
	}
	for _, cut := range []int{0, 1, 7, 100} {
		if d := cmp.Diff(want, run(cut)); d != "" {
			t.Errorf("in pieces of %d: %s", cut, d)
		}
	}
}
