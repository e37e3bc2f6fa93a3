package mitm

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReplay has the ClientHello be read first, as the proxy does.
func TestReplay(t *testing.T) {
	p, a := newOpener(t)
	up := upstreamOf(host, goodChain()...)
	addr := serve(t, func(conn net.Conn) {
		hello := make([]byte, 100)
		if _, err := io.ReadFull(conn, hello); err != nil {
			t.Error(err)
			return
		}
		answer(tls.Server(Replay(conn, hello), ServerConfig(get(t, p.cache, up), "")))
	})
	conn := tls.Client(dialRaw(t, addr), &tls.Config{ServerName: host, RootCAs: pool(a.Certificate())})
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != reply {
		t.Errorf("%q %v", got, err)
	}
}

func TestReplayConn(t *testing.T) {
	raw := dialRaw(t, serve(t, func(conn net.Conn) {
		got, _ := io.ReadAll(conn)
		conn.Write(append([]byte("got "), got...))
	}))
	if Replay(raw, nil) != raw {
		t.Error("wrapped for nothing")
	}
	conn := Replay(raw, []byte("before "))
	conn.Write([]byte("this"))
	if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
	if n, err := conn.Read(nil); n != 0 || err != nil {
		t.Error(n, err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "before got this" {
		t.Errorf("%q %v", got, err)
	}
	if conn.(interface{ NetConn() net.Conn }).NetConn() != raw {
		t.Error("another connection inside")
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := Replay(a, []byte("x")).(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// A stub is a connection with bytes to read and nobody to write to.
type stub struct {
	net.Conn
	io.Reader
}

func (s stub) Read(p []byte) (int, error)       { return s.Reader.Read(p) }
func (s stub) Write(p []byte) (int, error)      { return len(p), nil }
func (s stub) Close() error                     { return nil }
func (s stub) SetDeadline(time.Time) error      { return nil }
func (s stub) SetReadDeadline(time.Time) error  { return nil }
func (s stub) SetWriteDeadline(time.Time) error { return nil }

// hello is a ClientHello as crypto/tls makes it.
func hello(t testing.TB, version uint16) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer b.Close()
	go func() {
		_ = tls.Client(a, &tls.Config{ServerName: host, MaxVersion: version}).Handshake()
		a.Close()
	}()
	buf := make([]byte, 4096)
	n, err := b.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	return buf[:n]
}

// FuzzReplay cuts what a client sent in two, and shakes hands with the whole.
func FuzzReplay(f *testing.F) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		h := hello(f, version)
		f.Add(h, uint16(100), uint8(7))
		f.Add(h, uint16(len(h)), uint8(255))
		f.Add(h[:len(h)/2], uint16(0), uint8(1))
	}
	a := newCATest(f, CreateOptions{})
	leaf := mustLeaf(f, a, upstreamOf(host, goodChain()...))
	f.Fuzz(func(t *testing.T, data []byte, cut uint16, size uint8) {
		at := min(int(cut), len(data))
		split := func() net.Conn { return Replay(stub{Reader: bytes.NewReader(data[at:])}, data[:at]) }
		conn := split()
		var got []byte
		for buf := make([]byte, int(size)+1); ; {
			n, err := conn.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if diff := cmp.Diff(data, got, cmp.Transformer("string", func(b []byte) string { return string(b) })); diff != "" {
			t.Fatal(diff)
		}
		whole := tls.Server(stub{Reader: bytes.NewReader(data)}, ServerConfig(leaf, "")).Handshake()
		parts := tls.Server(split(), ServerConfig(leaf, "")).Handshake()
		if whole == nil || parts == nil || whole.Error() != parts.Error() {
			t.Fatalf("in one piece: %v; cut: %v", whole, parts)
		}
	})
}
