package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/proxy/guard"
)

// A response that the server does not finish is not finished for the client
// either, who would take what it has for all there is.
func TestResponseCut(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "100")
		}
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		fmt.Fprint(w, "part")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path != "/whole" {
			panic(http.ErrAbortHandler)
		}
	}) {
		for path, fails := range map[string]bool{"/length": true, "/chunked": true, "/events": true, "/whole": false} {
			t.Run(w.name+path, func(t *testing.T) {
				resp, err := w.client.Get(w.url + path)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				if string(b) != "part" || (err != nil) != fails {
					t.Errorf("got %q, %v; fails should be %v", b, err, fails)
				}
			})
		}
	}
}

// A body that ends with its connection is whole where the server closes, although
// it says so by TCP alone inside TLS, as many do; after a reset it is not.
func TestResponseUntilClose(t *testing.T) {
	seen := make(chan struct{}, 1)
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\nall")
		<-seen
		raw := conn
		if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
			raw = inner.NetConn()
		}
		if r.URL.Path == "/reset" {
			_ = raw.(*net.TCPConn).SetLinger(0)
		}
		_ = raw.Close()
	}) {
		if w.http2 {
			continue // where no connection can be taken over
		}
		for path, fails := range map[string]bool{"/close": false, "/reset": true} {
			t.Run(w.name+path, func(t *testing.T) {
				resp, err := w.client.Get(w.url + path)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				b := make([]byte, 3)
				_, err = io.ReadFull(resp.Body, b)
				if string(b) != "all" || err != nil {
					t.Errorf("got %q, %v", b, err)
				}
				seen <- struct{}{}
				if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || (err != nil) != fails {
					t.Errorf("then %q, %v; fails should be %v", rest, err, fails)
				}
			})
		}
	}
}

// The proxy adds no type to what the server sent without one: a browser takes a
// style sheet of none, and refuses one that is said to be text/plain.
func TestNoContentType(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		fmt.Fprint(w, "a{color:red}")
	}) {
		t.Run(w.name, func(t *testing.T) {
			resp, err := w.client.Get(w.url)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, ok := resp.Header["Content-Type"]; ok {
				t.Errorf("Content-Type is %q", got)
			}
		})
	}
}

// What concerns one connection only ends there (RFC 9110, Section 7.6.1).
func TestHopByHop(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Seen", fmt.Sprintf("%q %q %q %q %q", r.Header["X-Hop"], r.Header["Keep-Alive"], r.Header["Upgrade"], r.Header["Te"], r.Header["X-End"]))
		h.Set("X-End", "1")
		if r.ProtoMajor == 1 {
			h.Set("Connection", "x-back")
			h.Set("X-Back", "1")
			h.Set("Keep-Alive", "timeout=5")
		}
	}) {
		if w.http2 {
			continue // has none of these
		}
		t.Run(w.name, func(t *testing.T) {
			conn := w.dial(t)
			fmt.Fprintf(conn, "GET %s/ HTTP/1.1\r\nHost: x\r\nConnection: X-Hop, TE,\r\nConnection: host\r\nX-Hop: 1\r\nKeep-Alive: 3\r\nUpgrade: h2c\r\nTE: trailers, deflate\r\nX-End: 1\r\n\r\n", w.prefix)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, want := resp.Header.Get("Seen"), `[] [] [] ["trailers"] ["1"]`; got != want {
				t.Errorf("the server saw %s, want %s", got, want)
			}
			for _, name := range []string{"X-Back", "Keep-Alive"} {
				if got, ok := resp.Header[name]; ok {
					t.Errorf("the client saw %s: %q", name, got)
				}
			}
			if resp.Header.Get("X-End") != "1" {
				t.Error("X-End is gone")
			}
		})
	}
}

// A target goes to the server as the client spelt it, also where that is not as
// the RFC has it: sites have such links, and browsers send them as they are.
func TestTargetSpelling(t *testing.T) {
	plain := echoTargets(t, nil)
	l := run(t, opening, nil)
	web, roots := tlsServer(t, false, nil)
	secure := echoTargets(t, &tls.Config{Certificates: web.TLS.Certificates})
	a, pool := authority(t)
	opened := run(t, opening, intercepting(a, roots))
	another := run(t, opening, nil)
	chained := run(t, opening, func(c *Config) { c.Upstream = &url.URL{Scheme: "http", Host: another.addr} })
	for _, w := range []struct {
		name, prefix string
		dial         func(t *testing.T) net.Conn
	}{
		{"explicit", "http://" + plain, func(t *testing.T) net.Conn { return dialLab(t, l) }},
		{"through another", "http://" + plain, func(t *testing.T) net.Conn { return dialLab(t, chained) }},
		{"opened", "", func(t *testing.T) net.Conn {
			raw, err := plainConnect(t.Context(), opened.addr, secure)
			if err != nil {
				t.Fatal(err)
			}
			conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com"})
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}},
	} {
		for _, target := range []string{
			"/100%", "/%zz%2f?a=%", "/a|b{}", `/a"b^c`, "/%7euser'", "/\xff", "//x|y", "//x", "/../%2e/", "/a?", "/?a=|\xff", "/a;b=c%3B|",
		} {
			t.Run(w.name+" "+strconv.Quote(target), func(t *testing.T) {
				conn := w.dial(t)
				fmt.Fprintf(conn, "GET %s%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", w.prefix, target)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				b, err := io.ReadAll(resp.Body)
				got := string(b)
				if strings.HasPrefix(target, "//") { // whole URLs are as good, to every server
					_, path, query := guard.SplitTarget(got)
					got = path + query
				}
				if resp.StatusCode != http.StatusOK || got != target {
					t.Errorf("%d, the server saw %q, %v", resp.StatusCode, got, err)
				}
			})
		}
	}
}

// Inside opened TLS whole URLs are for a server that is a proxy itself.
func TestWholeTarget(t *testing.T) {
	web, roots := tlsServer(t, false, nil)
	addr := echoTargets(t, &tls.Config{Certificates: web.TLS.Certificates})
	a, pool := authority(t)
	l := run(t, opening, intercepting(a, roots))
	for _, target := range []string{"http://other.example/a?b", "https://other.example", "http://other.example:81//100%?|"} {
		raw, err := plainConnect(t.Context(), l.addr, addr)
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com"})
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n", target)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || string(b) != target || err != nil {
			t.Errorf("of %s the server saw %q, %d, %v", target, b, resp.StatusCode, err)
		}
	}
}

// echoTargets serves requests, and answers with their targets as they came.
func echoTargets(t *testing.T, c *tls.Config) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	if c != nil {
		ln = tls.NewListener(ln, c)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				r := textproto.NewReader(bufio.NewReader(conn))
				line, err := r.ReadLine()
				if err != nil {
					return // a connection made to look at the certificate
				}
				_, _ = r.ReadMIMEHeader()
				target := strings.TrimSuffix(line[strings.IndexByte(line, ' ')+1:], " HTTP/1.1")
				fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(target), target)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		served.Wait()
	})
	return addr
}

// A request without a body has none for the server either, whatever the protocol.
func TestRequestWithoutBody(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.ContentLength, r.TransferEncoding, r.Header["Content-Length"])
	}) {
		for method, want := range map[string]string{"GET": "0 [] []", "DELETE": "0 [] []", "POST": "0 [] [0]", "PUT": "0 [] [0]"} {
			t.Run(w.name+", "+method, func(t *testing.T) {
				req, err := http.NewRequestWithContext(t.Context(), method, w.url, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := w.client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if b, err := io.ReadAll(resp.Body); string(b) != want || err != nil {
					t.Errorf("the server saw %s, want %s; %v", b, want, err)
				}
			})
		}
	}
}

// A server that takes a request and gives no answer was reached.
func TestNoAnswer(t *testing.T) {
	for _, w := range ways(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }) {
		t.Run(w.name, func(t *testing.T) {
			resp, err := w.client.Post(w.url, "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if want := " ended the connection without an answer: "; resp.StatusCode != http.StatusBadGateway || !strings.Contains(string(b), want) || err != nil {
				t.Errorf("answered %s %q, %v", resp.Status, b, err)
			}
			if n := w.lab.Counts().DialFailures; n != 0 {
				t.Errorf("%d failures to connect are counted", n)
			}
		})
	}
}

// The head of a response arrives although nothing of its body ever does.
func TestHeadOfCutResponse(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}) {
		t.Run(w.name, func(t *testing.T) {
			resp, err := w.client.Get(w.url)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); len(b) > 0 || err == nil || resp.ContentLength != 100 {
				t.Errorf("got %q of %d, %v", b, resp.ContentLength, err)
			}
		})
	}
}

// A server gets to know that a client no longer wants its response, also where it
// has nothing to send for the time being. In clear a client may have stopped sending
// and go on to wait, which is another matter.
func TestClientLeaves(t *testing.T) {
	left := make(chan error, 1)
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left <- r.Context().Err()
	})[1:] {
		t.Run(w.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := w.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			cancel()
			select {
			case <-left:
			case <-time.After(30 * time.Second):
				t.Error("the server does not know")
			}
		})
	}
}

// A response that has no body says so with its head.
func TestResponseWithoutBody(t *testing.T) {
	for _, w := range ways(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Path[1:])
		if r.ProtoMajor == 2 {
			w.Header()["Content-Length"] = nil // the head's end tells
		}
		w.WriteHeader(status)
	}) {
		for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusNotModified} {
			t.Run(fmt.Sprint(w.name, ", ", status), func(t *testing.T) {
				resp, err := w.client.Get(fmt.Sprint(w.url, "/", status))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if b, err := io.ReadAll(resp.Body); len(b) > 0 || err != nil || resp.StatusCode != status || resp.ContentLength != 0 {
					t.Errorf("answered %s %q of %d, %v", resp.Status, b, resp.ContentLength, err)
				}
				if w.http2 && resp.Header["Content-Length"] != nil {
					t.Errorf("a length was added: %v", resp.Header)
				}
			})
		}
	}
}
