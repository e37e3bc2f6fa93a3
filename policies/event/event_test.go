package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/tlswire"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 11, 22, 5, 1, 2, 345678912, time.UTC)

func request(t testing.TB, head string) httphead.Request {
	t.Helper()
	r, _, err := httphead.ParseRequest([]byte(strings.ReplaceAll(head, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func response(t testing.TB, head string) httphead.Response {
	t.Helper()
	r, _, err := httphead.ParseResponse([]byte(strings.ReplaceAll(head, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fullFlow has every fact at once, as no connection would.
func fullFlow(t testing.TB) *Flow {
	connect := request(t, "CONNECT vpn.example.org:443 HTTP/1.0\nSSTPVERSION: 1.0\nUser-Agent: sstp-client\n"+
		"Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\nX : y\n\n")
	agreed := response(t, "HTTP/1.1 200 Connection Established\n\n")
	post := request(t, "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\nHost: vpn.example.org\n"+
		"User-Agent: x\nContent-Length: 18446744073709551615\nSSTPCORRELATIONID: {0}\nX : y\n\n")
	ok := response(t, "HTTP/1.1 200 \nServer: Microsoft-HTTPAPI/2.0\nContent-Length: 18446744073709551615\n\n")
	return &Flow{
		Key: inspect.FlowKey{
			Client: netip.MustParseAddrPort("10.1.2.3:50000"),
			Server: netip.MustParseAddrPort("10.9.0.1:3128"),
		},
		Start:    start,
		Last:     start.Add(90*time.Second + 1500*time.Microsecond),
		ToServer: Traffic{Packets: 20, Bytes: 3000},
		ToClient: Traffic{Packets: 30, Bytes: 40000},
		Source:   "captures/tunnel.pcapng",
		User:     "EXAMPLE\\alice",
		Resolved: netip.MustParseAddr("198.51.100.7"),
		State:    StateClosed,
		Proxy:    &Proxy{Mode: ModeExplicit, Opened: true, Bypass: "tunnel", Remembered: true, Spliced: true, End: EndDropped, Error: "reset by peer"},
		Observation: &inspect.Observation{
			Protocol:  "connect",
			Seen:      [2]bool{true, true},
			Midstream: true,
			Lost:      12,
			Connect: &inspect.ConnectFacts{
				Request: connect, Response: &agreed, Host: "VPN.example.org.", Port: 443, User: "alice", Tunnel: true,
			},
			TLS: &inspect.TLSFacts{
				Hello: true, ServerHello: true, SNI: "front.example.net", ECH: true,
				Offered: []string{"h2", "http/1.1"}, ALPN: "http/1.1",
				Version: tlswire.VersionTLS12, Suite: 0xc02f, SizesExact: true,
				JA3: strings.Repeat("3a", 16), JA3S: strings.Repeat("35", 16), JA4: "t12d1909h1_d83cc789557e_7af1ed941c26",
				Certificate: &tlswire.CertificateTraits{
					SHA256:     [32]byte{0xab, 31: 0xcd},
					Subject:    tlswire.CertificateName{CommonName: "vpn.example.org", Organization: "A,CN=B", Country: "AT"},
					Issuer:     tlswire.CertificateName{CommonName: "Example CA", OrgUnit: "Test"},
					NotBefore:  start.Add(-time.Hour),
					NotAfter:   start.Add(time.Hour),
					SelfSigned: true,
				},
				Records: [2]int{7, 8}, Opened: true, NotOpened: "one direction has no secret",
			},
			HTTP: &inspect.HTTPFacts{Request: &post, Response: &ok, Exchanges: 2},
			SSTP: &inspect.SSTPFacts{
				Control: [2]int{3, 4}, Data: [2]uint64{100, 200}, DataBytes: [2]uint64{1000, 2000},
				Messages: []string{"Call Connect Request", "Call Connect Ack"}, Encapsulated: 1, HashOffered: 7, HashUsed: 2,
				Binding: inspect.BindingMatches, BindingUnknown: "no certificate", Reserved: true,
				End: "disconnect", EndBy: inspect.ClientToServer, EndStatus: "no error", NAK: "value not supported",
				Echo: [2]int{5, 6}, CorrelationID: "{0}", First: start.Add(time.Second), Last: start.Add(80 * time.Second),
			},
			PPP: &inspect.PPPFacts{
				Auth: "ms-chapv2", User: "bob", Authenticator: "ras", Result: "success",
				Message:       "S=0123456789ABCDEF0123456789ABCDEF01234567 M=Welcome back",
				ClientAddress: netip.MustParseAddr("192.0.2.9"), ServerAddress: netip.MustParseAddr("192.0.2.1"),
				ClientAddress6: netip.MustParseAddr("fe80::9"), DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
				MRU: [2]uint16{4091, 1400}, Identification: []string{"MSRASV5.20"}, Protocols: []string{"lcp", "ipcp"},
				IPPackets: [2]uint64{90, 190}, IPBytes: [2]uint64{900, 1900},
			},
			Timeline: []inspect.Moment{{What: "ip_up", At: start.Add(20 * time.Millisecond)}},
		},
		Detection: inspect.Detection{
			Verdict: inspect.VerdictConfirmed, Kind: inspect.KindTunnel, Score: 73, Probability: 0.99999987,
			Client: "sstpc", Server: "rras",
			Evidence: []inspect.Evidence{
				{Rule: "http.sstp_duplex_post", Weight: 60, Proof: true, Detail: "the method, answered with 200"},
				{Rule: "tls.ja4", Weight: -3},
			},
		},
	}
}

func fullEvent(t testing.TB) Event {
	e := New(fullFlow(t))
	e.Decision = &Decision{
		Action: "drop", Reason: "An SSTP tunnel that nobody sanctioned.", Rule: "sstp.confirmed", Revision: "0123456789ab",
		Enforced: true, Reset: true, Ban: "10m0s", Intercept: true, Probe: true, DryRun: true,
	}
	e.OtherDecision = &Decision{
		Action: "error", Reason: "policy result is undefined", Rule: "gate.policy_error", Revision: "ba9876543210",
		Reset: true, Ban: "1m0s", Intercept: true, Probe: true, DryRun: true,
	}
	return e
}

// minimalFlow has nothing but its addresses.
func minimalFlow() *Flow {
	return &Flow{
		Key: inspect.FlowKey{
			Client: netip.MustParseAddrPort("[2001:db8::1]:1"),
			Server: netip.MustParseAddrPort("[2001:db8::2]:443"),
		},
		Detection: inspect.Detection{Verdict: inspect.VerdictUndetermined},
	}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func golden(t *testing.T, name string, v any) {
	t.Helper()
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	name = "testdata/" + name
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestNew(t *testing.T) {
	golden(t, "full.json", fullEvent(t))
	golden(t, "minimal.json", New(minimalFlow()))
}

// Observations go on changing after an Event was made of them.
func TestNewSharesNothing(t *testing.T) {
	f := fullFlow(t)
	e := New(f)
	before := marshal(t, e)
	o := f.Observation
	f.Detection.Evidence[0].Rule = "changed"
	o.TLS.Offered[0] = "changed"
	o.SSTP.Messages[0] = "changed"
	o.SSTP.Control[0]++
	o.PPP.Protocols[0] = "changed"
	o.PPP.Identification[0] = "changed"
	o.PPP.DNS[0] = netip.Addr{}
	o.Timeline[0].What = "changed"
	o.Connect.Request.Fields[0].Name = "changed"
	o.HTTP.Request.Fields[0].Name = "changed"
	o.HTTP.Response.Fields[0].Name = "changed"
	if diff := cmp.Diff(string(before), string(marshal(t, e))); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestServer(t *testing.T) {
	name := func(sni string) *inspect.TLSFacts { return &inspect.TLSFacts{SNI: sni} }
	connect := func(host string, port uint16) *inspect.ConnectFacts {
		return &inspect.ConnectFacts{Host: host, Port: port}
	}
	key := inspect.FlowKey{Server: netip.MustParseAddrPort("[::ffff:198.51.100.7]:443")}
	direct, elsewhere := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.5")
	tests := []struct {
		name     string
		o        inspect.Observation
		resolved netip.Addr
		want     *Server
	}{
		{"direct", inspect.Observation{}, netip.Addr{}, &Server{IP: direct, Port: 443}},
		{"sni", inspect.Observation{TLS: name("Vpn.Example.ORG.")}, netip.Addr{}, &Server{Name: "vpn.example.org", IP: direct, Port: 443}},
		{"connect to a name", inspect.Observation{Connect: connect("VPN.example.org", 8443)}, netip.Addr{}, &Server{Name: "vpn.example.org", Port: 8443}},
		{"resolved", inspect.Observation{Connect: connect("vpn.example.org", 443)}, elsewhere, &Server{Name: "vpn.example.org", IP: elsewhere, Port: 443}},
		{"sni differs", inspect.Observation{Connect: connect("vpn.example.org", 443), TLS: name("other.example")}, netip.Addr{}, &Server{Name: "vpn.example.org", Port: 443}},
		{"connect to an address", inspect.Observation{Connect: connect("203.0.113.5", 443), TLS: name("a.example")}, netip.Addr{}, &Server{Name: "a.example", IP: elsewhere, Port: 443}},
		{"unreadable target", inspect.Observation{Connect: connect("", 0)}, netip.Addr{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := New(&Flow{Key: key, Observation: &tt.o, Resolved: tt.resolved}).Server
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUser(t *testing.T) {
	answered := func(status int) *inspect.Observation {
		return &inspect.Observation{Connect: &inspect.ConnectFacts{
			User: "mallory", Response: &httphead.Response{Status: status},
		}}
	}
	tests := []struct {
		name string
		flow Flow
		want string
	}{
		{"nobody", Flow{}, ""},
		{"the point knows", Flow{User: "alice", Observation: answered(200)}, "alice"},
		{"the proxy agreed", Flow{Observation: answered(200)}, "mallory"},
		{"the proxy refused", Flow{Observation: answered(407)}, ""},
		{"no answer yet", Flow{Observation: &inspect.Observation{Connect: &inspect.ConnectFacts{User: "mallory"}}}, ""},
		{"only inside", Flow{Observation: &inspect.Observation{PPP: &inspect.PPPFacts{User: "mallory", Result: "success"}}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := New(&tt.flow).User; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSeenAndSides(t *testing.T) {
	for directions, want := range map[[2]bool]string{
		{true, true}: "both", {true, false}: "client", {false, true}: "server", {}: "",
	} {
		if got := New(&Flow{Observation: &inspect.Observation{Seen: directions}}).Seen; got != want {
			t.Errorf("Seen %v is %q, want %q", directions, got, want)
		}
	}
	for d, want := range map[inspect.Direction]string{
		0: "", inspect.ClientToServer: "client", inspect.ServerToClient: "server",
	} {
		e := New(&Flow{Observation: &inspect.Observation{SSTP: &inspect.SSTPFacts{EndBy: d}}})
		if e.SSTP.EndBy != want {
			t.Errorf("EndBy %v is %q, want %q", d, e.SSTP.EndBy, want)
		}
	}
}

func TestEncoder(t *testing.T) {
	var w writes
	enc := NewEncoder(&w)
	e, s := fullEvent(t), NewSummary()
	e.Detection.Evidence[0].Detail = "a <b> & c\u2028"
	if err := errors.Join(enc.Event(&e), enc.Summary(&s)); err != nil {
		t.Fatal(err)
	}
	if len(w) != 2 {
		t.Fatalf("%d writes, want one for each event", len(w))
	}
	for _, line := range w {
		if strings.IndexByte(line, '\n') != len(line)-1 {
			t.Errorf("%q is not one line", line)
		}
	}
	if !strings.Contains(w[0], "a <b> & c\\u2028") {
		t.Errorf("%s: the detail is not there as it stands", w[0])
	}
	var got Summary
	if err := json.Unmarshal([]byte(w[1]), &got); err != nil || !cmp.Equal(got, s) {
		t.Errorf("got %+v, %v", got, err)
	}

	full := errors.New("disk full")
	enc = NewEncoder(failing{full})
	if err := enc.Event(&e); !errors.Is(err, full) {
		t.Errorf("event: got %v", err)
	}
	if err := enc.Summary(&s); !errors.Is(err, full) {
		t.Errorf("summary: got %v", err)
	}
}

type writes []string

func (w *writes) Write(p []byte) (int, error) { *w = append(*w, string(p)); return len(p), nil }

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestSummaryCount(t *testing.T) {
	s := NewSummary()
	for v := inspect.VerdictUndetermined; v <= inspect.VerdictCleared; v++ {
		for range v {
			s.Count(&Event{Detection: Detection{Verdict: v}})
		}
	}
	for action, n := range map[string]int{"allow": 3, "log": 2, "drop": 1} {
		for range n {
			s.Count(&Event{Detection: Detection{Verdict: inspect.VerdictCleared}, Decision: &Decision{Action: action}})
		}
	}
	want := Summary{
		EventType: "summary", Version: 1, Flows: 16,
		Verdicts: Verdicts{Undetermined: 1, Suspected: 2, Confirmed: 3, Cleared: 4 + 6},
		Actions:  Actions{Allow: 3, Log: 2, Drop: 1},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func BenchmarkNew(b *testing.B) {
	for name, f := range map[string]*Flow{"full": fullFlow(b), "minimal": minimalFlow()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				New(f)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	e := fullEvent(b)
	enc := NewEncoder(discard{})
	b.ReportAllocs()
	for b.Loop() {
		if err := enc.Event(&e); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
