package inspect_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
)

var settings = inspect.Settings{Prior: -40, Suspected: 50, Cleared: -20, Window: 32}

// rule is a rule with what every rule must have.
func rule(id string, m inspect.Match) inspect.Rule {
	return inspect.Rule{ID: id, About: "a test", Source: "this test", Weight: 1, Match: m}
}

func judge(t testing.TB, rules ...inspect.Rule) *inspect.Inspector {
	t.Helper()
	rs, err := inspect.NewRuleset(settings, rules, "test")
	if err != nil {
		t.Fatal(err)
	}
	return inspect.NewInspector(inspect.Options{Rules: rs})
}

func lengths(t testing.TB, text string) inspect.Lengths {
	t.Helper()
	var l inspect.Lengths
	if err := l.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return l
}

// step reads "client 100-200" and "server 14+48": the whole turn's bytes, or
// with '+' what it starts with. "14+" stands for a single start.
func step(t testing.TB, text string) inspect.Step {
	t.Helper()
	from, what, _ := strings.Cut(text, " ")
	s := inspect.Step{From: inspect.Side(from)}
	if !strings.Contains(what, "+") {
		s.Bytes = lengths(t, what)
		return s
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(what, "+"), "+") {
		s.Starts = append(s.Starts, lengths(t, part))
	}
	return s
}

func TestDialogue(t *testing.T) {
	setup := []string{"client 150-400", "server 50-135", "client 14+", "server 48+"}
	tests := []struct {
		name   string
		suite  tlswire.CipherSuite
		first  bool
		turns  []string
		writes []int
		want   bool
	}{
		{"exact", aesGCM13, false, setup, []int{200, -125, 14, -48}, true},
		{"exact, TLS 1.2", aesGCM12, true, setup, []int{200, -125, 14, -48}, true},
		{"exact, short tags", ccm8, true, setup, []int{200, -125, 14, -48}, true},
		{"one byte off", aesGCM13, false, setup, []int{200, -125, 15, -48}, false},
		{"the last turn is not there yet", aesGCM13, false, setup, []int{200, -125, 14}, false},
		{"coarse", aesCBC12, false, setup, []int{200, -125, 14, -48}, true},
		{"coarse, another of the same blocks", aesCBC12, false, setup, []int{200, -125, 20, -59}, true},
		{"coarse, a block off", aesCBC12, false, setup, []int{200, -125, 28, -48}, false},
		{"head in two, header and body apart", aesGCM13, false, setup, []int{100, 100, -100, -25, 4, 10, -4, -44}, true},
		{"coalesced with what follows", aesGCM13, false, setup, []int{200, -125, 14, 29, -48, -33}, true},
		{"the same write holds more", aesGCM13, false, setup, []int{200, -125, 43, -48}, false},
		{"behind other turns", aesGCM13, false, setup, []int{90, -5000, 200, -125, 14, -48}, true},
		{"behind other turns, first asked", aesGCM13, true, setup, []int{90, -5000, 200, -125, 14, -48}, false},
		{"two tickets", aesGCM13, true, setup, []int{200, -233, -233, -125, 14, -48}, true},
		{"two tickets in front of the request", aesGCM13, true, []string{"server 1-", "client 200", "server 125"}, []int{-233, -233, 200, -125}, false},
		{"eight of them", aesGCM13, true, setup, []int{200, -233, -233, -233, -233, -233, -233, -233, -233, -125, 14, -48}, true},
		{"nine of them", aesGCM13, true, setup, []int{200, -233, -233, -233, -233, -233, -233, -233, -233, -233, -125, 14, -48}, false},
		{"no tickets before TLS 1.3", aesGCM12, true, setup, []int{200, -233, -233, -125, 14, -48}, false},
		{"tickets later are none", aesGCM13, false, setup, []int{90, -90, 200, -233, -125, 14, -48}, false},
		{"two starts", aesGCM13, false, []string{"client 150-400", "server 50-135+48"}, []int{220, -125, -48, -16}, true},
		{"two starts, cut", aesGCM13, false, []string{"client 150-400", "server 50-135+48"}, []int{220, -60, -65, -4, -44}, true},
		{"two starts, the second missing", aesGCM13, false, []string{"client 150-400", "server 50-135+48"}, []int{220, -125, -49}, false},
		{"empty records do not count", aesGCM13, false, setup, []int{200, 0, -125, 0, 14, -48}, true},
		{"too late", aesGCM13, false, setup, append(slices.Repeat([]int{1, -1}, 15), 200, -125, 14, -48), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &inspect.DialogueMatch{First: test.first}
			for _, text := range test.turns {
				m.Turns = append(m.Turns, step(t, text))
			}
			x := openSizes(judge(t, rule("t.dialogue", inspect.Match{Dialogue: m})), test.suite).handshake().data(test.writes...)
			if got := hasRule(x.flow, "t.dialogue"); got != test.want {
				t.Errorf("held: %v, want %v", got, test.want)
			}
		})
	}
}

func TestDialogueDetail(t *testing.T) {
	m := &inspect.DialogueMatch{Turns: []inspect.Step{step(t, "client 1-"), step(t, "server 21")}}
	x := openSizes(judge(t, rule("t.dialogue", inspect.Match{Dialogue: m})), aesGCM13).handshake().data(1, 2, 3, 4, 5, 6, 7, -10, -11)
	if got := x.flow.Detection().Evidence; len(got) != 1 || got[0].Detail != "a test: client 28 in 7 records, server 10+11" {
		t.Error(dump(got))
	}
	x = openSizes(judge(t, rule("t.dialogue", inspect.Match{Dialogue: m})), aesCBC12).handshake().data(1, -21)
	if got := x.flow.Detection().Evidence; len(got) != 1 || got[0].Detail != "a test: client 0..11, server 12..27" {
		t.Error(dump(got))
	}
}

func TestRun(t *testing.T) {
	tests := []struct {
		name   string
		m      inspect.RunMatch
		writes []int
		want   bool
	}{
		{"one after another", inspect.RunMatch{}, []int{14, -99, 48, -5, 112}, true},
		{"not the last", inspect.RunMatch{}, []int{14, 48, 112, 1}, true}, // it held when 112 came
		{"something between", inspect.RunMatch{}, []int{14, 48, 1, 112}, false},
		{"two pieces each", inspect.RunMatch{}, []int{4, 10, 4, -7, 44, 12, 100}, true},
		{"three pieces", inspect.RunMatch{}, []int{4, 5, 5, 48, 112}, false},
		{"first", inspect.RunMatch{First: true}, []int{-1, 14, 48, 112}, true},
		{"first, and is not", inspect.RunMatch{First: true}, []int{9, 14, 48, 112}, false},
		{"within", inspect.RunMatch{Within: 5}, []int{1, -1, 14, 48, 112}, true},
		{"not within", inspect.RunMatch{Within: 5}, []int{1, 1, -1, 14, 48, 112}, false},
		{"the other side", inspect.RunMatch{}, []int{-14, -48, -112}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.m.From, test.m.Writes = inspect.Client, []inspect.Lengths{lengths(t, "14"), lengths(t, "48"), lengths(t, "112")}
			x := openSizes(judge(t, rule("t.run", inspect.Match{Run: &test.m})), aesGCM13).handshake().data(test.writes...)
			if got := hasRule(x.flow, "t.run"); got != test.want {
				t.Errorf("held: %v, want %v", got, test.want)
			}
		})
	}
	for _, test := range []struct {
		writes []int
		first  bool
		want   string
	}{
		{[]int{9, 14, -48, 112}, false, "a test: client 14, server 48, client 112"},
		{[]int{9, 14, -48, 112}, true, ""},
		{[]int{14, -4, -44, 112}, true, "a test: client 14, server 4, 44, client 112"},
		{[]int{-14, -48, -112}, true, "a test: server 14, 48, 112"},
		{[]int{14, -4, 44, 112}, false, ""}, // nobody finishes what the other began
	} {
		m := &inspect.RunMatch{From: inspect.Either, Writes: []inspect.Lengths{lengths(t, "14"), lengths(t, "48"), lengths(t, "112")}, First: test.first}
		got := ""
		if e := openSizes(judge(t, rule("t.run", inspect.Match{Run: m})), aesGCM12).handshake().data(test.writes...).flow.Detection().Evidence; len(e) > 0 {
			got = e[0].Detail
		}
		if got != test.want {
			t.Errorf("either %v: %q, want %q", test.writes, got, test.want)
		}
	}
	m := &inspect.RunMatch{From: inspect.Client, Writes: []inspect.Lengths{lengths(t, "14"), lengths(t, "48")}, OneSided: true}
	in := judge(t, rule("t.run", inspect.Match{Run: m}))
	if x := openSizes(in, aesGCM13).handshake().data(14, 48); hasRule(x.flow, "t.run") {
		t.Error("one-sided held on both")
	}
	x := openSizes(in, aesGCM13)
	x.clientHello()
	x.send(client, tlswire.ContentChangeCipherSpec, []byte{1})
	x.send(client, tlswire.ContentApplicationData, make([]byte, 53))
	if x.data(14, 48); !hasRule(x.flow, "t.run") || !strings.HasSuffix(x.flow.Detection().Evidence[0].Detail, "client 14, 48") {
		t.Error(dump(x.flow.Detection()))
	}
}

// TestOneSidedSizes reads sizes without a ServerHello: by the client's Finished
// up to TLS 1.2.
func TestOneSidedSizes(t *testing.T) {
	m := &inspect.RunMatch{From: inspect.Client, Writes: []inspect.Lengths{lengths(t, "100"), lengths(t, "14")}}
	for _, test := range []struct {
		finished, overhead int
		want, exact        bool
	}{{40, 24, true, true}, {32, 16, true, true}, {40, 23, false, true}, {64, 20, true, false}, {64, 30, false, false}, {64, -90, false, false}} {
		x := openSizes(judge(t, rule("t.run", inspect.Match{Run: m})), aesGCM12)
		x.clientHello()
		x.send(client, tlswire.ContentHandshake, tlswire.Message{Type: tlswire.HandshakeClientKeyExchange, Body: make([]byte, 33)}.Append(nil))
		x.send(client, tlswire.ContentChangeCipherSpec, []byte{1})
		x.send(client, tlswire.ContentHandshake, make([]byte, test.finished))
		for _, n := range []int{100, 14} {
			x.send(client, tlswire.ContentApplicationData, make([]byte, max(0, n+test.overhead)))
		}
		if got := hasRule(x.flow, "t.run"); got != test.want {
			t.Errorf("Finished of %d, overhead %d: held: %v", test.finished, test.overhead, got)
		}
		if got := x.flow.Observation().TLS.SizesExact; got != test.exact {
			t.Errorf("Finished of %d: exact: %v", test.finished, got)
		}
	}
}

func TestMirrored(t *testing.T) {
	tests := []struct {
		name   string
		writes []int
		want   bool
	}{
		{"both ways", []int{20, -30, 30, -20}, true},
		{"one only", []int{20, -30, 31, -20}, false},
		{"the same side", []int{20, 20, 30, 30}, false},
		{"used once", []int{20, -20, 99, -20}, false},
		{"too short", []int{5, -5, 6, -6}, false},
		{"too far apart", []int{20, 9, 9, 9, 9, 9, 9, -20, 30, -30}, false},
		{"too late", append(slices.Repeat([]int{99}, 10), 20, -20, 30, -30), false},
	}
	for _, test := range tests {
		m := &inspect.MirroredMatch{Bytes: lengths(t, "8-80"), AtLeast: 2, Within: 12}
		x := openSizes(judge(t, rule("t.mirrored", inspect.Match{Mirrored: m})), aesGCM13).handshake().data(test.writes...)
		if got := hasRule(x.flow, "t.mirrored"); got != test.want {
			t.Errorf("%s: held: %v", test.name, got)
		}
	}
	// Behind a required rule, records count from there.
	first := rule("t.first", inspect.Match{Run: &inspect.RunMatch{From: inspect.Client, Writes: []inspect.Lengths{lengths(t, "1000")}}})
	then := rule("t.mirrored", inspect.Match{Mirrored: &inspect.MirroredMatch{Bytes: lengths(t, "8-80"), AtLeast: 1, Within: 4}})
	then.Requires = []string{"t.first"}
	for _, test := range []struct {
		writes []int
		want   bool
	}{{[]int{20, -20, 1, 1, 1, 1000, 20, -20}, true}, {[]int{20, -20, 1000, 1, 2}, false}, {[]int{1000, 1, 2, 3, 20, -20}, false}} {
		if x := openSizes(judge(t, first, then), aesGCM13).handshake().data(test.writes...); hasRule(x.flow, "t.mirrored") != test.want {
			t.Errorf("%v: held: %v", test.writes, !test.want)
		}
	}
}

func TestIdle(t *testing.T) {
	type exchange struct {
		wait time.Duration
		n    int
	}
	pair := []exchange{{5 * time.Second, 8}, {50 * time.Millisecond, -8}}
	tests := []struct {
		name string
		xs   []exchange
		want bool
	}{
		{"three times", slices.Repeat(pair, 3), true},
		{"twice", slices.Repeat(pair, 2), false},
		{"from either side", slices.Concat(pair, []exchange{{5 * time.Second, -8}, {time.Second, 8}}, pair), true},
		{"no silence before", slices.Concat(pair, pair, []exchange{{time.Second, 8}, {time.Millisecond, -8}}), false},
		{"late answers", slices.Repeat([]exchange{{5 * time.Second, 8}, {4 * time.Second, -8}, {time.Millisecond, 77}}, 3), false},
		{"another length back", slices.Repeat([]exchange{{5 * time.Second, 8}, {time.Millisecond, -9}}, 4), false},
		{"long ones", slices.Repeat([]exchange{{5 * time.Second, 65}, {time.Millisecond, -65}}, 4), false},
		{"asked twice", slices.Repeat([]exchange{{5 * time.Second, 8}, {time.Millisecond, 8}, {time.Millisecond, -8}}, 4), false},
		{"of many lengths", slices.Concat(
			[]exchange{{5 * time.Second, 1}, {0, -1}, {5 * time.Second, 2}, {0, -2}, {5 * time.Second, 3}, {0, -3}, {5 * time.Second, 4}, {0, -4}},
			slices.Repeat(pair, 3)), false},
	}
	for _, test := range tests {
		m := &inspect.IdleMatch{Bytes: lengths(t, "8, 65"), AtLeast: 3}
		x := openSizes(judge(t, rule("t.idle", inspect.Match{Idle: m})), aesGCM13).handshake().data(100, -100)
		for _, e := range test.xs {
			x.at = x.at.Add(e.wait)
			x.data(e.n)
		}
		if got := hasRule(x.flow, "t.idle"); got != test.want {
			t.Errorf("%s: held: %v", test.name, got)
		}
	}
}

func TestHello(t *testing.T) {
	tests := []struct {
		name  string
		suite tlswire.CipherSuite
		alpn  []string
		m     inspect.HelloMatch
		want  bool
	}{
		{"offers", aesGCM12, []string{"h2", "x"}, inspect.HelloMatch{Offers: []string{"x"}}, true},
		{"offers another", aesGCM12, []string{"h2"}, inspect.HelloMatch{Offers: []string{"x", "-"}}, false},
		{"offers none", aesGCM12, nil, inspect.HelloMatch{Offers: []string{"-"}}, true},
		{"chosen", aesGCM12, []string{"h2"}, inspect.HelloMatch{Chosen: []string{"h2"}}, true},
		{"chosen none", aesGCM12, nil, inspect.HelloMatch{Chosen: []string{"-"}}, true},
		{"chosen is hidden in TLS 1.3", aesGCM13, nil, inspect.HelloMatch{Chosen: []string{"-"}}, false},
		{"no SNI", aesGCM12, nil, inspect.HelloMatch{SNI: []string{"-"}}, true},
		{"SNI", aesGCM12, nil, inspect.HelloMatch{SNI: []string{"a.example"}}, false},
		{"JA4", aesGCM12, nil, inspect.HelloMatch{JA4: []string{"q*", "t*d0100*_*"}}, false},
		{"JA4 with no SNI", aesGCM12, nil, inspect.HelloMatch{JA4: []string{"T12i01*"}}, true},
		{"JA3 of another", aesGCM12, nil, inspect.HelloMatch{JA3: []string{"00"}}, false},
		{"anonymous", anonymous, nil, inspect.HelloMatch{Anonymous: true}, true},
		{"not anonymous", aesGCM12, nil, inspect.HelloMatch{Anonymous: true}, false},
		{"any", aesGCM12, nil, inspect.HelloMatch{}, true},
	}
	for _, test := range tests {
		x := openSizes(judge(t, rule("t.hello", inspect.Match{Hello: &test.m})), test.suite)
		x.clientHello(test.alpn...)
		if test.suite == aesGCM13 {
			test.alpn = nil
		}
		x.serverHello(test.alpn...)
		if got := hasRule(x.flow, "t.hello"); got != test.want {
			t.Errorf("%s: held: %v: %s", test.name, got, dump(x.flow.Observation().TLS))
		}
	}
	x := openSizes(judge(t, rule("t.first", inspect.Match{Hello: &inspect.HelloMatch{Offers: []string{"-"}}})), aesGCM12)
	x.clientHello()
	o := x.flow.Observation().TLS
	again := openSizes(judge(t, rule("t.fingerprints", inspect.Match{Hello: &inspect.HelloMatch{JA3: []string{strings.ToUpper(o.JA3)}, JA4: []string{o.JA4}}})), aesGCM12)
	if again.clientHello(); !hasRule(again.flow, "t.fingerprints") {
		t.Error("not known by its fingerprints")
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		list []string
		name string
		want bool
	}{
		{[]string{"vpn.example"}, "vpn.example", true},
		{[]string{"VPN.Example"}, "vpn.EXAMPLE", true},
		{[]string{"vpn.example"}, "a.vpn.example", false},
		{[]string{".vpn.example"}, "a.vpn.example", true},
		{[]string{".vpn.example"}, "vpn.example", true},
		{[]string{".vpn.example"}, "evpn.example", false},
		{[]string{"-"}, "vpn.example", false},
	}
	for _, test := range tests {
		cc, sc := versions(0x0303)
		cc.ServerName = test.name
		conn, _ := overTLS(t, cc, sc)
		f := feed(judge(t, rule("t.sni", inspect.Match{Hello: &inspect.HelloMatch{SNI: test.list}})), conn)
		if got := hasRule(f, "t.sni"); got != test.want {
			t.Errorf("%v, %s: held: %v", test.list, test.name, got)
		}
	}
}

func TestCertificate(t *testing.T) {
	cc, sc := versions(0x0303)
	conn, _ := overTLS(t, cc, sc)
	for name, test := range map[string]struct {
		m    inspect.CertificateMatch
		want bool
	}{
		"subject":         {inspect.CertificateMatch{Subject: []string{"a", "VPN.*"}}, true},
		"another subject": {inspect.CertificateMatch{Subject: []string{"a*"}}, false},
		"issuer":          {inspect.CertificateMatch{Issuer: []string{"*example"}}, true},
		"another issuer":  {inspect.CertificateMatch{Issuer: []string{"*b*example"}}, false},
		"name":            {inspect.CertificateMatch{Name: []string{".example"}}, true},
		"another name":    {inspect.CertificateMatch{Name: []string{"example"}}, false},
		"self-signed":     {inspect.CertificateMatch{SelfSigned: true}, true},
		"purposes":        {inspect.CertificateMatch{EKUs: lengths(t, "1")}, true},
		"other purposes":  {inspect.CertificateMatch{EKUs: lengths(t, "2-")}, false},
		"no CA":           {inspect.CertificateMatch{CA: true}, false},
		"hash":            {inspect.CertificateMatch{SHA256: []string{"00"}}, false},
		"repeated":        {inspect.CertificateMatch{SubjectRepeated: true}, false},
		"of a domain":     {inspect.CertificateMatch{ADCS: true}, false},
	} {
		f := feed(judge(t, rule("t.certificate", inspect.Match{Certificate: &test.m})), conn)
		if got := hasRule(f, "t.certificate"); got != test.want {
			t.Errorf("%s: held: %v", name, got)
		}
	}
}

func TestHeads(t *testing.T) {
	endless, reason, none := uint64(1<<64-1), "OK", ""
	exchange := talk(c(duplexPost), s(accepted))
	for name, test := range map[string]struct {
		m    inspect.HeadMatch
		want bool
	}{
		"method":         {inspect.HeadMatch{Method: []string{"sstp_duplex_post"}}, true},
		"another method": {inspect.HeadMatch{Method: []string{"GET"}}, false},
		"path":           {inspect.HeadMatch{Path: []string{"/SRA_{ba195980-CD49-458b-9E23-C84EE0ADCD75}/"}}, true},
		"another path":   {inspect.HeadMatch{Path: []string{"/"}}, false},
		"length":         {inspect.HeadMatch{ContentLength: &endless}, true},
		"header":         {inspect.HeadMatch{Header: []string{"SSTP-Correlation_ID"}}, true},
		"no header":      {inspect.HeadMatch{Header: []string{"Via"}}, false},
		"value":          {inspect.HeadMatch{Header: []string{"Host"}, Value: []string{"VPN*e"}}, true},
		"another value":  {inspect.HeadMatch{Header: []string{"Host"}, Value: []string{"*.x"}}, false},
		"its length":     {inspect.HeadMatch{Header: []string{"Host"}, ValueLength: lengths(t, "11")}, true},
		"another length": {inspect.HeadMatch{Header: []string{"Host"}, ValueLength: lengths(t, "1-10, 12-")}, false},
		"order":          {inspect.HeadMatch{HeaderOrder: []string{"Host, Content-Length, SSTPCORRELATIONID"}}, true},
		"another order":  {inspect.HeadMatch{HeaderOrder: []string{"Content-Length,Host,SSTPCORRELATIONID"}}, false},
		"status":         {inspect.HeadMatch{Status: lengths(t, "200-299")}, true},
		"another status": {inspect.HeadMatch{Status: lengths(t, "404")}, false},
		"server":         {inspect.HeadMatch{Server: []string{"microsoft*/*"}}, true},
		"another server": {inspect.HeadMatch{Server: []string{"nginx"}}, false},
		"reason":         {inspect.HeadMatch{Reason: &reason}, true},
		"another reason": {inspect.HeadMatch{Reason: &none}, false},
		"response order": {inspect.HeadMatch{ResponseOrder: []string{"Content-Length,Server"}}, true},
		"other response": {inspect.HeadMatch{ResponseOrder: []string{"Server,Content-Length"}}, false},
		"all":            {inspect.HeadMatch{Method: []string{"SSTP_DUPLEX_POST"}, Status: lengths(t, "200")}, true},
	} {
		f := feed(judge(t, rule("t.http", inspect.Match{HTTP: &test.m})), connection{segments: exchange})
		if got := hasRule(f, "t.http"); got != test.want {
			t.Errorf("%s: held: %v", name, got)
		}
	}
	f := feed(judge(t, rule("t.http", inspect.Match{HTTP: &inspect.HeadMatch{ContentLength: &endless}})), connection{segments: talk(c(get))})
	if hasRule(f, "t.http") {
		t.Error("a length where none is given")
	}
}

func TestStream(t *testing.T) {
	server := judge(t, rule("t.stream", inspect.Match{Stream: &inspect.StreamMatch{ServerFirst: true}}))
	if x := openSizes(server, aesGCM12).handshake().data(-30); !hasRule(x.flow, "t.stream") {
		t.Error("server first: did not hold")
	}
	for _, writes := range [][]int{{30, -30}, {-57, -57, 30, -30}} { // the first two are tickets
		if x := openSizes(server, aesGCM13).handshake().data(writes...); hasRule(x.flow, "t.stream") {
			t.Errorf("server first: held for %v", writes)
		}
	}
	records := judge(t, rule("t.stream", inspect.Match{Stream: &inspect.StreamMatch{Protocol: "tls", Records: lengths(t, "3-")}}))
	x := openSizes(records, aesGCM13).handshake().data(8, -8, 1, 7, -7)
	if hasRule(x.flow, "t.stream") {
		t.Error("three records of two, and fragments")
	}
	if x.data(8); !hasRule(x.flow, "t.stream") || x.flow.Detection().Evidence[0].Detail != "a test: 3 records" {
		t.Error(dump(x.flow.Detection()))
	}
	bytes := judge(t, rule("t.stream", inspect.Match{Stream: &inspect.StreamMatch{Records: lengths(t, "2-"), Bytes: lengths(t, "100-")}}))
	if x := openSizes(bytes, aesGCM13).handshake().data(40, -50, 9); hasRule(x.flow, "t.stream") {
		t.Error("a hundred bytes of 99")
	}
	for _, writes := range [][]int{{40, -50, 10}, append(slices.Repeat([]int{1, -1}, 20), 30, -30), append(slices.Repeat([]int{9, -9}, 50), 1)} {
		if x := openSizes(bytes, aesGCM13).handshake().data(writes...); !hasRule(x.flow, "t.stream") {
			t.Errorf("%v: not a hundred bytes", writes)
		}
	}
	exchanges := judge(t, rule("t.stream", inspect.Match{Stream: &inspect.StreamMatch{Exchanges: lengths(t, "2-")}}))
	f := feed(exchanges, connection{segments: talk(c(get), s(empty), c(get))})
	if !hasRule(f, "t.stream") {
		t.Error(dump(f.Detection()))
	}
}

func TestSSTPMatch(t *testing.T) {
	for name, test := range map[string]struct {
		m    inspect.SSTPMatch
		want bool
	}{
		"client":   {inspect.SSTPMatch{Control: "client"}, true},
		"server":   {inspect.SSTPMatch{Control: "server"}, true},
		"both":     {inspect.SSTPMatch{Control: "both", Data: true}, true},
		"message":  {inspect.SSTPMatch{Message: "call_connect_ack"}, true},
		"no echo":  {inspect.SSTPMatch{Message: "echo_request"}, false},
		"reserved": {inspect.SSTPMatch{Reserved: true}, false},
		"binding":  {inspect.SSTPMatch{Binding: "matches"}, false},
		"names":    {inspect.SSTPMatch{Identification: []string{"*"}}, false},
	} {
		f := feed(judge(t, rule("t.sstp", inspect.Match{SSTP: &test.m})), connection{segments: talk(behind()...)})
		if got := hasRule(f, "t.sstp"); got != test.want {
			t.Errorf("%s: held: %v", name, got)
		}
	}
}
