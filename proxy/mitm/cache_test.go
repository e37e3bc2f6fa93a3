package mitm

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// upstreams makes n of them, as far as a cache is concerned.
func upstreams(n int) []Upstream {
	key := ecKey()
	all := make([]Upstream, n)
	for i := range all {
		name := fmt.Sprintf("%d.example", i)
		all[i] = Upstream{Chain: []*x509.Certificate{sign(server(name, name), testPKI().root, key).cert}, ServerName: name}
	}
	return all
}

func get(t testing.TB, c *Cache, up Upstream) *tls.Certificate {
	t.Helper()
	leaf, err := c.Leaf(up, "")
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func wantStats(t *testing.T, c *Cache, hits, misses, evictions uint64, entries int) {
	t.Helper()
	got := c.Stats()
	got.Bytes = 0
	if diff := cmp.Diff(CacheStats{hits, misses, evictions, entries, 0}, got); diff != "" {
		t.Error(diff)
	}
}

func TestCache(t *testing.T) {
	c := NewCache(newCATest(t, CreateOptions{}), CacheOptions{Entries: 2})
	ups := upstreams(3)
	first := get(t, c, ups[0])
	get(t, c, ups[1])
	if get(t, c, ups[0]) != first {
		t.Error("made anew")
	}
	wantStats(t, c, 1, 2, 0, 2)
	get(t, c, ups[2]) // in place of 1, which was not used for longest
	if get(t, c, ups[0]) != first {
		t.Error("the one used last fell out")
	}
	wantStats(t, c, 2, 3, 1, 2)

	// Whatever name was asked for, the leaf is the same.
	if leaf, err := c.Leaf(ups[0], "other.example"); err != nil || leaf != first {
		t.Errorf("another leaf for another name: %v", err)
	}
	// But not for an upstream that is not trusted.
	bad := ups[0]
	bad.VerifyErr = errors.New("revoked")
	if shown := get(t, c, bad); shown == first || get(t, c, bad) != shown {
		t.Error("trusted and untrusted are one entry")
	}
	// Nor for another authority.
	b := newCATest(t, CreateOptions{})
	c.Use(b)
	if get(t, c, ups[0]) == first || c.Authority() != b {
		t.Error("the old authority's leaf is used")
	}
}

func TestCacheLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newCATest(t, CreateOptions{Valid: 24 * time.Hour})
		c := NewCache(a, CacheOptions{})
		key := ecKey()
		upstream := func(from, to time.Duration) Upstream {
			s := server(host, host)
			s.NotBefore, s.NotAfter = time.Now().Add(from), time.Now().Add(to)
			return upstreamOf(host, sign(s, a.testRoot(), key))
		}
		for _, step := range []struct {
			name     string
			from, to time.Duration
			kept     time.Duration
		}{
			{"an hour", -time.Hour, 24 * time.Hour, time.Hour},
			{"until the upstream's ends", -time.Hour, 10 * time.Minute, 10 * time.Minute},
			{"expired", -2 * time.Hour, -time.Hour, time.Hour},
			{"not yet valid", 2 * time.Hour, 24 * time.Hour, time.Hour},
		} {
			up := upstream(step.from, step.to)
			first := get(t, c, up)
			time.Sleep(step.kept - time.Second)
			if get(t, c, up) != first {
				t.Errorf("%s: made anew too early", step.name)
			}
			time.Sleep(time.Second)
			if get(t, c, up) == first {
				t.Errorf("%s: kept too long", step.name)
			}
		}
		// The authority ends after 24 hours.
		up := upstream(-time.Hour, 48*time.Hour)
		time.Sleep(time.Until(a.Certificate().NotAfter) - time.Minute)
		first := get(t, c, up)
		time.Sleep(time.Minute)
		if get(t, c, up) == first {
			t.Error("kept longer than the authority lives")
		}
		if s := c.Stats(); s.Evictions != 0 {
			t.Errorf("what was over counts as %d evictions", s.Evictions)
		}
	})
}

// testRoot signs upstreams with dates of a bubble, where testPKI has not begun.
func (a *Authority) testRoot() *issuer { return a.untrusted }

func TestCacheBytes(t *testing.T) {
	a := newCATest(t, CreateOptions{})
	ups := upstreams(10)
	one := NewCache(a, CacheOptions{})
	get(t, one, ups[0])
	size := one.Stats().Bytes
	if size < 1000 || size > 3000 {
		t.Errorf("a leaf takes %d bytes", size)
	}
	c := NewCache(a, CacheOptions{Bytes: 3*size + size/2})
	for _, up := range ups {
		get(t, c, up)
	}
	wantStats(t, c, 0, 10, 7, 3)

	// What is too big for the cache is used all the same.
	s := server(host)
	for i := range 5000 {
		s.DNSNames = append(s.DNSNames, fmt.Sprintf("%d.vpn.example", i))
	}
	get(t, c, upstreamOf("1.vpn.example", sign(s, testPKI().root, ecKey())))
	if got := c.Stats(); got.Entries != 0 || got.Bytes != 0 {
		t.Errorf("%+v", got)
	}
	get(t, c, ups[0])
	if got := c.Stats(); got.Entries != 1 || got.Bytes < size-4 || got.Bytes > size+4 { // signatures differ in length
		t.Errorf("%+v, want one of %d bytes", got, size)
	}
}

// TestCacheSingleFlight has many clients want the same leaf at once.
func TestCacheSingleFlight(t *testing.T) {
	c := NewCache(newCATest(t, CreateOptions{}), CacheOptions{})
	up := upstreams(1)[0]
	leaves := make([]*tls.Certificate, 64)
	var wg sync.WaitGroup
	for i := range leaves {
		wg.Go(func() {
			leaf, err := c.Leaf(up, "")
			if err != nil {
				t.Error(err)
			}
			leaves[i] = leaf
		})
	}
	wg.Wait()
	for _, leaf := range leaves {
		if leaf != leaves[0] {
			t.Fatal("made more than once")
		}
	}
	wantStats(t, c, 63, 1, 0, 1)
}

// TestCacheBusy has all happen at the same time.
func TestCacheBusy(t *testing.T) {
	a, b := newCATest(t, CreateOptions{}), newCATest(t, CreateOptions{})
	c := NewCache(a, CacheOptions{Entries: 4, Lifetime: time.Millisecond})
	ups := upstreams(8)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				up := ups[(g+i)%len(ups)]
				leaf, err := c.Leaf(up, "")
				if err != nil {
					t.Error(err)
					return
				}
				cert, err := x509.ParseCertificate(leaf.Certificate[0])
				if err != nil || !bytes.Equal(cert.RawSubject, up.Chain[0].RawSubject) {
					t.Errorf("another server's leaf: %v", err)
					return
				}
				if i%50 == 0 {
					c.Use(b)
					c.Use(a)
				}
			}
		})
	}
	wg.Wait()
	s := c.Stats()
	if s.Hits+s.Misses != 800 || s.Entries > 4 || s.Bytes < 0 {
		t.Errorf("%+v", s)
	}
}

// TestCacheError has what could not be made be tried again.
func TestCacheError(t *testing.T) {
	a := newCATest(t, CreateOptions{Constraints: Constraints{ExcludeNet: nets("127.0.0.0/8")}})
	c := NewCache(a, CacheOptions{})
	s := server(host, host)
	s.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	up := upstreamOf(host, sign(s, testPKI().root, ecKey()))
	for range 2 {
		_, err := c.Leaf(up, "")
		if e, ok := errors.AsType[*ConstraintError](err); !ok || e.Name != "127.0.0.1" {
			t.Error(err)
		}
	}
	wantStats(t, c, 0, 2, 0, 0)
}
