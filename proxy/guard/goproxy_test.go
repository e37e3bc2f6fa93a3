package guard

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elazarl/goproxy"
	"github.com/google/go-cmp/cmp"
)

// newProxy is goproxy behind a guard.
func newProxy(t *testing.T) (*rig, *http.Client) {
	t.Helper()
	p := goproxy.NewProxyHttpServer()
	p.Tr = &http.Transport{}
	t.Cleanup(p.Tr.CloseIdleConnections)
	r := newRig(t, Options{Handler: p})
	tr := &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: r.ln.Addr().String()}),
		DisableCompression: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return r, &http.Client{Transport: tr}
}

// big is more than all buffers hold.
var big = bytes.Repeat([]byte("0123456789abcdef"), 1<<20)

// origin is the server behind the proxy.
func origin(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/mirror", mirror)
	mux.HandleFunc("/length", func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		fmt.Fprintln(w, n, err, req.ContentLength, req.TransferEncoding)
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, req *http.Request) {
		if req.FormValue("length") != "" {
			w.Header().Set("Content-Length", fmt.Sprint(len(big)))
		}
		w.Write(big)
	})
	mux.HandleFunc("/trailers", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.Copy(w, req.Body)
		w.Header().Set("X-Sum", "of "+req.Trailer.Get("X-Sum"))
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil || req.Context().Err() != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-req.Context().Done():
				return
			case <-next:
			}
		}
	})
	mux.HandleFunc("/echo", serveEcho)
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// next lets the server of events send one more.
var next = make(chan struct{})

func TestGoproxy(t *testing.T) {
	srv := origin(t)
	r, client := newProxy(t)
	for _, tt := range []struct {
		name string
		do   func() (*http.Response, error)
		want string
	}{
		{"get", func() (*http.Response, error) { return client.Get(srv.URL + "/mirror") }, "GET /mirror 0 "},
		{"post", func() (*http.Response, error) {
			return client.Post(srv.URL+"/mirror", "text/plain", strings.NewReader("abc"))
		}, "POST /mirror 3 abc"},
		{"large upload", func() (*http.Response, error) {
			return client.Post(srv.URL+"/length", "text/plain", bytes.NewReader(big))
		}, fmt.Sprintln(len(big), nil, len(big), []string(nil))},
		{"large chunked upload", func() (*http.Response, error) {
			return client.Post(srv.URL+"/length", "text/plain", io.MultiReader(bytes.NewReader(big)))
		}, fmt.Sprintln(len(big), nil, -1, []string{"chunked"})},
		{"large chunked download", func() (*http.Response, error) { return client.Get(srv.URL + "/big") }, string(big)},
		{"large download", func() (*http.Response, error) { return client.Get(srv.URL + "/big?length=1") }, string(big)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := tt.do()
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != tt.want || err != nil || resp.StatusCode != 200 {
				t.Errorf("%d with %.200q, %v", resp.StatusCode, body, err)
			}
		})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.conns) != 1 || len(r.refused) > 0 {
		t.Errorf("%d connections were made, refused %q", len(r.conns), r.refused)
	}
}

func TestGoproxyTrailers(t *testing.T) {
	srv := origin(t)
	_, client := newProxy(t)
	pr, pw := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/trailers", pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sum": nil}
	go func() {
		io.WriteString(pw, "abc")
		req.Trailer.Set("X-Sum", "3")
		pw.Close()
	}()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if string(body) != "abc" || err != nil || resp.Trailer.Get("X-Sum") != "of 3" {
		t.Errorf("%q, %v, trailer %q", body, err, resp.Trailer)
	}
}

// Events come through one by one, and when the client goes away the server
// learns of it.
func TestGoproxyEvents(t *testing.T) {
	srv := origin(t)
	_, client := newProxy(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(resp.Body)
	for i := range 5 {
		if line, err := br.ReadString('\n'); line != fmt.Sprintf("data: %d\n", i) || err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		br.ReadString('\n')
		next <- struct{}{}
	}
	resp.Body.Close() // srv.Close waits for the handler
}

// WebSocket (RFC 6455), as much of it as an echo needs.
const webSocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

func serveEcho(w http.ResponseWriter, req *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + webSocketGUID))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	for {
		payload, err := readFrame(rw.Reader)
		if err != nil || string(payload) == "bye" {
			return
		}
		conn.Write(frame(payload, nil))
	}
}

func frame(payload, mask []byte) []byte {
	b := []byte{0x82, 126}
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	if mask == nil {
		return append(b, payload...)
	}
	b[1] |= 0x80
	b = append(b, mask...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	mask := make([]byte, 4)
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask); err != nil {
			return nil, err
		}
	}
	payload := make([]byte, binary.BigEndian.Uint16(head[2:]))
	_, err := io.ReadFull(r, payload)
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return payload, err
}

// A client that sends its first frames right behind the request, which is not
// allowed, gets an echo of them all the same.
func TestGoproxyWebSocket(t *testing.T) {
	srv := origin(t)
	r, _ := newProxy(t)
	conn := r.dial()
	mask := []byte{1, 2, 3, 4}
	fmt.Fprintf(conn, "GET %s/echo HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n%s",
		srv.URL, strings.TrimPrefix(srv.URL, "http://"), frame([]byte("first"), mask))
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%v, %v", resp, err)
	}
	for i := range 20 {
		want := "first"
		if i > 0 {
			want = strings.Repeat(fmt.Sprint(i), 100*i)
			conn.Write(frame([]byte(want), mask))
		}
		if got, err := readFrame(br); string(got) != want || err != nil {
			t.Fatalf("frame %d: %q, %v", i, got, err)
		}
	}
	conn.Write(frame([]byte("bye"), mask))
	if rest, err := io.ReadAll(br); len(rest) > 0 || err != nil {
		t.Errorf("read %q, %v", rest, err)
	}
	if g := r.told(1); g.errs[0] != nil {
		t.Error(g.errs[0])
	}
}

// An origin's fields cannot break out of their lines, and neither can a
// handler's.
func TestResponseHeaderInjection(t *testing.T) {
	r := newRig(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-A"] = []string{"a\r\nInjected: 1\r\n\r\nbody"}
		w.Header()["X-B\r\nInjected: 2"] = []string{"b"}
		w.Header()["X-C"] = []string{"c\nInjected: 3"}
	})})
	conn := r.dial()
	io.WriteString(conn, getA)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	// X-A, X-C, Date and Content-Length.
	if resp.Header.Get("Injected") != "" || len(resp.Header) != 4 {
		t.Errorf("got %q", resp.Header)
	}
}

func TestGoproxyTunnelBehindRequest(t *testing.T) {
	srv := origin(t)
	r, _ := newProxy(t)
	conn := r.dial()
	fmt.Fprintf(conn, "GET %s/mirror HTTP/1.1\r\nHost: h\r\n\r\nCONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n\x16\x03\x01", srv.URL)
	taken := <-r.taken
	defer taken.Conn.Close()
	if taken.Head.Target != "h:443" || string(taken.Buffered) != "\x16\x03\x01" {
		t.Errorf("taken %q with %q", taken.Head.Target, taken.Buffered)
	}
	taken.Conn.Close()
	out, err := io.ReadAll(conn)
	if diff := cmp.Diff([]string{"200 GET /mirror 0"}, responses(t, string(out))); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// curl is a client that waits for 100 Continue, and sends what it must itself.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	srv := origin(t)
	r, _ := newProxy(t)
	file := filepath.Join(t.TempDir(), "upload")
	if err := os.WriteFile(file, big, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"several on a connection", "GET /mirror 0 GET /mirror 0 ", []string{srv.URL + "/mirror", srv.URL + "/mirror"}},
		{"expect", fmt.Sprintln(len(big), nil, len(big), []string(nil)), []string{"-H", "Expect: 100-continue", "-T", file, srv.URL + "/length"}},
		{"chunked", fmt.Sprintln(len(big), nil, -1, []string{"chunked"}), []string{"-H", "Transfer-Encoding: chunked", "-T", file, srv.URL + "/length"}},
		{"HTTP/1.0", "GET /mirror 0 ", []string{"--http1.0", srv.URL + "/mirror"}},
		{"big", string(big), []string{srv.URL + "/big"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--max-time", "60", "--noproxy", "", "-x", "http://" + r.ln.Addr().String()}, tt.args...)...)
			out, err := cmd.Output()
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				t.Errorf("%v: %s", err, exit.Stderr)
			}
			if string(out) != tt.want {
				t.Errorf("got %.200q", out)
			}
		})
	}
	if t.Failed() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !bytes.Contains(r.written, []byte("HTTP/1.1 100 Continue\r\n\r\n")) || len(r.refused) > 0 {
		t.Errorf("refused %q", r.refused)
	}
}
