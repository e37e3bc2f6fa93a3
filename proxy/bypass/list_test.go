package bypass_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/proxy/bypass"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	addr   = netip.MustParseAddr
	at     = netip.MustParseAddrPort
	prefix = netip.MustParsePrefix
)

// A clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newList(t testing.TB, o bypass.Options) *bypass.List {
	t.Helper()
	if o.OnError == nil {
		o.OnError = func(err error) { t.Errorf("OnError: %v", err) }
	}
	l := bypass.New(o)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestMatch(t *testing.T) {
	q := bypass.Query{Name: "vpn.example.org", Server: at("192.0.2.1:443"), Client: addr("10.0.0.1"), User: "eve", Revision: "r1"}
	with := func(change func(*bypass.Query)) bypass.Query {
		q := q
		change(&q)
		return q
	}
	for _, tt := range []struct {
		name string
		e    bypass.Entry
		q    bypass.Query
		want bool
	}{
		{"name", bypass.Entry{Name: "vpn.example.org"}, q, true},
		{"name in capitals", bypass.Entry{Name: "VPN.Example.ORG."}, q, true},
		{"asked in capitals", bypass.Entry{Name: "vpn.example.org"}, with(func(q *bypass.Query) { q.Name = "VPN.example.ORG." }), true},
		{"another name", bypass.Entry{Name: "example.org"}, q, false},
		{"no name", bypass.Entry{Name: "vpn.example.org"}, with(func(q *bypass.Query) { q.Name = "" }), false},
		{"below", bypass.Entry{Name: "*.example.org"}, q, true},
		{"far below", bypass.Entry{Name: "*.org"}, q, true},
		{"not below", bypass.Entry{Name: "*.vpn.example.org"}, q, false},
		{"both, below", bypass.Entry{Name: ".example.org"}, q, true},
		{"both, itself", bypass.Entry{Name: ".vpn.example.org"}, q, true},
		{"only its end", bypass.Entry{Name: ".ample.org"}, q, false},
		{"no name of a host", bypass.Entry{Name: ".example.org"}, with(func(q *bypass.Query) { q.Name = "a b.example.org" }), false},
		{"address", bypass.Entry{Address: prefix("192.0.2.0/24")}, q, true},
		{"address without a name", bypass.Entry{Address: prefix("192.0.2.1/32")}, with(func(q *bypass.Query) { q.Name = "" }), true},
		{"mapped address", bypass.Entry{Address: prefix("192.0.2.0/24")}, with(func(q *bypass.Query) { q.Server = at("[::ffff:192.0.2.1]:443") }), true},
		{"another address", bypass.Entry{Address: prefix("192.0.2.2/32")}, q, false},
		{"unknown address", bypass.Entry{Address: prefix("0.0.0.0/0")}, with(func(q *bypass.Query) { q.Server = netip.AddrPort{} }), false},
		{"address and port", bypass.Entry{Address: prefix("192.0.2.1/32"), Port: 443}, q, true},
		{"another port", bypass.Entry{Name: "vpn.example.org", Port: 8443}, q, false},
		{"client", bypass.Entry{Client: prefix("10.0.0.0/8")}, q, true},
		{"client with a zone", bypass.Entry{Client: prefix("fe80::/10")}, with(func(q *bypass.Query) { q.Client = addr("fe80::1%eth0") }), true},
		{"another client", bypass.Entry{Client: prefix("10.0.0.2/32")}, q, false},
		{"user", bypass.Entry{User: "eve"}, q, true},
		{"another user", bypass.Entry{User: "Eve"}, q, false},
		{"nobody", bypass.Entry{User: "eve"}, with(func(q *bypass.Query) { q.User = "" }), false},
		{"revision", bypass.Entry{User: "eve", Revision: "r1"}, q, true},
		{"another revision", bypass.Entry{User: "eve", Revision: "r2"}, q, false},
		{"all", bypass.Entry{Name: ".org", Address: prefix("192.0.2.1/32"), Port: 443, Client: prefix("10.0.0.1/32"), User: "eve"}, q, true},
		{"all but one", bypass.Entry{Name: ".org", Address: prefix("192.0.2.1/32"), Port: 443, Client: prefix("10.0.0.1/32"), User: "eva"}, q, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newList(t, bypass.Options{})
			if _, err := l.Add(tt.e); err != nil {
				t.Fatal(err)
			}
			if e, ok := l.Match(tt.q); ok != tt.want || ok && (e.Kind != bypass.Added || e.Uses != 1 || e.Used.IsZero()) {
				t.Errorf("added: %v, %+v", ok, e)
			}
			l = newList(t, bypass.Options{})
			if err := l.Configure([]bypass.Entry{{Name: "elsewhere.example"}, tt.e}); err != nil {
				t.Fatal(err)
			}
			if e, ok := l.Match(tt.q); ok != tt.want || ok && e.Kind != bypass.Configured {
				t.Errorf("configured: %v, %+v", ok, e)
			}
		})
	}
}

func TestAddRefuses(t *testing.T) {
	l := newList(t, bypass.Options{})
	for _, tt := range []struct {
		e    bypass.Entry
		want string
	}{
		{bypass.Entry{}, "it would exempt everything: give it a name, an address, a client or a user"},
		{bypass.Entry{Port: 443, Reason: "all"}, "it would exempt everything"},
		{bypass.Entry{Name: "192.0.2.1"}, "192.0.2.1 is an address, not a name: give it as the address"},
		{bypass.Entry{Name: ".192.0.2.1"}, "192.0.2.1 is an address"},
		{bypass.Entry{Name: "bücher.example"}, `"bücher.example" is not as a client sends it: write its ASCII form ("xn--...")`},
		{bypass.Entry{Name: "a b"}, `"a b" is no name of a server: write one such as vpn.example.org, *.example.org for all below it, or .example.org for both`},
		{bypass.Entry{Name: "*"}, "is no name of a server"},
		{bypass.Entry{Name: "."}, "is no name of a server"},
		{bypass.Entry{Name: "*a.example"}, "is no name of a server"},
		{bypass.Entry{Name: "a.*.example"}, "is no name of a server"},
		{bypass.Entry{Name: "a..example"}, "is no name of a server"},
		{bypass.Entry{Name: strings.Repeat("a", 254)}, "is no name of a server"},
		{bypass.Entry{Address: prefix("192.0.2.1/24")}, "192.0.2.1/24 has bits set beyond its prefix"},
		{bypass.Entry{Client: prefix("::ffff:10.0.0.1/128")}, "::ffff:10.0.0.1/128 is IPv4 written as IPv6: write 10.0.0.1"},
		{bypass.Entry{User: strings.Repeat("u", 501)}, "the user is too long or has control characters"},
		{bypass.Entry{User: "eve", Reason: "a\nb"}, "the reason is too long or has control characters"},
		{bypass.Entry{Kind: bypass.Tunnel, User: "eve"}, "an entry of the kind tunnel cannot be added by hand"},
		{bypass.Entry{Kind: "odd", User: "eve"}, "an entry of the kind odd cannot be added by hand"},
		{bypass.Entry{User: "eve", Expires: time.Unix(1, 0).UTC()}, "it would have expired at 1970-01-01T00:00:01Z"},
	} {
		_, err := l.Add(tt.e)
		if err == nil || !strings.HasPrefix(err.Error(), "adding to the bypass list: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v\nwant %s", tt.e, err, tt.want)
		}
	}
	err := l.Configure([]bypass.Entry{{Name: "a.example"}, {Name: "*"}})
	if err == nil || !strings.Contains(err.Error(), `configuring the bypass list: entry 2: "*" is no name`) {
		t.Error(err)
	}
	if n := len(l.Entries()); n != 0 {
		t.Errorf("%d entries", n)
	}
}

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "10.0.0.0/8": "10.0.0.0/8", "2001:db8::1": "2001:db8::1/128", "::/0": "::/0",
	} {
		if p, err := bypass.ParsePrefix(text); err != nil || p.String() != want {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	for text, want := range map[string]string{
		"":              `"" is no address and no prefix: write one such as 192.0.2.1, 10.1.0.0/16 or 2001:db8::/32`,
		"lan":           `"lan" is no address and no prefix`,
		"10.0.0.0/33":   `"10.0.0.0/33" is no address and no prefix`,
		"fe80::1%eth0":  "fe80::1%eth0 names an interface: write fe80::1",
		"2001:db8::1/8": "2001:db8::1/8 has bits set beyond its prefix: write 2000::/8 for the network, or 2001:db8::1 for the one address",
	} {
		if _, err := bypass.ParsePrefix(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
}

// TestReplace has an entry that is there already keep what is known of it.
func TestReplace(t *testing.T) {
	c := newClock()
	l := newList(t, bypass.Options{Now: c.Now})
	first, err := l.Add(bypass.Entry{Name: "a.example", Reason: "old", Expires: c.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	l.Match(bypass.Query{Name: "a.example"})
	c.pass(time.Minute)
	second, err := l.Add(bypass.Entry{ID: "made up", Name: "A.example.", Reason: "new", Uses: 99})
	if err != nil {
		t.Fatal(err)
	}
	if second.ID != first.ID || second.Uses != 1 || second.Created != first.Created || second.Reason != "new" || !second.Expires.IsZero() {
		t.Errorf("%+v", second)
	}
	if n := len(l.Entries()); n != 1 {
		t.Errorf("%d entries", n)
	}
	// The ID is part of what others keep: it is not to change.
	if first.ID != "f6da48ed4fda91a9" {
		t.Errorf("ID %s", first.ID)
	}
}

func TestConfigure(t *testing.T) {
	c := newClock()
	l := newList(t, bypass.Options{Now: c.Now})
	must := func(entries ...bypass.Entry) {
		t.Helper()
		if err := l.Configure(entries); err != nil {
			t.Fatal(err)
		}
	}
	must(bypass.Entry{Name: "a.example"}, bypass.Entry{Name: "b.example", Kind: bypass.Tunnel}, bypass.Entry{Name: "a.example."})
	if _, err := l.Add(bypass.Entry{Name: "a.example"}); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Hour)
	if e, ok := l.Match(bypass.Query{Name: "a.example"}); !ok || e.Kind != bypass.Configured {
		t.Errorf("%+v", e)
	}
	must(bypass.Entry{Name: "a.example"}, bypass.Entry{Name: "c.example", Expires: c.Now().Add(time.Hour)})
	list := l.Entries()
	if len(list) != 3 || list[0].Name != "a.example" || list[0].Uses != 1 || list[0].Created.Equal(c.Now()) || list[1].Name != "c.example" || list[2].Kind != bypass.Added {
		t.Errorf("%+v", list)
	}
	if l.Remove(list[0].ID) || l.Clear(bypass.Configured) != 0 {
		t.Error("a configured entry is taken out")
	}
	c.pass(time.Hour)
	if _, ok := l.Match(bypass.Query{Name: "c.example"}); ok || len(l.Entries()) != 2 {
		t.Error("an expired entry counts")
	}
	must()
	if e, ok := l.Match(bypass.Query{Name: "a.example"}); !ok || e.Kind != bypass.Added {
		t.Errorf("%+v", e)
	}
	if !l.Remove(e0(l).ID) || l.Remove("none") || len(l.Entries()) != 0 {
		t.Error("an added entry is not taken out")
	}
	if _, ok := l.Match(bypass.Query{Name: "a.example"}); ok {
		t.Error("what is gone counts")
	}
}

func e0(l *bypass.List) bypass.Entry { return l.Entries()[0] }

func TestRejected(t *testing.T) {
	c := newClock()
	l := newList(t, bypass.Options{Now: c.Now})
	client, server := addr("10.0.0.1"), at("192.0.2.1:443")
	q := bypass.Query{Name: "app.example", Server: server, Client: client}
	learned := func(want bool) {
		t.Helper()
		e, ok := l.Rejected(client, "App.example.", server)
		if ok != want || ok && (e.Kind != bypass.Rejected || e.Name != "app.example" || e.Client != prefix("10.0.0.1/32") || e.Address.IsValid() || e.ID == "") {
			t.Fatalf("%v, %+v", ok, e)
		}
		if _, ok := l.Match(q); ok != want {
			t.Fatalf("exempt: %v", ok)
		}
	}
	learned(false)
	c.pass(10 * time.Minute)
	learned(false) // the first is too long ago
	c.pass(90 * time.Second)
	learned(true)
	if e := e0(l); e.Reason != "the client rejected the certificate 2 times within 1m30s" || e.Expires.Sub(e.Created) != 24*time.Hour || e.Uses != 1 {
		t.Errorf("%+v", e)
	}
	if _, ok := l.Rejected(client, "app.example", server); ok {
		t.Error("it is learned again")
	}
	for _, other := range []bypass.Query{
		{Name: "app.example", Server: server, Client: addr("10.0.0.2")},
		{Name: "www.example", Server: server, Client: client},
		{Server: server, Client: client},
		{Name: "app.example", Server: server},
	} {
		if e, ok := l.Match(other); ok {
			t.Errorf("%+v is exempt by %+v", other, e)
		}
	}
	if _, ok := l.Match(bypass.Query{Name: "APP.example", Server: at("192.0.2.9:8443"), Client: addr("::ffff:10.0.0.1")}); !ok {
		t.Error("the name elsewhere is not exempt")
	}
	c.pass(24 * time.Hour)
	if _, ok := l.Match(q); ok {
		t.Error("it lasts too long")
	}
	learned(false)
	learned(true)
	if n := l.Clear(bypass.Rejected); n != 1 {
		t.Errorf("%d cleared", n)
	}
	learned(false)
}

// TestRejectedWithoutName keys by the address what has no name, or none that could be.
func TestRejectedWithoutName(t *testing.T) {
	l := newList(t, bypass.Options{Rejections: 1})
	client, server := addr("2001:db8::1"), at("[2001:db8::2]:443")
	e, ok := l.Rejected(client, "no name!", server)
	if !ok || e.Name != "" || e.Address != prefix("2001:db8::2/128") || e.Port != 443 || e.Reason != "the client rejected the certificate" {
		t.Errorf("%v, %+v", ok, e)
	}
	for q, want := range map[bypass.Query]bool{
		{Server: server, Client: client}:                             true,
		{Name: "www.example", Server: server, Client: client}:        true,
		{Server: at("[2001:db8::2]:8443"), Client: client}:           false,
		{Server: at("[2001:db8::3]:443"), Client: client}:            false,
		{Server: server, Client: addr("2001:db8::4")}:                false,
		{Name: "no name!", Server: netip.AddrPort{}, Client: client}: false,
	} {
		if _, ok := l.Match(q); ok != want {
			t.Errorf("%+v: %v", q, ok)
		}
	}
	for _, tt := range []struct {
		client netip.Addr
		name   string
		server netip.AddrPort
	}{
		{netip.Addr{}, "app.example", server},
		{client, "", netip.AddrPort{}},
		{client, "", netip.AddrPortFrom(server.Addr(), 0)},
	} {
		if e, ok := l.Rejected(tt.client, tt.name, tt.server); ok {
			t.Errorf("%+v is learned", e)
		}
	}
}

func TestTunnel(t *testing.T) {
	c := newClock()
	l := newList(t, bypass.Options{Now: c.Now, TunnelLifetime: time.Hour})
	client, server := addr("10.0.0.1"), at("192.0.2.1:443")
	e, ok := l.Tunnel(client, server, "VPN.example", "r1")
	if !ok || e.Kind != bypass.Tunnel || e.Name != "vpn.example" || e.Expires != c.Now().Add(time.Hour) {
		t.Errorf("%v, %+v", ok, e)
	}
	for q, want := range map[bypass.Query]bool{
		{Server: server, Client: client, Revision: "r1"}:                                true,
		{Name: "other.example", Server: server, Client: client, Revision: "r1"}:         true,
		{Server: at("[::ffff:192.0.2.1]:443"), Client: client, Revision: "r1"}:          true,
		{Server: server, Client: client, Revision: "r2"}:                                false,
		{Server: server, Client: client}:                                                false,
		{Server: at("192.0.2.1:444"), Client: client, Revision: "r1"}:                   false,
		{Server: at("192.0.2.2:443"), Client: client, Revision: "r1"}:                   false,
		{Server: server, Client: addr("10.0.0.2"), Revision: "r1"}:                      false,
		{Name: "vpn.example", Server: netip.AddrPort{}, Client: client, Revision: "r1"}: false,
	} {
		if _, ok := l.Match(q); ok != want {
			t.Errorf("%+v: %v", q, ok)
		}
	}
	c.pass(30 * time.Minute)
	if _, ok := l.Tunnel(client, server, "", "r1"); ok {
		t.Error("it is new again")
	}
	c.pass(59 * time.Minute)
	if _, ok := l.Match(bypass.Query{Server: server, Client: client, Revision: "r1"}); !ok {
		t.Error("it does not last longer")
	}
	c.pass(time.Minute)
	if _, ok := l.Match(bypass.Query{Server: server, Client: client, Revision: "r1"}); ok {
		t.Error("it lasts too long")
	}
	if e, ok := l.Tunnel(client, server, "", "r1"); !ok || e.Name != "" || e.Uses != 0 {
		t.Errorf("%v, %+v", ok, e)
	}
	for _, tt := range []struct {
		client   netip.Addr
		server   netip.AddrPort
		revision string
	}{{netip.Addr{}, server, "r1"}, {client, netip.AddrPort{}, "r1"}, {client, server, ""}} {
		if e, ok := l.Tunnel(tt.client, tt.server, "", tt.revision); ok {
			t.Errorf("%+v is learned", e)
		}
	}
}

func TestBounded(t *testing.T) {
	l := newList(t, bypass.Options{Max: 3, Rejections: 1})
	server := at("192.0.2.1:443")
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }
	exempt := func(want ...int) {
		t.Helper()
		var got []int
		for _, e := range l.Entries() {
			if e.Kind == bypass.Tunnel {
				got = append(got, int(e.Client.Addr().As4()[3]))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	if err := l.Configure([]bypass.Entry{{User: "a"}, {User: "b"}, {User: "c"}, {User: "d"}}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		l.Tunnel(client(i), server, "", "r1")
	}
	if _, ok := l.Match(bypass.Query{Server: server, Client: client(0), Revision: "r1"}); !ok {
		t.Fatal("not exempt")
	}
	l.Tunnel(client(3), server, "", "r1")
	exempt(0, 2, 3) // 1 was used least recently
	added, err := l.Add(bypass.Entry{User: "e"})
	if err != nil {
		t.Fatal(err)
	}
	exempt(0, 3)
	for _, user := range []string{"f", "g"} {
		if _, err := l.Add(bypass.Entry{User: user}); err != nil {
			t.Fatal(err)
		}
	}
	exempt()
	if _, ok := l.Tunnel(client(4), server, "", "r1"); ok {
		t.Error("learned beyond what there may be")
	}
	if _, ok := l.Rejected(client(4), "a.example", server); ok {
		t.Error("learned beyond what there may be")
	}
	if _, err := l.Add(bypass.Entry{User: "h"}); !errors.Is(err, bypass.ErrFull) {
		t.Error(err)
	}
	if _, err := l.Add(bypass.Entry{User: "g", Reason: "again"}); err != nil {
		t.Error(err)
	}
	if !l.Remove(added.ID) {
		t.Error("not removed")
	}
	if _, ok := l.Tunnel(client(4), server, "", "r1"); !ok {
		t.Error("not learned")
	}
	if n := len(l.Entries()); n != 7 {
		t.Errorf("%d entries", n)
	}
}

// TestExpiredMakeRoom has added entries that are over leave room for others.
func TestExpiredMakeRoom(t *testing.T) {
	c := newClock()
	l := newList(t, bypass.Options{Max: 1, Now: c.Now})
	for _, user := range []string{"a", "b"} {
		if _, err := l.Add(bypass.Entry{User: user, Expires: c.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Hour)
	}
	if _, ok := l.Tunnel(addr("10.0.0.1"), at("192.0.2.1:443"), "", "r1"); !ok {
		t.Error("not learned")
	}
}

// TestFlood has one client with many names, and then a million clients.
func TestFlood(t *testing.T) {
	l := newList(t, bypass.Options{})
	server := at("192.0.2.1:443")
	quiet := bypass.Query{Server: server, Client: addr("192.168.0.1"), Revision: "r1"}
	l.Tunnel(quiet.Client, server, "", "r1")
	l.Rejected(quiet.Client, "app.example", server)
	loud := addr("10.0.0.1")
	for i := range 20_000 {
		name := fmt.Sprintf("n%d.example", i)
		l.Rejected(loud, name, server)
		if i%2 == 0 {
			l.Rejected(loud, name, server)
		}
	}
	if n := len(l.Entries()); n != bypass.DefaultMax/8+1 {
		t.Errorf("one client has %d entries", n-1)
	}
	if n := l.Pending(); n != bypass.DefaultMax/8+1 {
		t.Errorf("%d names are counted", n)
	}
	if _, ok := l.Match(quiet); !ok {
		t.Error("a loud client pushes out a quiet one")
	}
	if _, ok := l.Rejected(quiet.Client, "app.example", server); !ok {
		t.Error("what a quiet client did is forgotten")
	}
	for i := range 1_000_000 {
		var a [16]byte
		a[0], a[5], a[6], a[7] = 0x20, byte(i>>16), byte(i>>8), byte(i)
		if client := netip.AddrFrom16(a); i%2 == 0 {
			l.Rejected(client, "app.example", server)
		} else {
			l.Tunnel(client, server, "", "r1")
		}
	}
	if n, m := len(l.Entries()), l.Pending(); n != bypass.DefaultMax || m != bypass.DefaultMax {
		t.Errorf("%d entries, %d counted", n, m)
	}
	// A client of IPv6 is the first half of its address.
	for i := range 2 * bypass.DefaultMax {
		l.Tunnel(addr(fmt.Sprintf("2001:db8::%x", i+1)), server, "", "r1")
	}
	n := 0
	for _, e := range l.Entries() {
		if prefix("2001:db8::/64").Contains(e.Client.Addr()) {
			n++
		}
	}
	if n != bypass.DefaultMax/8 {
		t.Errorf("one network has %d entries", n)
	}
}

func TestConcurrently(t *testing.T) {
	l := newList(t, bypass.Options{Max: 50, Rejections: 2, File: t.TempDir() + "/bypass.json"})
	server := at("192.0.2.1:443")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				client := netip.AddrFrom4([4]byte{10, 0, byte(g), byte(i)})
				l.Rejected(client, "a.example", server)
				l.Tunnel(client, server, "b.example", "r1")
				l.Match(bypass.Query{Name: "a.example", Server: server, Client: client, Revision: "r1"})
				switch i % 50 {
				case 10:
					_, _ = l.Add(bypass.Entry{User: fmt.Sprint(g)})
				case 20:
					_ = l.Configure([]bypass.Entry{{Name: "c.example"}})
				case 30:
					for _, e := range l.Entries() {
						l.Remove(e.ID)
					}
				case 40:
					l.Clear(bypass.Tunnel)
				}
				if n := len(l.Entries()); n > 51 {
					t.Errorf("%d entries", n)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkMatch(b *testing.B) {
	l := newList(b, bypass.Options{Max: 10_000})
	var entries []bypass.Entry
	for i := range 4000 {
		entries = append(entries, bypass.Entry{Name: fmt.Sprintf(".n%d.example", i)})
	}
	if err := l.Configure(entries); err != nil {
		b.Fatal(err)
	}
	server := at("192.0.2.1:443")
	for i := range 4000 {
		l.Tunnel(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), server, "", "r1")
	}
	q := bypass.Query{Name: "www.some.where.example.org", Server: server, Client: addr("10.9.9.9"), User: "eve", Revision: "r1"}
	b.ReportAllocs()
	for b.Loop() {
		l.Match(q)
	}
}
