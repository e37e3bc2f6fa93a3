package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/nfq/nft"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
)

// labMark tells the proxy's own connections from those that are redirected.
const labMark = 0x5200

var anywhere = access.Networks{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// redirected has connections to an address go to a listener of that mode.
func redirected(t *testing.T, mode string, to netip.Addr) Listener {
	t.Helper()
	namespace(t)
	family, bind, bits := "ip", "127.0.0.1:0", "32"
	if to.Is6() {
		family, bind, bits = "ip6", "[::1]:0", "128"
	}
	config := net.ListenConfig{}
	if mode == event.ModeTPROXY {
		config.Control = nft.TransparentListenControl(labMark)
	}
	ln, err := config.Listen(context.Background(), "tcp", bind)
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	command(t, "", "ip", "address", "replace", to.String()+"/"+bits, "dev", "lo")
	match := fmt.Sprintf("%s daddr %s meta mark != 0x%x", family, to, labMark)
	table := fmt.Sprintf("table %s lab { chain c { type nat hook output priority -100; tcp dport 1-65535 %s redirect to :%d; }; }", family, match, port)
	if mode == event.ModeTPROXY {
		table = fmt.Sprintf(`table %s lab {
			chain out { type route hook output priority -150; tcp dport 1-65535 %s meta mark set 1; }
			chain in { type filter hook prerouting priority -150; meta l4proto tcp meta mark 1 tproxy to %s:%d accept; }
		}`, family, match, strings.TrimSuffix(bind, ":0"), port)
		all := map[string]string{"ip": "0.0.0.0/0", "ip6": "::/0"}[family]
		flag := map[string]string{"ip": "-4", "ip6": "-6"}[family]
		command(t, "", "ip", flag, "rule", "add", "fwmark", "1", "lookup", "100")
		command(t, "", "ip", flag, "route", "add", "local", all, "dev", "lo", "table", "100")
		t.Cleanup(func() {
			command(t, "", "ip", flag, "rule", "delete", "fwmark", "1", "lookup", "100")
			command(t, "", "ip", flag, "route", "delete", "local", all, "dev", "lo", "table", "100")
		})
	}
	command(t, table, "nft", "-f", "-")
	t.Cleanup(func() { command(t, "", "nft", "delete", "table", family, "lab") })
	return Listener{ln, mode}
}

// serverAt is server on an address.
func serverAt(t *testing.T, addr netip.Addr, serve func(conn *net.TCPConn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serve(conn.(*net.TCPConn))
		}
	}()
	return ln.Addr().String()
}

func transparently(c *Config) {
	c.Mark = labMark
	c.Destinations = access.NewDestinations(access.DestinationOptions{Allow: anywhere})
	c.Clients = anywhere
}

// A redirected connection goes where its client wanted it to, whatever it carries.
func TestTransparent(t *testing.T) {
	for _, mode := range []string{event.ModeRedirect, event.ModeTPROXY} {
		for _, to := range []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")} {
			t.Run(mode+" "+to.String(), func(t *testing.T) {
				l := run(t, logging, transparently, redirected(t, mode, to))
				from := make(chan net.Addr, 1)
				addr := serverAt(t, to, func(conn *net.TCPConn) {
					from <- conn.RemoteAddr()
					_, _ = io.WriteString(conn, "220 hello\r\n")
					_, _ = io.Copy(conn, conn)
					_ = conn.Close()
				})
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				banner := make([]byte, 11)
				if _, err := io.ReadFull(conn, banner); err != nil {
					t.Fatal(err)
				}
				_, _ = io.WriteString(conn, "QUIT")
				_ = conn.(*net.TCPConn).CloseWrite()
				if b, err := io.ReadAll(conn); err != nil || string(b) != "QUIT" {
					t.Errorf("got %q, %v", b, err)
				}
				if mode == event.ModeTPROXY {
					seen, client := netip.MustParseAddrPort((<-from).String()), netip.MustParseAddrPort(conn.LocalAddr().String())
					if seen.Addr() != client.Addr() {
						t.Errorf("the server sees %v, not %v", seen, client)
					}
				}
				e := l.told(t)
				if e.Proxy.Mode != mode || e.Proxy.End != event.EndClient || netip.AddrPortFrom(e.DestIP, e.DestPort).String() != addr || e.Server.IP != to {
					t.Errorf("event %+v, proxy %+v, server %+v; want %s", e, e.Proxy, e.Server, addr)
				}
				if c := l.Counts(); c.Transparent != 1 || c.Explicit != 0 {
					t.Errorf("counts %+v", c)
				}
			})
		}
	}
}

// Who speaks to the listener without being redirected is not served, and a server
// that cannot be reached is told by a reset.
func TestTransparentRefused(t *testing.T) {
	to := netip.MustParseAddr("192.0.2.1")
	ln := redirected(t, event.ModeRedirect, to)
	l := run(t, logging, func(c *Config) {
		transparently(c)
		c.Destinations = access.NewDestinations(access.DestinationOptions{Deny: access.Networks{netip.MustParsePrefix("192.0.2.1/32")}})
	}, ln)
	for name, addr := range map[string]string{"itself": ln.Addr().String(), "denied": "192.0.2.1:443"} {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, err = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
		if err == nil || isPast(err) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if c := l.Counts(); c.RefusedDestination != 1 || c.DialFailures != 0 {
		t.Errorf("counts %+v", c)
	}
}

// A policy's ban holds for the client and the server that it was for.
func TestBan(t *testing.T) {
	to := netip.MustParseAddr("192.0.2.1")
	banning := policies.DeciderFunc(func(ctx context.Context, in policies.Input) (policies.Decision, error) {
		d, err := dropping(ctx, in)
		if in.TLS != nil {
			d = policies.Decision{Action: policies.ActionDrop, Reason: "TLS.", Rule: "test.tls", Revision: "1", Ban: time.Hour, Reset: true}
		}
		return d, err
	})
	l := run(t, banning, transparently, redirected(t, event.ModeRedirect, to))
	addr, other := serverAt(t, to, echoOn), serverAt(t, to, echoOn)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := tls.Client(conn, &tls.Config{ServerName: "a.example"}).Handshake(); err == nil {
		t.Error("TLS came through")
	}
	if e := l.told(t); e.Decision.Action != "drop" || e.Decision.Ban != "1h0m0s" || e.TLS.SNI != "a.example" {
		t.Errorf("event %+v", e)
	}
	reads := func(addr string) error {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "x")
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = io.ReadFull(conn, make([]byte, 1))
		return err
	}
	if err := reads(addr); err == nil || l.Counts().RefusedBan != 1 {
		t.Errorf("the ban: %v, counts %+v", err, l.Counts())
	}
	if err := reads(other); err != nil {
		t.Errorf("another port: %v", err)
	}
}

func echoOn(conn *net.TCPConn) {
	_, _ = io.Copy(conn, conn)
	_ = conn.Close()
}

func TestBans(t *testing.T) {
	var b bans
	now := time.Now()
	key := func(i int) inspect.FlowKey {
		return inspect.FlowKey{Client: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1), Server: netip.MustParseAddrPort("192.0.2.1:443")}
	}
	for i := range maxBans + 1 {
		b.add(key(i), time.Hour+time.Duration(i)*time.Second, now)
	}
	has := func(i int, at time.Time) bool { return b.has(key(i).Client.Addr(), key(i).Server, at) }
	if len(b.all) != maxBans || has(0, now) || !has(1, now) {
		t.Errorf("%d bans; the first is there: %v, the second: %v", len(b.all), has(0, now), has(1, now))
	}
	if later := now.Add(time.Hour + time.Second); has(1, later) || !has(2, later) {
		t.Error("a ban ends too early or too late")
	}
	// A ban that is renewed is no other, and outlives those before it.
	b.add(key(2), 1000*time.Hour, now)
	b.add(key(3), time.Minute, now)
	if len(b.all) != maxBans || !has(2, now.Add(999*time.Hour)) || has(3, now.Add(time.Minute)) {
		t.Errorf("%d bans after two were renewed", len(b.all))
	}
	b.expire(now.Add(time.Minute))
	if len(b.all) != maxBans-1 || has(3, now) {
		t.Errorf("%d bans after one has ended", len(b.all))
	}
	b.expire(now.Add(time.Hour + maxBans*time.Second))
	if len(b.all) != 1 || len(b.next) != 1 || !has(2, now) {
		t.Errorf("%d bans outlived their end", len(b.all)-1)
	}
}

func TestUnban(t *testing.T) {
	var b bans
	now := time.Now()
	at := func(client string) Ban {
		return Ban{netip.MustParseAddr(client), netip.MustParseAddrPort("192.0.2.1:443"), time.Hour}
	}
	all := []Ban{at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3"), at("10.0.0.4")}
	for i, n := range all {
		all[i].For += time.Duration(i) * time.Minute
		b.add(inspect.FlowKey{Client: netip.AddrPortFrom(n.Client, 1), Server: n.Server}, all[i].For, now)
	}
	sorted := func(at time.Time) []Ban {
		list := b.list(at)
		slices.SortFunc(list, func(x, y Ban) int { return x.Client.Compare(y.Client) })
		return list
	}
	if got := sorted(now); !slices.Equal(got, all) {
		t.Errorf("the list is %v, want %v", got, all)
	}
	b.remove([]Ban{all[1], at("10.0.0.9"), {Client: all[0].Client, Server: netip.MustParseAddrPort("192.0.2.1:444")}})
	if got, want := sorted(now), []Ban{all[0], all[2], all[3]}; !slices.Equal(got, want) {
		t.Errorf("without the second it is %v, want %v", got, want)
	}
	if b.has(all[1].Client, all[1].Server, now) || !b.has(all[2].Client, all[2].Server, now) {
		t.Error("what is taken back is not what is refused")
	}
	// Those that have run out are not listed before they are forgotten, and the order stays.
	if got := b.list(now.Add(time.Hour)); len(got) != 2 {
		t.Errorf("an hour later it is %v", got)
	}
	b.expire(now.Add(time.Hour + 2*time.Minute))
	if len(b.all) != 1 || len(b.next) != 1 {
		t.Errorf("%d and %d are left", len(b.all), len(b.next))
	}
}

// A full list takes another ban without looking at all of them.
func BenchmarkFullBans(b *testing.B) {
	var list bans
	now := time.Now()
	for i := range maxBans + b.N {
		if i == maxBans {
			b.ResetTimer()
		}
		client := netip.AddrFrom4([4]byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		list.add(inspect.FlowKey{Client: netip.AddrPortFrom(client, 1)}, time.Hour+time.Duration(i)*time.Microsecond, now)
	}
}
