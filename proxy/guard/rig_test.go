package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sstpwarden/inspect/httphead"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig serves one connection after the other and remembers what it was told.
type rig struct {
	t      *testing.T
	o      Options
	ln     net.Listener
	ctx    context.Context
	cancel context.CancelFunc
	served sync.WaitGroup

	mu      sync.Mutex
	read    []byte
	written []byte
	refused []string
	seen    []string // requests that the handler saw
	errs    []error
	conns   []net.Conn
	taken   chan *Taken
}

// newRig serves with o, whose Handler may be nil for one that says what it saw.
func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, o: o, ln: ln, taken: make(chan *Taken, 8)}
	r.ctx, r.cancel = context.WithCancel(t.Context())
	r.record()
	r.served.Go(r.accept)
	t.Cleanup(func() {
		ln.Close()
		r.mu.Lock()
		for _, c := range r.conns {
			c.Close()
		}
		r.mu.Unlock()
		r.served.Wait()
		r.cancel()
	})
	return r
}

// record makes the options remember.
func (r *rig) record() {
	handler := r.o.Handler
	if handler == nil {
		handler = http.HandlerFunc(mirror)
	}
	r.o.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, req.Method+" "+req.RequestURI)
		r.mu.Unlock()
		handler.ServeHTTP(w, req)
	})
	if r.o.Read == nil {
		r.o.Read = func(b []byte) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.read = append(r.read, b...)
			return nil
		}
	}
	if r.o.Written == nil {
		r.o.Written = func(b []byte) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.written = append(r.written, b...)
			return nil
		}
	}
	r.o.Refused = func(head *httphead.Request, status int, why string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		method := "-"
		if head != nil {
			method = head.Method
		}
		r.refused = append(r.refused, fmt.Sprintf("%s %d %s", method, status, why))
	}
}

func (r *rig) accept() {
	for {
		conn, err := r.ln.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns = append(r.conns, conn)
		r.mu.Unlock()
		r.served.Go(func() {
			taken, err := Serve(r.ctx, conn, r.o)
			r.mu.Lock()
			r.errs = append(r.errs, err)
			r.mu.Unlock()
			if taken != nil {
				r.taken <- taken
			}
		})
	}
}

// mirror answers with the request's method, target, length and body.
func mirror(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%s %s %d %s", req.Method, req.RequestURI, len(body), body)
}

func (r *rig) dial() *net.TCPConn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.ln.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		r.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// talk sends all of in, shuts down the sending side and returns the answer.
func (r *rig) talk(in string) string {
	r.t.Helper()
	conn := r.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, in); err != nil {
		r.t.Fatal(err)
	}
	conn.CloseWrite()
	out, err := io.ReadAll(conn)
	if err != nil {
		r.t.Fatalf("reading the answer: %v; until then %q", err, out)
	}
	return string(out)
}

// A got is what the rig was told, once it serves nothing any more.
type got struct {
	read, written string
	refused, seen []string
	errs          []error
}

// told waits until all n connections have been served.
func (r *rig) told(n int) got {
	r.t.Helper()
	var g got
	eventually(r.t, "all connections are served", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		g = got{string(r.read), string(r.written), slices.Clone(r.refused), slices.Clone(r.seen), slices.Clone(r.errs)}
		return len(r.errs) == n
	})
	return g
}

// eventually waits for a condition that nothing else tells.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("not in time: %s", what)
}

// responses parses everything that came back on a connection.
func responses(t testing.TB, out string, methods ...string) []string {
	t.Helper()
	br := bufio.NewReader(strings.NewReader(out))
	var all []string
	for i := 0; ; i++ {
		if _, err := br.Peek(1); err != nil {
			return all
		}
		method := http.MethodGet
		if i < len(methods) {
			method = methods[i]
		}
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("response %d: %v in %q", i, err, out)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("response %d: %v in %q", i, err, out)
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, body)))
	}
}

var errTest = errors.New("an error for a test")

// A testLog is a logger that remembers.
type testLog struct {
	*log.Logger
	mu sync.Mutex
	b  strings.Builder
}

func newLog() *testLog {
	l := new(testLog)
	l.Logger = log.New(l, "", 0)
	return l
}

func (l *testLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *testLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
