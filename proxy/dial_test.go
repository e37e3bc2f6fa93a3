package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
)

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"a.example:443", "[::1]:443", "a:443:443", "a", "[fe80::1%eth0]:1", "a:0", "a:65536", "", ":443", "a\r\nb:1", "user@a:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTarget(s)
		if err != nil {
			return
		}
		again, err := parseTarget(got.String())
		if err != nil || again.host != got.host || again.port != got.port || got.port == 0 || got.host == "" {
			t.Errorf("%q is %+v, and that %+v, %v", s, got, again, err)
		}
		if strings.ContainsAny(got.String(), " \r\n\x00/@") {
			t.Errorf("%q is %q", s, got)
		}
	})
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]string{
		"a.example:443":      "a.example:443",
		"a.example:9443:443": "a.example:9443", // sstpc
		"[2001:db8::1]:443":  "[2001:db8::1]:443",
		"192.0.2.1:80":       "192.0.2.1:80",
		"a.example":          "",
		"a.example:0":        "",
		"a.example:65536":    "",
		":443":               "",
		"":                   "",
		"a b:443":            "",
		"user@a.example:443": "",
	} {
		got, err := parseTarget(in)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		in     string
		status int // 0 for an error
		early  string
	}{
		"plain":             {"HTTP/1.1 200 OK\r\n\r\n", 200, ""},
		"early":             {"HTTP/1.0 200 Connection established\r\nX: y\r\n\r\n220 hello", 200, "220 hello"},
		"interim":           {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 204 No\r\n\r\nearly", 204, "early"},
		"refused":           {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, "no"},
		"no answer":         {"", 0, ""},
		"cut":               {"HTTP/1.1 200 OK\r\n", 0, ""},
		"interim alone":     {"HTTP/1.1 100 Continue\r\n\r\n", 0, ""},
		"no HTTP":           {"SSH-2.0-x\r\n\r\n", 0, ""},
		"longer than heads": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 70<<10) + "\r\n\r\n", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{"whole": strings.NewReader(tt.in), "bytes": iotest.OneByteReader(strings.NewReader(tt.in))} {
				resp, early, err := readAnswer(r)
				rest, _ := io.ReadAll(r)
				if resp.Status != tt.status && err == nil || (err == nil) != (tt.status != 0) || err == nil && string(early)+string(rest) != tt.early {
					t.Errorf("%s: got %d, %q and %q, %v", how, resp.Status, early, rest, err)
				}
			}
		})
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nearly"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 407\r\nA: b\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		resp, early, err := readAnswer(bytes.NewReader(b))
		r := iotest.OneByteReader(bytes.NewReader(b))
		again, one, failed := readAnswer(r)
		if (err == nil) != (failed == nil) || err == nil && resp.Status != again.Status {
			t.Fatalf("%d, %v; by single bytes %d, %v", resp.Status, err, again.Status, failed)
		}
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r)
		// Of a long rest the buffer has only a part.
		if got := append(one, rest...); !bytes.HasPrefix(got, early) || !bytes.HasSuffix(b, got) {
			t.Fatalf("early %q; by single bytes %q", early, got)
		}
	})
}

// chained is a proxy that goes through another.
func chained(t *testing.T, policy policies.Decider, upstream string) *lab {
	t.Helper()
	u, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, policy, func(c *Config) { c.Upstream = u })
}

// An upstream proxy carries what clients ask for: tunnels, plain requests, opened
// TLS.
func TestUpstream(t *testing.T) {
	next := run(t, logging, nil)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL, r.Header["Proxy-Authorization"]) }))
	defer web.Close()
	t.Run("tunnel", func(t *testing.T) {
		l := chained(t, logging, "http://user:word@"+next.addr)
		conn := connect(t, l, echo(t))
		_, _ = io.WriteString(conn, "hello")
		_ = conn.CloseWrite()
		if b, err := io.ReadAll(conn); err != nil || string(b) != "hello" {
			t.Errorf("got %q, %v", b, err)
		}
		if e := l.told(t); e.Proxy.End != event.EndClient {
			t.Errorf("event %+v", e.Proxy)
		}
	})
	t.Run("request", func(t *testing.T) {
		l := chained(t, logging, "http://user:word@"+next.addr)
		resp, err := through(t, l, nil, false).Get(web.URL + "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, _ := io.ReadAll(resp.Body); string(b) != "/x []" {
			t.Errorf("got %s", b)
		}
	})
	t.Run("opened", func(t *testing.T) {
		secure, roots := tlsServer(t, true, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
		a, pool := authority(t)
		u, _ := url.Parse("http://" + next.addr)
		l := run(t, opening, func(c *Config) {
			intercepting(a, roots)(c)
			c.Upstream = u
		})
		resp, err := through(t, l, pool, true).Get(secure.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, _ := io.ReadAll(resp.Body); string(b) != "HTTP/2.0" || l.Counts().Opened != 1 {
			t.Errorf("got %s, counts %+v", b, l.Counts())
		}
	})
}

// What the upstream proxy says first is the server's, and what it refuses is told
// without its address.
func TestUpstreamAnswers(t *testing.T) {
	answering := func(t *testing.T, answer string) string {
		return "http://" + server(t, func(conn *net.TCPConn) {
			defer conn.Close()
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, answer)
				_, _ = io.Copy(io.Discard, conn)
			}
		})
	}
	t.Run("early", func(t *testing.T) {
		conn := dialLab(t, chained(t, logging, answering(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n220 hello\r\n")))
		resp, r := ask(t, conn, "CONNECT a.example:25 HTTP/1.1\r\nHost: x\r\n\r\n")
		line, err := r.ReadString('\n')
		if resp.StatusCode != 200 || err != nil || line != "220 hello\r\n" {
			t.Errorf("answered %s, %q, %v", resp.Status, line, err)
		}
	})
	t.Run("login for a request", func(t *testing.T) {
		conn := dialLab(t, chained(t, logging, answering(t, "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"next\"\r\nContent-Length: 0\r\n\r\n")))
		resp, _ := ask(t, conn, "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 502 || resp.Header["Proxy-Authenticate"] != nil || !strings.Contains(string(b), "next proxy answered 407") {
			t.Errorf("answered %s %v %q", resp.Status, resp.Header, b)
		}
	})
	t.Run("garbage for a request", func(t *testing.T) {
		resp, _ := ask(t, dialLab(t, chained(t, logging, answering(t, "no HTTP at all\r\n\r\n"))), "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != 502 || !strings.Contains(string(b), "the next proxy ended the connection without an answer") {
			t.Errorf("answered %s %q", resp.Status, b)
		}
	})
	for name, tt := range map[string]struct {
		answer string
		status int
		text   string
	}{
		"forbidden": {"HTTP/1.1 403 Not here\r\n\r\n", 403, "next proxy answered 403 Not here"},
		"login":     {"HTTP/1.1 407 Who are you\r\n\r\n", 502, "407 Who are you"},
		"broken":    {"no HTTP at all\r\n\r\n", 502, ""},
		"silent":    {"", 504, "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			u, _ := url.Parse(answering(t, tt.answer))
			conn := dialLab(t, run(t, logging, func(c *Config) {
				c.Upstream = u
				c.Timeouts.Dial = time.Second
			}))
			resp, _ := ask(t, conn, "CONNECT a.example:25 HTTP/1.1\r\nHost: x\r\n\r\n")
			b, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || !strings.Contains(string(b), tt.text) || strings.Contains(string(b), u.Host) {
				t.Errorf("answered %s %q", resp.Status, b)
			}
		})
	}
}

// Rules for destinations hold for what an upstream proxy is asked for: those for
// ports of names, too.
func TestUpstreamDestinations(t *testing.T) {
	next := run(t, dropping, nil)
	l := run(t, dropping, func(c *Config) {
		c.Upstream = &url.URL{Scheme: "http", Host: next.addr}
		c.Destinations = access.NewDestinations(access.DestinationOptions{Ports: access.Ports{{First: 80, Last: 80}}})
	})
	refused := uint64(0)
	for _, to := range []string{"169.254.169.254:80", "a.example:25", "192.0.2.1:25", "[::1]:80", "127.1:80"} {
		resp, _ := ask(t, dialLab(t, l), "CONNECT "+to+" HTTP/1.1\r\nHost: x\r\n\r\n")
		plain, err := through(t, l, nil, false).Get("http://" + to + "/latest")
		if err != nil {
			t.Fatal(err)
		}
		_ = plain.Body.Close()
		endless, _ := ask(t, dialLab(t, l), "POST http://"+to+"/ HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n")
		refused += 3
		if resp.StatusCode != http.StatusForbidden || plain.StatusCode != http.StatusForbidden || endless.StatusCode != http.StatusForbidden {
			t.Errorf("%s: a tunnel: %s, a request: %s, one without end: %s", to, resp.Status, plain.Status, endless.Status)
		}
		if n := l.Counts().RefusedDestination; n != refused {
			t.Errorf("%s: %d were refused, not %d", to, n, refused)
		}
	}
	if n := next.Counts().Explicit; n != 0 {
		t.Errorf("the upstream proxy was asked %d times", n)
	}
}

// Answers do not tell clients of the network behind the proxy.
func TestUnreachable(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := free.Addr().String()
	_ = free.Close()
	l := run(t, dropping, func(c *Config) {
		c.Destinations = access.NewDestinations(access.DestinationOptions{Allow: access.Networks{netip.MustParsePrefix("127.0.0.0/8")}, Deny: access.Networks{netip.MustParsePrefix("127.0.0.9/32")}})
	})
	for target, want := range map[string]int{
		closed:                  http.StatusBadGateway,
		"127.0.0.9:1":           http.StatusForbidden,
		"[::ffff:127.0.0.9]:1":  http.StatusForbidden,
		"[::1]:1":               http.StatusForbidden,
		"0.0.0.0:1":             http.StatusForbidden,
		"name.invalid:1":        http.StatusBadGateway,
		"name.invalid:1:2:3":    http.StatusBadRequest,
		"%0d%0aX-Injected: 1:1": http.StatusBadRequest,
	} {
		for _, tunnel := range []bool{true, false} {
			var resp *http.Response
			if tunnel {
				resp, _ = ask(t, dialLab(t, l), "CONNECT "+target+" HTTP/1.1\r\nHost: x\r\n\r\n")
			} else {
				resp, _ = ask(t, dialLab(t, l), "GET http://"+target+"/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			}
			b, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != want || resp.Header.Get("X-Injected") != "" || strings.Contains(string(b), "dial tcp") || strings.Contains(string(b), "lookup ") {
				t.Errorf("%s, tunnel %v: answered %s %q", target, tunnel, resp.Status, b)
			}
		}
	}
}

// A destination has several addresses: one that is refused or that does not
// answer is passed over, and the policy is asked about the one that it became.
func TestDialAny(t *testing.T) {
	to := netip.MustParseAddrPort(echo(t))
	one := func(c *Config) {
		c.Destinations = access.NewDestinations(access.DestinationOptions{Allow: access.Networks{netip.MustParsePrefix("127.0.0.1/32")}})
	}
	l := run(t, dropping, one)
	refused := netip.MustParseAddr("127.0.0.7")
	conn, err := l.dialAny(t.Context(), []netip.Addr{refused, to.Addr(), refused}, to.Port())
	if err != nil {
		t.Fatal(err)
	}
	if conn.RemoteAddr().String() != to.String() {
		t.Errorf("connected to %s", conn.RemoteAddr())
	}
	_ = conn.Close()
	_, err = l.dialAny(t.Context(), []netip.Addr{refused, refused}, to.Port())
	if _, ok := errors.AsType[*access.RefusedError](err); !ok {
		t.Errorf("got %v", err)
	}
	if _, err := l.dialAny(t.Context(), nil, 1); err == nil {
		t.Error("connected to nothing")
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.dialAny(done, []netip.Addr{to.Addr()}, to.Port()); err == nil {
		t.Error("connected although it was too late")
	}
}

func TestMovesTo(t *testing.T) {
	first, second := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	l := run(t, policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
		d := policies.Decision{Action: policies.ActionAllow, Reason: "Here.", Rule: "test.here", Revision: "1"}
		if in.Server != nil && in.Server.IP == second {
			d.Action = policies.ActionDrop
		}
		return d, nil
	}), nil)
	k := l.open(event.ModeExplicit, netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2"))
	defer k.end(event.EndClient, nil)
	k.note(1, []byte("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"))
	k.goesTo(first)
	if err := k.ask(); err != nil {
		t.Fatal(err)
	}
	if k.movesTo(first) {
		t.Error("it stays where it is")
	}
	if !k.movesTo(second) || !errors.Is(k.ask(), errDropped) {
		t.Error("the policy was not asked about the other address")
	}
}

// Servers that speak TLS and HTTP/2 alike are dialled again for a second request
// at a time where they have only HTTP/1.1.
func TestOpenedDialsAgain(t *testing.T) {
	begun := make(chan struct{}, 2)
	both := make(chan struct{})
	web, roots := tlsServer(t, false, func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-both
		fmt.Fprint(w, "fine")
	})
	a, pool := authority(t)
	l := run(t, opening, intercepting(a, roots))
	raw, err := plainConnect(t.Context(), l.addr, web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com", NextProtos: []string{"http/1.1"}})
	defer conn.Close()
	go func() {
		<-begun
		close(both)
	}()
	r := bufio.NewReader(conn)
	for _, host := range []string{"one.example", "two.example", "one.example"} {
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "fine" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		select {
		case <-begun:
		default:
		}
	}
}
