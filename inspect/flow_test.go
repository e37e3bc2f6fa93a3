package inspect_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/rules"
)

// writeRule holds when the client writes n bytes.
func writeRule(t testing.TB, id string, n string) inspect.Rule {
	t.Helper()
	return rule(id, inspect.Match{Dialogue: &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "client "+n)}}})
}

// held gives the rules that held, in order.
func held(f *inspect.Flow) string {
	var ids []string
	for _, e := range f.Detection().Evidence {
		ids = append(ids, e.Rule)
	}
	return strings.Join(ids, " ")
}

func TestRequiresUnlessTimes(t *testing.T) {
	one, two, three := writeRule(t, "t.one", "1"), writeRule(t, "t.two", "2"), writeRule(t, "t.three", "3")
	requires := func(r inspect.Rule, ids ...string) inspect.Rule { r.Requires = ids; return r }
	unless := func(r inspect.Rule, ids ...string) inspect.Rule { r.Unless = ids; return r }
	times := func(r inspect.Rule, n int) inspect.Rule { r.Times = n; return r }
	again := writeRule(t, "t.again", "1")
	tests := []struct {
		name   string
		rules  []inspect.Rule
		writes []int
		want   string
	}{
		{"once", []inspect.Rule{one}, []int{1, -9, 1}, "t.one"},
		{"times", []inspect.Rule{times(one, 3)}, []int{1, -9, 1, -9, 1, -9, 1}, "t.one t.one t.one"},
		{"once a turn", []inspect.Rule{times(writeRule(t, "t.one", "1-9"), 3)}, []int{1, 1, 1, 1}, "t.one"},
		{"required before", []inspect.Rule{one, requires(two, "t.one")}, []int{1, -9, 2}, "t.one t.two"},
		{"required after", []inspect.Rule{one, requires(two, "t.one")}, []int{2, -9, 1}, "t.one"},
		{"required one of two", []inspect.Rule{one, two, requires(three, "t.one", "t.two")}, []int{2, -9, 3}, "t.two t.three"},
		{"required at the same time, whatever the order", []inspect.Rule{requires(again, "t.one"), one}, []int{1}, "t.one t.again"},
		{"unless before", []inspect.Rule{one, unless(two, "t.one")}, []int{1, -9, 2}, "t.one"},
		{"unless after", []inspect.Rule{one, unless(two, "t.one")}, []int{2, -9, 1}, "t.two t.one"},
	}
	for _, test := range tests {
		x := openSizes(judge(t, test.rules...), aesGCM13).handshake().data(test.writes...)
		if got := held(x.flow); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestWeights(t *testing.T) {
	r := writeRule(t, "t.one", "0-20")
	coarse := 7
	r.Weight, r.Coarse = 30, &coarse
	for suite, want := range map[tlswire.CipherSuite]int{aesGCM13: 30, aesCBC12: 7} {
		x := openSizes(judge(t, r), suite).handshake().data(9)
		if d := x.flow.Detection(); d.Score != want || d.Evidence[0].Weight != want || d.Probability <= 0 || d.Probability >= 0.5 {
			t.Error(dump(d))
		}
	}
	// What says nothing does not hold, and opens nothing.
	for _, w := range []struct {
		weight, coarse int
		exact, hidden  string
	}{{30, 0, "t.one t.two", ""}, {0, 7, "", "t.one t.two"}, {0, -7, "", "t.one t.two"}} {
		r.Weight, r.Coarse = w.weight, &w.coarse
		two := writeRule(t, "t.two", "0-20")
		two.Requires = []string{"t.one"}
		in := judge(t, r, two)
		for suite, want := range map[tlswire.CipherSuite]string{aesGCM13: w.exact, aesCBC12: w.hidden} {
			if got := held(openSizes(in, suite).handshake().data(9).flow); got != want {
				t.Errorf("%d, coarse %d: %q, want %q", w.weight, w.coarse, got, want)
			}
		}
	}
	for weight, want := range map[int]inspect.Verdict{
		49: inspect.VerdictUndetermined, 50: inspect.VerdictSuspected, -19: inspect.VerdictUndetermined, -20: inspect.VerdictCleared,
	} {
		r := writeRule(t, "t.one", "9")
		r.Weight = weight
		x := openSizes(judge(t, r), aesGCM13).handshake().data(9)
		if d := x.flow.Detection(); d.Verdict != want || x.flow.Settled() != (want == inspect.VerdictCleared) {
			t.Errorf("%d: settled %v: %s", weight, x.flow.Settled(), dump(d))
		}
	}
}

// TestElection wants the most votes to win, and the first in the alphabet of
// equal ones, every time.
func TestElection(t *testing.T) {
	vote := func(id, client, server string, weight int) inspect.Rule {
		r := writeRule(t, id, "1")
		r.Client, r.Server, r.Weight, r.Kind = client, server, weight, inspect.KindProbe
		return r
	}
	in := judge(t, vote("t.a", "zeta", "s2", 5), vote("t.b", "beta", "s1", 5), vote("t.c", "alpha", "s3", 4), vote("t.d", "beta", "s3", 0),
		vote("t.e", "none", "s4", -9), vote("t.f", "", "s3", 2))
	for range 50 {
		d := openSizes(in, aesGCM13).handshake().data(1).flow.Detection()
		if d.Client != "beta" || d.Server != "s3" {
			t.Fatal(dump(d))
		}
	}
	quiet := writeRule(t, "t.a", "1")
	quiet.Client = "zeta"
	if d := openSizes(judge(t, quiet), aesGCM13).handshake().data(1).flow.Detection(); d.Client != "" {
		t.Error("named where nothing is suspected")
	}
}

func TestLearn(t *testing.T) {
	in := newInspector(nil, false)
	f := in.Open(ends, start)
	probe := inspect.Evidence{Rule: "probe.accepted", Weight: 60, Proof: true, Detail: "the server accepts SSTP"}
	if !f.Learn(probe) || f.Learn(probe) {
		t.Error("learned twice, or not at all")
	}
	if d := f.Detection(); d.Verdict != inspect.VerdictConfirmed || d.Score != 60 || d.Probability != 1 || len(d.Evidence) != 1 || f.Settled() {
		t.Error(dump(d))
	}
	cleared := in.Open(ends, start)
	cleared.Learn(inspect.Evidence{Rule: "probe.refused", Weight: -50})
	if cleared.Detection().Verdict != inspect.VerdictCleared || !cleared.Settled() {
		t.Error(dump(cleared.Detection()))
	}
	if !cleared.Learn(probe) || cleared.Detection().Verdict != inspect.VerdictConfirmed {
		t.Error("a settled flow learns nothing")
	}
}

// TestSettled feeds flows that are done: nothing of them changes any more.
func TestSettled(t *testing.T) {
	in := newInspector(nil, false)
	f := in.Open(ends, start)
	var changes int
	for _, s := range talk(behind(c(get), s(empty))...) {
		if f.Feed(s) {
			changes++
		}
	}
	wantVerdict(t, f, inspect.VerdictConfirmed, inspect.KindTunnel)
	if !f.Settled() || changes < 3 || f.Key() != ends || f.Start() != start {
		t.Errorf("settled %v, %d changes", f.Settled(), changes)
	}
	before, detection := dump(f.Observation()), f.Detection()
	for _, s := range talk(after(7, c(callConnectRequest)), s(callConnectRequest)) {
		if f.Feed(s) {
			t.Error("changed")
		}
	}
	if got := dump(f.Observation()); got != before || !reflect.DeepEqual(detection, f.Detection()) {
		t.Error("a settled flow took something in")
	}
}

// TestSeen counts a direction as captured where bytes came, not where they
// are missing.
func TestSeen(t *testing.T) {
	f := newInspector(nil, true).Open(ends, start)
	f.Feed(c(hello()))
	f.Feed(after(100, s("")))
	if o := f.Observation(); o.Seen != [2]bool{true, false} || o.Lost != 100 {
		t.Error(dump(o))
	}
}

// TestGivesUp lets go of a connection that shows nothing.
func TestGivesUp(t *testing.T) {
	x := openSizes(judge(t, writeRule(t, "t.one", "9999")), aesGCM13).handshake()
	for i := range 4095 {
		x.data(1)
		if x.flow.Settled() {
			t.Fatalf("after %d records", i)
		}
	}
	if x.data(1); !x.flow.Settled() || x.flow.Detection().Verdict != inspect.VerdictUndetermined {
		t.Error(dump(x.flow.Detection()))
	}
}

// TestFeedAllocates nothing once a connection's set-up could have come.
func TestFeedAllocates(t *testing.T) {
	for _, withKeys := range []bool{false, true} {
		in := newInspector(nil, false)
		if withKeys {
			cc, sc := versions(0x0304)
			_, keys := overTLS(t, cc, sc)
			in = newInspector(keys, false) // of another connection
		}
		x := openSizes(in, aesGCM12).handshake()
		for range 50 {
			x.data(700, -900)
		}
		if x.flow.Settled() {
			x = openSizes(judge(t, writeRule(t, "t.one", "9999")), aesGCM12).handshake()
			for range 50 {
				x.data(700, -900)
			}
		}
		segment := inspect.Segment{Direction: server, Time: x.at, Data: record(tlswire.ContentApplicationData, make([]byte, 900))}
		if n := testing.AllocsPerRun(1000, func() { x.flow.Feed(segment) }); n > 0 {
			t.Errorf("with keys %v: %v allocations a record", withKeys, n)
		}
	}
}

// TestMemory holds little of connections that are in their middle.
func TestMemory(t *testing.T) {
	in := inspect.NewInspector(inspect.Options{Rules: rules.Default()})
	const n = 500
	flows := make([]*inspect.Flow, n)
	runtime.GC()
	var before, afterwards runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range flows {
		x := openSizes(in, aesGCM13).handshake()
		for range 20 {
			x.data(300, -700)
		}
		flows[i] = x.flow
	}
	runtime.GC()
	runtime.ReadMemStats(&afterwards)
	if each := (int64(afterwards.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 16<<10 {
		t.Errorf("%d bytes a flow", each)
	} else {
		t.Logf("%d bytes a flow", each)
	}
	runtime.KeepAlive(flows)
}
