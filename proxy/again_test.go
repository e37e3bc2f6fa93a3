package proxy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// A server may close a connection that it keeps just as the next request comes.
// The request is not sent twice, and the client sees its own connection end, as it
// would without a proxy. Every other connection is closed when the request is there,
// which meets it for certain, and the others may be closed before, while or after.
func TestServerClosesIdle(t *testing.T) {
	web, roots := tlsServer(t, false, nil)
	var conns, posts atomic.Int32
	addr := server(t, func(raw *net.TCPConn) {
		defer raw.Close()
		late := conns.Add(1)%2 == 0
		conn := tls.Server(raw, &tls.Config{Certificates: web.TLS.Certificates})
		r := bufio.NewReader(conn)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		b, _ := io.ReadAll(req.Body)
		posts.Add(1)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		if late {
			_, _ = r.Peek(1)
		}
		_ = conn.Close()
	})
	a, pool := authority(t)
	l := run(t, opening, intercepting(a, roots))
	body := strings.Repeat("x", 10000)
	var sent, answered int32
	for sent < 200 {
		raw, err := plainConnect(t.Context(), l.addr, addr)
		if err != nil {
			t.Fatal(err)
		}
		conn := tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: "example.com"})
		r := bufio.NewReader(conn)
		for n := 0; ; n++ {
			sent++
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			resp, err := http.ReadResponse(r, nil)
			if err != nil && n > 0 {
				break // the client sends it again
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != http.StatusOK || err != nil || len(b) != len(body) {
				t.Fatalf("request %d: %s %.80q %v", n, resp.Status, b, err)
			}
			answered++
		}
		_ = conn.Close()
	}
	if posts.Load() != answered {
		t.Errorf("%d of %d requests were answered, the server saw %d", answered, sent, posts.Load())
	}
}

// A server of HTTP/2 that goes away has not seen the requests behind the last it
// names.
func TestGoAway(t *testing.T) {
	web, roots := tlsServer(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // GOAWAY
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(b)
	})
	a, pool := authority(t)
	l := run(t, opening, intercepting(a, roots))
	client := through(t, l, pool, true)
	client.Timeout = 10 * time.Second
	body := bytes.Repeat([]byte("x"), 10000)
	done := make(chan error)
	for range 16 {
		go func() {
			var last error
			for range 30 {
				resp, err := client.Post(web.URL, "text/plain", bytes.NewReader(body))
				if err != nil {
					last = err
					continue
				}
				b, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != 200 || len(b) != len(body) {
					last = fmt.Errorf("%s %.90q %w", resp.Status, b, err)
				}
			}
			done <- last
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// resetting serves a connection of HTTP/2 by resetting its streams.
func resetting(conn net.Conn, code http2.ErrCode) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(conn, conn)
	_ = fr.WriteSettings()
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		if f.Header().Type == http2.FrameHeaders {
			_ = fr.WriteRSTStream(f.Header().StreamID, code)
		}
	}
}

// A server that wants a request by HTTP/1.1 is sent it so.
func TestHTTP1Required(t *testing.T) {
	web, roots := tlsServer(t, true, nil)
	addr := server(t, func(raw *net.TCPConn) {
		defer raw.Close()
		conn := tls.Server(raw, &tls.Config{Certificates: web.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}})
		if err := conn.Handshake(); err != nil {
			return
		}
		if conn.ConnectionState().NegotiatedProtocol == "h2" {
			resetting(conn, http2.ErrCodeHTTP11Required)
			return
		}
		for r := bufio.NewReader(conn); ; {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			b, _ := io.ReadAll(req.Body)
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
		}
	})
	a, pool := authority(t)
	client := through(t, run(t, opening, intercepting(a, roots)), pool, true)
	for _, body := range []string{"", "a", strings.Repeat("x", 50<<10)} {
		resp, err := client.Post("https://"+addr, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || string(b) != body || resp.ProtoMajor != 2 || err != nil {
			t.Errorf("answered %s %s %.90q, %v", resp.Proto, resp.Status, b, err)
		}
	}
}

// A server that resets every stream with an error that calls for another
// connection is not asked for ever.
func TestResetForEver(t *testing.T) {
	web, roots := tlsServer(t, true, nil)
	var conns atomic.Int32
	addr := server(t, func(raw *net.TCPConn) {
		defer raw.Close()
		conns.Add(1)
		resetting(tls.Server(raw, &tls.Config{Certificates: web.TLS.Certificates, NextProtos: []string{"h2"}}), http2.ErrCodeProtocol)
	})
	a, pool := authority(t)
	l := run(t, opening, intercepting(a, roots))
	resp, err := through(t, l, pool, true).Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadGateway || conns.Load() > maxAttempts+1 {
		t.Errorf("answered %s %q by %d connections", resp.Status, b, conns.Load())
	}
}
