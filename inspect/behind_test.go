package inspect_test

import (
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

// ordinary speaks against SSTP, and setUp for it, behind a first turn of anything.
func ordinary(t testing.TB) inspect.Rule {
	t.Helper()
	r := rule("t.long", inspect.Match{Dialogue: &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "server 500-")}}})
	r.Weight, r.Times, r.Unless = -12, 3, []string{"t.setup"}
	return r
}

func setUp(t testing.TB, weight int) inspect.Rule {
	t.Helper()
	r := rule("t.setup", inspect.Match{Dialogue: &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "client 14+"), step(t, "server 48+")}}})
	r.Weight = weight
	return r
}

// letGo judges as judge does, and looks at cleared connections for longer.
func letGo(t testing.TB, bytes int, rules ...inspect.Rule) *inspect.Inspector {
	t.Helper()
	s := settings
	s.LetGo = bytes
	rs, err := inspect.NewRuleset(s, rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	return inspect.NewInspector(inspect.Options{Rules: rs})
}

// TestLetGo looks at what is cleared until it carried enough, and finds the set-up
// that is there by then.
func TestLetGo(t *testing.T) {
	open := func() *sizes {
		return openSizes(letGo(t, 5000, ordinary(t), setUp(t, 90)), aesGCM13).handshake().data(200, -600, 200, -600)
	}
	x := open()
	if d := x.flow.Detection(); d.Verdict != inspect.VerdictCleared || x.flow.Settled() {
		t.Fatalf("settled %v: %s", x.flow.Settled(), dump(d))
	}
	if d := x.data(14, -48).flow.Detection(); d.Verdict != inspect.VerdictSuspected || d.Score != 66 {
		t.Error(dump(d))
	}
	x = open()
	for sent := 1600; sent < 5000; sent += 400 {
		if x.flow.Settled() {
			t.Fatalf("settled after %d bytes", sent)
		}
		x.data(400)
	}
	if d := x.flow.Detection(); d.Verdict != inspect.VerdictCleared || !x.flow.Settled() {
		t.Errorf("settled %v: %s", x.flow.Settled(), dump(d))
	}
	x = open()
	for range settings.Window - 4 {
		if x.flow.Settled() {
			t.Fatal("settled before the window was full")
		}
		x.data(9)
	}
	if !x.flow.Settled() {
		t.Error("not settled when the window was full")
	}
}

// TestLetGoUnknown settles what is cleared and tells no lengths.
func TestLetGoUnknown(t *testing.T) {
	r := rule("t.h2", inspect.Match{Hello: &inspect.HelloMatch{Chosen: []string{"h2"}}})
	r.Weight = -60
	for suite, want := range map[tlswire.CipherSuite]bool{aesGCM12: false, 0x7f7f: true} {
		x := openSizes(letGo(t, 5000, r), suite)
		x.clientHello("h2")
		x.serverHello("h2")
		x.finish()
		if x.flow.Settled() || x.flow.Detection().Verdict != inspect.VerdictCleared {
			t.Errorf("%v: settled %v: %s", suite, x.flow.Settled(), dump(x.flow.Detection()))
		}
		if x.data(200); x.flow.Settled() != want {
			t.Errorf("%v: settled %v", suite, x.flow.Settled())
		}
	}
}

// TestTakesBack counts what a rule takes back, once, and nothing where there is
// nothing to take back.
func TestTakesBack(t *testing.T) {
	back := rule("t.back", inspect.Match{Stream: &inspect.StreamMatch{Protocol: "tls"}})
	back.Requires, back.TakesBack = []string{"t.setup"}, []string{"t.long"}
	for _, test := range []struct {
		weight int // of the rule besides
		writes []int
		score  int
		want   string
	}{
		{0, []int{200, -600, 200, -600, 14, -48, 200, -600}, 40, "t.long t.long t.setup t.back"},
		{0, []int{200, -600, 14, -48}, 40, "t.long t.setup t.back"},
		{0, []int{200, -100, 14, -48}, 40, "t.setup"},
		{5, []int{200, -600, 14, -48}, 45, "t.long t.setup t.back"},
		{0, []int{200, -600, 200, -600}, -24, "t.long t.long"},
	} {
		back.Weight = test.weight
		x := openSizes(letGo(t, 5000, ordinary(t), setUp(t, 40), back), aesGCM13).handshake().data(test.writes...)
		if d := x.flow.Detection(); d.Score != test.score || held(x.flow) != test.want {
			t.Errorf("%v: score %d, held %s; want %d, %s", test.writes, d.Score, held(x.flow), test.score, test.want)
		}
	}
}

// TestInside asks for a set-up in the records of another TLS, and goes on with what
// those hold.
func TestInside(t *testing.T) {
	m := &inspect.DialogueMatch{Inside: []int{21, 22}}
	for _, text := range []string{"client 150-400", "server 50-135", "client 14+", "server 48+"} {
		m.Turns = append(m.Turns, step(t, text))
	}
	goesOn := rule("t.run", inspect.Match{Run: &inspect.RunMatch{From: inspect.Client, Writes: []inspect.Lengths{lengths(t, "29"), lengths(t, "112")}}})
	goesOn.Requires = []string{"t.inside"}
	for _, test := range []struct {
		name   string
		suite  tlswire.CipherSuite
		writes []int
		want   string
	}{
		{"22 bytes more", aesGCM13, []int{222, -147, 36, -70, 51, 134}, "t.inside t.run"},
		{"21 bytes more", aesGCM12, []int{221, -146, 35, -69, 50, 133}, "t.inside t.run"},
		{"behind the inner handshake", aesGCM13, []int{517, -1200, -900, 64, 222, -147, 36, -70, 51, 134}, "t.inside t.run"},
		{"a head in two records", aesGCM13, []int{122, 122, -147, 36, -70, -61, 51, 134}, "t.inside t.run"},
		{"nothing more", aesGCM13, []int{200, -125, 14, -48, 29, 112}, ""},
		{"one and the other", aesGCM13, []int{222, -147, 36, -69}, ""},
		{"what follows has nothing more", aesGCM13, []int{222, -147, 36, -70, 29, 112}, "t.inside"},
		{"lengths that are hidden", aesCBC12, []int{222, -147, 36, -70}, ""},
	} {
		x := openSizes(judge(t, rule("t.inside", inspect.Match{Dialogue: m}), goesOn), test.suite).handshake().data(test.writes...)
		if got := held(x.flow); got != test.want {
			t.Errorf("%s: held %q, want %q", test.name, got, test.want)
		}
	}
}

// TestInnerTLS judges TLS inside TLS that was opened by its own records, whatever
// stands in front.
func TestInnerTLS(t *testing.T) {
	const asks, agrees = "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"
	m := &inspect.DialogueMatch{First: true}
	for _, text := range []string{"client 150-400", "server 50-135", "client 14+", "server 48+"} {
		m.Turns = append(m.Turns, step(t, text))
	}
	offers := rule("t.h2", inspect.Match{Hello: &inspect.HelloMatch{Offers: []string{"h2"}}})
	for _, front := range [][]string{nil, {asks, agrees}} {
		x := openSizes(judge(t, rule("t.setup", inspect.Match{Dialogue: m}), offers), aesGCM13)
		x.clientHello()
		x.flow.OpenTLS(inspect.OpenedTLS{Version: tlswire.VersionTLS12, Suite: aesCBC12})
		for i, text := range front {
			x.flow.FeedOpened(inspect.Segment{Direction: []inspect.Direction{client, server}[i%2], Time: x.at, Data: []byte(text)})
		}
		x.opened = true
		x.clientHello("h2")
		x.serverHello()
		x.finish().data(200, -125, 14, -48)
		if got := held(x.flow); got != "t.h2 t.setup" || x.flow.Detection().Verdict == inspect.VerdictConfirmed {
			t.Errorf("behind %q: held %q", front, got)
		}
	}
}
