package mitm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func goodChain() []*issuer {
	p := testPKI()
	return []*issuer{sign(server(host, host), p.above, ecKey()), p.above}
}

// shake makes a handshake with a server of config c.
func shake(t *testing.T, c *tls.Config, o UpstreamOptions) (*Conn, Upstream, error) {
	t.Helper()
	if c.Certificates == nil {
		c.Certificates = []tls.Certificate{chain(goodChain()...)}
	}
	if o.Roots == nil {
		o.Roots = pool(testPKI().root.cert)
	}
	return Handshake(t.Context(), dialRaw(t, serveTLS(t, c)), o)
}

func TestHandshake(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conn, up, err := shake(t, &tls.Config{MinVersion: version, MaxVersion: version}, UpstreamOptions{ServerName: host})
		if err != nil {
			t.Fatal(err)
		}
		if up.VerifyErr != nil || len(up.Chain) != 2 || up.ServerName != host || up.WantsClientCertificate {
			t.Errorf("%+v", up)
		}
		if got := conn.ConnectionState().Version; got != version {
			t.Errorf("version %x", got)
		}
		if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(conn); err != nil || string(got) != reply {
			t.Errorf("%q %v", got, err)
		}
	}
}

func TestHandshakeALPN(t *testing.T) {
	for _, c := range []struct {
		client, server []string
		want           string
	}{
		{[]string{"h2", "http/1.1"}, []string{"h2", "http/1.1"}, "h2"},
		{[]string{"http/1.1"}, []string{"h2", "http/1.1"}, "http/1.1"},
		{nil, []string{"h2", "http/1.1"}, ""},
		{[]string{"mqtt"}, []string{"mqtt"}, "mqtt"},
		{[]string{"xmpp-client", "http/1.1"}, []string{"xmpp-client", "http/1.1"}, "xmpp-client"},
		{[]string{"h2", "http/1.1"}, nil, ""},
	} {
		var offered []string
		config := &tls.Config{NextProtos: c.server, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			offered = h.SupportedProtos
			return nil, nil
		}}
		conn, _, err := shake(t, config, UpstreamOptions{ServerName: host, ALPN: MirrorALPN(c.client)})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("%v with %v: %q, want %q", c.client, c.server, got, c.want)
		}
		if diff := cmp.Diff(MirrorALPN(c.client), offered); diff != "" {
			t.Error(diff)
		}
	}
	offered := []string{"", "http/1.1", "\x0a\x0a", "h2", "h2", strings.Repeat("x", 256), "mqtt"}
	if diff := cmp.Diff([]string{"http/1.1", "\x0a\x0a", "h2", "mqtt"}, MirrorALPN(offered)); diff != "" {
		t.Error(diff)
	}
}

func TestHandshakeServerName(t *testing.T) {
	for _, c := range []struct {
		o    UpstreamOptions
		want string
	}{
		{UpstreamOptions{ServerName: host}, host},
		{UpstreamOptions{ServerName: host, OmitServerName: true}, ""},
		{UpstreamOptions{ServerName: "127.0.0.1"}, ""},
	} {
		got := "nothing"
		config := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			got = h.ServerName
			return nil, nil
		}}
		_, up, err := shake(t, config, c.o)
		if err != nil || got != c.want {
			t.Errorf("%+v: sent %q, want %q (%v)", c.o, got, c.want, err)
		}
		if (Classify(up.VerifyErr) == ProblemName) != (c.o.ServerName != host) {
			t.Errorf("%+v: verified as %v", c.o, up.VerifyErr)
		}
	}
	if _, _, err := shake(t, &tls.Config{}, UpstreamOptions{}); err == nil || !strings.Contains(err.Error(), "no server name") {
		t.Error(err)
	}
}

func TestHandshakeLegacy(t *testing.T) {
	for name, config := range map[string]*tls.Config{
		"TLS 1.0":        {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"TLS 1.1":        {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"RSA encryption": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, Certificates: []tls.Certificate{chain(sign(server(host, host), testPKI().root, rsaKey()))}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := shake(t, config.Clone(), UpstreamOptions{ServerName: host})
			if e, ok := errors.AsType[*HandshakeError](err); !ok || e.Server != host {
				t.Errorf("by default: %v", err)
			}
			_, up, err := shake(t, config.Clone(), UpstreamOptions{ServerName: host, Legacy: true})
			if err != nil || up.VerifyErr != nil {
				t.Errorf("with the option: %v, %v", err, up.VerifyErr)
			}
		})
	}
	for _, id := range legacySuites() {
		if strings.Contains(tls.CipherSuiteName(id), "RC4") {
			t.Error("RC4 is offered")
		}
	}
}

func TestHandshakeClientCertificate(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for auth, fails := range map[tls.ClientAuthType]bool{tls.RequestClientCert: false, tls.RequireAnyClientCert: version == tls.VersionTLS12} {
			_, up, err := shake(t, &tls.Config{ClientAuth: auth, MaxVersion: version}, UpstreamOptions{ServerName: host})
			if (err != nil) != fails || !up.WantsClientCertificate {
				t.Errorf("%s, %v: %v, %v", tls.VersionName(version), auth, up.WantsClientCertificate, err)
			}
		}
	}
}

// TestHandshakeFails has servers that make none.
func TestHandshakeFails(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"closes":       {func(net.Conn) {}, ""},
		"says nothing": {func(c net.Conn) { io.Copy(io.Discard, c) }, "deadline"},
		"speaks HTTP":  {func(c net.Conn) { c.Read(make([]byte, 1)); c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) }, "does not look like a TLS handshake"},
		"refuses":      {func(c net.Conn) { c.Read(make([]byte, 1024)); c.Write([]byte{21, 3, 3, 0, 2, 2, 40}) }, "handshake failure"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Handshake(t.Context(), dialRaw(t, serve(t, c.handle)), UpstreamOptions{ServerName: host, Timeout: 300 * time.Millisecond})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "opening TLS to "+host+": ") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := Handshake(ctx, dialRaw(t, serve(t, func(c net.Conn) { io.Copy(io.Discard, c) })), UpstreamOptions{ServerName: host})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestVerify has several things be wrong at once, and the clock be another.
func TestVerify(t *testing.T) {
	p := testPKI()
	roots := pool(p.root.cert)
	old := server("www.example", "www.example")
	old.NotBefore, old.NotAfter = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(0, 0, -1)
	worst := []*x509.Certificate{sign(old, nil, ecKey()).cert}
	err := (*Trust)(nil).problems(worst, host, roots, time.Now())
	e, ok := errors.AsType[*VerifyError](err)
	if !ok || e.Time == nil || e.Name == nil || e.Trust == nil {
		t.Fatalf("not all of it is told: %+v", err)
	}
	for _, want := range []string{"certificate of vpn.example: ", "is after", "certificate is valid for www.example", "signed by unknown authority"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "x509") {
		t.Errorf("%v", err)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Error("causes cannot be told apart")
	}

	good := goodChain()
	leaf := good[0].cert
	for _, c := range []struct {
		when time.Time
		want Problem
	}{
		{time.Now(), ProblemNone},
		{leaf.NotBefore.Add(-time.Second), ProblemExpired},
		{leaf.NotAfter, ProblemNone},
		{leaf.NotAfter.Add(time.Second), ProblemExpired},
	} {
		conn := dialRaw(t, serveTLS(t, &tls.Config{Certificates: []tls.Certificate{chain(good...)}}))
		_, up, err := Handshake(t.Context(), conn, UpstreamOptions{ServerName: host, Roots: roots, Clock: func() time.Time { return c.when }})
		if err != nil || Classify(up.VerifyErr) != c.want {
			t.Errorf("%v: %v (%v), want %v", c.when, up.VerifyErr, err, c.want)
		}
	}
}

func TestClassify(t *testing.T) {
	expired := x509.CertificateInvalidError{Reason: x509.Expired}
	for _, c := range []struct {
		err  error
		want Problem
		text string
	}{
		{nil, ProblemNone, "none"},
		{expired, ProblemExpired, "expired"},
		{fmt.Errorf("tls: %w", x509.HostnameError{Certificate: new(x509.Certificate)}), ProblemName, "name mismatch"},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, ProblemUnknownAuthority, "unknown authority"},
		{x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}, ProblemOther, "other"},
		{io.EOF, ProblemOther, "other"},
		{&VerifyError{Time: expired, Trust: io.EOF}, ProblemExpired, "expired"},
		{&VerifyError{Name: io.EOF, Trust: x509.UnknownAuthorityError{}}, ProblemName, "name mismatch"},
		{&VerifyError{Trust: x509.UnknownAuthorityError{}}, ProblemUnknownAuthority, "unknown authority"},
		{&VerifyError{Trust: x509.InsecureAlgorithmError(1)}, ProblemOther, "other"},
	} {
		if got := Classify(c.err); got != c.want || got.String() != c.text {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
	if got := Problem(99).String(); got != "Problem(99)" {
		t.Error(got)
	}
}

// TestPin has a client that decided on what it was shown make more connections.
func TestPin(t *testing.T) {
	self, other := sign(server(host, host), nil, ecKey()), sign(server(host, host), nil, ecKey())
	good := goodChain()
	config := func(certs ...*issuer) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{chain(certs...)}}
	}
	for _, c := range []struct {
		name        string
		shown, then []*issuer
		accepts     bool
	}{
		{"the same, not trusted", []*issuer{self}, []*issuer{self}, true},
		{"another, not trusted", []*issuer{self}, []*issuer{other}, false},
		{"another, trusted", []*issuer{self}, good, true},
		{"trusted before, and now another", good, goodChain(), true},
		{"trusted before, and not now", good, []*issuer{self}, false},
		{"the same without its intermediate", good, good[:1], true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, up, err := shake(t, config(c.shown...), UpstreamOptions{ServerName: host})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = shake(t, config(c.then...), UpstreamOptions{ServerName: host, Verify: Pin(up)})
			if (err == nil) != c.accepts {
				t.Error(err)
			}
			if err != nil && !strings.Contains(err.Error(), "not the certificate that the client was shown: certificate of vpn.example") {
				t.Error(err)
			}
			// As an http.Transport has it.
			conn := tls.Client(dialRaw(t, serveTLS(t, config(c.then...))), &tls.Config{ServerName: host, InsecureSkipVerify: true, VerifyConnection: Pin(up)})
			if err := conn.Handshake(); (err == nil) != c.accepts {
				t.Error(err)
			}
		})
	}
	if Pin(Upstream{})(tls.ConnectionState{}) == nil {
		t.Error("nothing was accepted")
	}
}

func TestLoadRoots(t *testing.T) {
	p := testPKI()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	system, err := LoadRoots("")
	if err != nil {
		t.Fatal(err)
	}
	more, err := LoadRoots(write("roots.pem", "# ours\n"+certPEM(p.root, p.stranger)))
	if err != nil {
		t.Fatal(err)
	}
	if more.Equal(system) {
		t.Error("nothing was added")
	}
	for _, roots := range []*x509.CertPool{system, more} {
		_, up, err := shake(t, &tls.Config{}, UpstreamOptions{ServerName: host, Roots: roots})
		if err != nil || (up.VerifyErr == nil) != (roots == more) {
			t.Errorf("%v, %v", err, up.VerifyErr)
		}
	}
	for name, want := range map[string]string{
		write("empty.pem", ""):               "holds no certificate",
		write("key.pem", keyPEM(t, ecKey())): "holds no certificate",
		write("broken.pem", certPEM(p.root)+strings.Replace(certPEM(p.root), "M", "A", 1)): "certificate 2: ",
		filepath.Join(dir, "none.pem"): "no such file",
	} {
		if _, err := LoadRoots(name); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	big := write("big.pem", "")
	if err := os.Truncate(big, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadRoots(big); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

// TestNoTickets has both sides show every time what they have.
func TestNoTickets(t *testing.T) {
	conn, up, err := shake(t, &tls.Config{}, UpstreamOptions{ServerName: host})
	if err != nil || conn.ConnectionState().DidResume {
		t.Fatal(err)
	}
	a := newCATest(t, CreateOptions{})
	addr := serveTLS(t, ServerConfig(mustLeaf(t, a, up), ""))
	config := &tls.Config{ServerName: host, RootCAs: pool(a.Certificate()), ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	for range 2 {
		c := tls.Client(dialRaw(t, addr), config)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err != nil || c.ConnectionState().DidResume {
			t.Errorf("resumed %v, %v", c.ConnectionState().DidResume, err)
		}
	}
}
