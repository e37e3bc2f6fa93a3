package sink

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"
)

func listenUDP(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return conn
}

func datagram(t *testing.T, conn net.PacketConn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	n, _, err := conn.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// parse reads a message as another implementation's parser does.
func parse(t *testing.T, text string) *rfc5424.SyslogMessage {
	t.Helper()
	m, err := rfc5424.NewParser(rfc5424.WithCompliantMsg()).Parse([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return m.(*rfc5424.SyslogMessage)
}

func TestSyslogUDP(t *testing.T) {
	server := listenUDP(t)
	o := quick(t)
	o.Facility, o.AppName = "Local3", "app"
	s := mustOpen(t, "syslog://"+server.LocalAddr().String(), o)
	before := time.Now().Add(-time.Second)
	record := `{"sni":"é😀<14>1 \n","x":1}`
	write(t, s, record+"\n", "not\nJSON \xff\x00")
	m := parse(t, datagram(t, server))
	if *m.Facility != 19 || *m.Severity != 6 || *m.Appname != "app" || *m.ProcID != fmt.Sprint(os.Getpid()) || *m.MsgID != "sstp" || m.StructuredData != nil {
		t.Errorf("%+v", m)
	}
	if host, _ := os.Hostname(); *m.Hostname != host {
		t.Errorf("host %q, want %q", *m.Hostname, host)
	}
	if m.Timestamp.Before(before) || m.Timestamp.After(time.Now()) {
		t.Errorf("time %v", m.Timestamp)
	}
	if *m.Message != `{"sni":"\u00e9\ud83d\ude00<14>1 \n","x":1}` {
		t.Errorf("message %s", *m.Message)
	}
	var got, want any
	if json.Unmarshal([]byte(*m.Message), &got) != nil || json.Unmarshal([]byte(record), &want) != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	if m := parse(t, datagram(t, server)); *m.Message != `not JSON \ufffd ` {
		t.Errorf("message %q", *m.Message)
	}
	drain(t, s)
	wantCounts(t, s, 2, 0)
}

func TestSyslogUDPTooLarge(t *testing.T) {
	server := listenUDP(t)
	s := mustOpen(t, "syslog://"+server.LocalAddr().String(), quick(t))
	write(t, s, strings.Repeat("x", 70000), "small")
	if m := parse(t, datagram(t, server)); *m.Message != "small" {
		t.Errorf("message %q", *m.Message)
	}
	drain(t, s)
	wantCounts(t, s, 1, 1)
}

// Where nobody listens, the kernel says so, once for each datagram.
func TestSyslogUDPNobodyListens(t *testing.T) {
	server := listenUDP(t)
	dest := server.LocalAddr().(*net.UDPAddr)
	s := mustOpen(t, "syslog://"+dest.String(), quick(t))
	write(t, s, "one")
	datagram(t, server)
	server.Close()
	n := uint64(1)
	eventually(t, "a loss", func() bool {
		n++
		write(t, s, "lost")
		return s.Lost() > 0
	})
	server, err := net.ListenUDP("udp", dest)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	server.SetReadDeadline(time.Now().Add(patience))
	drainable := false
	for !drainable { // an error that is still to be told costs one more
		n++
		write(t, s, "again")
		eventually(t, "all is settled", func() bool { return s.Written()+s.Lost() == n })
		server.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		b := make([]byte, 1000)
		_, _, err := server.ReadFrom(b)
		drainable = err == nil
	}
	drain(t, s)
}

// A stream is what a server of syslog over TCP sees.
type stream struct {
	net.Listener
	conns chan net.Conn
}

func listenTCP(t testing.TB, address string) *stream {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return accept(t, l)
}

func accept(t testing.TB, l net.Listener) *stream {
	s := &stream{Listener: l, conns: make(chan net.Conn, 1000)}
	go func() {
		defer close(s.conns)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			s.conns <- conn
		}
	}()
	t.Cleanup(s.shut)
	return s
}

// shut ends the server and its connections.
func (s *stream) shut() {
	s.Close()
	for conn := range s.conns {
		conn.Close()
	}
}

func (s *stream) dest() string { return "syslog+tcp://" + s.Addr().String() }

func (s *stream) next(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	select {
	case conn := <-s.conns:
		t.Cleanup(func() { conn.Close() })
		return conn, bufio.NewReader(conn)
	case <-time.After(patience):
		t.Fatal("nobody connects")
		return nil, nil
	}
}

// frame reads one message by its count of octets.
func frame(r *bufio.Reader) (string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "%d ", &n); err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return string(b), err
}

func wantFrame(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	text, err := frame(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := *parse(t, text).Message; got != want {
		t.Errorf("message %.100q, want %.100q", got, want)
	}
}

func TestSyslogTCP(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0")
	s := mustOpen(t, server.dest(), quick(t))
	long := strings.Repeat("x", 3*atOnce.bytes)
	write(t, s, "one", "7 two\n", long, "four")
	_, r := server.next(t)
	for _, want := range []string{"one", "7 two", long, "four"} {
		wantFrame(t, r, want)
	}
	drain(t, s)
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	wantCounts(t, s, 4, 0)
}

// A server that goes away loses nothing that it did not read, if it says so
// before the next record.
func TestSyslogTCPRestart(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0")
	s := mustOpen(t, server.dest(), quick(t))
	write(t, s, "one")
	conn, r := server.next(t)
	wantFrame(t, r, "one")
	address := server.Addr().String()
	server.shut()
	conn.Close()
	gone := s.target.(*syslog).gone
	select {
	case <-gone:
	case <-time.After(patience):
		t.Fatal("nobody sees that the server is gone")
	}
	write(t, s, "two")
	server = listenTCP(t, address)
	write(t, s, "three")
	_, r = server.next(t)
	wantFrame(t, r, "two")
	wantFrame(t, r, "three")
	drain(t, s)
	wantCounts(t, s, 3, 0)
}

// A server that is killed in the middle of a message gets it whole from the
// next connection.
func TestSyslogTCPKilledMidway(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0")
	s := mustOpen(t, server.dest(), quick(t))
	const size = 16 << 20 // more than sockets hold
	long := strings.Repeat("x", size)
	write(t, s, long)
	conn, r := server.next(t)
	if _, err := r.ReadByte(); err != nil {
		t.Fatal(err)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	_, r = server.next(t)
	wantFrame(t, r, long)
	drain(t, s)
	wantCounts(t, s, 1, 0)
}

// A server that does not read holds up nobody for longer than the timeout.
func TestSyslogTCPSlowReader(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0")
	o := quick(t)
	o.Timeout, o.Retry = 20*time.Millisecond, time.Millisecond
	var told error
	o.OnError = func(err error) { told = errors.Join(told, err) }
	s := mustOpen(t, server.dest(), o)
	write(t, s, strings.Repeat("x", 16<<20))
	eventually(t, "a loss", func() bool { return s.Lost() == 1 })
	write(t, s, "small") // in time, unless the machine is busy
	drain(t, s)
	if w, l := s.Written(), s.Lost(); w+l != 2 {
		t.Errorf("%d written and %d lost", w, l)
	}
	if !errors.Is(told, os.ErrDeadlineExceeded) {
		t.Errorf("told %v", told)
	}
}

// Nobody is there until a while later.
func TestSyslogTCPLate(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0")
	address := server.Addr().String()
	server.shut()
	failed := make(chan error, 1)
	o := quick(t)
	o.OnError = func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	s := mustOpen(t, "syslog+tcp://"+address, o)
	write(t, s, "one")
	if err := <-failed; !strings.Contains(err.Error(), "syslog+tcp://"+address+": ") || !strings.Contains(err.Error(), "connection refused (0 records lost so far)") {
		t.Errorf("told %v", err)
	}
	server = listenTCP(t, address)
	_, r := server.next(t)
	wantFrame(t, r, "one")
	drain(t, s)
	wantCounts(t, s, 1, 0)
}

// Nobody is there at all.
func TestSyslogTCPNever(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0")
	server.shut()
	s := mustOpen(t, server.dest(), quick(t))
	write(t, s, "one", "two")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	wantCounts(t, s, 0, 2)
}

// With Block, a server that stays away costs the records and no more.
func TestSyslogTCPGivenUp(t *testing.T) {
	server := listenTCP(t, "127.0.0.1:0")
	server.shut()
	o := quick(t)
	o.Block, o.Queue, o.Retry = true, 2, 5*time.Millisecond
	s := mustOpen(t, server.dest(), o)
	for range 20 {
		write(t, s, "record")
	}
	drain(t, s)
	wantCounts(t, s, 0, 20)
}

func TestSyslogTLS(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS() // for its certificate
	defer web.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: web.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	server := accept(t, l)
	dest := "syslog+tls://" + server.Addr().String()

	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	o := quick(t)
	o.TLS = &tls.Config{RootCAs: roots}
	s := mustOpen(t, dest, o)
	write(t, s, "one")
	_, r := server.next(t)
	wantFrame(t, r, "one")
	drain(t, s)
	wantCounts(t, s, 1, 0)

	o.TLS, o.Retry = nil, time.Nanosecond // nobody vouches for it
	told := make(chan error, 10)
	o.OnError = func(err error) { told <- err }
	s = mustOpen(t, dest, o)
	write(t, s, "one")
	conn, _ := server.next(t)
	conn.(*tls.Conn).Handshake()
	var unknown x509.UnknownAuthorityError
	if err := <-told; !errors.As(err, &unknown) {
		t.Errorf("told %v", err)
	}
	drain(t, s)
	wantCounts(t, s, 0, 1)
}

var localForm = regexp.MustCompile(`^<142>[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} sstpwarden\[[0-9]+\]: (.*)$`)

func TestSyslogLocal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	o := quick(t)
	o.Facility = "local1"
	s := mustOpen(t, "syslog://"+path, o)
	write(t, s, "before anybody listens") // waits
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetReadDeadline(time.Now().Add(patience))
	write(t, s, "two", strings.Repeat("x", 10<<20), "three")
	for _, want := range []string{"before anybody listens", "two", "three"} {
		got := datagram(t, conn)
		if m := localForm.FindStringSubmatch(got); m == nil || m[1] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	drain(t, s)
	wantCounts(t, s, 3, 1)
}

func TestSyslogLocalStream(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := accept(t, l)
	o := quick(t)
	o.Facility = "local1"
	s := mustOpen(t, "syslog://"+path, o)
	write(t, s, "one", "two\n")
	_, r := server.next(t)
	for _, want := range []string{"one", "two"} {
		got, err := r.ReadString('\n')
		if m := localForm.FindStringSubmatch(strings.TrimSuffix(got, "\n")); err != nil || m == nil || m[1] != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	drain(t, s)
	wantCounts(t, s, 2, 0)
}

// swallow is a server that reads and forgets.
func swallow(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(io.Discard, conn)
				conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}
