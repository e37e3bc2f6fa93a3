package guard

import (
	"bytes"
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

const duplexPost = "SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n" +
	"SSTPCORRELATIONID: {C5B8D4C8-0000-0000-0000-000000000000}\r\nContent-Length: 18446744073709551615\r\nHost: vpn.example\r\n\r\n"

func takeSSTP(head *httphead.Request) Verdict {
	if head.Method == "SSTP_DUPLEX_POST" {
		return Take()
	}
	return Pass()
}

func TestTaken(t *testing.T) {
	const (
		get  = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
		post = "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n"
	)
	for _, tt := range []struct {
		name, before, head, behind string
		want                       []string
	}{
		{"at once", "", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "", nil},
		{"with bytes behind", "", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "\x16\x03\x01GET / HTTP/1.1\r\n\r\n", nil},
		{"as sstpc sends it", "", "CONNECT h:9443:443 HTTP/1.0\nSSTPVERSION: 1.0\n\n", "\x16", nil},
		{"behind a GET", get, "CONNECT h:443 HTTP/1.1\r\n\r\n", "tunnel", []string{"200 GET /a 0"}},
		{"behind a POST", get + post, "CONNECT h:443 HTTP/1.1\r\n\r\n", "tunnel", []string{"200 GET /a 0", "200 POST /b 2 xy"}},
		{"SSTP", get, duplexPost, "\x10\x01\x00\x0e\x00\x01\x00\x01\x00\x06\x00\x01\x00\x01", []string{"200 GET /a 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{Judge: takeSSTP})
			conn := r.dial()
			io.WriteString(conn, tt.before+tt.head+tt.behind)
			taken := <-r.taken
			if taken.Head.Raw != tt.head {
				t.Errorf("taken with the head %q", taken.Head.Raw)
			}
			// The earlier responses have been written, and what is written and read
			// from now on is the tunnel's.
			g := r.told(1)
			if diff := cmp.Diff(tt.want, responses(t, g.written)); diff != "" {
				t.Error(diff)
			}
			if g.read != tt.before+tt.head || g.errs[0] != nil {
				t.Errorf("told %q, error %v", g.read, g.errs[0])
			}
			go func() {
				io.WriteString(conn, " and more")
				conn.CloseWrite()
			}()
			if up, err := io.ReadAll(taken.Conn); string(up) != tt.behind+" and more" || err != nil {
				t.Errorf("through the tunnel came %q, %v", up, err)
			}
			io.WriteString(taken.Conn, "back")
			taken.Conn.Close()
			if down, err := io.ReadAll(conn); string(down) != g.written+"back" || err != nil {
				t.Errorf("back came %q, %v", down, err)
			}
		})
	}
}

// A length that net/http cannot count is refused if it is not taken.
func TestNotTaken(t *testing.T) {
	r := newRig(t, Options{})
	if diff := cmp.Diff([]string{"413 413 Request Entity Too Large: the request's Content-Length is too large"}, responses(t, r.talk(duplexPost))); diff != "" {
		t.Error(diff)
	}
	if g := r.told(1); len(g.seen) != 0 || len(g.refused) != 1 {
		t.Errorf("seen %q, refused %q", g.seen, g.refused)
	}
}

// Behind a CONNECT that was answered with an error the connection goes on.
func TestServeTakenAgain(t *testing.T) {
	server, client := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer close(done)
		o := Options{Handler: http.HandlerFunc(mirror)}
		conn := server
		for range 2 {
			taken, err := Serve(t.Context(), conn, o)
			if err != nil || taken == nil {
				done <- fmt.Errorf("not taken: %w", err)
				return
			}
			io.WriteString(taken.Conn, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
			conn = taken.Conn
		}
		if taken, err := Serve(t.Context(), conn, o); taken != nil || err != nil {
			done <- fmt.Errorf("at last %v, %w", taken, err)
		}
	}()
	const connect = "CONNECT h:1 HTTP/1.1\r\n\r\n"
	go io.WriteString(client, connect+"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"+connect+"GET /b HTTP/1.0\r\n\r\n")
	out, err := io.ReadAll(client)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"407", "200 GET /a 0", "407", "200 GET /b 0"}, responses(t, string(out))); diff != "" {
		t.Error(diff)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// No deadline is left on a connection that is taken, also if the context ends.
func TestTakenOutlivesContext(t *testing.T) {
	r := newRig(t, Options{})
	conn := r.dial()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\nCONNECT h:1 HTTP/1.1\r\n\r\n")
	taken := <-r.taken
	r.cancel()
	go conn.Write([]byte("late"))
	if b := make([]byte, 4); true {
		if _, err := io.ReadFull(taken.Conn, b); err != nil || string(b) != "late" {
			t.Errorf("read %q, %v", b, err)
		}
	}
	taken.Conn.Close()
}

func TestPrepend(t *testing.T) {
	server, client := net.Pipe()
	defer client.Close()
	if got := Prepend(server, nil); got != server {
		t.Error("a connection with nothing before it is another one")
	}
	conn := Prepend(Prepend(server, []byte("def")), []byte("abc"))
	if raw, rest := Unwrap(conn); raw != server || string(rest) != "abcdef" {
		t.Errorf("unwrapped %q", rest)
	}
	two := make([]byte, 2)
	if n, err := conn.Read(two); n != 2 || err != nil || string(two) != "ab" {
		t.Errorf("read %q, %v", two[:n], err)
	}
	go func() {
		client.Write([]byte("ghi"))
		client.Close()
	}()
	var b bytes.Buffer
	if n, err := io.Copy(&b, conn); n != 7 || err != nil || b.String() != "cdefghi" {
		t.Errorf("copied %q, %v", b.String(), err)
	}
	if raw, rest := Unwrap(conn); raw != server || rest != nil {
		t.Errorf("unwrapped %q once drained", rest)
	}
	if n, err := conn.Read(two); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v behind the end", n, err)
	}
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err == nil {
		t.Error("a pipe was half closed")
	}
	failing := Prepend(server, []byte("x"))
	if _, err := failing.(io.WriterTo).WriteTo(failingWriter{}); err == nil {
		t.Error("a write that failed was no error")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errTest }

// What is copied from a taken connection on Linux goes by splice(2), for which
// both ends must be TCP connections.
func TestTakenHalfCloses(t *testing.T) {
	r := newRig(t, Options{})
	conn := r.dial()
	io.WriteString(conn, "CONNECT h:1 HTTP/1.1\r\n\r\nbehind")
	taken := <-r.taken
	defer taken.Conn.Close()
	raw, rest := Unwrap(taken.Conn)
	if _, ok := raw.(*net.TCPConn); !ok || string(rest) != "behind" || !bytes.Equal(rest, taken.Buffered) {
		t.Errorf("unwrapped %T and %q", raw, rest)
	}
	if err := taken.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	if out, err := io.ReadAll(conn); len(out) != 0 || err != nil {
		t.Errorf("read %q, %v", out, err)
	}
}

// Serve on a connection whose context is done does nothing.
func TestServeStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server, client := net.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := Serve(ctx, server, Options{Handler: http.HandlerFunc(mirror)})
		done <- err
	}()
	if out, err := io.ReadAll(client); len(out) > 0 || err != nil {
		t.Errorf("read %q, %v", out, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if strings.Contains(client.LocalAddr().String(), ":") {
		t.Error("a pipe has an address")
	}
}
