package inspect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
)

func TestRuleErrors(t *testing.T) {
	weight := func(n int) *int { return &n }
	always := inspect.Match{Stream: &inspect.StreamMatch{Protocol: "tls"}}
	with := func(change func(*inspect.Rule)) inspect.Rule {
		r := rule("t.one", always)
		change(&r)
		return r
	}
	match := func(m inspect.Match) inspect.Rule { return rule("t.one", m) }
	dialogue := func(steps ...inspect.Step) inspect.Rule {
		return match(inspect.Match{Dialogue: &inspect.DialogueMatch{Turns: steps}})
	}
	some := lengths(t, "14")
	tests := []struct {
		field, message string
		rule           inspect.Rule
	}{
		{"id", "is missing", with(func(r *inspect.Rule) { r.ID = "" })},
		{"id", `"TLS" is no rule id`, with(func(r *inspect.Rule) { r.ID = "TLS" })},
		{"about", "is missing", with(func(r *inspect.Rule) { r.About = "" })},
		{"source", "say where the fact comes from", with(func(r *inspect.Rule) { r.Source = "" })},
		{"weight", "101 decibans", with(func(r *inspect.Rule) { r.Weight = 101 })},
		{"weight", "-101 decibans", with(func(r *inspect.Rule) { r.Weight = -101 })},
		{"coarse", "-101 decibans", with(func(r *inspect.Rule) { r.Coarse = weight(-101) })},
		{"times", "17: must be", with(func(r *inspect.Rule) { r.Times = 17 })},
		{"requires", `no rule "t.none"`, with(func(r *inspect.Rule) { r.Requires = []string{"t.none"} })},
		{"requires", "cannot name itself", with(func(r *inspect.Rule) { r.Requires = []string{"t.one"} })},
		{"unless", `no rule "t.none"`, with(func(r *inspect.Rule) { r.Unless = []string{"t.none"} })},
		{"takes_back", `no rule "t.none"`, with(func(r *inspect.Rule) { r.TakesBack = []string{"t.none"} })},
		{"takes_back", "t.others asks about other connections", with(func(r *inspect.Rule) { r.TakesBack = []string{"t.zero", "t.others"} })},
		{"match.dialogue.inside", "0 bytes: a record in another has 1 to 128 more", match(inspect.Match{Dialogue: &inspect.DialogueMatch{
			Turns: []inspect.Step{{From: "client", Bytes: some}}, Inside: []int{22, 0},
		}})},
		{"match.dialogue.within", "-1: must be 0 to 512", match(inspect.Match{Dialogue: &inspect.DialogueMatch{
			Turns: []inspect.Step{{From: "client", Bytes: some}}, Within: -1,
		}})},
		{"match", "is missing", match(inspect.Match{})},
		{"match.stream.protocol", `"ssh"`, match(inspect.Match{Stream: &inspect.StreamMatch{Protocol: "ssh"}})},
		{"match.connect.value", "give header too", match(inspect.Match{Connect: &inspect.HeadMatch{Value: []string{"a"}}})},
		{"match.http.value", "give header too", match(inspect.Match{HTTP: &inspect.HeadMatch{Value: []string{"a"}}})},
		{"match.http.value_length", "give header too", match(inspect.Match{HTTP: &inspect.HeadMatch{ValueLength: some}})},
		{"match.http.tunnel", "only a connect", match(inspect.Match{HTTP: &inspect.HeadMatch{Tunnel: true}})},
		{"match.dialogue.turns", "is missing", dialogue()},
		{"match.dialogue.turns[0].from", `"": use client or server`, dialogue(inspect.Step{Bytes: some})},
		{"match.dialogue.turns[0].from", `"either": use client or server`, dialogue(inspect.Step{From: "either", Bytes: some})},
		{"match.dialogue.turns[1]", "needs bytes or starts", dialogue(inspect.Step{From: "client", Bytes: some}, inspect.Step{From: "server"})},
		{"match.dialogue.turns[1].from", "alternates", dialogue(inspect.Step{From: "client", Bytes: some}, inspect.Step{From: "client", Bytes: some})},
		{"match.dialogue.turns[0].starts", "5 are too many", dialogue(inspect.Step{From: "client", Starts: []inspect.Lengths{some, some, some, some, some}})},
		{"match.run.from", `"": use`, match(inspect.Match{Run: &inspect.RunMatch{}})},
		{"match.run.one_sided", "either has no other side", match(inspect.Match{Run: &inspect.RunMatch{From: "either", Writes: []inspect.Lengths{some}, OneSided: true}})},
		{"match.run.writes", "is missing", match(inspect.Match{Run: &inspect.RunMatch{From: "client"}})},
		{"match.run.writes", "9 are too many", match(inspect.Match{Run: &inspect.RunMatch{From: "client", Writes: make([]inspect.Lengths, 9)}})},
		{"match.mirrored.bytes", "is missing", match(inspect.Match{Mirrored: &inspect.MirroredMatch{}})},
		{"match.mirrored", "at_least", match(inspect.Match{Mirrored: &inspect.MirroredMatch{Bytes: some}})},
		{"match.idle", "needs bytes", match(inspect.Match{Idle: &inspect.IdleMatch{}})},
		{"match.sstp.control", `"all"`, match(inspect.Match{SSTP: &inspect.SSTPMatch{Control: "all"}})},
		{"match.sstp.binding", `"x"`, match(inspect.Match{SSTP: &inspect.SSTPMatch{Binding: "x"}})},
		{"match.sstp.message", `"hello"`, match(inspect.Match{SSTP: &inspect.SSTPMatch{Message: "hello"}})},
		{"match.destination", "needs flows or score", match(inspect.Match{Destination: &inspect.DestinationMatch{}})},
		{"times", "counts once", with(func(r *inspect.Rule) { r.Times, r.Match.Destination = 2, &inspect.DestinationMatch{Flows: some} })},
		{"requires", "t.others asks about other connections", with(func(r *inspect.Rule) { r.Requires = []string{"t.others"} })},
		{"unless", "t.others asks about other connections", with(func(r *inspect.Rule) { r.Unless = []string{"t.zero", "t.others"} })},
		{"proof", "TLS traits prove nothing", with(func(r *inspect.Rule) {
			r.Proof, r.Match = true, inspect.Match{SSTP: &inspect.SSTPMatch{}, Destination: &inspect.DestinationMatch{Flows: some}}
		})},
		{"proof", "TLS traits prove nothing", with(func(r *inspect.Rule) { r.Proof = true })},
		{"proof", "TLS traits prove nothing", with(func(r *inspect.Rule) {
			r.Proof, r.Match = true, inspect.Match{HTTP: &inspect.HeadMatch{}, Hello: &inspect.HelloMatch{}}
		})},
	}
	others := rule("t.others", inspect.Match{Destination: &inspect.DestinationMatch{Flows: some}})
	for _, test := range tests {
		_, err := inspect.NewRuleset(settings, []inspect.Rule{rule("t.zero", always), test.rule, others}, "")
		var re *inspect.RuleError
		if !errors.As(err, &re) || re.Index != 1 || re.ID != test.rule.ID || re.Field != test.field || !strings.Contains(re.Err.Error(), test.message) {
			t.Errorf("%s: %#v", test.field, err)
			continue
		}
		prefix := "rule t.one: "
		if re.ID == "" {
			prefix = "rule 2: "
		} else if re.ID != "t.one" {
			prefix = "rule " + re.ID + ": "
		}
		if got, want := err.Error(), prefix+test.field+": "+re.Err.Error(); got != want || !errors.Is(err, re.Err) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if _, err := inspect.NewRuleset(settings, []inspect.Rule{with(func(r *inspect.Rule) {
		r.Proof, r.Match = true, inspect.Match{Stream: &inspect.StreamMatch{Protocol: "sstp"}}
	})}, ""); err != nil {
		t.Errorf("SSTP in clear proves nothing: %v", err)
	}
}

// TestOrder refuses rules that can never hold, and no others.
func TestOrder(t *testing.T) {
	always := inspect.Match{Stream: &inspect.StreamMatch{Protocol: "tls"}}
	// Written "a: b|c !d": a requires b or c, and ends with d.
	read := func(text string) (rules []inspect.Rule) {
		for part := range strings.SplitSeq(text, ", ") {
			id, rest, _ := strings.Cut(part, ":")
			r := rule("t."+id, always)
			for word := range strings.FieldsSeq(rest) {
				if end, ok := strings.CutPrefix(word, "!"); ok {
					r.Unless = append(r.Unless, "t."+end)
					continue
				}
				for id := range strings.SplitSeq(word, "|") {
					r.Requires = append(r.Requires, "t."+id)
				}
			}
			rules = append(rules, r)
		}
		return rules
	}
	const circle = "a circle in which no rule can ever hold: "
	for text, want := range map[string]string{
		"a, b: a, c: b":            "",
		"a: b|c, b: a|d, c, d":     "", // each can be the first
		"a: b|c, b: a, c":          "",
		"a: !b, b: !a":             "", // whichever is seen first
		"a, b: a !c, c: b":         "",
		"a, b, c: a|b !a":          "", // by way of b
		"a, b: a, c: a|b !b":       "", // by way of a
		"a: b, b: a":               "rule t.a: requires: " + circle + "t.a requires t.b, which requires t.a",
		"a: b, b: c, c: d, d: b":   "rule t.b: requires: " + circle + "t.b requires t.c, which requires t.d, which requires t.b",
		"x, a: b|c, b: a, c: a|b":  "rule t.a: requires: " + circle + "t.a requires t.b, which requires t.a",
		"a, b: a !a":               "rule t.b: unless: t.b requires t.a and ends with t.a: it can never hold",
		"a, b: a, c: b !a, d: c":   "rule t.c: unless: t.c requires t.b, which holds only after t.a, and ends with t.a: it can never hold",
		"a, b: a, c: a, d: b|c !a": "rule t.d: unless: t.d requires t.b, which holds only after t.a, and ends with t.a: it can never hold",
	} {
		_, err := inspect.NewRuleset(settings, read(text), "")
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%s: %s\nwant %s", text, got, want)
		}
	}
	var re *inspect.RuleError
	if _, err := inspect.NewRuleset(settings, read("x, a: b, b: c, c: a"), ""); !errors.As(err, &re) || re.Index != 1 || fmt.Sprint(re.Others) != "[2 3]" {
		t.Errorf("%#v", err)
	}
}

func TestSetErrors(t *testing.T) {
	always := inspect.Match{Stream: &inspect.StreamMatch{Protocol: "tls"}}
	many := make([]inspect.Rule, 257)
	for i := range many {
		many[i] = rule(fmt.Sprintf("t.r%d", i), always)
	}
	if _, err := inspect.NewRuleset(settings, many[:256], ""); err != nil {
		t.Errorf("256 rules: %v", err)
	}
	change := func(f func(*inspect.Settings)) inspect.Settings {
		s := settings
		f(&s)
		return s
	}
	tests := []struct {
		settings inspect.Settings
		rules    []inspect.Rule
		want     string
	}{
		{settings, many, "rules: 257 rules are too many: at most 256"},
		{settings, []inspect.Rule{many[0], many[1], many[0]}, "rule t.r0: id: rule 1 has the same id: ids must differ"},
		{change(func(s *inspect.Settings) { s.Suspected = 0 }), nil, "suspected: 0 must be above 0"},
		{change(func(s *inspect.Settings) { s.Cleared = 0 }), nil, "cleared: 0 must be below 0"},
		{change(func(s *inspect.Settings) { s.Prior = 1 }), nil, "prior: 1 must not be above 0: SSTP is rare"},
		{change(func(s *inspect.Settings) { s.Window = 7 }), nil, "window: 7 records: must be 8 to 512"},
		{change(func(s *inspect.Settings) { s.Memory.HalfLife = time.Second }), nil, "memory.half_life: 1s: must be a minute to a year, such as 6h"},
		{change(func(s *inspect.Settings) { s.Memory.HalfLife = 9000 * time.Hour }), nil, "memory.half_life: 9000h0m0s: must be a minute to a year, such as 6h"},
		{change(func(s *inspect.Settings) { s.Memory.Least = 51 }), nil, "memory.least: 51 decibans: must be 1 to 50, where suspicion begins"},
		{change(func(s *inspect.Settings) { s.Memory.Least = -1 }), nil, "memory.least: -1 decibans: must be 1 to 50, where suspicion begins"},
		{change(func(s *inspect.Settings) { s.Window = 513 }), nil, "window: 513 records: must be 8 to 512"},
	}
	for _, test := range tests {
		_, err := inspect.NewRuleset(test.settings, test.rules, "")
		var re *inspect.RuleError
		if !errors.As(err, &re) || err.Error() != test.want || re.ID == "" != (re.Index == -1) {
			t.Errorf("%#v, want %s", err, test.want)
		}
	}
}

func TestRuleset(t *testing.T) {
	rs, err := inspect.NewRuleset(settings, []inspect.Rule{rule("t.one", inspect.Match{SSTP: &inspect.SSTPMatch{}})}, "rev")
	if err != nil {
		t.Fatal(err)
	}
	rs.Rules()[0].ID = "changed"
	if rs.Rules()[0].ID != "t.one" || rs.Revision() != "rev" || rs.Settings() != settings {
		t.Error(rs.Rules(), rs.Revision(), rs.Settings())
	}
}

func TestLengths(t *testing.T) {
	for text, want := range map[string]string{
		"14": "14", " 84 , 115-125,4096- ": "84, 115-125, 4096-", "7-7": "7", "0": "0", "1 - 2": "1-2", "2147483647": "2147483647-",
	} {
		l := lengths(t, text)
		if l.String() != want || lengths(t, want).String() != want {
			t.Errorf("%q: %s, want %s", text, l, want)
		}
		b, err := json.Marshal(l)
		if err != nil || string(b) != `"`+want+`"` {
			t.Errorf("%q: %s, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "a", "-5", "5-4", "1,,2", "1-x", "99999999999", "1.5", "0x10", "+1"} {
		var l inspect.Lengths
		if err := l.UnmarshalText([]byte(text)); err == nil || l != nil {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
	l := lengths(t, "10, 20-30")
	for s, want := range map[inspect.Size]bool{
		{Lo: 10, Hi: 10}: true, {Lo: 11, Hi: 19}: false, {Lo: 11, Hi: 20}: true, {Lo: 30, Hi: 99}: true, {Lo: 31, Hi: 99}: false, {Lo: 0, Hi: 99}: true,
	} {
		if l.Match(s) != want {
			t.Errorf("%v: %v", s, !want)
		}
	}
	if got := (inspect.Size{Lo: 1, Hi: 2}).String(); got != "1..2" {
		t.Error(got)
	}
	if lengths(t, "4096-")[0].Hi != math.MaxInt32 {
		t.Error("an open range has an end")
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct {
		v    fmt.Stringer
		want string
	}{
		{inspect.VerdictUndetermined, "undetermined"},
		{inspect.VerdictSuspected, "suspected"},
		{inspect.VerdictConfirmed, "confirmed"},
		{inspect.VerdictCleared, "cleared"},
		{inspect.Verdict(0), "Verdict(0)"},
		{inspect.Verdict(9), "Verdict(9)"},
		{inspect.KindNone, ""},
		{inspect.KindProbe, "probe"},
		{inspect.KindAttempt, "attempt"},
		{inspect.KindTunnel, "tunnel"},
		{inspect.Kind(9), "Kind(9)"},
		{client, "client to server"},
		{server, "server to client"},
		{inspect.Direction(0), "Direction(0)"},
		{client.Reverse(), "server to client"},
		{server.Reverse(), "client to server"},
		{inspect.Direction(7).Reverse(), "Direction(7)"},
		{ends, "192.0.2.1:50000 > 198.51.100.1:443"},
	} {
		if test.v.String() != test.want {
			t.Errorf("%q, want %q", test.v, test.want)
		}
	}
	b, err := json.Marshal(inspect.Detection{Verdict: inspect.VerdictCleared, Kind: inspect.KindProbe})
	if err != nil || !strings.Contains(string(b), `"Verdict":"cleared","Kind":"probe"`) {
		t.Errorf("%s, %v", b, err)
	}
	var k inspect.Kind
	if err := k.UnmarshalText([]byte("tunnel")); err != nil || k != inspect.KindTunnel {
		t.Error(k, err)
	}
	if err := k.UnmarshalText([]byte("x")); err == nil || k != inspect.KindTunnel {
		t.Error(k, err)
	}
	order := []inspect.Verdict{0, inspect.VerdictCleared, inspect.VerdictUndetermined, inspect.VerdictSuspected, inspect.VerdictConfirmed}
	for i, v := range order {
		if v.Strength() != i {
			t.Errorf("%v: strength %d", v, v.Strength())
		}
	}
}
