package ipcarry

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
)

func pool(t *testing.T, prefixes ...string) *Pool {
	t.Helper()
	var all []netip.Prefix
	for _, p := range prefixes {
		all = append(all, netip.MustParsePrefix(p))
	}
	p, err := NewPool(all...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPool(t *testing.T) {
	tests := []struct {
		name     string
		prefixes []string
		gateways string
		want     []string // what clients get until nothing is left
	}{
		{"small", []string{"10.9.0.0/29"}, "10.9.0.1", []string{"10.9.0.2", "10.9.0.3", "10.9.0.4", "10.9.0.5", "10.9.0.6"}},
		{"not written from its start", []string{"10.9.0.5/30"}, "10.9.0.5", []string{"10.9.0.6"}},
		{"two addresses", []string{"10.9.0.0/31"}, "10.9.0.0", []string{"10.9.0.1"}},
		{"two prefixes", []string{"10.9.0.0/30", "10.8.0.0/30"}, "10.9.0.1 10.8.0.1", []string{"10.9.0.2", "10.8.0.2"}},
		{"IPv6 of its own", []string{"fd00:1::/62"}, "fd00:1::1", []string{"fd00:1:0:1::2", "fd00:1:0:2::2", "fd00:1:0:3::2"}},
		{"both, one family short", []string{"10.9.0.0/29", "fd00:1::/63"}, "10.9.0.1 fd00:1::1", []string{"10.9.0.2 fd00:1:0:1::2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pool(t, tt.prefixes...)
			var gateways []string
			for _, g := range p.Gateways() {
				gateways = append(gateways, g.String())
			}
			if g := strings.Join(gateways, " "); g != tt.gateways {
				t.Errorf("gateways %s", g)
			}
			for round := range 2 { // the second after all were given back
				var taken []Lease
				for i, want := range tt.want {
					l, err := p.Take()
					if err != nil {
						t.Fatalf("round %d, client %d: %v", round, i, err)
					}
					if got := text(l); got != want {
						t.Errorf("round %d, client %d: %s, want %s", round, i, got, want)
					}
					taken = append(taken, l)
				}
				if l, err := p.Take(); err == nil {
					t.Fatalf("got %s of an exhausted pool", text(l))
				} else if !strings.Contains(err.Error(), "in use") {
					t.Errorf("error %v", err)
				}
				for i := range taken { // in any order
					p.Release(taken[len(taken)-1-i])
				}
			}
		})
	}
}

func text(l Lease) string {
	var s []string
	for _, a := range []netip.Addr{l.Addr4, l.Addr6} {
		if a.IsValid() {
			s = append(s, a.String())
		}
	}
	return strings.Join(s, " ")
}

func TestPoolLease(t *testing.T) {
	own, err := pool(t, "10.9.0.0/24", "fd00:1::/48").Take()
	if err != nil {
		t.Fatal(err)
	}
	if own.Gateway4 != addr("10.9.0.1") || own.Prefix6 != netip.MustParsePrefix("fd00:1:0:1::/64") || own.Shared6 ||
		InterfaceID(LinkLocal, own.ID6) != addr("fe80::2") {
		t.Errorf("%+v", own)
	}
	if got := own.Own(); len(got) != 2 || got[0] != netip.MustParsePrefix("10.9.0.2/32") || got[1] != own.Prefix6 {
		t.Errorf("own %v", got)
	}
	p := pool(t, "fd00:1::/64")
	if _, err := p.Take(); err != nil {
		t.Fatal(err)
	}
	shared, err := p.Take()
	if err != nil {
		t.Fatal(err)
	}
	if !shared.Shared6 || shared.Addr6 != addr("fd00:1::3") || shared.ID6 != [8]byte{7: 3} || shared.Addr4.IsValid() {
		t.Errorf("%+v", shared)
	}
	if got := shared.Own(); len(got) != 1 || got[0] != netip.MustParsePrefix("fd00:1::3/128") {
		t.Errorf("own %v", got)
	}
	if got := p.GatewayPrefixes(); len(got) != 1 || got[0] != netip.MustParsePrefix("fd00:1::1/64") {
		t.Errorf("gateways %v", got)
	}
}

func TestPoolNames(t *testing.T) {
	p := pool(t, "10.9.0.0/24")
	take := func(name, want string) Lease {
		t.Helper()
		l, err := p.TakeFor(name)
		if err != nil {
			t.Fatal(err)
		}
		if text(l) != want {
			t.Errorf("%s got %s, want %s", name, text(l), want)
		}
		return l
	}
	a, b := take("a", "10.9.0.2"), take("b", "10.9.0.3")
	p.Release(a)
	p.Release(b)
	again := take("b", "10.9.0.3")
	take("c", "10.9.0.2")
	take("a", "10.9.0.4") // its old one is in use
	take("b", "10.9.0.5") // a second connection of the same name
	p.Release(b)          // was given back already
	take("d", "10.9.0.6")
	p.Release(again)
	take("d", "10.9.0.3")
	for range maxNames + 10 {
		p.Release(Lease{name: string(rune('A' + len(p.had)))})
	}
	if len(p.had) > maxNames || len(p.hadOrder) != len(p.had) {
		t.Errorf("%d names are remembered", len(p.had))
	}
}

func TestPoolRejects(t *testing.T) {
	for _, prefixes := range [][]string{
		{},
		{"10.9.0.0/32"},
		{"10.9.0.0/24", "10.9.0.128/25"},
		{"127.0.0.0/8"},
		{"224.0.0.0/8"},
		{"fd00::/65"},
		{"fe80::/64"},
		{"::ffff:10.9.0.0/112"},
	} {
		var all []netip.Prefix
		for _, p := range prefixes {
			all = append(all, netip.MustParsePrefix(p))
		}
		if _, err := NewPool(all...); err == nil {
			t.Errorf("%v was taken", prefixes)
		}
	}
}

func TestPoolConcurrent(t *testing.T) {
	p := pool(t, "10.9.0.0/24", "fd00:1::/48")
	var mu sync.Mutex
	used := map[string]bool{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 500 {
				l, err := p.Take()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if used[text(l)] {
					t.Errorf("%s was given out twice", text(l))
				}
				used[text(l)] = true
				mu.Unlock()
				mu.Lock()
				delete(used, text(l))
				mu.Unlock()
				p.Release(l)
			}
		})
	}
	all.Wait()
	if l, err := p.Take(); err != nil || l.Addr4 != addr("10.9.0.2") {
		t.Error(text(l), err)
	}
}
