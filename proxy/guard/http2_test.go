package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"sstpwarden/inspect/httphead"
)

// A tlsPair is a client's connection to a rig inside TLS.
type tlsPair struct {
	*rig
	client *tls.Conn
	done   chan error
}

// overTLS serves one connection that negotiates proto.
func overTLS(t *testing.T, proto string, o Options) *tlsPair {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil) // for its certificate
	srv.StartTLS()
	srv.Close()
	p := &tlsPair{rig: &rig{t: t, o: o}, done: make(chan error, 1)}
	p.ctx, p.cancel = context.WithCancel(t.Context())
	t.Cleanup(p.cancel)
	p.record()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			p.done <- err
			return
		}
		server := tls.Server(conn, &tls.Config{Certificates: srv.TLS.Certificates, NextProtos: []string{proto}})
		if err := server.HandshakeContext(p.ctx); err != nil {
			p.done <- err
			return
		}
		_, err = Serve(p.ctx, server, p.o)
		p.done <- err
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p.client = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}})
	t.Cleanup(func() { p.client.Close() })
	if err := p.client.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// http2Client speaks HTTP/2 on the pair's connection.
func (p *tlsPair) http2Client() *http.ClientConn {
	p.t.Helper()
	tr := &http.Transport{
		Protocols:      new(http.Protocols),
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return p.client, nil },
	}
	tr.Protocols.SetHTTP2(true)
	cc, err := tr.NewClientConn(p.t.Context(), "https", "h.example:443")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { cc.Close() })
	return cc
}

func do(t *testing.T, cc *http.ClientConn, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := cc.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, strings.TrimSpace(string(b)))
}

func TestHTTP2(t *testing.T) {
	p := overTLS(t, "h2", Options{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			fmt.Fprint(w, req.Proto, " ", req.TLS != nil, " ")
			mirror(w, req)
		}),
		Judge: func(head *httphead.Request) Verdict {
			switch head.Method {
			case "SSTP_DUPLEX_POST":
				return Take()
			case http.MethodPut:
				return Refuse(403, "no")
			case http.MethodDelete:
				return Close()
			}
			if head.Fields.Get("Host") != "h.example" || head.Version.Major != 2 {
				return Refuse(400, "odd")
			}
			return Pass()
		},
	})
	cc := p.http2Client()
	for _, tt := range []struct{ method, want string }{
		{"GET", "200 HTTP/2.0 true GET /a 1 x"},
		{"POST", "200 HTTP/2.0 true POST /a 1 x"},
		{"PUT", "403 no"},
		{"DELETE", "stream error: stream ID 7; INTERNAL_ERROR; received from peer"},
		{"SSTP_DUPLEX_POST", "501 a stream of HTTP/2 cannot be taken"},
		{"CONNECT", "501 a stream of HTTP/2 cannot be taken"},
	} {
		if got := do(t, cc, tt.method, "https://h.example/a", "x"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.method, got, tt.want)
		}
	}
	cc.Close()
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(string(p.read), http2.ClientPreface) || len(p.written) == 0 {
		t.Errorf("told %q and %q", p.read, p.written)
	}
	if want := []string{"GET /a", "POST /a"}; !slices.Equal(p.seen, want) || len(p.refused) != 4 {
		t.Errorf("seen %q, refused %q", p.seen, p.refused)
	}
}

// When its context ends, a connection does what it has begun and nothing more.
func TestHTTP2Stop(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	p := overTLS(t, "h2", Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		io.WriteString(w, "who")
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, "le")
	})})
	cc := p.http2Client()
	go func() {
		<-begun
		p.cancel()
		eventually(t, "the client learns of the end", func() bool { return cc.Available() == 0 })
		close(release)
	}()
	if got := do(t, cc, "GET", "https://h.example/a", ""); got != "200 whole" {
		t.Errorf("got %q", got)
	}
	if err := <-p.done; err != nil {
		t.Error(err)
	}
}

func TestHTTP2HookErrors(t *testing.T) {
	for _, o := range []Options{
		{Read: func([]byte) error { return errTest }},
		{Written: func([]byte) error { return errTest }},
	} {
		o.ErrorLog = newLog().Logger
		p := overTLS(t, "h2", o)
		go p.client.Write([]byte(http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
		if err := <-p.done; !errors.Is(err, errTest) {
			t.Error(err)
		}
	}
}

// A handler panics in one stream.
func TestHTTP2Panic(t *testing.T) {
	log := newLog()
	p := overTLS(t, "h2", Options{ErrorLog: log.Logger, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("of the handler") })})
	cc := p.http2Client()
	for range 2 {
		if got := do(t, cc, "GET", "https://h.example/a", ""); !strings.Contains(got, "INTERNAL_ERROR") {
			t.Errorf("got %q", got)
		}
	}
	cc.Close()
	if err := <-p.done; err != nil || !strings.Contains(log.String(), "of the handler") {
		t.Errorf("%v, logged %q", err, log)
	}
}

// Inside TLS without HTTP/2 the head reader is at work, and the handler knows
// of the TLS.
func TestHTTP1InTLS(t *testing.T) {
	p := overTLS(t, "http/1.1", Options{Judge: takeSSTP, Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, req.TLS.NegotiatedProtocol)
	})})
	io.WriteString(p.client, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost : h\r\n\r\n")
	out, err := io.ReadAll(p.client)
	if got := responses(t, string(out)); err != nil || len(got) != 2 || got[0] != "200 http/1.1" || got[1][:3] != "400" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := <-p.done; err != nil {
		t.Error(err)
	}
}

// A client that closes without TLS's own end is no error between requests.
func TestHTTP1InTLSCut(t *testing.T) {
	p := overTLS(t, "http/1.1", Options{})
	io.WriteString(p.client, getA)
	b := make([]byte, 1)
	p.client.Read(b)
	p.client.NetConn().(*net.TCPConn).CloseWrite()
	if err := <-p.done; err != nil {
		t.Error(err)
	}
}

// A client that keeps a connection alive and its streams waiting.
func TestHTTP2Limits(t *testing.T) {
	ended := make(chan error, 2)
	p := overTLS(t, "h2", Options{
		Grace: 50 * time.Millisecond, WriteTimeout: 50 * time.Millisecond,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				ended <- err
				return
			}
			io.WriteString(w, "begun")
			http.NewResponseController(w).Flush()
			for {
				if _, err := w.Write(big); err != nil {
					ended <- err
					return
				}
				w.(http.Flusher).Flush()
			}
		}),
	})
	fr := http2.NewFramer(p.client, p.client)
	io.WriteString(p.client, http2.ClientPreface)
	go func() {
		for {
			if _, err := fr.ReadFrame(); err != nil {
				return
			}
		}
	}()
	headers := []byte("\x83\x87\x84\x41\x01h") // POST https://h/
	if err := errors.Join(fr.WriteSettings(), fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers, EndHeaders: true})); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: headers, EndHeaders: true, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a client without a window was written to")
	}
	p.client.Close()
	if err := <-p.done; err != nil {
		t.Error(err)
	}
	if len(p.refused) != 1 || !strings.HasPrefix(p.refused[0], "POST 408") {
		t.Errorf("refused %q", p.refused)
	}
}

// Uploads that their handlers do not read do not hold up another.
func TestHTTP2StalledUploads(t *testing.T) {
	const length = 4 << 20
	release := make(chan struct{})
	p := overTLS(t, "h2", Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/stalled" {
			<-release
		}
		n, _ := io.Copy(io.Discard, req.Body)
		fmt.Fprint(w, n)
	})})
	cc := p.http2Client()
	want := fmt.Sprintf("200 %d", length)
	stalled := make(chan string)
	for range 3 {
		go func() { stalled <- do(t, cc, "POST", "https://h.example/stalled", strings.Repeat("x", length)) }()
	}
	for range 10 { // until those are as far as they come
		if got := do(t, cc, "POST", "https://h.example/", strings.Repeat("x", length)); got != want {
			t.Error(got)
		}
	}
	close(release)
	for range 3 {
		if got := <-stalled; got != want {
			t.Error(got)
		}
	}
}
