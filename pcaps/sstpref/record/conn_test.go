package record_test

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/pcaps/sstpref/record"
)

// A scripted connection does what it is told.
type scripted struct {
	net.Conn
	read  func([]byte) (int, error)
	write func([]byte) (int, error)
	close func() error
	half  func() error
}

func (s *scripted) Read(b []byte) (int, error)  { return s.read(b) }
func (s *scripted) Write(b []byte) (int, error) { return s.write(b) }
func (s *scripted) CloseWrite() error           { return s.half() }
func (*scripted) SetLinger(int) error           { return nil }
func (*scripted) LocalAddr() net.Addr           { return nil }
func (*scripted) RemoteAddr() net.Addr          { return nil }

func (s *scripted) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// says makes a Read that brings text, and then err.
func says(text string, err error) func([]byte) (int, error) {
	return func(b []byte) (int, error) { return copy(b, text), err }
}

func writes(n int, err error) func([]byte) (int, error) {
	return func([]byte) (int, error) { return n, err }
}

func opErr(err error) error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
}

// TestConn has what becomes of each result of a Read or Write.
func TestConn(t *testing.T) {
	read := func(c net.Conn) { c.Read(make([]byte, 100)) }
	write := func(c net.Conn) { c.Write([]byte("hello")) }
	closing := []string{"> FA", "< A", "< FA", "> A"}
	for _, tt := range []struct {
		name  string
		inner scripted
		use   []func(net.Conn)
		want  []string
	}{
		{"nothing", scripted{}, nil, nil},
		{"read", scripted{read: says("abc", nil)}, []func(net.Conn){read, read}, []string{"< PA abc", "< PA abc"}},
		{"write", scripted{write: writes(5, nil)}, []func(net.Conn){write}, []string{"> PA hello"}},
		{"write in part", scripted{write: writes(2, os.ErrDeadlineExceeded)}, []func(net.Conn){write}, []string{"> PA he"}},
		{"write of nothing", scripted{write: writes(0, os.ErrDeadlineExceeded)}, []func(net.Conn){write}, nil},
		{"write of no bytes", scripted{write: writes(0, nil)}, []func(net.Conn){func(c net.Conn) { c.Write(nil) }}, nil},
		{"write of more than there is", scripted{write: writes(9, nil)}, []func(net.Conn){write}, []string{"> PA hello"}},
		{"timeout", scripted{read: says("", os.ErrDeadlineExceeded)}, []func(net.Conn){read}, nil},
		{"closed already", scripted{read: says("", opErr(net.ErrClosed))}, []func(net.Conn){read}, nil},
		{"end", scripted{read: says("", io.EOF)}, []func(net.Conn){read, read}, []string{"< FA", "> A"}},
		{"bytes and end", scripted{read: says("abc", io.EOF)}, []func(net.Conn){read, read}, []string{"< PA abc", "< FA", "> A"}},
		{
			"end, then close",
			scripted{read: says("", io.EOF), write: writes(5, nil)},
			[]func(net.Conn){read, write, func(c net.Conn) { c.Close() }},
			[]string{"< FA", "> A", "> PA hello", "> FA", "< A"},
		},
		{"close", scripted{write: writes(5, nil)}, []func(net.Conn){func(c net.Conn) { c.Close(); c.Close() }, write}, closing},
		{"reset seen by a read", scripted{read: says("", opErr(syscall.ECONNRESET))}, []func(net.Conn){read, func(c net.Conn) { c.Close() }}, []string{"< RA"}},
		{"reset seen by a write", scripted{write: writes(0, opErr(syscall.EPIPE))}, []func(net.Conn){write, write}, []string{"< RA"}},
		{"reset in a write", scripted{write: writes(3, opErr(syscall.ECONNRESET))}, []func(net.Conn){write}, []string{"> PA hel", "< RA"}},
		{
			"close with a reset",
			scripted{},
			[]func(net.Conn){func(c net.Conn) { c.(interface{ SetLinger(int) error }).SetLinger(0) }, func(c net.Conn) { c.Close() }},
			[]string{"> RA"},
		},
		{
			"half closed",
			scripted{half: func() error { return nil }, read: says("abc", nil), write: writes(0, opErr(syscall.EPIPE))},
			[]func(net.Conn){func(c net.Conn) { c.(halfCloser).CloseWrite() }, write, read, func(c net.Conn) { c.Close() }},
			[]string{"> FA", "< A", "< PA abc", "< FA", "> A"},
		},
		{"a segment", scripted{write: writes(1460, nil)}, []func(net.Conn){func(c net.Conn) { c.Write(make([]byte, 1460)) }}, []string{"> PA 1460 bytes"}},
		{
			"several segments",
			scripted{write: writes(4000, nil)},
			[]func(net.Conn){func(c net.Conn) { c.Write(make([]byte, 4000)) }},
			[]string{"> A 1460 bytes", "> A 1460 bytes", "< A", "> PA 1080 bytes"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			capture, f := begin(t)
			conn := capture.Conn(&tt.inner, false)
			for _, use := range tt.use {
				use(conn)
			}
			if d := cmp.Diff(slices.Concat(opening, tt.want), lines(t, finish(t, capture, f))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestServer: the other side is the client.
func TestServer(t *testing.T) {
	capture, f := begin(t)
	conn := capture.Conn(&scripted{read: says("request", nil), write: writes(5, nil)}, true)
	conn.Read(make([]byte, 100))
	conn.Write([]byte("reply"))
	conn.Close()
	want := slices.Concat(opening, []string{"> PA request", "< PA reply", "< FA", "> A", "> FA", "< A"})
	if d := cmp.Diff(want, lines(t, finish(t, capture, f))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestAnswerFirst: the peer's answer is there before the Write returns, whatever
// the Write says then.
func TestAnswerFirst(t *testing.T) {
	for _, tt := range []struct {
		name  string
		read  func([]byte) (int, error)
		wrote int
		want  []string
	}{
		{"answer", says("answer", nil), 7, []string{"> PA request", "< PA answer"}},
		{"answer to a part", says("answer", nil), 3, []string{"> PA request", "< PA answer"}},
		{"end", says("", io.EOF), 7, []string{"> PA request", "< FA", "> A"}},
		{"reset", says("", opErr(syscall.ECONNRESET)), 7, []string{"> PA request", "< RA"}},
		{"timeout", says("", os.ErrDeadlineExceeded), 3, []string{"> PA req"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			capture, f := begin(t)
			var conn net.Conn
			var wg sync.WaitGroup
			inner := &scripted{read: tt.read}
			inner.write = func([]byte) (int, error) {
				wg.Go(func() { conn.Read(make([]byte, 100)) })
				wg.Wait()
				return tt.wrote, nil
			}
			conn = capture.Conn(inner, false)
			conn.Write([]byte("request"))
			if d := cmp.Diff(slices.Concat(opening, tt.want), lines(t, finish(t, capture, f))); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// TestCloseWhileBusy: what a Read brings while the connection is being closed is
// recorded before the end.
func TestCloseWhileBusy(t *testing.T) {
	for _, first := range []string{"the Read", "the Capture"} {
		t.Run(first+" ends first", func(t *testing.T) {
			capture, f := begin(t)
			reading, closed, read := make(chan struct{}), make(chan struct{}), make(chan struct{})
			inner := &scripted{read: func(b []byte) (int, error) {
				close(reading)
				<-closed
				return copy(b, "late"), nil
			}}
			conn := capture.Conn(inner, false)
			go func() {
				defer close(read)
				conn.Read(make([]byte, 100))
			}()
			<-reading
			conn.Close()
			want := []string{"> FA", "< A", "< FA", "> A"}
			var got []byte
			if first == "the Read" {
				close(closed)
				<-read
				want = slices.Concat([]string{"< PA late"}, want)
				got = finish(t, capture, f)
			} else {
				got = finish(t, capture, f)
				close(closed)
				<-read
			}
			if d := cmp.Diff(slices.Concat(opening, want), lines(t, got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

type halfCloser interface{ CloseWrite() error }

// TestMethods: a Conn can do what the connection can.
func TestMethods(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	capture, f := begin(t)
	defer finish(t, capture, f)
	pipe := capture.Conn(a, false)
	if _, ok := pipe.(halfCloser); ok {
		t.Error("a pipe with CloseWrite")
	}
	if pipe.(interface{ NetConn() net.Conn }).NetConn() != a {
		t.Error("not the pipe")
	}
	half := capture.Conn(struct {
		net.Conn
		halfCloser
	}{a, &scripted{half: func() error { return io.ErrClosedPipe }}}, false)
	if err := half.(halfCloser).CloseWrite(); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if _, ok := half.(interface{ SetLinger(int) error }); ok {
		t.Error("SetLinger from nowhere")
	}
	if err := pipe.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Error(err)
	}
	if _, err := pipe.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// TestReset is a real one, by either side.
func TestReset(t *testing.T) {
	for _, ours := range []bool{true, false} {
		capture, f := begin(t)
		near, far := loopback(t, "127.0.0.1:0")
		conn := capture.Conn(near, false)
		conn.Write([]byte("hello"))
		io.ReadFull(far, make([]byte, 5))
		want := "> RA"
		if ours {
			conn.(*record.ResetConn).SetLinger(0)
			conn.Close()
			far.Close()
		} else {
			want = "< RA"
			far.(*net.TCPConn).SetLinger(0)
			far.Close()
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
			conn.Close()
		}
		if d := cmp.Diff(slices.Concat(opening, []string{"> PA hello", want}), lines(t, finish(t, capture, f))); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
}

// loopback connects two ends.
func loopback(t testing.TB, at string) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}
