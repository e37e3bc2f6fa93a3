package mitm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newOpener stands before a good upstream.
func newOpener(t *testing.T, alpn ...string) (*opener, *Authority) {
	t.Helper()
	a := newCATest(t, CreateOptions{})
	return &opener{
		cache:    NewCache(a, CacheOptions{}),
		upstream: serveTLS(t, &tls.Config{Certificates: []tls.Certificate{chain(goodChain()...)}, NextProtos: alpn}),
		o:        UpstreamOptions{ServerName: host, Roots: pool(testPKI().root.cert), ALPN: alpn},
		rejected: make(chan string, 64),
	}, a
}

func wantRejection(t *testing.T, p *opener, want string) {
	t.Helper()
	select {
	case got := <-p.rejected:
		if got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("not seen as rejected, want %q", want)
	}
}

// TestRejected has programs meet an authority that they do not know.
func TestRejected(t *testing.T) {
	run := func(program string, args ...string) func(t *testing.T, addr string) {
		return func(t *testing.T, addr string) {
			need(t, program)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "ADDR", addr)
			}
			if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err == nil {
				t.Errorf("%s is content:\n%s", program, out)
			}
		}
	}
	goClient := func(version uint16) func(t *testing.T, addr string) {
		return func(t *testing.T, addr string) {
			if Classify(seen(t, addr, host, pool(testPKI().root.cert), version)) != ProblemUnknownAuthority {
				t.Error("Go is content")
			}
		}
	}
	leaves := func(version uint16) func(t *testing.T, addr string) {
		return func(t *testing.T, addr string) {
			raw := dialRaw(t, addr)
			conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, VerifyConnection: func(tls.ConnectionState) error {
				raw.Close()
				return errors.New("pinned")
			}})
			if conn.Handshake() == nil {
				t.Error("no error")
			}
		}
	}
	// Some libraries verify when the handshake is done.
	late := func(t *testing.T, addr string) {
		conn := tls.Client(dialRaw(t, addr), &tls.Config{InsecureSkipVerify: true})
		if err := conn.Handshake(); err != nil {
			t.Error(err)
		}
		conn.Close()
	}
	for _, c := range []struct {
		name   string
		client func(t *testing.T, addr string)
		want   string
	}{
		{"curl, TLS 1.2", run("curl", "-sS", "--noproxy", "*", "--tls-max", "1.2", "--connect-to", "::ADDR", "https://vpn.example/"), "unknown_ca"},
		{"curl, TLS 1.3", run("curl", "-sS", "--noproxy", "*", "--tlsv1.3", "--connect-to", "::ADDR", "https://vpn.example/"), "unknown_ca"},
		{"openssl, TLS 1.2", run("openssl", "s_client", "-connect", "ADDR", "-verify_return_error", "-tls1_2"), "unknown_ca"},
		{"openssl, TLS 1.3", run("openssl", "s_client", "-connect", "ADDR", "-verify_return_error", "-tls1_3"), "unknown_ca"},
		{"wget, which verifies late", run("wget", "--no-config", "--no-proxy", "-O-", "https://ADDR/"), ReasonClosed},
		{"Go, TLS 1.2", goClient(tls.VersionTLS12), "bad_certificate"},
		{"Go, TLS 1.3", goClient(tls.VersionTLS13), "bad_certificate"},
		{"closes, TLS 1.2", leaves(tls.VersionTLS12), ReasonClosed},
		{"closes, TLS 1.3", leaves(tls.VersionTLS13), ReasonClosed},
		{"closes late", late, ReasonClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _ := newOpener(t)
			c.client(t, p.start(t))
			wantRejection(t, p, c.want)
		})
	}
}

// TestAccepted has them know it.
func TestAccepted(t *testing.T) {
	need(t, "curl")
	p, a := newOpener(t)
	addr := p.start(t)
	file := t.TempDir() + "/ca.crt"
	if err := os.WriteFile(file, a.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if status := curl(t, addr, host, file); status != 0 {
		t.Errorf("curl exits with %d", status)
	}
	if class := openssl(t, addr, host, file); class != "" {
		t.Errorf("openssl sees %q", class)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if err := seen(t, addr, host, pool(a.Certificate()), version); err != nil {
			t.Error(err)
		}
	}
	if err := seen(t, addr, host, pool(a.Certificate()), tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// TestRejectedErrors has the errors of both sides.
func TestRejectedErrors(t *testing.T) {
	remote := func(err error) error { return &net.OpError{Op: "remote error", Err: err} }
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{remote(tls.AlertError(42)), "bad_certificate"},
		{remote(tls.AlertError(43)), "unsupported_certificate"},
		{remote(tls.AlertError(44)), "certificate_revoked"},
		{remote(tls.AlertError(45)), "certificate_expired"},
		{fmt.Errorf("reading: %w", remote(tls.AlertError(46))), "certificate_unknown"},
		{remote(tls.AlertError(48)), "unknown_ca"},
		{remote(tls.AlertError(49)), "access_denied"},
		{remote(tls.AlertError(51)), "decrypt_error"},
		{remote(tls.AlertError(113)), "bad_certificate_status_response"},
		{remote(tls.AlertError(121)), "ech_required"},
		{remote(tls.AlertError(40)), ""}, // handshake_failure
		{remote(tls.AlertError(70)), ""}, // protocol_version
		{tls.AlertError(42), ""},         // not the client's
		{&net.OpError{Op: "local error", Err: tls.AlertError(42)}, ""},
		{io.EOF, ReasonClosed},
		{io.ErrUnexpectedEOF, ReasonClosed},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, ReasonClosed},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, ReasonClosed},
		{os.ErrDeadlineExceeded, ""},
		{net.ErrClosed, ""},
		{tls.RecordHeaderError{Msg: "no TLS"}, ""},
	} {
		reason, ok := Rejected(c.err)
		if reason != c.want || ok != (c.want != "") {
			t.Errorf("%v: %q, %v, want %q", c.err, reason, ok, c.want)
		}
	}
}

// TestAlertTexts has no two alerts be taken for each other.
func TestAlertTexts(t *testing.T) {
	n := 0
	for code := range 256 {
		if _, ok := alertReason(tls.AlertError(code)); ok {
			n++
		}
	}
	if n != len(rejections) {
		t.Errorf("%d alerts have the texts of %d", n, len(rejections))
	}
}

// TestAlertWatch has records come in pieces.
func TestAlertWatch(t *testing.T) {
	record := func(kind byte, body ...byte) []byte {
		return append([]byte{kind, 3, 3, 0, byte(len(body))}, body...)
	}
	for _, c := range []struct {
		name    string
		records [][]byte
		want    uint8
	}{
		{"nothing", nil, 0},
		{"an alert", [][]byte{record(22, 1, 2, 3), record(21, 2, 48)}, 48},
		{"an alert inside another record", [][]byte{record(22, 21, 3, 3, 0, 2, 2, 48)}, 0},
		{"an encrypted alert", [][]byte{record(21, make([]byte, 26)...)}, 0},
		{"half an alert", [][]byte{record(21, 2, 48)[:6]}, 0},
		{"no alert at all", [][]byte{record(21), record(22), record(21, 1, 90)}, 90},
		{"records behind it", [][]byte{record(21, 2, 46), record(20, 1)}, 46},
	} {
		all := bytes.Join(c.records, nil)
		for cut := range len(all) + 1 {
			var w alertWatch
			w.see(all[:cut])
			w.see(all[cut:])
			if w.alert != c.want {
				t.Errorf("%s, cut at %d: %d, want %d", c.name, cut, w.alert, c.want)
			}
		}
	}
}

// TestAcceptFails has clients that make no handshake.
func TestAcceptFails(t *testing.T) {
	config := ServerConfig(mustLeaf(t, newCATest(t, CreateOptions{}), upstreamOf(host, goodChain()...)), "")
	for _, c := range []struct {
		name   string
		client func(net.Conn)
		want   string
	}{
		{"no TLS", func(c net.Conn) { c.Write([]byte("GET / HTTP/1.1\r\n\r\n")) }, "does not look like a TLS handshake"},
		{"nothing", func(c net.Conn) { io.Copy(io.Discard, c) }, "deadline"},
		{"half a hello", func(c net.Conn) { h := hello(t, 0); c.Write(h[:len(h)/2]); io.Copy(io.Discard, c) }, "deadline"},
		{"other protocols", func(c net.Conn) {
			tls.Client(c, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}).Handshake()
		}, "unsupported versions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := make(chan error, 1)
			addr := serve(t, func(conn net.Conn) {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				_, err := Accept(ctx, conn, config)
				errs <- err
			})
			c.client(dialRaw(t, addr))
			err := <-errs
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "opening TLS of 127.0.0.1:") {
				t.Errorf("%v, want %q", err, c.want)
			}
			if reason, ok := Rejected(err); ok {
				t.Errorf("taken for a rejection: %s", reason)
			}
		})
	}
}

// TestServerALPN has the client be told what the upstream chose.
func TestServerALPN(t *testing.T) {
	for _, c := range []struct {
		upstream, client []string
		want             string
	}{
		{[]string{"h2"}, []string{"http/1.1", "h2"}, "h2"},
		{[]string{"http/1.1"}, []string{"h2", "http/1.1"}, "http/1.1"},
		{nil, []string{"h2", "http/1.1"}, ""},
	} {
		p, a := newOpener(t, c.upstream...)
		conn := tls.Client(dialRaw(t, p.start(t)), &tls.Config{ServerName: host, RootCAs: pool(a.Certificate()), NextProtos: c.client})
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().NegotiatedProtocol; got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		conn.Close()
	}
}

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
