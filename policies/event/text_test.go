package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/httphead"
)

func TestTime(t *testing.T) {
	tests := []struct {
		in   time.Time
		want string
	}{
		{time.Date(2026, 11, 22, 5, 1, 2, 345678912, time.UTC), "2026-11-22T05:01:02.345678Z"},
		{time.Date(2026, 11, 22, 5, 1, 2, 0, time.FixedZone("", 3600)), "2026-11-22T04:01:02.000000Z"},
		{time.Unix(0, 0), "1970-01-01T00:00:00.000000Z"},
		{time.Unix(-1, 999_999_999), "1969-12-31T23:59:59.999999Z"},
		{time.Unix(1<<40, 0), "9999-12-31T23:59:59.000000Z"},
		{time.Unix(-1<<40, 0), "0000-01-01T00:00:00.000000Z"},
	}
	for _, tt := range tests {
		got := NewTime(tt.in)
		if got.String() != tt.want {
			t.Errorf("String of %v is %s, want %s", tt.in, got, tt.want)
		}
		if b, err := got.MarshalText(); err != nil || string(b) != tt.want {
			t.Errorf("MarshalText of %v is %s, %v, want %s", tt.in, b, err, tt.want)
		}
		b := marshal(t, got)
		if string(b) != `"`+tt.want+`"` {
			t.Errorf("JSON of %v is %s, want %s", tt.in, b, tt.want)
		}
		var back Time
		if err := json.Unmarshal(b, &back); err != nil || !back.Equal(got.Time) {
			t.Errorf("%s reads as %v, %v", b, back, err)
		}
	}
	if !NewTime(time.Time{}).IsZero() {
		t.Error("no time became one")
	}
	var bad Time
	if err := json.Unmarshal([]byte(`"yesterday"`), &bad); err == nil {
		t.Error("yesterday is a time")
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[float64]float64{
		0: 0, 1: 1, 0.123456789: 0.123457, -1: 0, 2: 1, math.Inf(1): 1, math.Inf(-1): 0,
	} {
		if got := probability(in); got != want {
			t.Errorf("probability(%v) = %v, want %v", in, got, want)
		}
	}
	if got := probability(math.NaN()); got != 0 {
		t.Errorf("probability(NaN) = %v", got)
	}
	for in, want := range map[time.Duration]float64{
		0: 0, -time.Second: 0, 1500*time.Millisecond + 999: 1.5, 90 * time.Second: 90,
	} {
		if got := seconds(in); got != want {
			t.Errorf("seconds(%v) = %v, want %v", in, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "",
		"/":                                     "/",
		"/a@b/c":                                "/a@b/c",
		"/login?password=secret":                "/login?",
		"vpn.example.org:443":                   "vpn.example.org:443",
		"alice:secret@vpn.example.org:443":      "xxxxx@vpn.example.org:443",
		"http://alice:secret@example.org/x?y=z": "http://xxxxx@example.org/x?",
		"http://alice:sec?ret@example.org/x":    "http://xxxxx@example.org/x",
		"http://alice:sec@ret@example.org":      "http://xxxxx@example.org",
		"http://example.org/a@b":                "http://example.org/a@b",
		"/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/": "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/",
		"/\xff": "/\uFFFD",
	} {
		if got := target(in); got != want {
			t.Errorf("target(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPeerMessage(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "",
		"Login incorrect":  "Login incorrect",
		"C=3 is no secret": "C=3 is no secret",
		"S=Salzburg hello": "S=Salzburg hello",
		"S=0123456789abcdef0123456789ABCDEF01234567":                         "",
		"S=0123456789abcdef0123456789ABCDEF01234567 M=Welcome":               "M=Welcome",
		"E=691 R=1 C=00112233445566778899aabbccddeeff V=3 M=Access  denied":  "E=691 R=1 V=3 M=Access  denied",
		"M=Access denied S=0123456789abcdef0123456789ABCDEF01234567trailing": "M=Access denied",
	} {
		if got := peerMessage(in); got != want {
			t.Errorf("peerMessage(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOddities(t *testing.T) {
	got := oddities(httphead.BareLF | httphead.NonASCII | httphead.UnbracketedIPv6 | httphead.NUL | 1<<30)
	want := []string{"bare_lf", "nul", "non_ascii", "unbracketed_ipv6", "0x40000000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What nobody may read must not get into an event by any way.
func TestNoSecrets(t *testing.T) {
	const password, digest = "hunter2hunter2", "0123456789ABCDEF0123456789ABCDEF01234567"
	basic := base64.StdEncoding.EncodeToString([]byte("alice:" + password))
	f := fullFlow(t)
	connect := request(t, "CONNECT alice:"+password+"@vpn.example.org:443 HTTP/1.1\n"+
		"Host: alice:"+password+"@vpn.example.org\nProxy-Authorization: Basic "+basic[:8]+"\n"+basic[8:]+"\nCookie: "+password+"\n\n")
	get := request(t, "GET http://alice:"+password+"@example.org/login?p="+password+" HTTP/1.1\n"+
		"Host: alice:"+password+"@example.org\nAuthorization: Basic "+basic+"\nReferer: http://x/?"+password+"\n\n")
	answer := response(t, "HTTP/1.1 200 OK\nSet-Cookie: "+password+"\nLocation: http://x/?"+password+"\n\n")
	f.Observation.Connect = &inspect.ConnectFacts{Request: connect, User: "alice"}
	f.Observation.HTTP = &inspect.HTTPFacts{Request: &get, Response: &answer}
	f.Observation.PPP.Message = "S=" + digest + " M=Welcome"
	b := string(marshal(t, New(f)))
	for _, secret := range []string{password, basic, basic[8:], digest} {
		if strings.Contains(b, secret) {
			t.Errorf("%q is in the event:\n%s", secret, b)
		}
	}
}

// All strings of an Event are valid UTF-8 before they are encoded: policies
// read them as they are.
func TestText(t *testing.T) {
	f := fullFlow(t)
	const bad = "a\xff\xfe\x00\x1b[31m\u202eb"
	o := f.Observation
	o.TLS.SNI, o.TLS.Offered, o.TLS.ALPN = bad, []string{bad}, bad
	o.TLS.Certificate.Subject.CommonName = bad
	o.PPP.User, o.PPP.Message, o.PPP.Identification = bad, bad, []string{bad}
	o.SSTP.CorrelationID = bad
	o.Connect.User, o.Connect.Host = bad, bad
	o.HTTP.Request.Target = bad
	f.Source, f.User = bad, bad
	f.Detection.Evidence[0].Detail = bad
	e := New(f)
	const want = "a\uFFFD\x00\x1b[31m\u202eb"
	for _, got := range []string{
		e.TLS.SNI, e.TLS.ALPNOffered[0], e.TLS.ALPN, e.PPP.User, e.PPP.Message, e.PPP.Identification[0], e.SSTP.CorrelationID,
		e.Connect.User, e.Connect.Host, e.HTTP.Target, e.Source, e.User, e.Detection.Evidence[0].Detail, e.Server.Name,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !utf8.ValidString(e.TLS.Subject) {
		t.Errorf("subject %q is not valid", e.TLS.Subject)
	}
	if b := marshal(t, e); strings.ContainsAny(string(b), "\x00\x1b") {
		t.Error("control characters stand unescaped in the JSON")
	}
}

func TestEncoderIsInert(t *testing.T) {
	var out bytes.Buffer
	enc := NewEncoder(&out)
	e := Event{EventType: TypeSSTP, Detection: Detection{Verdict: inspect.VerdictCleared}, Source: "a\x1b[31m\u009b2J\x7f\u202eb\u2066c\u00e9<\u4e16"}
	if err := enc.Event(&e); err != nil {
		t.Fatal(err)
	}
	want := `"source":"a\u001b[31m\u009b2J\u007f\u202eb\u2066cé<世"`
	if !strings.Contains(out.String(), want) {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
	var back Event
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Source != e.Source {
		t.Errorf("%q, %v", back.Source, err)
	}
}
