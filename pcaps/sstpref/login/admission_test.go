package login_test

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"sstpwarden/pcaps/sstpref/login"
)

func TestAdmission(t *testing.T) {
	addr := netip.MustParseAddr
	a := login.NewAdmission(8) // two from an address
	var releases []func()
	enter := func(from, want string) {
		t.Helper()
		release, err := a.Enter(addr(from))
		switch {
		case err != nil && err.Error() != want:
			t.Errorf("%s: %v\nwant %s", from, err, want)
		case err == nil && want != "":
			t.Errorf("%s is let in", from)
		case err == nil:
			releases = append(releases, release)
		case release != nil:
			t.Errorf("%s: something to release", from)
		}
	}
	const one = "2 connections from 192.0.2.1 have not logged in, and no more may come from one address: if they are real clients, allow more connections than 8"
	enter("192.0.2.1", "")
	enter("::ffff:192.0.2.1", "")
	enter("192.0.2.1", one)
	enter("2001:db8::1", "")
	enter("2001:db8::2", "")
	enter("2001:db8::3", "2 connections from 2001:db8::/64 have not logged in, and no more may come from one address: if they are real clients, allow more connections than 8")
	enter("192.0.2.3", "")
	enter("192.0.2.3", "")
	enter("192.0.2.4", "")
	enter("192.0.2.5", "")
	enter("192.0.2.6", "8 connections have not logged in, and no more may come: if they are real clients, allow more; 192.0.2.6 has 0 of them")
	if a.Len() != 8 {
		t.Errorf("%d connections", a.Len())
	}
	releases[0]()
	releases[0]()
	if a.Len() != 7 {
		t.Errorf("%d connections", a.Len())
	}
	enter("192.0.2.1", "")
	enter("192.0.2.1", one)
	for _, release := range releases {
		release()
	}
	if a.Len() != 0 {
		t.Errorf("%d connections are left", a.Len())
	}
	if _, err := a.Enter(netip.Addr{}); err != nil {
		t.Error(err)
	}
}

func TestAdmissionLimits(t *testing.T) {
	for connections, want := range map[int][2]int{0: {256, 64}, -1: {256, 64}, 1: {1, 1}, 3: {3, 1}, 5: {5, 2}, 1000: {1000, 250}} {
		fill := func(addr func(i int) netip.Addr) int {
			a := login.NewAdmission(connections)
			for i := 0; ; i++ {
				if _, err := a.Enter(addr(i)); err != nil {
					return i
				}
			}
		}
		got := [2]int{
			fill(func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }),
			fill(func(int) netip.Addr { return netip.IPv4Unspecified() }),
		}
		if got != want {
			t.Errorf("%d: %v, want %v", connections, got, want)
		}
	}
}

func TestAdmissionConcurrently(t *testing.T) {
	a := login.NewAdmission(10)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 1000 {
				release, err := a.Enter(netip.AddrFrom4([4]byte{10, 0, 0, byte(rand.N(5))}))
				if n := a.Len(); n > 10 || n < 0 {
					t.Errorf("%d connections", n)
				}
				if err == nil {
					wg.Go(release)
					release()
				}
			}
		})
	}
	wg.Wait()
	if a.Len() != 0 {
		t.Errorf("%d connections are left", a.Len())
	}
}
