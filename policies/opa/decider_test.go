package opa

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

var now = time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)

// regoFS gives a file system with one policy, which follows its package clause.
func regoFS(text string) fstest.MapFS {
	return fstest.MapFS{"policy.rego": &fstest.MapFile{Data: []byte("package sstp\n\n" + text)}}
}

func newDecider(t testing.TB, text string) *Decider {
	t.Helper()
	d, err := New(context.Background(), regoFS(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// input describes a tunnel to vpn.example.org with that verdict.
func input(v inspect.Verdict) policies.Input {
	o := &inspect.Observation{
		Protocol: "tls",
		Seen:     [2]bool{true, true},
		TLS: &inspect.TLSFacts{
			Hello: true, ServerHello: true, SNI: "vpn.example.org", Offered: []string{"h2", "http/1.1"},
			Version: tlswire.VersionTLS12, Suite: 0xc02f, Records: [2]int{9, 9},
			JA3: strings.Repeat("3a", 16), JA3S: strings.Repeat("35", 16), JA4: "t12d1909h1_d83cc789557e_7af1ed941c26",
			Certificate: &tlswire.CertificateTraits{
				SHA256:    [32]byte{0xab, 31: 0xcd},
				Subject:   tlswire.CertificateName{CommonName: "vpn.example.org"},
				Issuer:    tlswire.CertificateName{CommonName: "Example CA"},
				NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			},
		},
	}
	f := event.Flow{
		Key: inspect.FlowKey{
			Client: netip.MustParseAddrPort("10.1.2.3:50000"),
			Server: netip.MustParseAddrPort("198.51.100.7:443"),
		},
		Start: now.Add(-time.Minute), Last: now,
		ToServer: event.Traffic{Packets: 20, Bytes: 3000}, ToClient: event.Traffic{Packets: 30, Bytes: 40000},
		Observation: o,
		Detection: inspect.Detection{
			Verdict: v, Score: 40, Probability: 0.99, Evidence: []inspect.Evidence{
				{Rule: "tls.control_lengths", Weight: 30, Detail: "14 then 48"},
				{Rule: "tls.http_lengths", Weight: 10, Detail: "198 then 134"},
				{Rule: "tls.ja4", Weight: 5, Detail: "t12d1909h1_d83cc789557e_7af1ed941c26"},
			},
		},
	}
	if v == inspect.VerdictSuspected || v == inspect.VerdictConfirmed {
		f.Detection.Kind = inspect.KindTunnel
	}
	return policies.Input{
		Event: event.New(&f), Stage: policies.StageDetection, Point: policies.PointNFQ, Time: event.NewTime(now),
	}
}

func TestDefault(t *testing.T) {
	d, err := New(context.Background(), policies.Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	rev := d.Revision()
	tests := []struct {
		verdict inspect.Verdict
		want    policies.Decision
	}{
		{inspect.VerdictUndetermined, policies.Decision{
			Action: policies.ActionAllow, Rule: "sstp.undetermined", Revision: rev,
			Reason: "Not enough is known to call it SSTP.",
		}},
		{inspect.VerdictSuspected, policies.Decision{
			Action: policies.ActionDrop, Rule: "sstp.suspected", Revision: rev,
			Reason: "Looks like an SSTP tunnel to vpn.example.org (score 40), not sanctioned.",
		}},
		{inspect.VerdictConfirmed, policies.Decision{
			Action: policies.ActionDrop, Rule: "sstp.confirmed", Revision: rev,
			Reason: "SSTP tunnel to vpn.example.org, read in clear and not sanctioned.",
		}},
		{inspect.VerdictCleared, policies.Decision{
			Action: policies.ActionAllow, Rule: "sstp.cleared", Revision: rev, Reason: "Not SSTP.",
		}},
	}
	for _, tt := range tests {
		got, err := d.Decide(context.Background(), input(tt.verdict))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.verdict, diff)
		}
	}
	if got, err := d.Decide(context.Background(), input(0)); !errors.Is(err, ErrUndefined) {
		t.Errorf("no verdict at all: got %+v, %v", got, err)
	}
}

// The forms of data that the Rego tests cannot give: what New makes of it.
func TestData(t *testing.T) {
	data := map[string]any{"sanctioned": map[string]any{
		"servers": []map[string]any{{"name": "vpn.example.org", "addresses": []string{"198.51.100.0/24"}}},
	}}
	d, err := New(context.Background(), policies.Default, data)
	if err != nil {
		t.Fatal(err)
	}
	delete(data, "sanctioned") // the Decider has its own
	got, err := d.Decide(context.Background(), input(inspect.VerdictConfirmed))
	if err != nil || got.Action != policies.ActionLog || got.Rule != "sstp.sanctioned" {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, tt := range map[string]struct {
		data map[string]any
		want string
	}{
		"a function":               {map[string]any{"x": func() {}}, "reading policy data"},
		"an answer":                {map[string]any{"sstp": map[string]any{"decision": map[string]any{"action": "allow"}}}, "conflict"},
		"in place of a helper":     {map[string]any{"sstp": map[string]any{"sanctioned": true}}, "conflict"},
		"in place of all policies": {map[string]any{"sstp": "off"}, "conflict"},
	} {
		if _, err := New(context.Background(), policies.Default, tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
}

// Malformed data is an error of every decision that needs it, not a network
// that matches nothing.
func TestMalformedData(t *testing.T) {
	for name, sanctioned := range map[string]any{
		"network":     map[string]any{"networks": []any{"10.0.0.0/33"}},
		"user":        map[string]any{"users": []any{7}},
		"certificate": map[string]any{"certificates": []any{true}},
	} {
		d, err := New(context.Background(), policies.Default, map[string]any{"sanctioned": sanctioned})
		if err != nil {
			t.Fatal(err)
		}
		in := input(inspect.VerdictSuspected)
		in.User = "alice"
		if got, err := d.Decide(context.Background(), in); err == nil || got != (policies.Decision{Revision: d.Revision()}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestRevision(t *testing.T) {
	const text = `decision := {"action": "allow", "reason": data.a, "rule": "r"}`
	revision := func(fsys fstest.MapFS, data map[string]any) string {
		t.Helper()
		d, err := New(context.Background(), fsys, data)
		if err != nil {
			t.Fatal(err)
		}
		return d.Revision()
	}
	first := revision(regoFS(text), map[string]any{"a": 1, "b": 2})
	if len(first) != 12 || strings.Trim(first, "0123456789abcdef") != "" {
		t.Errorf("revision %q", first)
	}
	if again := revision(regoFS(text), map[string]any{"b": 2, "a": 1}); again != first {
		t.Errorf("%s, then %s for the same", first, again)
	}
	tests := regoFS(text)
	tests["policy_test.rego"] = &fstest.MapFile{Data: []byte("package sstp_test")}
	if got := revision(tests, map[string]any{"a": 1, "b": 2}); got != first {
		t.Errorf("a test changed %s to %s", first, got)
	}
	for name, got := range map[string]string{
		"data": revision(regoFS(text), map[string]any{"a": 1}),
		"text": revision(regoFS(text+"\n"), map[string]any{"a": 1, "b": 2}),
	} {
		if got == first {
			t.Errorf("other %s, same revision", name)
		}
	}
}

func TestEvaluationErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		policy string
		want   error
	}{
		"undefined": {`decision := {"action": "allow", "reason": "r", "rule": "r"} if input.point == "audit"`, ErrUndefined},
		"two results": {`decision := {"action": "allow", "reason": "r", "rule": "r"} if input.point == "nfq"
decision := {"action": "drop", "reason": "r", "rule": "r"} if input.stage == "detection"`, ErrConflict},
	} {
		d := newDecider(t, tt.policy)
		got, err := d.Decide(context.Background(), input(inspect.VerdictCleared))
		if !errors.Is(err, tt.want) || got != (policies.Decision{Revision: d.Revision()}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	// What the client says must not make a rule undefined.
	d := newDecider(t, `decision := {"action": "allow", "reason": "r", "rule": "r"} if not net.cidr_contains("10.0.0.0/8", input.tls.sni)`)
	if got, err := d.Decide(context.Background(), input(inspect.VerdictCleared)); err == nil || got.Action != "" {
		t.Errorf("failing built-in: got %+v, %v", got, err)
	}
}

const endless = `decision := {"action": "allow", "reason": "r", "rule": "r"} if {
	some a in numbers.range(1, 3000)
	some b in numbers.range(1, 3000)
	a * b == -1
}`

func TestTimeout(t *testing.T) {
	d := newDecider(t, endless)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	if got, err := d.Decide(ctx, input(inspect.VerdictCleared)); !errors.Is(err, context.DeadlineExceeded) || got.Action != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	if _, err := d.Decide(ctx, input(inspect.VerdictCleared)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: got %v", err)
	}
}

// A Gate before a Decider that fails never lets SSTP be.
func TestGate(t *testing.T) {
	f := event.Flow{
		Key: inspect.FlowKey{
			Client: netip.MustParseAddrPort("10.1.2.3:50000"),
			Server: netip.MustParseAddrPort("198.51.100.7:443"),
		},
		Start: now, Last: now,
		Detection: inspect.Detection{Verdict: inspect.VerdictSuspected},
	}
	for _, tt := range []struct {
		policy, rule string
		timeout      time.Duration
	}{
		{endless, policies.RulePolicyTimeout, 5 * time.Millisecond},
		{`decision := {"action": "alow", "reason": "r", "rule": "r"}`, policies.RulePolicyError, 0},
	} {
		d := newDecider(t, tt.policy)
		g := policies.Gate{Decider: d, Point: policies.PointNFQ, Timeout: tt.timeout}
		var s policies.State
		got, changed, err := g.Update(context.Background(), &s, policies.StageDetection, &f)
		if err == nil || !changed || got.Action != policies.ActionDrop || got.Rule != tt.rule || got.Revision != d.Revision() {
			t.Errorf("%s: got %+v, %t, %v", tt.rule, got, changed, err)
		}
	}
}

func TestConcurrent(t *testing.T) {
	d, err := New(context.Background(), policies.Default, map[string]any{
		"sanctioned": map[string]any{"users": []any{"alice"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				in, want := input(inspect.VerdictConfirmed), policies.ActionDrop
				if i%2 == 0 {
					in.User, want = "alice", policies.ActionLog
				}
				got, err := d.Decide(context.Background(), in)
				if err != nil || got.Action != want {
					t.Errorf("got %+v, %v, want %s", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(context.Background(), policies.Default, nil); err != nil {
			b.Fatal(err)
		}
	}
}
