package mitm

import (
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
