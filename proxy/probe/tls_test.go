package probe

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/rules"
)

func certificate(t *testing.T, draft *x509.Certificate) tls.Certificate {
	t.Helper()
	key := testCertificate().PrivateKey.(*rsa.PrivateKey)
	draft.SerialNumber = big.NewInt(7)
	der, err := x509.CreateCertificate(rand.Reader, draft, draft, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der, testCertificate().Certificate[0]}, PrivateKey: key}
}

func TestCertificate(t *testing.T) {
	long := strings.Repeat("x", 60) + "."
	c := certificate(t, &x509.Certificate{
		Subject:   pkix.Name{CommonName: "gone.example", Organization: []string{strings.Repeat("\u00e4", 300)}},
		NotBefore: time.Date(2019, 1, 2, 3, 4, 5, 0, time.UTC),
		NotAfter:  time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC),
		DNSNames:  slices.Repeat([]string{"gone.example", long + long + long + "example"}, 20),
	})
	handle := overTLS(&tls.Config{Certificates: []tls.Certificate{c}}, func(c *tls.Conn, _ string) {
		_, _ = io.WriteString(c, head("HTTP/1.1 404 Not Found"))
	})
	r := ask(t, &Prober{}, Target{Addr: listen(t, handle)})
	if r.TLS == nil {
		t.Fatalf("%s: %s", r.Reason, r.Err)
	}
	if f := r.TLS; !f.Expired || !f.SelfSigned || f.ChainLength != 2 || len(f.Certificate) != 64 || len(f.Names) != maxNames ||
		f.Subject != f.Issuer || !strings.HasPrefix(f.Subject, "CN=gone.example,O=") || len(f.Subject) > maxText+3 ||
		f.NotBefore.String() != "2019-01-02T03:04:05.000000Z" || f.NotAfter.String() != "2020-01-02T03:04:05.000000Z" {
		t.Errorf("%+v", f)
	}
}

// TestSoftEtherCertificate asks a SoftEther server that has SSTP switched off.
func TestSoftEtherCertificate(t *testing.T) {
	const name = "vpn123"
	c := certificate(t, &x509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{name}, OrganizationalUnit: []string{name}, Country: []string{"US"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageEmailProtection,
			x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel, x509.ExtKeyUsageIPSECUser, x509.ExtKeyUsageTimeStamping, x509.ExtKeyUsageOCSPSigning,
		},
	})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		handle := overTLS(&tls.Config{Certificates: []tls.Certificate{c}, MaxVersion: version}, func(c *tls.Conn, _ string) {
			_, _ = io.WriteString(c, head("HTTP/1.1 501 Method Not Implemented"))
		})
		r := ask(t, &Prober{}, Target{Addr: listen(t, handle)})
		if r.SSTP != No || r.Implementation != "softether" {
			t.Errorf("%v %q: %s: %s", r.SSTP, r.Implementation, r.Reason, r.Err)
		}
		if len(r.Evidence) != 2 || r.Evidence[0].Rule != RuleAnswer || r.Evidence[1].Rule != "tls.softether_certificate" {
			t.Errorf("%+v", r.Evidence)
		}
	}
}

// TestOldSuites has servers that take one cipher suite only.
func TestOldSuites(t *testing.T) {
	for _, suite := range []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA} {
		handle := overTLS(&tls.Config{
			Certificates: []tls.Certificate{testCertificate()}, CipherSuites: []uint16{suite},
			MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		}, func(c *tls.Conn, _ string) {
			_, _ = io.WriteString(c, head("HTTP/1.1 200 ", endless, "Server: Microsoft-HTTPAPI/2.0", "Date: x"))
			_, _ = io.Copy(io.Discard, c)
		})
		r := ask(t, &Prober{}, Target{Addr: listen(t, handle)})
		if r.SSTP != Yes || r.Implementation != "rras" || r.TLS.Cipher != tls.CipherSuiteName(suite) || r.TLS.Version != "TLS 1.1" {
			t.Errorf("%v %q: %s: %s", r.SSTP, r.Implementation, r.Reason, r.Err)
		}
	}
}

// TestClientCertificate asks servers that want one.
func TestClientCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		handle := overTLS(&tls.Config{
			Certificates: []tls.Certificate{testCertificate()}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: version,
		}, func(*tls.Conn, string) { t.Error("got in") })
		r := ask(t, &Prober{}, Target{Addr: listen(t, handle)})
		if r.SSTP != Unclear || r.Step != StepTLS && r.Step != StepAnswer || r.Err == "" {
			t.Errorf("%v at %q: %s: %s", r.SSTP, r.Step, r.Reason, r.Err)
		}
	}
}

func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	addr := listen(t, overTLS(nil, func(c *tls.Conn, _ string) {
		stop()
		_, _ = io.Copy(io.Discard, c)
	}))
	r := (&Prober{}).Ask(ctx, Target{Addr: addr})
	if checkSchema(t, &r); r.SSTP != Unclear || r.Step != StepAnswer || r.Err != "stopped" {
		t.Errorf("%v at %q: %s: %s", r.SSTP, r.Step, r.Reason, r.Err)
	}
	r = (&Prober{}).Ask(ctx, Target{Addr: addr})
	if checkSchema(t, &r); r.Step != StepConnect || r.Err != "stopped" {
		t.Errorf("%v at %q: %s: %s", r.SSTP, r.Step, r.Reason, r.Err)
	}
}

func TestUnreached(t *testing.T) {
	r := Unreached("gone.example:443", "gone.example", StepResolve, errors.New("no such host"))
	if checkSchema(t, &r); r.SSTP != Unclear || r.Server.IsValid() || r.Err != "no such host" {
		t.Errorf("%+v", r)
	}
	if e, ok := r.Learned(); ok {
		t.Errorf("learned %+v", e)
	}
}

// TestRules has a set of its own, which keeps its rules where it has the same ones,
// and one that has no room for more.
func TestRules(t *testing.T) {
	own, err := rules.Parse([]byte(`
version: 1
extends: default
rules:
  - {id: http.server_bread, about: ours, weight: 9, server: ours, source: test, match: {http: {status: "200", response_order: ["Content-Length"]}}}
`), "test")
	if err != nil {
		t.Fatal(err)
	}
	full := own.Rules()
	for len(full) < 256 {
		full = append(full, inspect.Rule{ID: "test.rule" + strings.Repeat("x", len(full)), About: "x", Source: "x", Match: inspect.Match{Stream: &inspect.StreamMatch{Protocol: "sstp"}}})
	}
	large, err := inspect.NewRuleset(own.Settings(), full, "large")
	if err != nil {
		t.Fatal(err)
	}
	addr := listen(t, answering(head("HTTP/1.1 200", endless)))
	for set, want := range map[*inspect.Ruleset]string{nil: "bread", own: "ours", large: "ours"} {
		if r := ask(t, &Prober{Rules: set}, Target{Addr: addr}); r.Implementation != want {
			t.Errorf("%q, want %q", r.Implementation, want)
		}
	}
}

func TestAnswerWords(t *testing.T) {
	for a, word := range map[Answer]string{Yes: "yes", No: "no", Unclear: "unclear"} {
		text, err := json.Marshal(a)
		var back Answer
		if err != nil || string(text) != `"`+word+`"` || json.Unmarshal(text, &back) != nil || back != a {
			t.Errorf("%s, %v, %v", text, back, err)
		}
	}
	var a Answer
	for _, bad := range []string{`""`, `"YES"`, `"maybe"`} {
		if err := json.Unmarshal([]byte(bad), &a); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	if s := Answer(9).String(); s != "Answer(9)" {
		t.Error(s)
	}
}

// TestResultJSON pins the words of a result.
func TestResultJSON(t *testing.T) {
	r := ask(t, &Prober{}, Target{Name: "vpn.example", Addr: listen(t, answering(head("HTTP/1.1 200 ", endless, "Server: Microsoft-HTTPAPI/2.0", "Date: x")))})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	words := func(v any) (out []string) {
		for k := range v.(map[string]any) {
			out = append(out, k)
		}
		slices.Sort(out)
		return out
	}
	for at, want := range map[string][]string{
		"":       {"evidence", "http", "implementation", "name", "reason", "server", "sstp", "target", "timestamp", "timing", "tls"},
		"http":   {"content_length", "head_bytes", "headers", "reason", "server", "status"},
		"timing": {"answer_ms", "connect_ms", "tls_ms"},
		"tls":    {"certificate_sha256", "chain_length", "cipher", "issuer", "names", "not_after", "not_before", "self_signed", "subject", "version"},
	} {
		part := any(doc)
		if at != "" {
			part = doc[at]
		}
		if diff := cmp.Diff(want, words(part)); diff != "" {
			t.Errorf("%s: %s", at, diff)
		}
	}
}

// TestDial has a Dial of its own, as the daemon has to keep clear of its own rules.
func TestDial(t *testing.T) {
	refused := errors.New("not on this network")
	var asked string
	p := &Prober{Dial: func(_ context.Context, network, addr string) (net.Conn, error) {
		asked = network + " " + addr
		return nil, refused
	}}
	r := ask(t, p, Target{Addr: addrPort("[2001:db8::7]:8443")})
	if asked != "tcp [2001:db8::7]:8443" || r.Err != refused.Error() || r.Target != "[2001:db8::7]:8443" {
		t.Errorf("%q: %+v", asked, r)
	}
}
