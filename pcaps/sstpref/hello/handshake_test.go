package hello_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	utls "github.com/refraction-networking/utls"
	"go.uber.org/goleak"

	"sstpwarden/pcaps/sstpref/hello"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// certificate makes one for the name, signed with its own key.
func certificate(t *testing.T, name string, key crypto.Signer) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// serve does a handshake, says a line back, and returns what was agreed on.
func serve(c net.Conn, config *tls.Config) (tls.ConnectionState, error) {
	s := tls.Server(c, config)
	line := make([]byte, 5)
	if _, err := io.ReadFull(s, line); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := s.Write(bytes.ToUpper(line)); err != nil {
		return tls.ConnectionState{}, err
	}
	return s.ConnectionState(), s.Close()
}

// exchange says hello to a server and gets it back, over TCP: in a pipe, an end that
// fails while the other one writes would wait for ever.
func exchange(t *testing.T, name, serverName string, o hello.Options, client *utls.Config, server *tls.Config) (utls.ConnectionState, tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	type result struct {
		state tls.ConnectionState
		err   error
	}
	done := make(chan result, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			done <- result{err: err}
			return
		}
		state, err := serve(c, server)
		_ = c.Close()
		done <- result{state, err}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	u, err := hello.Client(c, client, name, serverName, o)
	if err == nil {
		err = say(u)
	}
	_ = c.Close()
	r := <-done
	if err != nil || r.err != nil {
		return utls.ConnectionState{}, r.state, errors.Join(err, r.err)
	}
	return u.ConnectionState(), r.state, nil
}

func say(u *utls.UConn) error {
	if _, err := u.Write([]byte("hello")); err != nil {
		return err
	}
	b, err := io.ReadAll(u)
	if err == nil && string(b) != "HELLO" {
		err = fmt.Errorf("%q came back", b)
	}
	return err
}

// Each form shakes hands with a server of crypto/tls, with either kind of
// certificate, and the certificate is verified.
func TestHandshake(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	withRSA, rsaRoots := certificate(t, vpn, rsaKey)
	withECDSA, ecdsaRoots := certificate(t, vpn, ecdsaKey)
	rsaExchange := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	ecdhe := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA}
	for _, tt := range []struct {
		name      string
		max       uint16 // of the client
		server    uint16 // the only version of the server
		suites    []uint16
		ecdsa     bool
		agreed    uint16
		wantSuite uint16
	}{
		{name: "windows", server: tls.VersionTLS13, agreed: tls.VersionTLS13},
		{name: "windows", server: tls.VersionTLS12, agreed: tls.VersionTLS12},
		{name: "windows", max: tls.VersionTLS12, server: tls.VersionTLS12, agreed: tls.VersionTLS12},
		{name: "windows", max: tls.VersionTLS12, server: tls.VersionTLS12, suites: rsaExchange, agreed: tls.VersionTLS12, wantSuite: rsaExchange[0]},
		{name: "windows", max: tls.VersionTLS12, server: tls.VersionTLS12, ecdsa: true, agreed: tls.VersionTLS12},
		{name: "windows7", server: tls.VersionTLS10, suites: rsaExchange, agreed: tls.VersionTLS10, wantSuite: rsaExchange[0]},
		{name: "windows7", server: tls.VersionTLS10, suites: ecdhe, agreed: tls.VersionTLS10, wantSuite: ecdhe[0]},
		{name: "sstpc", server: tls.VersionTLS13, agreed: tls.VersionTLS13},
		{name: "sstpc", server: tls.VersionTLS12, agreed: tls.VersionTLS12},
		{name: "sstpc", max: tls.VersionTLS12, server: tls.VersionTLS12, agreed: tls.VersionTLS12},
		{name: "sstpc", max: tls.VersionTLS12, server: tls.VersionTLS12, suites: rsaExchange, agreed: tls.VersionTLS12, wantSuite: rsaExchange[0]},
		{name: "osc", server: tls.VersionTLS13, ecdsa: true, agreed: tls.VersionTLS13},
		{name: "osc", max: tls.VersionTLS12, server: tls.VersionTLS12, agreed: tls.VersionTLS12},
		{name: "mikrotik", server: tls.VersionTLS12, suites: ecdhe, agreed: tls.VersionTLS12, wantSuite: ecdhe[0]},
		{name: "mikrotik", server: tls.VersionTLS12, suites: rsaExchange, agreed: tls.VersionTLS12, wantSuite: rsaExchange[0]},
		{name: "mihomo", server: tls.VersionTLS13, agreed: tls.VersionTLS13},
		{name: "mihomo", server: tls.VersionTLS12, ecdsa: true, agreed: tls.VersionTLS12},
		{name: "mihomo", max: tls.VersionTLS12, server: tls.VersionTLS12, agreed: tls.VersionTLS12},
	} {
		t.Run(fmt.Sprintf("%s %x to %x", tt.name, tt.max, tt.server), func(t *testing.T) {
			cert, roots := withRSA, rsaRoots
			if tt.ecdsa {
				cert, roots = withECDSA, ecdsaRoots
			}
			var keys bytes.Buffer
			client := &utls.Config{RootCAs: roots, KeyLogWriter: &keys}
			server := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tt.server, MaxVersion: tt.server, CipherSuites: tt.suites}
			ours, theirs, err := exchange(t, tt.name, vpn, hello.Options{MaxVersion: tt.max}, client, server)
			if err != nil {
				t.Fatal(err)
			}
			if ours.Version != tt.agreed || theirs.Version != tt.agreed || ours.CipherSuite != theirs.CipherSuite {
				t.Errorf("client %#x with %#x, server %#x with %#x", ours.Version, ours.CipherSuite, theirs.Version, theirs.CipherSuite)
			}
			if tt.wantSuite != 0 && ours.CipherSuite != tt.wantSuite {
				t.Errorf("suite %s, want %s", tls.CipherSuiteName(ours.CipherSuite), tls.CipherSuiteName(tt.wantSuite))
			}
			if theirs.ServerName != vpn {
				t.Errorf("the server was told %q, want %q", theirs.ServerName, vpn)
			}
			label := "CLIENT_RANDOM "
			if tt.agreed == tls.VersionTLS13 {
				label = "CLIENT_TRAFFIC_SECRET_0 "
			}
			if !strings.Contains(keys.String(), label) {
				t.Errorf("the key log has no %s: %q", label, keys.String())
			}
		})
	}
}

// A certificate of somebody else's is refused, with and without a name in the hello.
func TestVerify(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, roots := certificate(t, "other.example", key)
	server := &tls.Config{Certificates: []tls.Certificate{other}}
	_, _, err = exchange(t, "windows", vpn, hello.Options{}, &utls.Config{RootCAs: roots}, server)
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("with a name: %v, want a *x509.HostnameError", err)
	}
	_, _, err = exchange(t, "sstpc", "", hello.Options{}, &utls.Config{RootCAs: roots, ServerName: vpn}, server)
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("without a name: %v, want a *x509.HostnameError", err)
	}
	_, _, err = exchange(t, "sstpc", "", hello.Options{}, &utls.Config{RootCAs: roots, ServerName: "other.example"}, server)
	if err != nil {
		t.Errorf("without a name, and the right certificate: %v", err)
	}
}

// TLS below 1.2 is agreed to only where asked for, or where the client has no more.
func TestOldServer(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	cert, roots := certificate(t, vpn, key)
	server := &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	}
	client := &utls.Config{RootCAs: roots}
	if _, _, err := exchange(t, "sstpc", vpn, hello.Options{}, client, server); err == nil {
		t.Error("sstpc agreed to TLS 1.0 unasked")
	}
	ours, _, err := exchange(t, "sstpc", vpn, hello.Options{MinVersion: tls.VersionTLS10}, client, server)
	if err != nil || ours.Version != tls.VersionTLS10 {
		t.Errorf("sstpc, TLS 1.0 wanted: %#x, %v", ours.Version, err)
	}
}
