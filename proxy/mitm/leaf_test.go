package mitm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLeafMirrors(t *testing.T) {
	a := newCATest(t, CreateOptions{})
	s := server("The Server", host, "*.vpn.example", "xn--mnchen-3ya.example")
	s.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1).To4(), net.ParseIP("2001:db8::1")}
	s.EmailAddresses = []string{"not@for.tls"}
	s.KeyUsage |= x509.KeyUsageKeyEncipherment
	up := upstreamOf(host, sign(s, testPKI().root, rsaKey()))
	leaf := parsed(t, a, up)
	theirs := up.Chain[0]
	if !bytes.Equal(leaf.RawSubject, theirs.RawSubject) {
		t.Errorf("subject %s, want %s", leaf.Subject, theirs.Subject)
	}
	if diff := cmp.Diff(theirs.DNSNames, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(theirs.IPAddresses, leaf.IPAddresses); diff != "" {
		t.Error(diff)
	}
	if !leaf.NotAfter.Equal(theirs.NotAfter) {
		t.Errorf("until %s, want %s", leaf.NotAfter, theirs.NotAfter)
	}
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key %T", leaf.PublicKey)
	}
	if diff := cmp.Diff([]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, leaf.ExtKeyUsage); diff != "" || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("usage %v %s", leaf.KeyUsage, diff)
	}
	if leaf.IsCA || !leaf.BasicConstraintsValid || leaf.SerialNumber.BitLen() != 128 || len(leaf.EmailAddresses) != 0 {
		t.Errorf("CA %v, serial of %d bits, %v", leaf.IsCA, leaf.SerialNumber.BitLen(), leaf.EmailAddresses)
	}
	if !bytes.Equal(leaf.AuthorityKeyId, a.Certificate().SubjectKeyId) {
		t.Error("not the authority's key id")
	}
	if again := parsed(t, a, up); bytes.Equal(again.RawSubjectPublicKeyInfo, leaf.RawSubjectPublicKeyInfo) || again.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
		t.Error("two leaves share a key or serial")
	}
}

func TestLeafValidity(t *testing.T) {
	const d = 24 * time.Hour
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	ca := &x509.Certificate{NotBefore: now.Add(-100 * d), NotAfter: now.Add(1000 * d)}
	at := func(days int) time.Time { return now.Add(time.Duration(days) * d) }
	for _, c := range []struct {
		name                   string
		from, to               int
		wantFrom, wantTo, ends int
	}{
		{"as it is", -30, 60, -30, 60, 1000},
		{"older than the authority", -200, 60, -100, 60, 1000},
		{"longer than the authority", -30, 60, -30, 50, 50},
		{"long", -90, 350, -1, 350, 1000},
		{"for ever", -90, 9000, -1, 397, 1000},
		{"begins now", 0, 9000, 0, 398, 1000},
		{"expired", -300, -200, -300, -200, 1000},
		{"expired before the authority was", -300, -150, -300, -150, 1000},
		{"expired after years", -3000, -10, -408, -10, 1000},
		{"not yet valid", 5, 50, 5, 50, 1000},
		{"not yet valid, then for ever", 5, 9000, 5, 403, 1000},
		{"not yet valid when the authority has expired", 70, 100, 70, 100, 60},
	} {
		ca.NotAfter = at(c.ends)
		from, to := validity(&x509.Certificate{NotBefore: at(c.from), NotAfter: at(c.to)}, ca, now)
		if !from.Equal(at(c.wantFrom)) || !to.Equal(at(c.wantTo)) {
			t.Errorf("%s: %v to %v days, want %d to %d", c.name, from.Sub(now).Hours()/24, to.Sub(now).Hours()/24, c.wantFrom, c.wantTo)
		}
		if to.Sub(from) > maxLeaf {
			t.Errorf("%s: too long for clients", c.name)
		}
	}
}

// TestLeafHidesNothing has verification errors that the leaf cannot show.
func TestLeafHidesNothing(t *testing.T) {
	p := testPKI()
	a := newCATest(t, CreateOptions{})
	valid := sign(server(host, host), p.root, ecKey())
	old := server(host, host)
	old.NotAfter = time.Now().Add(-time.Hour)
	expired := sign(old, p.root, ecKey())
	expiry := x509.CertificateInvalidError{Cert: expired.cert, Reason: x509.Expired}
	for _, c := range []struct {
		name    string
		of      *issuer
		asked   string
		err     error
		trusted bool
	}{
		{"nothing wrong", valid, host, nil, true},
		{"asked for another name", valid, "www.example", nil, true},
		{"expired", expired, host, expiry, true},
		{"wrapped", expired, host, &HandshakeError{host, expiry}, true},
		{"name", valid, "www.example", x509.HostnameError{Certificate: valid.cert, Host: "www.example"}, true},
		{"name of somebody else", valid, host, x509.HostnameError{Certificate: valid.cert, Host: "www.example"}, false},
		{"expired above", valid, host, expiry, false},
		{"revoked", valid, host, errors.New("revoked"), false},
		{"authority", valid, host, x509.UnknownAuthorityError{Cert: valid.cert}, false},
		{"weak", valid, host, x509.InsecureAlgorithmError(x509.SHA1WithRSA), false},
		{"time, but the leaf is valid", valid, host, &VerifyError{Time: expiry}, false},
		{"all at once", expired, "www.example", &VerifyError{Time: expiry, Name: x509.HostnameError{}, Trust: errors.New("no")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaf, err := a.Leaf(Upstream{Chain: []*x509.Certificate{c.of.cert}, VerifyErr: c.err, ServerName: c.asked}, "")
			if err != nil {
				t.Fatal(err)
			}
			cert, err := x509.ParseCertificate(leaf.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := cert.CheckSignatureFrom(a.Certificate()) == nil; got != c.trusted {
				t.Errorf("signed by the authority: %v, want %v", got, c.trusted)
			}
			if !c.trusted {
				if len(leaf.Certificate) != 1 || cert.Issuer.CommonName != untrustedName {
					t.Errorf("%d certificates, issued by %s", len(leaf.Certificate), cert.Issuer)
				}
			}
			_, err = cert.Verify(x509.VerifyOptions{Roots: pool(a.Certificate()), DNSName: c.asked})
			if c.err != nil && err == nil {
				t.Error("the problem is hidden")
			}
		})
	}
}

// TestUntrustedIssuer has the second issuer differ from process to process.
func TestUntrustedIssuer(t *testing.T) {
	a := newCATest(t, CreateOptions{})
	b, err := newAuthority(a.key, a.cert, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	up := upstreamOf(host, sign(server(host, host), nil, ecKey()))
	if err := parsed(t, a, up).CheckSignatureFrom(b.untrusted.cert); err == nil {
		t.Error("two processes have one issuer")
	}
}

func TestLeafWithoutChain(t *testing.T) {
	a := newCATest(t, CreateOptions{})
	if _, err := a.Leaf(Upstream{}, host); err == nil {
		t.Error("made of nothing")
	}
	if _, err := NewCache(a, CacheOptions{}).Leaf(Upstream{}, host); err == nil {
		t.Error("made of nothing, with a cache")
	}
}

// FuzzLeaf has upstreams show whatever crypto/tls lets through.
func FuzzLeaf(f *testing.F) {
	p := testPKI()
	for _, c := range mirrorCases() {
		f.Add(c.chain[0].cert.Raw)
	}
	odd := server("", host)
	odd.Subject = pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: []int{2, 5, 4, 3}, Value: "a\x00b"}, {Type: []int{1, 2, 3}, Value: "x"}}}
	odd.URIs = nil
	f.Add(sign(odd, p.root, ecKey()).cert.Raw)
	a := newCATest(f, CreateOptions{Constraints: Constraints{ExcludeDNS: []string{"bank.example"}, ExcludeNet: nets("192.0.2.0/24")}})
	roots := pool(p.root.cert, a.Certificate())
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		up := Upstream{Chain: []*x509.Certificate{cert}, ServerName: host}
		up.VerifyErr = (*Trust)(nil).problems(up.Chain, host, roots, time.Now())
		if ours := fuzzed(t, a, up); ours != nil {
			err := (*Trust)(nil).problems([]*x509.Certificate{ours}, host, roots, time.Now())
			if (err == nil) != (up.VerifyErr == nil) {
				t.Fatalf("the upstream's: %v; ours: %v", up.VerifyErr, err)
			}
		}
		up.VerifyErr = nil // as if it were trusted
		if ours := fuzzed(t, a, up); ours != nil {
			theirs := cert.VerifyHostname(host)
			if err := ours.VerifyHostname(host); (err == nil) != (theirs == nil) {
				t.Fatalf("the upstream's: %v; ours: %v", theirs, err)
			}
			if !bytes.Equal(ours.RawSubject, cert.RawSubject) {
				t.Fatalf("subject %s, want %s", ours.Subject, cert.Subject)
			}
		}
	})
}

// fuzzed is the leaf for an upstream, nil if there may be none.
func fuzzed(t *testing.T, a *Authority, up Upstream) *x509.Certificate {
	t.Helper()
	leaf, err := a.Leaf(up, "")
	if _, ok := errors.AsType[*ConstraintError](err); ok {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func BenchmarkLeaf(b *testing.B) {
	a := newCATest(b, CreateOptions{})
	up := upstreamOf(host, sign(server(host, host, "*.vpn.example"), testPKI().root, ecKey()))
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Leaf(up, host); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		cache := NewCache(a, CacheOptions{})
		for b.Loop() {
			if _, err := cache.Leaf(up, host); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cached parallel", func(b *testing.B) {
		cache := NewCache(a, CacheOptions{})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := cache.Leaf(up, host); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkOpen is what opening one connection costs beside the network: both
// handshakes, over pipes in memory.
func BenchmarkOpen(b *testing.B) {
	p := testPKI()
	a := newCATest(b, CreateOptions{})
	theirs := &tls.Config{Certificates: []tls.Certificate{chain(sign(server(host, host), p.above, ecKey()), p.above)}}
	roots, ours := pool(p.root.cert), pool(a.Certificate())
	cache := NewCache(a, CacheOptions{})
	b.ReportAllocs()
	for b.Loop() {
		here, there := net.Pipe()
		go func() { _ = tls.Server(there, theirs).Handshake() }()
		conn, up, err := Handshake(b.Context(), here, UpstreamOptions{ServerName: host, Roots: roots})
		if err != nil {
			b.Fatal(err)
		}
		leaf, err := cache.Leaf(up, "")
		if err != nil {
			b.Fatal(err)
		}
		client, us := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- tls.Server(us, ServerConfig(leaf, "")).Handshake() }()
		if err := tls.Client(client, &tls.Config{ServerName: host, RootCAs: ours}).Handshake(); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		_ = conn.NetConn().Close()
		_ = client.Close()
	}
}

// BenchmarkKey says what a key for each leaf costs of it.
func BenchmarkKey(b *testing.B) {
	for b.Loop() {
		if _, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			b.Fatal(err)
		}
	}
}
