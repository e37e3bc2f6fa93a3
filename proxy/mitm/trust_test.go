package mitm

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// trustChain is a leaf with an intermediate that is valid from a minute ago for
// two minutes more.
func trustChain(now time.Time) []*x509.Certificate {
	t := caTest("short intermediate")
	t.NotBefore, t.NotAfter = now.Add(-time.Minute), now.Add(2*time.Minute)
	above := sign(t, testPKI().root, ecKey())
	return []*x509.Certificate{sign(server(host, host), above, ecKey()).cert, above.cert}
}

func (t *Trust) len() int { return len(t.newer) + len(t.older) }

// What is remembered must never say more than verifying would.
func TestTrust(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	roots := pool(testPKI().root.cert)
	list := trustChain(now)
	other := trustChain(now)
	long := []*x509.Certificate{sign(server(host, host), testPKI().above, ecKey()).cert, testPKI().above.cert}
	expired := server(host, host)
	expired.NotAfter = now.Add(time.Minute)
	short := []*x509.Certificate{sign(expired, testPKI().root, ecKey()).cert}
	for _, c := range []struct {
		name  string
		known []*x509.Certificate // verified before, at now
		asked []*x509.Certificate
		host  string
		roots *x509.CertPool
		after time.Duration
		want  Problem
	}{
		{"the same", list, list, host, roots, 0, ProblemNone},
		{"the same, later", list, list, host, roots, 2 * time.Minute, ProblemNone},
		{"another name", list, list, "other.example", roots, time.Second, ProblemName},
		{"other roots", list, list, host, pool(testPKI().stranger.cert), time.Second, ProblemUnknownAuthority},
		{"the intermediate has expired", list, list, host, roots, 3 * time.Minute, ProblemOther},
		{"the intermediate is not valid yet", list, list, host, roots, -2 * time.Minute, ProblemOther},
		{"the leaf has expired", short, short, host, roots, 2 * time.Minute, ProblemExpired},
		{"no intermediate", list, list[:1], host, roots, time.Second, ProblemUnknownAuthority},
		{"another's intermediate", list, []*x509.Certificate{list[0], other[1]}, host, roots, time.Second, ProblemUnknownAuthority},
		{"another's leaf", list, []*x509.Certificate{other[0], list[1]}, host, roots, time.Second, ProblemUnknownAuthority},
		{"verified anew", long, long, host, roots, trustLifetime + time.Second, ProblemNone},
	} {
		trust := &Trust{}
		if err := trust.problems(c.known, host, roots, now); err != nil || trust.len() != 1 {
			t.Fatalf("%s: %v, %d remembered", c.name, err, trust.len())
		}
		when := now.Add(c.after)
		got := trust.problems(c.asked, c.host, c.roots, when)
		bare := (*Trust)(nil).problems(c.asked, c.host, c.roots, when)
		if Classify(got) != Classify(bare) || (c.want == ProblemNone) != (got == nil) || c.want == ProblemName && Classify(got) != c.want {
			t.Errorf("%s: %v; without a memory %v, want %v", c.name, got, bare, c.want)
		}
	}
}

// TestTrustHits shows that what is remembered is not verified: the pool has lost
// its root meanwhile, which it must not.
func TestTrustHits(t *testing.T) {
	now := time.Now()
	roots := pool(testPKI().root.cert)
	list := trustChain(now)
	trust := &Trust{}
	if err := trust.problems(list, host, roots, now); err != nil {
		t.Fatal(err)
	}
	*roots = *x509.NewCertPool()
	for after, want := range map[time.Duration]bool{0: true, time.Minute: true, -time.Second: false, trustLifetime + time.Second: false} {
		if err := trust.problems(list, host, roots, now.Add(after)); (err == nil) != want {
			t.Errorf("after %v: %v", after, err)
		}
	}
	trust = &Trust{}
	for range 2 {
		if err := trust.problems(list, host, roots, now); err == nil || trust.len() != 0 {
			t.Errorf("not verified: %v, %d remembered", err, trust.len())
		}
	}
}

func TestTrustBounded(t *testing.T) {
	now := time.Now()
	trust := &Trust{}
	keyOf := func(i int) (k trustKey) {
		binary.BigEndian.PutUint64(k.chain[:], uint64(i))
		return k
	}
	used := trustKey{chain: sha256.Sum256(nil)}
	trust.add(used, trusted{now, now})
	for i := range 5 * trustEntries {
		trust.add(keyOf(i), trusted{now, now})
		if !trust.has(used, now) || trust.has(keyOf(i), now.Add(time.Second)) {
			t.Fatalf("%d: forgot what is in use, or what has ended counts", i)
		}
		if trust.len() > 2*trustEntries {
			t.Fatalf("%d are remembered", trust.len())
		}
	}
	if trust.has(keyOf(0), now) || !trust.has(keyOf(5*trustEntries-1), now) {
		t.Error("not the oldest is forgotten")
	}
}

func TestHandshakeTrust(t *testing.T) {
	trust, roots, shown := &Trust{}, pool(testPKI().root.cert), chain(goodChain()...)
	for range 3 {
		config := &tls.Config{Certificates: []tls.Certificate{shown}}
		_, up, err := shake(t, config, UpstreamOptions{ServerName: host, Roots: roots, Trust: trust})
		if err != nil || up.VerifyErr != nil || trust.len() != 1 {
			t.Errorf("%v, %v, %d remembered", err, up.VerifyErr, trust.len())
		}
	}
}

func TestHandshakeGroups(t *testing.T) {
	for _, isClassical := range []bool{false, true} {
		var offered []tls.CurveID
		config := &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			offered = h.SupportedCurves
			return nil, nil
		}}
		_, _, err := shake(t, config, UpstreamOptions{ServerName: host, Classical: isClassical})
		if err != nil || !slices.Contains(offered, tls.X25519) || slices.Contains(offered, tls.X25519MLKEM768) == isClassical {
			t.Errorf("classical %v: offers %v, %v", isClassical, offered, err)
		}
	}
}

func BenchmarkTrust(b *testing.B) {
	roots := pool(testPKI().root.cert)
	now := time.Now()
	list := trustChain(now)
	for _, trust := range []*Trust{nil, {}} {
		name := "remembered"
		if trust == nil {
			name = "verified"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := trust.problems(list, host, roots, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
