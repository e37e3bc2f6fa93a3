package access_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"sstpwarden/proxy/access"

	"github.com/google/go-cmp/cmp"
)

func TestLimiter(t *testing.T) {
	l := access.NewLimiter(5, 2)
	var releases []func()
	acquire := func(from, want string) {
		t.Helper()
		var client netip.Addr
		if from != "" {
			client = netip.MustParseAddr(from)
		}
		release, err := l.Acquire(client)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: %v\nwant %s", from, err, want)
		case err == nil:
			releases = append(releases, release)
		case release != nil:
			t.Errorf("%s: something to release", from)
		}
	}
	acquire("192.0.2.1", "")
	acquire("::ffff:192.0.2.1", "")
	acquire("192.0.2.1", "192.0.2.1 has as many connections as one client may have: 2")
	acquire("2001:db8::1", "")
	acquire("2001:db8::2%eth0", "")
	acquire("2001:db8::3", "2001:db8::/64 has as many connections as one client may have: 2")
	acquire("2001:db8:0:1::3", "")
	acquire("192.0.2.2", "there are as many connections as there may be: 5")
	acquire("", "there are as many connections as there may be: 5")
	if diff := cmp.Diff(access.LimiterStats{Active: 5, Clients: 3, Accepted: 5, RefusedTotal: 2, RefusedClient: 2}, l.Stats()); diff != "" {
		t.Error(diff)
	}
	releases[0]()
	releases[0]()
	acquire("", "")
	acquire("192.0.2.1", "there are as many connections as there may be: 5")
	for _, release := range releases {
		release()
	}
	if diff := cmp.Diff(access.LimiterStats{Accepted: 6, RefusedTotal: 3, RefusedClient: 2}, l.Stats()); diff != "" {
		t.Error(diff)
	}

	_, err := access.NewLimiter(1, 0).Acquire(netip.Addr{})
	if err != nil {
		t.Error(err)
	}
	l = access.NewLimiter(0, 1)
	for i := range 1000 {
		if _, err := l.Acquire(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})); err != nil {
			t.Fatal(err)
		}
	}
	_, err = l.Acquire(netip.MustParseAddr("10.0.0.7"))
	if e, ok := errors.AsType[*access.LimitError](err); !ok || !e.PerClient || e.Limit != 1 || e.Client != netip.MustParseAddr("10.0.0.7") {
		t.Error(err)
	}
	none := access.NewLimiter(1, 1)
	if _, err := none.Acquire(netip.Addr{}); err != nil {
		t.Error(err)
	}
	if _, err := none.Acquire(netip.Addr{}); err == nil || err.Error() != "an unknown address has as many connections as one client may have: 1" {
		t.Error(err)
	}
}

func TestLimiterConcurrently(t *testing.T) {
	l := access.NewLimiter(10, 4)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 1000 {
				release, err := l.Acquire(netip.AddrFrom4([4]byte{10, 0, 0, byte(rand.N(5))}))
				if n := l.Stats().Active; n > 10 || n < 0 {
					t.Errorf("%d are there", n)
				}
				if err == nil {
					wg.Go(release)
					release()
				}
			}
		})
	}
	wg.Wait()
	if s := l.Stats(); s.Active != 0 || s.Clients != 0 {
		t.Errorf("left: %+v", s)
	}
}

// TestLimiterFlood has a million clients come, of which none goes.
func TestLimiterFlood(t *testing.T) {
	const clients, most = 1_000_000, 10_000
	l := access.NewLimiter(most, 10)
	for i := range clients {
		var a [16]byte
		a[0], a[4], a[5], a[6], a[7] = 0x20, byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		_, _ = l.Acquire(netip.AddrFrom16(a))
	}
	if diff := cmp.Diff(access.LimiterStats{Active: most, Clients: most, Accepted: most, RefusedTotal: clients - most}, l.Stats()); diff != "" {
		t.Error(diff)
	}
}

func TestLimiterAllocates(t *testing.T) {
	l := access.NewLimiter(10, 10)
	a := netip.MustParseAddr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() {
		release, _ := l.Acquire(a)
		release()
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLimiter(b *testing.B) {
	l := access.NewLimiter(10_000, 100)
	b.RunParallel(func(pb *testing.PB) {
		a := netip.AddrFrom4([4]byte{10, byte(rand.N(256)), byte(rand.N(256)), 1})
		for pb.Next() {
			release, err := l.Acquire(a)
			if err == nil {
				release()
			}
		}
	})
}
