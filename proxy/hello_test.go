package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// helloOf gives the first bytes of a client of crypto/tls.
func helloOf(t testing.TB, name string) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go func() {
		_ = tls.Client(a, &tls.Config{ServerName: name}).Handshake()
		_ = a.Close()
	}()
	buf := make([]byte, 64<<10)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// records cuts a ClientHello's record into records of n bytes.
func records(hello []byte, n int) []byte {
	var out []byte
	for body := hello[5:]; len(body) > 0; {
		m := min(n, len(body))
		out = append(append(out, hello[0], hello[1], hello[2], byte(m>>8), byte(m)), body[:m]...)
		body = body[m:]
	}
	return out
}

func TestHelloReader(t *testing.T) {
	hello := helloOf(t, "a.example")
	long := append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 0x4000)...)
	copy(long[5:], []byte{1, 0xff, 0xff, 0xff})
	for name, tt := range map[string]struct {
		in    []byte
		whole bool
		other bool
	}{
		"a ClientHello":       {in: hello, whole: true},
		"in many records":     {in: records(hello, 7), whole: true},
		"not yet":             {in: hello[:len(hello)-1]},
		"nothing":             {},
		"HTTP":                {in: []byte("GET / HTTP/1.1\r\n"), other: true},
		"an alert":            {in: []byte{21, 3, 1, 0, 2, 1, 0}, other: true},
		"an alert behind":     {in: append(records(hello[:30], 9), 21, 3, 1, 0, 2, 1, 0), other: true},
		"a broken record":     {in: []byte{22, 3, 1, 0xff, 0xff, 1, 2, 3}, other: true},
		"longer than allowed": {in: bytes.Repeat(long, 5), other: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cut := range []int{1, 5, 1000, 1 << 20} {
				var h helloReader
				more, n := true, 0
				for b := tt.in; len(b) > 0 && more; b = b[min(cut, len(b)):] {
					more = h.feed(b[:min(cut, len(b))])
					n += min(cut, len(b))
				}
				if h.whole != tt.whole || h.other != tt.other || more != (!tt.whole && !tt.other) || n > maxHello+cut {
					t.Errorf("cut at %d: %d bytes read, whole %v, other %v, more %v", cut, n, h.whole, h.other, more)
				}
			}
		})
	}
}

func FuzzHelloReader(f *testing.F) {
	hello := helloOf(f, "a.example")
	f.Add(hello, uint16(3))
	f.Add(records(hello, 5), uint16(11))
	f.Add([]byte("SSH-2.0-x\r\n"), uint16(1))
	f.Add([]byte{22, 3, 1, 0, 4, 1, 0, 0, 0}, uint16(2))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		if len(b) > maxHello {
			b = b[:maxHello] // beyond it, what is still read of a piece may tell
		}
		var at, piecewise helloReader
		end, more := 0, len(b) > 0
		for i := 0; i < len(b) && more; i++ { // by single bytes: where it is decided
			more = at.feed(b[i : i+1])
			end = i + 1
		}
		step := int(cut) + 1
		again := len(b) > 0
		for i := 0; i < len(b) && again; i += step {
			again = piecewise.feed(b[i:min(i+step, len(b))])
		}
		if more != again {
			t.Fatalf("cut at %d: more is %v, by single bytes %v (at %d of %d)", step, again, more, end, len(b))
		}
		if at.whole && !at.other && !piecewise.whole {
			t.Fatalf("cut at %d: not whole", step)
		}
	})
}

// tlsEcho is a TLS server whose certificate roots trusts.
func tlsEcho(t *testing.T, change func(*tls.Config)) (addr string, roots *x509.CertPool) {
	t.Helper()
	web, roots := tlsServer(t, false, nil)
	config := &tls.Config{Certificates: web.TLS.Certificates}
	if change != nil {
		change(config)
	}
	return server(t, func(conn *net.TCPConn) {
		c := tls.Server(conn, config)
		_, _ = io.Copy(c, c)
		_ = c.CloseWrite()
		_ = conn.Close()
	}), roots
}

// A cutter writes in pieces, and waits between them.
type cutter struct {
	net.Conn
	n     int
	pause time.Duration
}

// Write implements net.Conn.
func (c *cutter) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		n, err := c.Conn.Write(b[:min(c.n, len(b))])
		written += n
		if err != nil {
			return written, err
		}
		b = b[n:]
		time.Sleep(c.pause)
	}
	return written, nil
}

// exchange shakes hands and has a word come back.
func exchange(conn *tls.Conn) (issuer string, err error) {
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	issuer = conn.ConnectionState().PeerCertificates[0].Issuer.CommonName
	if _, err := io.WriteString(conn, "\x00word"); err != nil {
		return issuer, err
	}
	_, err = io.ReadFull(conn, make([]byte, 5))
	return issuer, err
}

// A ClientHello is read whole however it comes, and its TLS opened.
func TestHelloInPieces(t *testing.T) {
	addr, roots := tlsEcho(t, nil)
	a, pool := authority(t)
	for _, opened := range []bool{false, true} {
		policy := dropping
		if opened {
			policy = opening
		}
		l := run(t, policy, func(c *Config) { intercepting(a, roots)(c) })
		raw, err := plainConnect(context.Background(), l.addr, addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.(*net.TCPConn).SetNoDelay(true)
		trusted := roots
		if opened {
			trusted = pool
		}
		conn := tls.Client(&cutter{raw, 1, 0}, &tls.Config{RootCAs: trusted, ServerName: "example.com"})
		issuer, err := exchange(conn)
		if err != nil || (issuer == a.Certificate().Subject.CommonName) != opened {
			t.Errorf("opened %v: issuer %s, %v", opened, issuer, err)
		}
		_ = conn.Close()
	}
}

// Whoever sends its ClientHello too slowly cannot be opened, and does not get
// around it where the policy wants that. Elsewhere it gets through.
func TestHelloTooSlow(t *testing.T) {
	addr, roots := tlsEcho(t, nil)
	a, _ := authority(t)
	slow := func(t *testing.T, policy policies.Decider) (*lab, error) {
		l := run(t, policy, func(c *Config) {
			intercepting(a, roots)(c)
			c.Timeouts.Hello = 50 * time.Millisecond
		})
		raw, err := plainConnect(context.Background(), l.addr, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		_, err = exchange(tls.Client(&cutter{raw, 150, 100 * time.Millisecond}, &tls.Config{RootCAs: roots, ServerName: "example.com"}))
		return l, err
	}
	t.Run("opening", func(t *testing.T) {
		l, err := slow(t, always(policies.Decision{Action: policies.ActionLog, Intercept: true}))
		e := l.told(t)
		if err == nil || e.Proxy.End != event.EndRefused || e.Proxy.Error != errLate.Error() || e.Proxy.Opened {
			t.Errorf("error %v, event %+v", err, e.Proxy)
		}
		if c := l.Counts(); c.NotOpened != 1 || c.Slow != 1 || c.Opened != 0 {
			t.Errorf("counts %+v", c)
		}
	})
	t.Run("not opening", func(t *testing.T) {
		l, err := slow(t, logging)
		if err != nil {
			t.Error(err)
		}
		if e := l.told(t); e.Proxy.End != event.EndClient || e.TLS == nil || l.Counts().Slow != 1 {
			t.Errorf("event %+v, counts %+v", e.Proxy, l.Counts())
		}
	})
}

// Where TLS cannot be opened the connection goes on as it is, inspected but once,
// or ends where that is configured.
func TestNotOpened(t *testing.T) {
	askingForCertificate := func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }
	onlyOld := func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }
	for name, change := range map[string]func(*tls.Config){"client certificate": askingForCertificate, "TLS 1.1": onlyOld} {
		for _, closed := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " closed"}[closed], func(t *testing.T) {
				addr, roots := tlsEcho(t, change)
				a, _ := authority(t)
				l := run(t, always(policies.Decision{Action: policies.ActionLog, Intercept: true}), func(c *Config) {
					intercepting(a, roots)(c)
					c.Intercept.FailClosed = closed
				})
				raw, err := plainConnect(context.Background(), l.addr, addr)
				if err != nil {
					t.Fatal(err)
				}
				conn := tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS10})
				_, err = exchange(conn)
				if (err != nil) != closed {
					t.Error(err)
				}
				until(t, "a count", func() bool { return l.Counts().Tunnels == map[bool]int64{false: 1}[closed] })
				_ = conn.Close()
				e := l.told(t)
				hellos := 0
				for _, m := range e.Timeline {
					if m.What == "tls_client_hello" {
						hellos++
					}
				}
				if e.Proxy.Opened || hellos != 1 || l.Counts().NotOpened != 1 || (e.Proxy.End == event.EndRefused) != closed {
					t.Errorf("event %+v, counts %+v", e, l.Counts())
				}
			})
		}
	}
}

// TLS where the server speaks first is not opened; nothing of either side is lost.
func TestServerSpeaksFirst(t *testing.T) {
	const helloRequest = "\x16\x03\x03\x00\x04\x00\x00\x00\x00"
	for _, closed := range []bool{false, true} {
		web, roots := tlsServer(t, false, nil)
		a, _ := authority(t)
		addr := server(t, func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, helloRequest)
			c := tls.Server(conn, &tls.Config{Certificates: web.TLS.Certificates})
			_, _ = io.Copy(c, c)
			_ = conn.Close()
		})
		l := run(t, always(policies.Decision{Action: policies.ActionLog, Intercept: true}), func(c *Config) {
			intercepting(a, roots)(c)
			c.Intercept.FailClosed = closed
		})
		raw, err := plainConnect(context.Background(), l.addr, addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(raw, make([]byte, len(helloRequest))); err != nil {
			t.Fatal(err)
		}
		issuer, err := exchange(tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com"}))
		if (err != nil) != closed {
			t.Errorf("closed %v: %s, %v", closed, issuer, err)
		}
		_ = raw.Close()
		if e := l.told(t); (e.Proxy.End == event.EndRefused) != closed || l.Counts().NotOpened != 1 {
			t.Errorf("closed %v: event %+v, counts %+v", closed, e.Proxy, l.Counts())
		}
	}
}

// A server that ends before the client has said anything has its end passed on.
func TestServerEndsFirst(t *testing.T) {
	a, pool := authority(t)
	addr := server(t, func(conn *net.TCPConn) {
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	})
	l := run(t, letting, intercepting(a, pool))
	raw, err := plainConnect(context.Background(), l.addr, addr)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(raw); err != nil || len(b) != 0 {
		t.Fatalf("got %q, %v", b, err)
	}
	if _, err := raw.Write(helloOf(t, "a.example")); err != nil {
		t.Fatal(err)
	}
	_ = raw.(*net.TCPConn).CloseWrite()
	if e := l.told(t); e.Proxy.End != event.EndServer || l.Counts().Opened != 0 || e.BytesToServer == 0 {
		t.Errorf("event %+v %+v, counts %+v", e, e.Proxy, l.Counts())
	}
}

// TLS behind a second CONNECT is inspected, and left as it is.
func TestNestedConnect(t *testing.T) {
	for _, closed := range []bool{false, true} {
		addr, roots := tlsEcho(t, nil)
		a, _ := authority(t)
		inner := run(t, dropping, nil)
		l := run(t, letting, func(c *Config) {
			intercepting(a, roots)(c)
			c.Intercept.FailClosed = closed
		})
		raw := connect(t, l, inner.addr)
		if resp, _ := ask(t, raw, "CONNECT "+addr+" HTTP/1.1\r\nHost: x\r\n\r\n"); resp.StatusCode != 200 {
			t.Fatalf("answered %s", resp.Status)
		}
		issuer, err := exchange(tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com"}))
		if (err != nil) != closed || issuer == a.Certificate().Subject.CommonName {
			t.Errorf("closed %v: %s, %v", closed, issuer, err)
		}
		_ = raw.Close()
		if e := l.told(t); closed && (e.Proxy.End != event.EndRefused || !strings.Contains(e.Proxy.Error, "behind")) {
			t.Errorf("event %+v", e.Proxy)
		}
	}
}

// The policy may change between its stages.
func TestPolicyChanges(t *testing.T) {
	addr, roots := tlsEcho(t, nil)
	atHello := func(d policies.Decision) policies.Decider {
		return policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
			out := policies.Decision{Action: policies.ActionLog, Reason: "Now.", Rule: "test.now", Revision: "1"}
			if in.Stage != policies.StageConnect {
				out = d
				out.Reason, out.Rule, out.Revision = "Later.", "test.later", "2"
			}
			return out, nil
		})
	}
	for name, tt := range map[string]struct {
		then policies.Decision
		ok   bool
		end  string
		n    int // events
	}{
		"to drop":    {then: policies.Decision{Action: policies.ActionDrop}, end: event.EndDropped},
		"to dry run": {then: policies.Decision{Action: policies.ActionDrop, DryRun: true, Intercept: true}, ok: true, end: event.EndClient},
		"to allow":   {then: policies.Decision{Action: policies.ActionAllow}, ok: true, end: event.EndClient},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := authority(t)
			l := run(t, atHello(tt.then), intercepting(a, roots))
			raw, err := plainConnect(context.Background(), l.addr, addr)
			if err != nil {
				t.Fatal(err)
			}
			_, err = exchange(tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "example.com"}))
			if (err == nil) != tt.ok {
				t.Error(err)
			}
			_ = raw.Close()
			e := l.told(t)
			if e.Proxy.End != tt.end || e.Decision.Revision != "2" || e.Decision.Enforced == tt.then.DryRun || e.Proxy.Opened {
				t.Errorf("event %+v %+v", e.Proxy, e.Decision)
			}
			c := l.Counts()
			if dropped := tt.then.Action == policies.ActionDrop; (c.Dropped == 1) != (dropped && !tt.then.DryRun) || (c.WouldDrop == 1) != (dropped && tt.then.DryRun) {
				t.Errorf("counts %+v", c)
			}
		})
	}
}

// What is learned after a connection's end is of no consequence.
func TestLearnLate(t *testing.T) {
	l := run(t, dropping, nil)
	raw := connect(t, l, echo(t))
	until(t, "a session", func() bool { return len(l.sessions.list()) == 1 })
	k := l.sessions.list()[0]
	_ = raw.Close()
	until(t, "its end", func() bool { return len(l.sessions.list()) == 0 })
	k.learn(inspect.Evidence{Rule: "probe.sstp", Weight: 100, Proof: true})
	if err := k.see(inspect.ServerToClient, []byte("late")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("seen after the end: %v", err)
	}
	if l.mu.Lock(); len(l.events) != 0 {
		t.Errorf("events %+v", l.events)
	}
	l.mu.Unlock()
	if l.Counts().Dropped != 0 {
		t.Errorf("counts %+v", l.Counts())
	}
}

// What is learned while a connection lasts ends it, although the kernel carries it.
func TestLearn(t *testing.T) {
	l := run(t, dropping, nil)
	raw := connect(t, l, echo(t))
	_, _ = io.WriteString(raw, noTLS)
	if _, err := io.ReadFull(raw, make([]byte, len(noTLS))); err != nil {
		t.Fatal(err)
	}
	until(t, "the handover", func() bool { return l.Counts().Spliced == 1 })
	l.sessions.list()[0].learn(inspect.Evidence{Rule: "probe.sstp", Weight: 100, Proof: true})
	if _, err := raw.Read(make([]byte, 1)); err == nil {
		t.Error("the tunnel goes on")
	}
	if e := l.told(t); e.Proxy.End != event.EndDropped || !e.Proxy.Spliced || e.Detection.Verdict != inspect.VerdictConfirmed {
		t.Errorf("event %+v %+v", e.Proxy, e.Detection)
	}
}
