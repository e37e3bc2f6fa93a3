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
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/proxy/access"
)

// A way to a web server, through the proxy.
type way struct {
	name   string
	http2  bool
	url    string
	client *http.Client
	// dial gives a connection on which the server's requests can be written, and
	// what their targets begin with.
	dial   func(t *testing.T) net.Conn
	prefix string
	lab    *lab
}

// ways has h served, and gives the ways to it: as ordinary requests, and inside
// opened TLS in both versions of HTTP.
func ways(t *testing.T, h http.HandlerFunc) []way {
	t.Helper()
	plain := httptest.NewServer(h)
	t.Cleanup(plain.Close)
	l := run(t, opening, nil)
	list := []way{{
		name: "explicit", url: plain.URL, client: through(t, l, nil, false), lab: l, prefix: plain.URL,
		dial: func(t *testing.T) net.Conn { return dialLab(t, l) },
	}}
	for _, http2 := range []bool{false, true} {
		web, roots := tlsServer(t, http2, h)
		a, pool := authority(t)
		l := run(t, opening, intercepting(a, roots))
		list = append(list, way{
			name: fmt.Sprint("opened, HTTP/2 ", http2), http2: http2, url: web.URL, client: through(t, l, pool, http2), lab: l,
			dial: func(t *testing.T) net.Conn {
				raw, err := plainConnect(t.Context(), l.addr, web.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com"})
				t.Cleanup(func() { _ = conn.Close() })
				return conn
			},
		})
	}
	return list
}

// A WebSocket, and what is sent along with the request for it, goes through.
func TestWebSocket(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw)
	}) {
		if w.http2 {
			continue // there it is another protocol, RFC 8441, which browsers do without
		}
		t.Run(w.name, func(t *testing.T) {
			conn := w.dial(t)
			fmt.Fprintf(conn, "GET %s/chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: y\r\nSec-WebSocket-Version: 13\r\n\r\nearly", w.prefix)
			r := bufio.NewReader(conn)
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("answered %+v, %v", resp, err)
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(r, b); err != nil || string(b) != "early" {
				t.Errorf("got %q, %v", b, err)
			}
			for i := range 3 {
				fmt.Fprintf(conn, "word%d", i)
				if _, err := io.ReadFull(r, b); err != nil || string(b) != fmt.Sprintf("word%d", i) {
					t.Errorf("got %q, %v", b, err)
				}
			}
		})
	}
}

// Any other upgrade goes through as well, with what is sent along and its
// half-closes, and is looked at; a server need not agree to it.
func TestUpgrade(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" || r.Header.Get("Connection") != "Upgrade, X-Settings" || r.Header.Get("X-Settings") != "1" || r.Header["Proxy-Authorization"] != nil {
			fmt.Fprint(w, "no ", r.Header)
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + r.Header.Get("Upgrade") + "\r\n\r\nhello")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw)
		_, _ = io.WriteString(conn, "bye")
	}) {
		if w.http2 {
			continue // which has none
		}
		for _, protocol := range []string{"tcp", "SPDY/3.1", "websocket/2"} {
			t.Run(w.name+" "+protocol, func(t *testing.T) {
				conn := w.dial(t)
				head := "GET %s%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, X-Settings\r\nX-Settings: 1\r\nProxy-Authorization: x\r\nUpgrade: " + protocol + "\r\n\r\n"
				r := bufio.NewReader(conn)
				fmt.Fprintf(conn, head, w.prefix, "/no")
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || err != nil {
					t.Errorf("answered %s %q, %v", resp.Status, b, err)
				}
				fmt.Fprintf(conn, head+"early", w.prefix, "/yes")
				if resp, err = http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != protocol {
					t.Fatalf("answered %+v, %v", resp, err)
				}
				b := make([]byte, 10)
				if _, err := io.ReadFull(r, b); err != nil || string(b) != "helloearly" {
					t.Errorf("got %q, %v", b, err)
				}
				for i := range 3 {
					fmt.Fprintf(conn, "a word, %2d", i)
					if _, err := io.ReadFull(r, b); err != nil || string(b) != fmt.Sprintf("a word, %2d", i) {
						t.Errorf("got %q, %v", b, err)
					}
				}
				_ = conn.(interface{ CloseWrite() error }).CloseWrite()
				if rest, err := io.ReadAll(r); string(rest) != "bye" || err != nil {
					t.Errorf("at last %q, %v", rest, err)
				}
			})
		}
	}
}

// SSTP that is spoken after an upgrade is found.
func TestUpgradeTunnel(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.ReadFull(rw, make([]byte, len(sstpRequest)))
		_, _ = conn.Write(sstpAck)
		_, _ = io.Copy(io.Discard, rw)
	}) {
		if w.http2 {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			conn := w.dial(t)
			fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n%s", w.prefix, sstpRequest)
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			b, _ := io.ReadAll(conn)
			if bytes.Contains(b, sstpAck) {
				t.Error("the client got the server's acknowledgement")
			}
			if e := w.lab.told(t); e.Proxy.End != event.EndDropped || e.Detection.Verdict.String() != "confirmed" {
				t.Errorf("event %+v %+v", e.Proxy, e.Detection)
			}
		})
	}
}

// Who is told of is the server that the client asked for, of each request anew,
// and not the proxy: the policy hears of it, and the event has it.
func TestRequestServer(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer web.Close()
	port := web.Listener.Addr().(*net.TCPAddr).Port
	other := server(t, func(conn *net.TCPConn) { hiddenSSTP(conn) })
	l := run(t, dropping, nil)
	conn := dialLab(t, l)
	r := bufio.NewReader(conn)
	for range 2 {
		fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\n\r\n", web.URL)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		k := l.sessions.list()[0]
		k.mu.Lock()
		e := event.New(k.eventFlow())
		k.mu.Unlock()
		if e.Server == nil || e.Server.IP.String() != "127.0.0.1" || int(e.Server.Port) != port || e.Server.Name != "" {
			t.Errorf("server %+v", e.Server)
		}
	}
	to := strings.Replace(other, "127.0.0.1", "LocalHost", 1)
	fmt.Fprintf(conn, "POST http://%s/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%s", to, sstpRequest)
	_, _ = io.Copy(io.Discard, conn)
	e := l.told(t)
	if got := fmt.Sprintf("%s:%d", e.Server.Name, e.Server.Port); got != strings.ToLower(to) || !e.Server.IP.IsLoopback() {
		t.Errorf("server %+v, want %s", e.Server, to)
	}
	if e.DestPort != uint16(conn.RemoteAddr().(*net.TCPAddr).Port) {
		t.Errorf("the connection's other end is %s:%d", e.DestIP, e.DestPort)
	}
}

// What a server sends bit by bit comes bit by bit.
func TestServerSentEvents(t *testing.T) {
	var next atomic.Pointer[chan struct{}]
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Accept"))
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-*next.Load():
			case <-r.Context().Done():
			}
		}
	}) {
		for _, kind := range []string{"text/event-stream", "application/x-other"} {
			t.Run(w.name+" "+kind, func(t *testing.T) {
				step := make(chan struct{})
				next.Store(&step)
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
				req.Header.Set("Accept", kind)
				resp, err := w.client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				r := bufio.NewReader(resp.Body)
				for i := range 3 {
					if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf("data: %d\n", i) {
						t.Fatalf("got %q, %v", line, err)
					}
					step <- struct{}{}
				}
				if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("ended by %v", err)
				}
			})
		}
	}
}

// A server may answer while the request is still coming, as gRPC's do: nothing
// of either is lost, whatever the version.
func TestBothDirectionsAtOnce(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Trailer", "Grpc-Status")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		b := make([]byte, 4<<10)
		for {
			n, err := r.Body.Read(b)
			_, _ = w.Write(b[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				break
			}
		}
		w.Header().Set("Grpc-Status", strings.Join(r.Header["Te"], ",")+r.Trailer.Get("X-Client"))
	}) {
		t.Run(w.name, func(t *testing.T) {
			body, feed := io.Pipe()
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url, body)
			req.Header.Set("Te", "trailers")
			req.Header.Set("Content-Type", "application/grpc")
			req.Trailer = http.Header{"X-Client": nil}
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got := make([]byte, 1<<10)
			for i := range 200 {
				message := bytes.Repeat([]byte{byte(i)}, 1<<10)
				if _, err := feed.Write(message); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(resp.Body, got); err != nil || !bytes.Equal(got, message) {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			req.Trailer.Set("X-Client", "-done")
			_ = feed.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
			if s := resp.Trailer.Get("Grpc-Status"); !strings.HasSuffix(s, "-done") || w.http2 && !strings.HasPrefix(s, "trailers") {
				t.Errorf("the server saw %q", s)
			}
		})
	}
}

// A server that answers early, without reading what it was sent, does not break
// what comes after it.
func TestAnswersEarly(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		fmt.Fprint(w, "fine")
	}) {
		t.Run(w.name, func(t *testing.T) {
			for range 3 {
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, w.url, bytes.NewReader(make([]byte, 4<<20)))
				if resp, err := w.client.Do(req); err == nil { // or the upload fails
					if resp.StatusCode != http.StatusRequestEntityTooLarge {
						t.Errorf("answered %s", resp.Status)
					}
					_ = resp.Body.Close()
				}
				resp, err := w.client.Get(w.url)
				if err != nil {
					t.Fatal(err)
				}
				if b, _ := io.ReadAll(resp.Body); string(b) != "fine" {
					t.Errorf("got %q", b)
				}
				_ = resp.Body.Close()
			}
		})
	}
}

// A client that waits to be told to go on is told by the server.
func TestContinue(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s", b)
	}) {
		t.Run(w.name, func(t *testing.T) {
			tr := w.client.Transport.(*http.Transport)
			tr.ExpectContinueTimeout = time.Minute
			for path, want := range map[string]int{"/yes": http.StatusOK, "/no": http.StatusForbidden} {
				var told atomic.Bool
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { told.Store(true) }})
				req, _ := http.NewRequestWithContext(ctx, http.MethodPost, w.url+path, strings.NewReader("body"))
				req.Header.Set("Expect", "100-continue")
				resp, err := w.client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != want || want == http.StatusOK && (!told.Load() || string(b) != "body") {
					t.Errorf("%s: answered %s %q, told to go on: %v", path, resp.Status, b, told.Load())
				}
			}
		})
	}
}

// Hints that a server gives before its answer come through.
func TestEarlyHints(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Link", "</font>")
		w.Header().Set("X-One", "1")
		w.WriteHeader(http.StatusEarlyHints)
		clear(w.Header())
		fmt.Fprint(w, "page")
	}) {
		t.Run(w.name, func(t *testing.T) {
			var hints []string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
				hints = append(hints, fmt.Sprint(status, h["Link"], h["X-One"]))
				return nil
			}})
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); string(b) != "page" || err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("answered %s %q, %v", resp.Status, b, err)
			}
			if want := []string{"103 [</style.css>] []", "103 [</font>] [1]"}; !slices.Equal(hints, want) {
				t.Errorf("before it %q, want %q", hints, want)
			}
			if resp.Header["Link"] != nil || resp.Header["X-One"] != nil {
				t.Errorf("the hints are in the response: %v", resp.Header)
			}
		})
		if w.http2 {
			continue
		}
		t.Run(w.name+", HTTP/1.0", func(t *testing.T) { // which knows of no such thing
			conn := w.dial(t)
			fmt.Fprintf(conn, "GET %s/ HTTP/1.0\r\nHost: x\r\n\r\n", w.prefix)
			if b, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(b), "HTTP/1.0 200 ") {
				t.Errorf("answered %q, %v", b, err)
			}
		})
	}
}

// A server that authenticates connections does not take one client for another.
func TestConnectionBound(t *testing.T) {
	var known sync.Map // remote address -> user
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		if user := r.Header.Get("Authorization"); user != "" {
			known.Store(r.RemoteAddr, user)
		}
		user, _ := known.Load(r.RemoteAddr)
		fmt.Fprint(w, user)
	}) {
		if w.http2 {
			continue // which such servers do not speak
		}
		t.Run(w.name, func(t *testing.T) {
			get := func(conn net.Conn, header string) string {
				fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\n%s\r\n", w.prefix, header)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(resp.Body)
				return string(b)
			}
			alice, bob := w.dial(t), w.dial(t)
			if got := get(alice, "Authorization: alice\r\n"); got != "alice" {
				t.Errorf("alice is %s", got)
			}
			for range 3 {
				if got := get(bob, ""); got != "<nil>" {
					t.Errorf("somebody else is %s", got)
				}
				if got := get(alice, ""); got != "alice" {
					t.Errorf("alice is %s then", got)
				}
			}
		})
	}
}

// A client that asks for many servers does not keep a connection to each.
func TestIdleServersAreBounded(t *testing.T) {
	var open atomic.Int64
	l := run(t, dropping, nil)
	conn := dialLab(t, l)
	r := bufio.NewReader(conn)
	for range 4 * maxIdleServers {
		web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
		web.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				open.Add(1)
			case http.StateClosed, http.StateHijacked:
				open.Add(-1)
			case http.StateActive, http.StateIdle:
			}
		}
		web.Start()
		t.Cleanup(web.Close)
		fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\n\r\n", web.URL)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	until(t, "idle connections to end", func() bool { return open.Load() <= maxIdleServers })
}

// users is a password file with one user, bob, whose password is word.
func users(t *testing.T) *access.Users {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("word"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte("bob:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := access.LoadUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Whoever has to log in is asked to, in every kind of request, and known by name
// then.
func TestLogin(t *testing.T) {
	const right, wrong = "Proxy-Authorization: Basic Ym9iOndvcmQ=\r\n", "Proxy-Authorization: Basic Ym9iOngK\r\n"
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header["Proxy-Authorization"])
	}))
	defer web.Close()
	u := users(t)
	heads := map[string]string{
		"CONNECT": "CONNECT " + web.Listener.Addr().String() + " HTTP/1.1\r\nHost: x\r\n",
		"request": "GET " + web.URL + "/ HTTP/1.1\r\nHost: x\r\n",
		"endless": "POST " + web.URL + "/ HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n",
	}
	for name, head := range heads {
		for field, want := range map[string]int{"": http.StatusProxyAuthRequired, wrong: http.StatusProxyAuthRequired, right: http.StatusOK} {
			if name == "endless" && want == http.StatusOK {
				want = http.StatusBadRequest // net/http's word for it
			}
			t.Run(name+" "+fmt.Sprint(want)+fmt.Sprint(len(field)), func(t *testing.T) {
				l := run(t, logging, func(c *Config) { c.Users, c.Realm = u, `a "lab"` })
				conn := dialLab(t, l)
				resp, _ := ask(t, conn, head+field+"\r\n")
				if resp.StatusCode != want {
					t.Errorf("answered %s", resp.Status)
				}
				if got := resp.Header.Get("Proxy-Authenticate"); (want == http.StatusProxyAuthRequired) != (got == `Basic realm="a \"lab\""`) {
					t.Errorf("asked by %q", got)
				}
				_ = conn.Close()
				if want != http.StatusProxyAuthRequired {
					if e := l.told(t); e.User != "bob" {
						t.Errorf("the user is %q", e.User)
					}
				}
			})
		}
	}
}

// The proxy answers for itself what is not to be passed on.
func TestNotForUs(t *testing.T) {
	l := run(t, dropping, nil)
	for head, want := range map[string]int{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                                                                    http.StatusBadRequest,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n":                           http.StatusBadRequest,
		"POST https://a.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n":          http.StatusBadRequest,
		"POST http://a.example:0/ HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n":         http.StatusBadRequest,
		"POST http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n":         http.StatusBadGateway,
		"CONNECT a.example HTTP/1.1\r\nHost: x\r\n\r\n":                                                        http.StatusBadRequest,
		"GET http://a.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n": http.StatusBadRequest,
		"GET http://a.example/ HTTP/1.1\r\nHost : x\r\n\r\n":                                                   http.StatusBadRequest,
		"GET http://a.example/ HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n":                                       http.StatusBadRequest,
		"GET ftp://127.0.0.1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":                                http.StatusNotImplemented,
		"GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 70<<10) + "\r\n\r\n":        http.StatusRequestHeaderFieldsTooLarge,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                                     http.StatusHTTPVersionNotSupported,
	} {
		resp, _ := ask(t, dialLab(t, l), head)
		if resp.StatusCode != want {
			t.Errorf("%.80q: answered %s, want %d", head, resp.Status, want)
		}
	}
	if c := l.Counts(); c.RefusedHead < 8 || c.Explicit != 12 {
		t.Errorf("counts %+v", c)
	}
}

// Clients of other networks, and more than a client may have, are turned away.
func TestTurnedAway(t *testing.T) {
	t.Run("network", func(t *testing.T) {
		l := run(t, logging, func(c *Config) { c.Clients = nil })
		if _, err := dialLab(t, l).Read(make([]byte, 1)); err == nil || l.Counts().RefusedClient != 1 {
			t.Errorf("got %v, counts %+v", err, l.Counts())
		}
	})
	t.Run("number", func(t *testing.T) {
		l := run(t, logging, func(c *Config) { c.Limiter = access.NewLimiter(1, 0) })
		conn := connect(t, l, echo(t))
		if _, err := dialLab(t, l).Read(make([]byte, 1)); err == nil || l.Counts().RefusedLimit != 1 {
			t.Errorf("got %v, counts %+v", err, l.Counts())
		}
		_ = conn.Close()
		until(t, "the place to be free", func() bool { return l.Counts().Active == 0 })
		connect(t, l, echo(t))
	})
}

// What ordinary requests lead to is judged too, and what was judged before does
// not count for what follows on the same connection.
func TestAfterOrdinaryRequests(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }))
	defer web.Close()
	for name, tt := range map[string]struct {
		head   string
		status int
	}{
		"CONNECT": {"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\nSSTPVERSION: 1.0\r\n\r\n", http.StatusForbidden},
	} {
		for _, before := range []int{0, 1, 15, 16, 17, 40} {
			t.Run(fmt.Sprint(name, " after ", before), func(t *testing.T) {
				l := run(t, dropping, nil)
				conn := dialLab(t, l)
				r := bufio.NewReader(conn)
				for range before {
					fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\n\r\n", web.URL)
					resp, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				if resp, _ := ask(t, conn, tt.head); resp.StatusCode != tt.status {
					t.Errorf("answered %s", resp.Status)
				}
				_ = conn.Close() // or the proxy waits for that
				if e := l.told(t); e.Proxy.End != event.EndDropped || e.Proxy.Spliced || !e.Decision.Enforced {
					t.Errorf("event %+v %+v", e.Proxy, e.Decision)
				}
			})
		}
	}
}

// Call Connect Request and Call Connect Acknowledge (MS-SSTP 2.2.9, 2.2.10).
var (
	sstpRequest = []byte{0x10, 0x01, 0, 14, 0, 1, 0, 1, 0, 1, 0, 6, 0, 1}
	sstpAck     = append([]byte{0x10, 0x01, 0, 48, 0, 2, 0, 1, 0, 4, 0, 40, 0, 0, 0, 3}, make([]byte, 32)...)
)

// fakeSSTP answers GET with a page, and anything else as an SSTP server does, up
// to its first message.
func fakeSSTP(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		head, err := readHead(r)
		switch {
		case err != nil:
			return
		case strings.HasPrefix(head, "GET "):
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")
			continue
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n")
		if _, err := io.ReadFull(r, make([]byte, len(sstpRequest))); err == nil {
			_, _ = conn.Write(sstpAck)
			_, _ = io.Copy(io.Discard, r)
		}
		return
	}
}

func readHead(r *bufio.Reader) (string, error) {
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		b, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		head.WriteByte(b)
	}
	return head.String(), nil
}

// SSTP in clear is found in ordinary requests too, with whatever length and
// after whatever came before; its end is told as what it is.
func TestClearTunnel(t *testing.T) {
	addr := server(t, func(conn *net.TCPConn) {
		defer conn.Close()
		fakeSSTP(conn)
	})
	const path = "/sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/"
	for name, head := range map[string]string{
		"SSTP":   "SSTP_DUPLEX_POST http://" + addr + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n",
		"finite": "SSTP_DUPLEX_POST http://" + addr + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
		"hidden": "POST http://" + addr + "/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n",
	} {
		for _, before := range []int{0, 17} {
			t.Run(fmt.Sprint(name, " after ", before), func(t *testing.T) {
				l := run(t, dropping, nil)
				conn := dialLab(t, l)
				r := bufio.NewReader(conn)
				for range before {
					fmt.Fprintf(conn, "GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n", addr)
					resp, err := http.ReadResponse(r, nil)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				_, _ = io.WriteString(conn, head)
				_, _ = conn.Write(sstpRequest)
				_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
				b, _ := io.ReadAll(r)
				if bytes.Contains(b, sstpAck) {
					t.Errorf("the client got the server's acknowledgement")
				}
				_ = conn.Close() // or the proxy waits for that
				e := l.told(t)
				t.Logf("%s %s, %d: %+v", e.Detection.Verdict, e.Detection.Kind, e.Detection.Score, e.Proxy)
				if e.Proxy.End != event.EndDropped || e.Decision.Action != "drop" || e.Proxy.Spliced {
					t.Errorf("event %+v %+v %+v", e.Proxy, e.Decision, e.Detection)
				}
			})
		}
	}
}

// A policy that drops only what is confirmed is asked again when that comes,
// although it let be what was suspected.
func TestConfirmedLater(t *testing.T) {
	var seen []string
	var mu sync.Mutex
	strict := policies.DeciderFunc(func(_ context.Context, in policies.Input) (policies.Decision, error) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, in.Detection.Verdict.String())
		d := policies.Decision{Action: policies.ActionLog, Reason: "Perhaps.", Rule: "test.perhaps", Revision: "1"}
		if in.Detection.Verdict.String() == "confirmed" {
			d.Action = policies.ActionDrop
		}
		return d, nil
	})
	l := run(t, strict, nil)
	addr := server(t, func(conn *net.TCPConn) {
		defer conn.Close()
		_, _ = io.ReadFull(conn, make([]byte, len(sstpRequest)))
		_, _ = conn.Write(sstpAck)
		_, _ = io.Copy(io.Discard, conn)
	})
	conn := connect(t, l, addr)
	_, _ = conn.Write(sstpRequest)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, _ := io.Copy(io.Discard, conn)
	e := l.told(t)
	if n != 0 || e.Proxy.End != event.EndDropped {
		t.Errorf("%d bytes came through; verdicts %v, event %+v %+v", n, seen, e.Proxy, e.Detection)
	}
}
