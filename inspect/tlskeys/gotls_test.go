package tlskeys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"sstpwarden/inspect/tlswire"

	"github.com/google/go-cmp/cmp"
)

// tap is a connection's end that records what is written to it.
type tap struct {
	net.Conn
	client bool
	stream tlswire.Stream
	mu     *sync.Mutex // shared by both ends
	taken  *[]taken
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.stream.Feed(b, 0, func(r tlswire.Record) {
		r.Fragment = bytes.Clone(r.Fragment)
		*c.taken = append(*c.taken, taken{c.client, r})
	})
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// certificate makes a certificate of a key.
func certificate(t testing.TB, key crypto.Signer) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

var (
	rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	ecKey  = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
)

func serverRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serverECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// converse records a connection of crypto/tls with itself. Each of the writes
// is sent by the client and comes back from the server.
func converse(t testing.TB, client, server *tls.Config, writes [][]byte) []taken {
	t.Helper()
	var (
		mu      sync.Mutex
		records []taken
	)
	a, b := net.Pipe()
	keep := tlswire.Stream{KeepApplicationData: true}
	clientEnd := &tap{Conn: a, client: true, stream: keep, mu: &mu, taken: &records}
	serverEnd := &tap{Conn: b, stream: keep, mu: &mu, taken: &records}

	done := make(chan error, 1)
	go func() {
		c := tls.Server(serverEnd, server)
		var err error
		for _, w := range writes {
			buf := make([]byte, len(w))
			if _, err = io.ReadFull(c, buf); err != nil {
				break
			}
			if _, err = c.Write(buf); err != nil {
				break
			}
		}
		done <- err
	}()
	c := tls.Client(clientEnd, client)
	for _, w := range writes {
		if _, err := c.Write(w); err != nil {
			t.Fatalf("client writing: %v (server: %v)", err, <-done)
		}
		if _, err := io.ReadFull(c, make([]byte, len(w))); err != nil {
			t.Fatalf("client reading: %v (server: %v)", err, <-done)
		}
	}
	if err := <-done; err != nil {
		t.Fatalf("server: %v", err)
	}
	a.Close()
	b.Close()
	return records
}

// goSuite is what a connection of crypto/tls is to use. TLS 1.3 suites cannot
// be chosen there.
type goSuite struct {
	name    string
	version uint16
	suite   uint16
}

var goSuites = []goSuite{
	{"tls10/aes128-cbc-sha", tls.VersionTLS10, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{"tls10/aes256-cbc-sha", tls.VersionTLS10, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA},
	{"tls10/3des-cbc-sha", tls.VersionTLS10, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA},
	{"tls10/rc4-sha", tls.VersionTLS10, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA},
	{"tls10/rsa-aes128-cbc-sha", tls.VersionTLS10, tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	{"tls11/aes128-cbc-sha", tls.VersionTLS11, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{"tls11/3des-cbc-sha", tls.VersionTLS11, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA},
	{"tls11/rsa-aes256-cbc-sha", tls.VersionTLS11, tls.TLS_RSA_WITH_AES_256_CBC_SHA},
	{"tls12/aes128-cbc-sha", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA},
	{"tls12/aes128-cbc-sha256", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256},
	{"tls12/3des-cbc-sha", tls.VersionTLS12, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA},
	{"tls12/rc4-sha", tls.VersionTLS12, tls.TLS_RSA_WITH_RC4_128_SHA},
	{"tls12/aes128-gcm", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	{"tls12/aes256-gcm", tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	{"tls12/chacha20-poly1305", tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256},
	{"tls12/rsa-aes256-gcm", tls.VersionTLS12, tls.TLS_RSA_WITH_AES_256_GCM_SHA384},
	{"tls13", tls.VersionTLS13, 0},
}

// configs returns both sides' configuration, which write keyLog.
func (s goSuite) configs(t testing.TB, keyLog io.Writer) (client, server *tls.Config) {
	t.Helper()
	client = &tls.Config{
		InsecureSkipVerify: true,
		MinVersion:         s.version,
		MaxVersion:         s.version,
		KeyLogWriter:       keyLog,
	}
	if s.suite != 0 {
		client.CipherSuites = []uint16{s.suite}
	}
	server = client.Clone()
	server.KeyLogWriter = nil
	key := crypto.Signer(serverRSAKey(t))
	if strings.Contains(tls.CipherSuiteName(s.suite), "_ECDSA_") {
		key = serverECKey(t)
	}
	server.Certificates = []tls.Certificate{certificate(t, key)}
	return client, server
}

// record records a connection with the suite, and its key log.
func (s goSuite) record(t testing.TB, writes [][]byte) *recording {
	t.Helper()
	var keyLog bytes.Buffer
	client, server := s.configs(t, &keyLog)
	records := converse(t, client, server, writes)
	return &recording{keyLog: keyLog.String(), connections: [][]taken{records}}
}

// someWrites are small and large, the last of them over three records.
func someWrites() [][]byte {
	var writes [][]byte
	for _, n := range []int{1, 14, 255, 256, 1400, 16384, 16385, 40000} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * 7)
		}
		writes = append(writes, b)
	}
	return writes
}

func TestGoTLS(t *testing.T) {
	writes := someWrites()
	want := string(bytes.Join(writes, nil))
	for _, s := range goSuites {
		t.Run(s.name, func(t *testing.T) {
			rec := s.record(t, writes)
			checkOpens(t, rec.keys(t), rec, want, want)
		})
	}
}

func TestGoTLSWithRSAKey(t *testing.T) {
	writes := someWrites()
	want := string(bytes.Join(writes, nil))
	k := &Keys{}
	if err := k.AddRSAKey(pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(serverRSAKey(t)))); err != nil {
		t.Fatal(err)
	}
	for _, s := range goSuites {
		if !strings.HasPrefix(tls.CipherSuiteName(s.suite), "TLS_RSA_") {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			client, server := s.configs(t, nil)
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			client.ServerName = "resumed"
			rec := &recording{}
			for range 2 {
				rec.connections = append(rec.connections, converse(t, client, server, writes))
			}
			checkOpens(t, k, rec, want, want)
		})
	}
}

func pemOf(t testing.TB, kind string, der []byte) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Without the ServerHello, TLS 1.3 still opens: of the suites offered only one
// fits.
func TestGoTLSOneDirection(t *testing.T) {
	writes := someWrites()
	want := string(bytes.Join(writes, nil))
	rec := goSuite{version: tls.VersionTLS13}.record(t, writes)
	var client []taken
	for _, r := range rec.connections[0] {
		if r.client {
			client = append(client, r)
		}
	}
	o := rec.keys(t).NewOpener()
	got := openAll(t, o, client)
	if diff := cmp.Diff(opened{Client: want, Messages: []string{"c client_hello", "c finished"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
