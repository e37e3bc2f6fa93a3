package record_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps/sstpref/record"
)

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// handshake makes a session of two connections. Log takes the secrets of the end
// that is recorded, nil for the other.
func handshake(t testing.TB, version uint16, client, server net.Conn, clientLog, serverLog io.Writer) (*tls.Conn, *tls.Conn) {
	t.Helper()
	c := tls.Client(client, &tls.Config{
		InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, KeyLogWriter: clientLog,
		DynamicRecordSizingDisabled: true,
	})
	s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate()}, MinVersion: version, MaxVersion: version, KeyLogWriter: serverLog})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Handshake(); err != nil {
			t.Error("server:", err)
		}
	})
	if err := c.Handshake(); err != nil {
		t.Error("client:", err)
	}
	wg.Wait()
	return c, s
}

// post sends a request and a response, whose bodies cross.
func post(t testing.TB, c, s io.ReadWriter, up, down []byte) (client, server []byte) {
	t.Helper()
	client = fmt.Appendf(nil, "POST /up HTTP/1.1\r\nHost: example.net\r\nContent-Length: %d\r\n\r\n", len(up))
	server = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", len(down))
	heads := [2]int{len(client), len(server)}
	client, server = append(client, up...), append(server, down...)
	turn := make(chan struct{})
	var wg sync.WaitGroup
	write := func(w io.Writer, b []byte) {
		for n := 1000; len(b) > 0; n = n * 17 % 40_009 {
			if _, err := w.Write(b[:min(n, len(b))]); err != nil {
				t.Error(err)
				return
			}
			b = b[min(n, len(b)):]
		}
	}
	read := func(r io.Reader, want []byte, head int) {
		got := make([]byte, len(want))
		_, err := io.ReadFull(r, got[:head])
		if head == heads[0] && r == io.Reader(s) {
			close(turn)
		}
		if err == nil {
			_, err = io.ReadFull(r, got[head:])
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %s: %v", short(got), err)
		}
	}
	wg.Go(func() { c.Write(client[:heads[0]]); <-turn; write(c, client[heads[0]:]) })
	wg.Go(func() { <-turn; s.Write(server[:heads[1]]); write(s, server[heads[1]:]) })
	wg.Go(func() { read(s, client, heads[0]) })
	wg.Go(func() { read(c, server, heads[1]) })
	wg.Wait()
	return client, server
}

// A recording is a session and what our stack and tshark should find of it.
type recording struct {
	capture        []byte
	client, server []byte // what either side said
	end            tcpflow.End
}

type network struct {
	name string
	dial func(testing.TB) (near, far net.Conn)
}

// inMemory connects two ends of a pipe that call themselves so.
func inMemory(client, server net.Addr) func(testing.TB) (near, far net.Conn) {
	return func(t testing.TB) (near, far net.Conn) {
		near, far = net.Pipe()
		t.Cleanup(func() { near.Close(); far.Close() })
		return named{near, client, server}, named{far, server, client}
	}
}

type named struct {
	net.Conn
	local, remote net.Addr
}

func (n named) LocalAddr() net.Addr  { return n.local }
func (n named) RemoteAddr() net.Addr { return n.remote }

var networks = []network{
	{"TCP", func(t testing.TB) (near, far net.Conn) { return loopback(t, "127.0.0.1:0") }},
	{"pipe", inMemory(nil, nil)},
	{"IPv6", inMemory(tcpAddr(addrPort("[2001:db8::5]:51000")), tcpAddr(addrPort("[2001:db8::6]:8443")))},
}

// recordings are one of every kind.
func recordings(t *testing.T, check func(t *testing.T, r recording)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, n := range networks {
			for _, isServer := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/server=%v", tls.VersionName(version), n.name, isServer), func(t *testing.T) {
					check(t, recordTLS(t, version, n, isServer))
				})
			}
		}
	}
}

func recordTLS(t testing.TB, version uint16, n network, isServer bool) (r recording) {
	t.Helper()
	capture, f := begin(t)
	near, far := n.dial(t)
	var c, s *tls.Conn
	if isServer {
		c, s = handshake(t, version, near, capture.Conn(far, true), nil, capture.KeyLog())
	} else {
		c, s = handshake(t, version, capture.Conn(near, false), far, capture.KeyLog(), nil)
	}
	r.client, r.server = post(t, c, s, repeat("up and up ", 400_000), repeat("down, down ", 300_000))
	r.end = tcpflow.EndFIN
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		s.Close()
	})
	c.Close()
	wg.Wait()
	r.capture = finish(t, capture, f)
	return r
}

// TestTLS: our own stack opens every byte of a recorded session.
func TestTLS(t *testing.T) {
	recordings(t, func(t *testing.T, r recording) {
		all := sessions(t, r.capture)
		if len(all) != 1 {
			t.Fatalf("%d sessions", len(all))
		}
		got := all[0]
		if len(got.closed) > 0 {
			t.Errorf("%d records were not opened, the first: %v", len(got.closed), got.closed[0])
		}
		if !bytes.Equal(got.plain[0].Bytes(), r.client) || !bytes.Equal(got.plain[1].Bytes(), r.server) {
			t.Errorf("got %s and %s", short(got.plain[0].Bytes()), short(got.plain[1].Bytes()))
		}
		if got.end != r.end {
			t.Errorf("ended with %v", got.end)
		}
	})
}

// TestRecords: what was written at once ends with PSH, and nothing else does.
func TestRecords(t *testing.T) {
	capture, f := begin(t)
	near, far := inMemory(nil, nil)(t)
	c, s := handshake(t, tls.VersionTLS13, capture.Conn(near, false), far, capture.KeyLog(), nil)
	go io.Copy(io.Discard, s)
	sizes := []int{48, 112, 1400, 1438, 5000, 16384}
	for _, n := range sizes {
		c.Write(make([]byte, n))
	}
	c.NetConn().Close()
	got := slices.DeleteFunc(lines(t, finish(t, capture, f)), func(line string) bool { return line == "< A" })
	got = got[:len(got)-3] // the end
	for _, size := range slices.Backward(sizes) {
		total, push := 0, 0
		for {
			line := got[len(got)-1]
			got = got[:len(got)-1]
			var n int
			if _, err := fmt.Sscanf(line, "> A %d bytes", &n); err == nil {
				total += n
			} else if _, err := fmt.Sscanf(line, "> PA %d bytes", &n); err == nil {
				total, push = total+n, push+1
			} else if line == "> PA" || push > 1 {
				t.Fatal(line)
			}
			if total >= size+22 {
				break
			}
		}
		if total != size+22 || push != 1 {
			t.Errorf("%d bytes written: %d with %d times PSH", size, total, push)
		}
	}
}

// TestSecondAttempt: two connections one after the other, the first to a proxy
// that wants a password, with TLS inside the second.
func TestSecondAttempt(t *testing.T) {
	capture, f := begin(t)
	const connect = "CONNECT vpn.example:443 HTTP/1.1\r\n\r\n"
	say := func(from, to net.Conn, text string) {
		var wg sync.WaitGroup
		wg.Go(func() { io.WriteString(from, text) })
		if _, err := io.ReadFull(to, make([]byte, len(text))); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
	answers := []string{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"}
	var client, server []byte
	for i, answer := range answers {
		near, far := loopback(t, "127.0.0.1:0")
		conn := capture.Conn(near, false)
		say(conn, far, connect)
		say(far, conn, answer)
		if i == 1 {
			c, s := handshake(t, tls.VersionTLS12, conn, far, capture.KeyLog(), nil)
			client, server = post(t, c, s, []byte("a"), []byte("b"))
		}
		conn.Close()
	}
	all := sessions(t, finish(t, capture, f))
	if len(all) != 2 {
		t.Fatalf("%d sessions", len(all))
	}
	for i, s := range all {
		if got := s.raw[1].Bytes(); !bytes.HasPrefix(s.raw[0].Bytes(), []byte(connect)) || !bytes.HasPrefix(got, []byte(answers[i])) || s.end != tcpflow.EndFIN {
			t.Errorf("attempt %d: %s, %v", i, short(got), s.end)
		}
	}
	if got := all[1]; !bytes.Equal(got.plain[0].Bytes(), client) || !bytes.Equal(got.plain[1].Bytes(), server) {
		t.Errorf("got %s and %s", short(got.plain[0].Bytes()), short(got.plain[1].Bytes()))
	}
}

// TestManyClients of a server at the same time.
func TestManyClients(t *testing.T) {
	capture, f := begin(t)
	const clients = 20
	said := sync.Map{}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			near, far := loopback(t, "127.0.0.1:0")
			version := uint16(tls.VersionTLS12 + i%2)
			c, s := handshake(t, version, near, capture.Conn(far, true), nil, capture.KeyLog())
			client, _ := post(t, c, s, fmt.Appendf(nil, "I am client %d", i), repeat("down", 100_000))
			said.Store(near.LocalAddr().String(), string(client))
			s.Close()
		})
	}
	wg.Wait()
	all := sessions(t, finish(t, capture, f))
	if len(all) != clients {
		t.Fatalf("%d sessions", len(all))
	}
	for _, s := range all {
		want, _ := said.Load(s.key.Client.String())
		if got := s.plain[0].String(); got != want || len(s.closed) > 0 {
			t.Errorf("%v: %q, want %q; %v", s.key.Client, got, want, s.closed)
		}
	}
}

// BenchmarkConn is the cost of a record on the session's side and in all.
func BenchmarkConn(b *testing.B) {
	capture, err := record.NewCapture(io.Discard, "")
	if err != nil {
		b.Fatal(err)
	}
	conn := capture.Conn(&scripted{write: func(b []byte) (int, error) { return len(b), nil }}, false)
	buf := make([]byte, 1400)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		conn.Write(buf)
	}
	if err := capture.Close(); err != nil {
		b.Fatal(err)
	}
}
