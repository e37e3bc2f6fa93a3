package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const getA = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"

// until waits for a request to be cancelled.
func until(seen chan<- error) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		<-req.Context().Done()
		seen <- context.Cause(req.Context())
	})
}

// A client that goes away, whatever it sent before, cancels its request.
func TestClientGone(t *testing.T) {
	for _, behind := range []string{"", "\r\n", "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"} {
		seen := make(chan error, 1)
		r := newRig(t, Options{Handler: until(seen)})
		conn := r.dial()
		io.WriteString(conn, getA+behind)
		eventually(t, "the handler runs", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.seen) == 1 })
		if err := conn.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		conn.Close() // with a reset
		if err := <-seen; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if g := r.told(1); len(g.seen) != 1 {
			t.Errorf("seen %q", g.seen)
		}
	}
}

// Closing the connection from our side cancels what runs on it, in every state.
func TestCloseBelow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client func(conn *net.TCPConn)
	}{
		{"waiting", func(*net.TCPConn) {}},
		{"half closed", func(conn *net.TCPConn) { conn.CloseWrite() }},
		{"with more sent than is kept", func(conn *net.TCPConn) { io.WriteString(conn, strings.Repeat(getA, 1000)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(chan error, 1)
			r := newRig(t, Options{Handler: until(seen)})
			conn := r.dial()
			io.WriteString(conn, getA)
			tt.client(conn)
			eventually(t, "the handler runs", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.seen) == 1 })
			r.mu.Lock()
			r.conns[0].Close()
			r.mu.Unlock()
			if err := <-seen; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			r.told(1)
		})
	}
}

// A client that is done with sending gets all of its response, though it comes
// in pieces and late.
func TestHalfClosed(t *testing.T) {
	step := make(chan struct{})
	r := newRig(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for i := range 3 {
			<-step
			fmt.Fprint(w, i, req.Context().Err())
			http.NewResponseController(w).Flush()
		}
	})})
	conn := r.dial()
	io.WriteString(conn, getA)
	conn.CloseWrite()
	go func() {
		for range 3 {
			time.Sleep(10 * time.Millisecond)
			step <- struct{}{}
		}
	}()
	out, err := io.ReadAll(conn)
	if diff := cmp.Diff([]string{"200 0 <nil>1 <nil>2 <nil>"}, responses(t, string(out))); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if g := r.told(1); g.errs[0] != nil {
		t.Error(g.errs[0])
	}
}

// halfPipe is a pipe whose client can stop sending.
type halfPipe struct {
	net.Conn
	eof chan struct{}
}

func (p *halfPipe) Read(b []byte) (int, error) {
	select {
	case <-p.eof:
		return 0, io.EOF
	default:
		return p.Conn.Read(b)
	}
}

// One that gets nothing for long counts as gone; what it gets puts that off.
func TestHalfClosedSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		half := &halfPipe{server, make(chan struct{})}
		start := time.Now()
		cancelled := make(chan time.Duration, 1)
		done := make(chan error, 1)
		go func() {
			_, err := Serve(t.Context(), half, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				w.(http.Flusher).Flush()
				close(half.eof)
				for range 3 {
					time.Sleep(40 * time.Second)
					fmt.Fprint(w, "x")
					w.(http.Flusher).Flush()
				}
				<-req.Context().Done()
				cancelled <- time.Since(start)
			})})
			done <- err
		}()
		io.WriteString(client, getA)
		go io.WriteString(client, "\r") // wakes the read, which then sees the end
		out, err := io.ReadAll(client)
		if !strings.Contains(string(out), "x") || err != nil {
			t.Errorf("read %q, %v", out, err)
		}
		if got := <-cancelled; got != 180*time.Second {
			t.Errorf("cancelled after %v", got)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// What a handler does with deadlines reaches reading and writing.
func TestHandlerDeadlines(t *testing.T) {
	r := newRig(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		rc := http.NewResponseController(w)
		if err := errors.Join(rc.SetReadDeadline(time.Now().Add(20*time.Millisecond)), rc.SetWriteDeadline(time.Now().Add(time.Minute))); err != nil {
			fmt.Fprint(w, err)
		}
		_, err := io.ReadAll(req.Body)
		fmt.Fprint(w, errors.Is(err, os.ErrDeadlineExceeded))
	})})
	conn := r.dial()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab")
	out, err := io.ReadAll(conn)
	if diff := cmp.Diff([]string{"200 true"}, responses(t, string(out))); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// A response to a body that nobody reads arrives whole, also when the client
// goes on sending.
func TestUnreadBody(t *testing.T) {
	r := newRig(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	})})
	conn := r.dial()
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		b := make([]byte, 64<<10)
		for range 100000000 / len(b) {
			if _, err := conn.Write(b); err != nil {
				return
			}
		}
	}()
	out, err := io.ReadAll(conn)
	conn.Close()
	<-sent
	if diff := cmp.Diff([]string{"413 too much"}, responses(t, string(out))); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// So does a refusal.
func TestRefusalArrives(t *testing.T) {
	r := newRig(t, Options{})
	conn := r.dial()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		io.WriteString(conn, "POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n")
		conn.Write(make([]byte, 10000000))
	}()
	out, err := io.ReadAll(conn)
	conn.Close()
	<-sent
	if diff := cmp.Diff([]string{"400 400 Bad Request: the request's head has MissingHost"}, responses(t, string(out))); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

// When the response has begun, a bad body ends the connection without another.
func TestBadBodyBehindResponse(t *testing.T) {
	r := newRig(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		fmt.Fprint(w, "begun")
		w.(http.Flusher).Flush()
		_, err := io.ReadAll(req.Body)
		fmt.Fprint(w, err)
	})})
	out := r.talk(chunked + "zz\r\n")
	if strings.Count(out, "HTTP/1.1") != 1 || !strings.Contains(out, "begun") {
		t.Errorf("answered %q", out)
	}
	if g := r.told(1); len(g.refused) != 1 {
		t.Errorf("refused %q", g.refused)
	}
}
