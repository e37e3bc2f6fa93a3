package nft

import (
	"cmp"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

func addr(s string) netip.Addr        { return netip.MustParseAddr(s) }
func service(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func (l *lab) wantRefused(from, to string, port uint16) {
	l.t.Helper()
	if got, err := l.client.ask(from, to, port); !refused(err) {
		l.t.Errorf("%s to %s port %d: got %q, %v; want it refused", from, to, port, got, err)
	}
}

// Bans are of a client and a server, or of a server, with its port, and of nothing else.
func TestBan(t *testing.T) {
	everywhere(t, func(t *testing.T, l *lab, inspector *host, server string) {
		o := InspectOptions{}
		r := inspector.read(o, nil)
		in := inspector.inspect(o)
		client, other, second := client4, other4, second4
		if addr(server).Is6() {
			client, other, second = client6, other6, second6
		}
		at := netip.AddrPortFrom(addr(server), 443)
		if err := in.Ban(Ban{Client: addr(client), Server: at, For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		l.wantRefused(client, server, 443)
		if n := len(r.seen()); n != 0 {
			t.Errorf("%d packets were queued: %+v", n, r.seen())
		}
		l.client.wantAnswer(client, server, 80, "server "+client)
		l.client.wantAnswer(client, second, 443, "server "+client)
		l.client.wantAnswer(other, server, 443, "server "+other)
		if err := in.Ban(Ban{Server: at, For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		l.wantRefused(other, server, 443)
		l.client.wantAnswer(other, second, 443, "server "+other)
		if got := counters(t, in)[CountBanned].Packets; got < 2 { // more if an earlier one was not closed yet
			t.Errorf("%d packets were banned, want 2 at least", got)
		}
		if err := in.Unban(Ban{Client: addr(client), Server: at}, Ban{Server: at}, Ban{Server: at}); err != nil {
			t.Fatal(err)
		}
		l.client.wantAnswer(client, server, 443, "server "+client)
	})
}

// A ban ends what is not settled yet, and nothing that is.
func TestBanEndsUnsettled(t *testing.T) {
	l := newLab(t)
	o := InspectOptions{}
	r := l.router.read(o, func(packet) decision { return settle })
	in := l.router.inspect(o)
	settled, settledFar := l.ends(server4, 4443)
	r.decide(nil)
	watched, watchedFar := l.ends(server4, 4444)
	for _, port := range []uint16{4443, 4444} {
		if err := in.Ban(Ban{Client: addr(client4), Server: netip.AddrPortFrom(addr(server4), port), For: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	settled.Write([]byte("hello\n"))
	if got, err := line(settledFar); got != "hello" {
		t.Error(got, err)
	}
	wantResetOnWrite(t, "client", watched)
	wantResetOnWrite(t, "server", watchedFar)
}

func TestBansExpire(t *testing.T) {
	l := newLab(t)
	o := InspectOptions{}
	l.router.read(o, nil)
	in := l.router.inspect(o)
	at := netip.AddrPortFrom(addr(server4), 443)
	if err := in.Ban(Ban{Server: at, For: time.Second}); err != nil {
		t.Fatal(err)
	}
	l.wantRefused("", server4, 443)
	eventually(t, func() bool {
		_, err := l.client.ask("", server4, 443)
		return err == nil
	})
	if bans, err := in.Bans(); len(bans) != 0 || err != nil {
		t.Errorf("left: %v, %v", bans, err)
	}
	// One that is made again lasts as long as the new one, be that longer or shorter.
	for _, d := range []time.Duration{time.Hour, time.Minute, 10 * time.Hour} {
		if err := in.Ban(Ban{Server: at, For: d}); err != nil {
			t.Fatal(err)
		}
		bans, err := in.Bans()
		if err != nil || len(bans) != 1 || bans[0].For > d || bans[0].For < d-time.Minute/2 {
			t.Errorf("%v, %v; want one for %v", bans, err, d)
		}
	}
}

func kinds(d time.Duration) []Ban {
	return []Ban{
		{Client: addr("192.0.2.1"), Server: service("198.51.100.1:443"), For: d},
		{Client: addr("2001:db8::1"), Server: service("[2001:db8::2]:8443"), For: d},
		{Server: service("198.51.100.1:1"), For: d},
		{Server: service("[2001:db8::2]:65535"), For: d},
	}
}

func sortBans(bans []Ban) []Ban {
	return slices.SortedFunc(slices.Values(bans), func(a, b Ban) int {
		return cmp.Or(a.Client.Compare(b.Client), a.Server.Compare(b.Server))
	})
}

var sameBans = gocmp.Comparer(func(a, b Ban) bool { return a.Client == b.Client && a.Server == b.Server })

// What a crash left keeps its bans.
func TestBansOutliveRestart(t *testing.T) {
	h := newHost(t)
	in := h.inspect(InspectOptions{})
	want := kinds(time.Hour)
	mapped := want
	mapped[0].Client = addr("::ffff:192.0.2.1")
	if err := in.Ban(mapped...); err != nil {
		t.Fatal(err)
	}
	want[0].Client = addr("192.0.2.1")
	in = h.inspect(InspectOptions{BanMax: 1})
	got, err := in.Bans()
	if diff := gocmp.Diff(sortBans(want), sortBans(got), sameBans); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if text := in.Table().String(); !strings.Contains(text, "192.0.2.1 . 198.51.100.1 . 443 timeout ") {
		t.Errorf("the text does not say so:\n%s", text)
	}
}

func TestBansAreBounded(t *testing.T) {
	h := newHost(t)
	in := h.inspect(InspectOptions{BanMax: 3})
	var bans []Ban
	for port := range uint16(5) {
		bans = append(bans, Ban{Server: netip.AddrPortFrom(addr("192.0.2.1"), port+1), For: time.Hour})
	}
	err := in.Ban(bans...)
	var full *BanError
	if !errors.Is(err, ErrBansFull) || !errors.As(err, &full) || full.Ban.Server.Port() != 4 {
		t.Errorf("got %v", err)
	}
	if got, err := in.Bans(); len(got) != 3 || err != nil {
		t.Errorf("%v, %v; want the first three", got, err)
	}
	if err := in.Ban(bans[:3]...); err != nil {
		t.Errorf("again, where there is room for no more: %v", err)
	}
	if err := errors.Join(in.Unban(bans[:2]...), in.Unban(bans...), in.Ban(bans[3:]...)); err != nil {
		t.Error(err)
	}
	for _, bad := range []Ban{
		{For: time.Hour},
		{Server: service("192.0.2.1:0"), For: time.Hour},
		{Server: service("192.0.2.1:1")},
		{Server: service("192.0.2.1:1"), For: time.Microsecond},
		{Server: service("[fe80::1%eth0]:1"), For: time.Hour},
		{Client: addr("::1"), Server: service("192.0.2.1:1"), For: time.Hour},
	} {
		if err := in.Ban(kinds(time.Hour)[0], bad); !errors.As(err, &full) || full.Ban != bad {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if got, err := in.Bans(); len(got) != 2 || err != nil {
		t.Errorf("bans: %v, %v", got, err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{in.Ban(bans...), in.Unban(bans...), in.MarkConnection(service("192.0.2.1:1"), service("192.0.2.1:2"), 0)} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	}
	if _, err := in.Bans(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestManyBans(t *testing.T) {
	h := newHost(t)
	in := h.inspect(InspectOptions{})
	var bans []Ban
	for i := range 20_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		bans = append(bans, Ban{Client: a, Server: service("192.0.2.1:443"), For: time.Hour})
	}
	start := time.Now()
	for range 2 {
		if err := in.Ban(bans...); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d bans took %v", 2*len(bans), time.Since(start))
	if got, err := in.Bans(); len(got) != len(bans) || err != nil {
		t.Errorf("%d bans, %v", len(got), err)
	}
}
