package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/httphead"
)

// Conversations that end with what the client said last. Each is sent at once,
// and byte by byte.
var conversations = []struct {
	name, in string
	want     []string
	seen     []string
	methods  []string // where they matter for reading the responses
}{
	{
		name: "get", in: "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 GET /a 0"}, seen: []string{"GET /a"},
	},
	{
		name: "pipelined",
		in: "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n" +
			"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyzGET /d HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 GET /a 0", "200 GET /b 0", "200 POST /c 3 xyz", "200 GET /d 0"},
		seen: []string{"GET /a", "GET /b", "POST /c", "GET /d"},
	},
	{
		name: "chunked",
		in: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 POST /a 13 abc0123456789", "200 GET /b 0"}, seen: []string{"POST /a", "GET /b"},
	},
	{
		name: "trailers",
		in: "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n\r\n" +
			"1 \r\na\r\n000;z\r\nX-Sum: 1\r\nOther:\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 POST /a 1 a", "200 GET /b 0"}, seen: []string{"POST /a", "GET /b"},
	},
	{
		name: "empty lines and bare LF are tolerated",
		in:   "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx\r\n\r\nGET /b HTTP/1.1\nHost: h\n\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n\r\n",
		want: []string{"200 POST /a 1 x", "200 GET /b 0", "200 GET /c 0"}, seen: []string{"POST /a", "GET /b", "GET /c"},
	},
	{
		name: "a repeated length",
		in:   "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nxyGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 POST /a 2 xy", "200 GET /b 0"}, seen: []string{"POST /a", "GET /b"},
	},
	{
		name: "HTTP/1.0 ends behind one", in: "GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
		want: []string{"200 GET /a 0"}, seen: []string{"GET /a"},
	},
	{
		name: "HTTP/1.0 keep-alive", in: "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
		want: []string{"200 GET /a 0", "200 GET /b 0"}, seen: []string{"GET /a", "GET /b"},
	},
	{
		name: "close", in: "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 GET /a 0"}, seen: []string{"GET /a"},
	},
	{
		name: "head", in: "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200", "200 GET /b 0"}, seen: []string{"HEAD /a", "GET /b"}, methods: []string{"HEAD"},
	},
	{
		name: "options of the server", in: "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 OPTIONS * 0"}, seen: []string{"OPTIONS *"},
	},
	{
		name: "absolute-form with another Host", in: "GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n",
		want: []string{"200 GET http://a.example/x 0"}, seen: []string{"GET http://a.example/x"},
	},
	{
		name: "a body announced and expected",
		in:   "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nxyGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"100", "200 PUT /a 2 xy", "200 GET /b 0"}, seen: []string{"PUT /a", "GET /b"},
	},
	{
		name: "a body of zeros and CR LF", in: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n\r\n\x00\r\n\r\n\x00GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
		want: []string{"200 POST /a 8 \r\n\x00\r\n\r\n\x00", "200 GET /b 0"}, seen: []string{"POST /a", "GET /b"},
	},
	{
		name: "a head in UTF-8", in: "GET /ä HTTP/1.1\r\nHost: h\r\nX: ö\r\n\r\n",
		want: []string{"200 GET /ä 0"}, seen: []string{"GET /ä"},
	},
}

func TestServe(t *testing.T) {
	for _, tt := range conversations {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{})
			out := r.talk(tt.in)
			if diff := cmp.Diff(tt.want, responses(t, out, tt.methods...)); diff != "" {
				t.Error(diff)
			}
			g := r.told(1)
			if diff := cmp.Diff(tt.seen, g.seen); diff != "" {
				t.Error(diff)
			}
			if g.refused != nil || g.errs[0] != nil {
				t.Errorf("refused %q, error %v", g.refused, g.errs[0])
			}
			if !strings.HasPrefix(tt.in, g.read) || g.written != out {
				t.Errorf("told %q and %q, which went %q and %q", g.read, g.written, tt.in, out)
			}
		})
	}
}

// Byte by byte, each as its own segment, over a connection without a buffer.
func TestServeByteByByte(t *testing.T) {
	for _, tt := range conversations {
		t.Run(tt.name, func(t *testing.T) {
			var r rig
			r.t = t
			r.record()
			server, client := net.Pipe()
			done := make(chan error, 1)
			go func() {
				_, err := Serve(t.Context(), oneByte{server}, r.o)
				done <- err
			}()
			go func() {
				for i := range len(tt.in) {
					if _, err := client.Write([]byte{tt.in[i]}); err != nil {
						return
					}
				}
			}()
			br := bufio.NewReader(client)
			for i, want := range tt.want {
				req := &http.Request{Method: http.MethodGet}
				if i < len(tt.methods) {
					req.Method = tt.methods[i]
				}
				resp, err := http.ReadResponse(br, req)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if got := strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, body)); err != nil || got != strings.TrimSpace(want) {
					t.Errorf("got %q, %v; want %q", got, err, want)
				}
			}
			client.Close()
			if err := <-done; err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
			if diff := cmp.Diff(tt.seen, r.seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// oneByte reads a byte at a time.
type oneByte struct{ net.Conn }

func (c oneByte) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(len(p), 1)]) }

// Values of Serve's context reach the handler, its end does not.
func TestServeContext(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer cancel()
	server, client := net.Pipe()
	defer client.Close()
	o := Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		cancel()
		fmt.Fprint(w, req.Context().Value(key{}), req.Context().Err(), req.TLS)
	})}
	done := make(chan error, 1)
	go func() {
		_, err := Serve(ctx, server, o)
		done <- err
	}()
	go io.WriteString(client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	out, err := io.ReadAll(client)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"200 value<nil> <nil>"}, responses(t, string(out))); diff != "" {
		t.Error(diff)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServeVerdicts(t *testing.T) {
	judge := func(head *httphead.Request) Verdict {
		switch head.Target {
		case "/refuse":
			return Refuse(http.StatusForbidden, "not\r\nhere", httphead.Field{Name: "X-Why", Value: "a\r\nb"})
		case "/close":
			return Close()
		}
		return Verdict{}
	}
	const first = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tt := range []struct {
		name, in      string
		want, refused []string
	}{
		{"refuse", first + "GET /refuse HTTP/1.1\r\nHost: h\r\n\r\n" + first, []string{"200 GET /a 0", "403 403 Forbidden: not\r\nhere"}, []string{"GET 403 not\r\nhere"}},
		{"close", first + "GET /close HTTP/1.1\r\nHost: h\r\n\r\n" + first, []string{"200 GET /a 0"}, []string{"GET 0 closed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{Judge: judge})
			out := r.talk(tt.in)
			if diff := cmp.Diff(tt.want, responses(t, out)); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(out, "\r\nb") {
				t.Errorf("a field went on in another line: %q", out)
			}
			g := r.told(1)
			if diff := cmp.Diff(tt.refused, g.refused); diff != "" {
				t.Error(diff)
			}
			if g.errs[0] != nil || tt.in[:len(tt.in)-len(first)] != g.read {
				t.Errorf("error %v, told %q", g.errs[0], g.read)
			}
		})
	}
}

// A refused HEAD is answered without a body.
func TestServeRefusedHead(t *testing.T) {
	r := newRig(t, Options{Judge: func(*httphead.Request) Verdict { return Refuse(403, "no") }})
	if out := r.talk("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"); !strings.HasSuffix(out, "\r\n\r\n") || !strings.HasPrefix(out, "HTTP/1.1 403 Forbidden\r\n") {
		t.Errorf("answered %q", out)
	}
}

func TestServeHookErrors(t *testing.T) {
	const in = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
	fails := func(on string) func([]byte) error {
		return func(b []byte) error {
			if strings.Contains(string(b), on) {
				return errTest
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name string
		o    Options
		seen int
	}{
		{"head", Options{Read: fails("POST")}, 0},
		{"body", Options{Read: fails("body")}, 1},
		{"response", Options{Written: fails("200 OK")}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.o)
			conn := r.dial()
			io.WriteString(conn, in)
			if out, err := io.ReadAll(conn); len(out) > 0 {
				t.Errorf("answered %q, %v", out, err)
			}
			if g := r.told(1); !errors.Is(g.errs[0], errTest) || len(g.seen) != tt.seen {
				t.Errorf("error %v, seen %q", g.errs[0], g.seen)
			}
		})
	}
}

// A panic is one connection's matter.
func TestServePanic(t *testing.T) {
	log := newLog()
	r := newRig(t, Options{ErrorLog: log.Logger, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("of the handler") })})
	if out := r.talk("GET / HTTP/1.1\r\nHost: h\r\n\r\n"); out != "" {
		t.Errorf("answered %q", out)
	}
	if g := r.told(1); g.errs[0] != nil || !strings.Contains(log.String(), "of the handler") {
		t.Errorf("error %v, logged %q", g.errs[0], log)
	}
}

// If net/http and the head reader ever disagree, the connection ends before a
// handler sees anything.
func TestDisagreement(t *testing.T) {
	for name, f := range map[string]func(c *conn){
		"another request": func(c *conn) {
			c.head = &httphead.Request{Method: "GET", Target: "/a"}
			req, err := http.NewRequestWithContext(context.WithValue(t.Context(), connKey{}, c), "GET", "/b", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.RequestURI = "/b"
			defer func() {
				if v := recover(); v != any(http.ErrAbortHandler) {
					t.Errorf("panicked with %v", v)
				}
			}()
			dispatch(nil, req)
		},
		"an end inside a body": func(c *conn) {
			c.phase.Store(phaseBody)
			c.answered()
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, client := net.Pipe()
			c := newConn(server, nil, Options{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") })})
			f(c)
			if err := c.failure(); !errors.Is(err, errDisagreed) {
				t.Errorf("error %v", err)
			}
			if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the connection is open: %v", err)
			}
		})
	}
}
