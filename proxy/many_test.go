package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/probe"
	"sstpwarden/rules"
)

// Many clients at once: each gets what it asked for, and each that is to be told of
// is, once and as what it was.
func TestManyTunnels(t *testing.T) {
	const n = 200
	to := echo(t)
	byName := policies.DeciderFunc(func(ctx context.Context, in policies.Input) (policies.Decision, error) {
		d, err := dropping(ctx, in)
		if in.TLS == nil {
			return d, err
		}
		switch in.TLS.SNI[:1] {
		case "d":
			d.Action = policies.ActionDrop
		case "l":
			d.Action = policies.ActionLog
		}
		return d, err
	})
	l := run(t, byName, nil)
	hellos := map[string][]byte{}
	for _, name := range []string{"drop.example", "log.example", "allow.example"} {
		hellos[name] = helloOf(t, name)
	}
	var all sync.WaitGroup
	want := map[string]int{}
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range n {
		name := []string{"drop.example", "log.example", "allow.example"}[i%3]
		want[name]++
		b := random(rng, rng.IntN(1<<18))
		all.Go(func() {
			conn, err := plainConnect(context.Background(), l.addr, to)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			go func() {
				_, _ = conn.Write(hellos[name])
				_, _ = conn.Write(b)
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			got, err := io.ReadAll(conn)
			switch {
			case name == "drop.example" && len(got) > 0:
				t.Errorf("%d bytes came through", len(got))
			case name != "drop.example" && (err != nil || !bytes.Equal(got, append(bytes.Clone(hellos[name]), b...))):
				t.Errorf("%s: got %d of %d bytes, %v", name, len(got), len(hellos[name])+len(b), err)
			}
		})
	}
	all.Wait()
	until(t, "all to end", func() bool { return l.Counts().Active == 0 })
	got := map[string]int{}
	for _, e := range l.closed(t, want["drop.example"]+want["log.example"]) {
		got[e.TLS.SNI]++
		drop := e.TLS.SNI == "drop.example"
		if (e.Decision.Action == "drop") != drop || (e.Proxy.End == event.EndDropped) != drop || !drop && e.Proxy.Error != "" || drop && e.BytesToServer > 100 { // its CONNECT
			t.Errorf("%s: %+v %+v, %d bytes", e.TLS.SNI, e.Proxy, e.Decision, e.BytesToServer)
		}
	}
	if got["drop.example"] != want["drop.example"] || got["log.example"] != want["log.example"] || len(got) != 2 {
		t.Errorf("told of %v, want %v", got, want)
	}
	c := l.Counts()
	if c.Explicit != n || c.Tunnels != 0 || c.Dropped != uint64(want["drop.example"]) || c.DialFailures != 0 {
		t.Errorf("counts %+v", c)
	}
	freePipes(t)
}

// Many connections carry much at once, and nothing of it is mixed up.
func TestManyBytes(t *testing.T) {
	to := echo(t)
	l := run(t, dropping, nil)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			conn, err := plainConnect(context.Background(), l.addr, to)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			piece := bytes.Repeat([]byte{byte(i + 0x80)}, 64<<10)
			go func() {
				for range 64 {
					_, _ = conn.Write(piece)
				}
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			n, got := 0, make([]byte, 64<<10)
			for {
				m, err := conn.Read(got)
				n += m
				if bytes.Count(got[:m], piece[:1]) != m {
					t.Errorf("%d: another's bytes", i)
					return
				}
				if err != nil {
					if !errors.Is(err, io.EOF) || n != 64*len(piece) {
						t.Errorf("%d: %d bytes, %v", i, n, err)
					}
					return
				}
			}
		})
	}
	all.Wait()
	if c := l.Counts(); c.Spliced != 64 || c.BytesToClient < 64*64*64<<10 {
		t.Errorf("counts %+v", c)
	}
	freePipes(t)
}

// A session that begins when the time to stop is over ends at once.
func TestOpenAfterStop(t *testing.T) {
	s := New(Config{Inspector: func() *inspect.Inspector { return inspect.NewInspector(inspect.Options{Rules: rules.Default()}) }, Gate: &policies.Gate{Decider: dropping}})
	s.sessions.close()
	k := s.open(event.ModeExplicit, netip.AddrPort{}, netip.AddrPort{})
	reset := make(chan bool, 1)
	k.closes(func(r bool) { reset <- r })
	if <-reset || !k.ended || len(s.sessions.list()) != 0 {
		t.Error("it goes on")
	}
}

// A listener that fails ends the server, and is told of.
func TestListenerFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{})
	done := make(chan error, 1)
	go func() {
		done <- s.Serve(t.Context(), t.Context(), Listener{&failing{TCPListener: ln.(*net.TCPListener), left: 2}, event.ModeExplicit})
	}()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A failing listener has no descriptors for a while, and is closed then.
type failing struct {
	*net.TCPListener
	left int
}

// Accept implements net.Listener.
func (f *failing) Accept() (net.Conn, error) {
	if f.left--; f.left < 0 {
		return nil, net.ErrClosed
	}
	return nil, errors.New("too many open files")
}

// A policy has a server asked, once, and what it answers ends the tunnel.
func TestProbe(t *testing.T) {
	v := newVPN(t, "softether", 0)
	asking := policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
		d := policies.Decision{Action: policies.ActionLog, Reason: "Ask.", Rule: "test.ask", Revision: "1", Probe: in.TLS != nil}
		if in.Detection.Verdict == inspect.VerdictConfirmed {
			d.Action = policies.ActionDrop
		}
		return d, nil
	})
	asker := probe.NewAsker(probe.AskerOptions{Allowed: func(netip.Addr) error { return nil }})
	t.Cleanup(asker.Close)
	l := run(t, asking, func(c *Config) { c.Probe = asker })
	c := &caller{profile: "windows", plain: l.addr}
	for range 2 {
		conn, err := plainConnect(t.Context(), l.addr, v.addr)
		if err != nil {
			t.Fatal(err)
		}
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		_ = secure.Handshake()
		_ = secure.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := secure.Read(make([]byte, 1)); err == nil || isPast(err) {
			t.Errorf("the tunnel goes on: %v", err)
		}
		_ = conn.Close()
	}
	if err := c.call(t, v.addr); err == nil {
		t.Error("a call came through")
	}
	for _, e := range l.closed(t, 3) {
		if e.Proxy.End != event.EndDropped || e.Detection.Verdict != inspect.VerdictConfirmed {
			t.Errorf("event %+v %+v", e.Proxy, e.Detection)
		}
	}
	if n := asker.Counters(); n.Asked != 1 || n.Yes != 1 {
		t.Errorf("asked %+v", n)
	}
}

// What a policy wants and is not set up is told, and not done.
func TestNotSetUp(t *testing.T) {
	addr, roots := tlsEcho(t, nil)
	l := run(t, always(policies.Decision{Action: policies.ActionLog, Intercept: true, Probe: true}), nil)
	raw, err := plainConnect(t.Context(), l.addr, addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exchange(tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com"})); err != nil {
		t.Error(err)
	}
	_ = raw.Close()
	l.told(t)
	if l.Counts().NotOpened != 1 || !bytes.Contains([]byte(l.log.String()), []byte("probing is not set up")) {
		t.Errorf("counts %+v", l.Counts())
	}
}

// A tunnel in opened TLS behind ordinary requests is found there, in either kind
// of head, and no more of it passes.
func TestOpenedTunnelAfterRequests(t *testing.T) {
	web, roots := tlsServer(t, false, nil)
	addr := server(t, func(conn *net.TCPConn) {
		defer conn.Close()
		fakeSSTP(tls.Server(conn, &tls.Config{Certificates: web.TLS.Certificates}))
	})
	a, pool := authority(t)
	for head, method := range map[string]string{"SSTP": "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/", "hidden": "POST /upload"} {
		for name, policy := range map[string]policies.Decider{"dropped": opening, "let": letting} {
			t.Run(head+" "+name, func(t *testing.T) {
				l := run(t, policy, intercepting(a, roots))
				raw, err := plainConnect(t.Context(), l.addr, addr)
				if err != nil {
					t.Fatal(err)
				}
				conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com"})
				r := bufio.NewReader(conn)
				for range 20 {
					fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
					resp, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: example.com\r\nContent-Length: 18446744073709551615\r\n\r\n%s", method, sstpRequest)
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				b, _ := io.ReadAll(r)
				_ = conn.Close()
				e := l.told(t)
				want := map[string]string{"dropped": event.EndDropped, "let": event.EndRefused}[name]
				if bytes.Contains(b, sstpAck) || e.Proxy.End != want || !e.Proxy.Opened || e.Proxy.Remembered != (name == "let") {
					t.Errorf("event %+v %+v %+v", e.Proxy, e.Decision, e.Detection)
				}
			})
		}
	}
}

// Through an upstream proxy that alone knows a server's address its tunnel cannot
// be remembered, which is said.
func TestNotRemembered(t *testing.T) {
	v := newVPN(t, "softether", 0)
	_, port, _ := net.SplitHostPort(v.addr)
	upstream := server(t, func(conn *net.TCPConn) { // which knows the name, and lets all be
		defer conn.Close()
		to, err := net.Dial("tcp", v.addr)
		if err != nil {
			return
		}
		defer to.Close()
		b := make([]byte, 4096)
		if _, err := conn.Read(b); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, conn) }()
		_, _ = io.Copy(conn, to)
	})
	a, _ := authority(t)
	l := run(t, letting, func(c *Config) {
		intercepting(a, nil)(c)
		c.Upstream = &url.URL{Scheme: "http", Host: upstream}
	})
	c := &caller{profile: "windows", plain: l.addr}
	if err := c.call(t, "vpn.example:"+port); err == nil {
		t.Error("the call came through opened TLS")
	}
	if e := l.told(t); e.Proxy.Remembered || e.Proxy.Error != errUnknownServer.Error() {
		t.Errorf("event %+v", e.Proxy)
	}
}

// Lines of net/http go to the log for who looks closely, those of a defect to all.
func TestHTTPLog(t *testing.T) {
	l := run(t, dropping, nil)
	l.httpLog.Print("http: TLS handshake error\nforged line")
	l.httpLog.Print("guard: panic serving x")
	l.plain.proxy.Logger.Printf("goproxy says %d", 7)
	text := l.log.String()
	for _, want := range []string{"level=DEBUG msg=net/http", "level=WARN msg=\"serving HTTP\"", "goproxy says 7"} {
		if !bytes.Contains([]byte(text), []byte(want)) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if bytes.Contains([]byte(text), []byte("\nforged")) {
		t.Errorf("a forged line: %s", text)
	}
}

// A cause that is logged too often is counted instead.
func TestLimitedLog(t *testing.T) {
	l := run(t, dropping, nil)
	for range 50 {
		l.Server.log.warn("test", "often")
	}
	time.Sleep(logInterval)
	l.Server.log.warn("test", "often")
	if text := l.log.String(); bytes.Count([]byte(text), []byte("often")) != logBurst+1 || !bytes.Contains([]byte(text), []byte("suppressed=40")) {
		t.Errorf("logged %s", text)
	}
}
