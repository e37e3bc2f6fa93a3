package login_test

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/pcaps/sstpref/login"
)

var began = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// A try is a login at a time after began.
type try struct {
	at   time.Duration
	addr string
	name string
	does string // "fail", "succeed", or the error of Allow; "" for allowed and no more
}

func fails(n int, at time.Duration, addr, name string) (all []try) {
	for range n {
		all = append(all, try{at, addr, name, "fail"})
	}
	return all
}

func TestLimiter(t *testing.T) {
	const (
		home = "192.0.2.7"
		six  = "2001:db8:1:2::7"
	)
	with := func(all []try, more ...try) []try { return append(all, more...) }
	for _, tt := range []struct {
		name   string
		config login.LimiterConfig
		tries  []try
	}{
		{"nothing failed", login.LimiterConfig{}, []try{{0, home, "alice", ""}, {0, home, "alice", "succeed"}}},
		{"four failed", login.LimiterConfig{}, with(fails(4, 0, home, "alice"), try{0, home, "alice", ""})},
		{
			"five failed", login.LimiterConfig{}, with(
				fails(5, 0, home, "alice"),
				try{0, home, "alice", "too many failed logins from 192.0.2.7: 5 within 10m0s; next try from 192.0.2.7 in 10m0s"},
				try{6*time.Minute + 48*time.Second, home, "bob", "too many failed logins from 192.0.2.7: 5 within 10m0s; next try from 192.0.2.7 in 3m12s"},
				try{10*time.Minute - 1, home, "bob", "too many failed logins from 192.0.2.7: 5 within 10m0s; next try from 192.0.2.7 in 1s"},
				try{10 * time.Minute, home, "bob", ""},
			),
		},
		{
			"from elsewhere", login.LimiterConfig{}, with(fails(5, 0, home, "alice"), try{0, "192.0.2.8", "alice", ""}),
		},
		{
			"enough are past", login.LimiterConfig{}, with(
				with(fails(1, 0, home, "a"), fails(4, 5*time.Minute, home, "a")...),
				try{5 * time.Minute, home, "a", "too many failed logins from 192.0.2.7: 5 within 10m0s; next try from 192.0.2.7 in 5m0s"},
				try{10 * time.Minute, home, "a", "fail"},
				try{10 * time.Minute, home, "a", "too many failed logins from 192.0.2.7: 5 within 10m0s; next try from 192.0.2.7 in 5m0s"},
				try{15 * time.Minute, home, "a", ""},
			),
		},
		{
			"a login forgives the address", login.LimiterConfig{}, with(
				with(fails(4, 0, home, "a"), try{0, home, "a", "succeed"}),
				with(fails(4, 0, home, "b"), try{0, home, "b", ""})...,
			),
		},
		{
			"but not the name", login.LimiterConfig{}, with(
				with(fails(4, 0, home, "a"), try{0, home, "me", "succeed"}),
				with(with(fails(4, 0, home, "a"), try{0, home, "me", "succeed"}),
					with(fails(2, 0, home, "a"), try{0, home, "a", `too many failed logins as "a": 10 within 10m0s; next try as "a" in 10m0s`})...)...,
			),
		},
		{
			"one name from everywhere", login.LimiterConfig{PerName: 3}, []try{
				{0, "192.0.2.1", "alice", "fail"},
				{0, "192.0.2.2", `CORP\alice`, "fail"},
				{0, "192.0.2.3", `x\y\alice`, "fail"},
				{time.Minute, "192.0.2.4", "alice", `too many failed logins as "alice": 3 within 10m0s; next try as "alice" in 9m0s`},
				{time.Minute, "192.0.2.4", `other\alice`, `too many failed logins as "alice": 3 within 10m0s; next try as "alice" in 9m0s`},
				{time.Minute, "192.0.2.4", "Alice", ""},
			},
		},
		{
			"long names count by their beginning", login.LimiterConfig{PerName: 1}, []try{
				{0, "192.0.2.1", strings.Repeat("x", 1000), "fail"},
				{0, "192.0.2.2", strings.Repeat("x", 2000), `too many failed logins as "` + strings.Repeat("x", 255) + `": 1 within 10m0s; next try as "` + strings.Repeat("x", 255) + `" in 10m0s`},
			},
		},
		{
			"IPv6 by its first half", login.LimiterConfig{PerAddress: 2}, []try{
				{0, six, "a", "fail"},
				{0, "2001:db8:1:2:ffff::1%eth0", "a", "fail"},
				{0, "2001:db8:1:2::", "a", "too many failed logins from 2001:db8:1:2::/64: 2 within 10m0s; next try from 2001:db8:1:2::/64 in 10m0s"},
				{0, "2001:db8:1:3::7", "a", ""},
			},
		},
		{
			"IPv4 in IPv6", login.LimiterConfig{PerAddress: 1}, []try{
				{0, "::ffff:192.0.2.7", "a", "fail"},
				{0, home, "a", "too many failed logins from 192.0.2.7: 1 within 10m0s; next try from 192.0.2.7 in 10m0s"},
				{0, "::ffff:192.0.2.8", "a", ""},
			},
		},
		{
			"no address", login.LimiterConfig{PerAddress: 1}, []try{
				{0, "", "a", "fail"},
				{0, "", "b", "too many failed logins from an unknown address: 1 within 10m0s; next try from an unknown address in 10m0s"},
				{0, "0.0.0.0", "b", ""},
			},
		},
		{
			"other limits", login.LimiterConfig{PerAddress: 1, Window: time.Hour}, []try{
				{0, home, "a", "fail"},
				{time.Minute, home, "a", "too many failed logins from 192.0.2.7: 1 within 1h0m0s; next try from 192.0.2.7 in 59m0s"},
				{time.Hour, home, "a", ""},
			},
		},
		{"no limits", login.LimiterConfig{PerAddress: -1, PerName: -1}, with(fails(100, 0, home, "a"), try{0, home, "a", ""}, try{0, home, "a", "succeed"})},
		{
			"the clock goes back", login.LimiterConfig{PerAddress: 2}, []try{
				{time.Hour, home, "a", "fail"},
				{0, home, "a", "fail"},
				{0, home, "a", "too many failed logins from 192.0.2.7: 2 within 10m0s; next try from 192.0.2.7 in 10m0s"},
				{70 * time.Minute, home, "a", ""},
			},
		},
		{
			"more than is allowed at the same time", login.LimiterConfig{PerAddress: 2}, []try{
				{0, home, "a", "fail"},
				{1 * time.Minute, home, "a", "fail"},
				{2 * time.Minute, home, "b", "failed all the same"},
				{11 * time.Minute, home, "c", ""},
				{10*time.Minute + 59*time.Second, home, "c", ""}, // was asked before, in truth
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := login.NewLimiter(tt.config)
			for i, try := range tt.tries {
				now := began.Add(try.at)
				var addr netip.Addr
				if try.addr != "" {
					addr = netip.MustParseAddr(try.addr)
				}
				want := try.does
				switch want {
				case "fail", "succeed":
					want = ""
				case "failed all the same":
					l.Failed(now, addr, try.name)
					continue
				}
				got := ""
				if err := l.Allow(now, addr, try.name); err != nil {
					got = err.Error()
				}
				if got != want {
					t.Fatalf("try %d, %+v:\n%s", i, try, got)
				}
				switch try.does {
				case "fail":
					l.Failed(now, addr, try.name)
				case "succeed":
					l.Succeeded(now, addr, try.name)
				}
			}
		})
	}
}

func TestLimitError(t *testing.T) {
	l := login.NewLimiter(login.LimiterConfig{PerAddress: 1})
	addr := netip.MustParseAddr("192.0.2.1")
	l.Failed(began, addr, "a")
	var limit *login.LimitError
	if err := l.Allow(began.Add(90*time.Second), addr, "a"); !errors.As(err, &limit) {
		t.Fatal(err)
	}
	if *limit != (login.LimitError{Of: "from 192.0.2.1", Failures: 1, Window: 10 * time.Minute, Wait: 510 * time.Second}) {
		t.Errorf("%+v", *limit)
	}
}

// TestLimiterForgets: the oldest go first where there are too many, and are counted
// unless their time was over.
func TestLimiterForgets(t *testing.T) {
	l := login.NewLimiter(login.LimiterConfig{PerAddress: 1, PerName: 100, Entries: 3})
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	refused := func(now time.Time) (s string) {
		for i := range 10 {
			if l.Allow(now, addr(i), "x") != nil {
				s += fmt.Sprint(i)
			}
		}
		return s
	}
	now := began
	for _, step := range []struct {
		fails   []int
		then    time.Duration
		refused string
		dropped uint64
	}{
		{[]int{1, 2, 3}, time.Minute, "123", 0},
		{[]int{1}, time.Minute, "123", 0}, // 2 is the oldest now
		{[]int{4}, time.Minute, "134", 1},
		{[]int{5}, time.Minute, "145", 2},
		{nil, 7 * time.Minute, "45", 2},
		{[]int{6}, 0, "456", 2}, // 1 was over
		{nil, time.Hour, "", 2},
		{[]int{7, 8, 9}, 0, "789", 2},
	} {
		for _, i := range step.fails {
			l.Failed(now, addr(i), "x")
		}
		now = now.Add(step.then)
		if got := refused(now); got != step.refused || l.Dropped() != step.dropped {
			t.Errorf("%+v: %s refused, %d dropped", step, got, l.Dropped())
		}
	}
}

// TestLimiterMemory is bounded, however many addresses and names there are.
func TestLimiterMemory(t *testing.T) {
	const tries = 1_000_000
	l := login.NewLimiter(login.LimiterConfig{})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	name := []byte(strings.Repeat("n", 64))
	for i := range tries {
		a := [16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 16), byte(i >> 8), byte(i)}
		name = strconv.AppendInt(name[:60], int64(i), 36)
		l.Failed(began.Add(time.Duration(i)), netip.AddrFrom16(a), string(name))
	}
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("%d bytes", grown)
	}
	if want := uint64(2 * (tries - login.DefaultEntries)); l.Dropped() != want {
		t.Errorf("%d dropped, want %d", l.Dropped(), want)
	}
	if err := l.Allow(began.Add(tries), netip.MustParseAddr("192.0.2.1"), "somebody else"); err != nil {
		t.Error(err)
	}
}

// TestLimiterConcurrently has one address and one name of its own for each
// goroutine, and one that all share.
func TestLimiterConcurrently(t *testing.T) {
	l := login.NewLimiter(login.LimiterConfig{PerName: 1000})
	shared := netip.MustParseAddr("192.0.2.1")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			for n := range 200 {
				now := began.Add(time.Duration(n) * time.Second)
				l.Failed(now, shared, "x")
				if err := l.Allow(now, own, "y"); (err == nil) != (n%6 < 5) {
					t.Errorf("%d: %v", n, err)
				}
				if n%6 == 5 {
					l.Succeeded(now, own, "y")
				} else {
					l.Failed(now, own, "z")
				}
			}
			if l.Dropped() != 0 {
				t.Error("dropped")
			}
		})
	}
	wg.Wait()
	if l.Allow(began.Add(200*time.Second), shared, "v") == nil {
		t.Error("1600 failures")
	}
}
