package mitm

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A pki is somebody else's: a root that clients trust, an intermediate, and one
// root that nobody knows.
type pki struct {
	root, above, stranger *issuer
}

var testPKI = sync.OnceValue(func() *pki {
	p := &pki{}
	p.root = sign(caTest("test root"), nil, ecKey())
	p.above = sign(caTest("test intermediate"), p.root, ecKey())
	p.stranger = sign(caTest("unknown root"), nil, ecKey())
	return p
})

func caTest(name string) *x509.Certificate {
	t := caTemplate(name, time.Now(), DefaultValid)
	t.MaxPathLenZero = false
	return t
}

func ecKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

var rsaKey = sync.OnceValue(func() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// sign makes a certificate for key, signed by itself if by is nil.
func sign(t *x509.Certificate, by *issuer, key crypto.Signer) *issuer {
	if t.SerialNumber == nil {
		t.SerialNumber = big.NewInt(time.Now().UnixNano())
	}
	parent, signer := t, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &issuer{key, cert}
}

func server(name string, dns ...string) *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{"Example Inc."}},
		DNSNames:    dns,
		NotBefore:   time.Now().Add(-30 * 24 * time.Hour),
		NotAfter:    time.Now().Add(60 * 24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// chain is what a server shows.
func chain(certs ...*issuer) tls.Certificate {
	c := tls.Certificate{PrivateKey: certs[0].key}
	for _, cert := range certs {
		c.Certificate = append(c.Certificate, cert.cert.Raw)
	}
	return c
}

// upstreamOf is what Handshake would tell of a chain.
func upstreamOf(name string, certs ...*issuer) Upstream {
	up := Upstream{ServerName: name, roots: pool(testPKI().root.cert)}
	for _, cert := range certs {
		up.Chain = append(up.Chain, cert.cert)
	}
	up.VerifyErr = (*Trust)(nil).problems(up.Chain, name, up.roots, time.Now())
	return up
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

func newCATest(t testing.TB, o CreateOptions) *Authority {
	t.Helper()
	a, err := Create(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serve runs handle for every connection until the test ends.
func serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				handle(conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

const reply = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhi\n"

// serveTLS answers every request over TLS.
func serveTLS(t testing.TB, c *tls.Config) string {
	t.Helper()
	return serve(t, func(conn net.Conn) { answer(tls.Server(conn, c)) })
}

func answer(conn *tls.Conn) {
	if conn.Handshake() != nil {
		return
	}
	buf := make([]byte, 4096)
	if _, err := conn.Read(buf); err != nil {
		return
	}
	conn.Write([]byte(reply))
	conn.Close()
}

func dialRaw(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// seen is what a client that trusts roots gets from a server.
func seen(t testing.TB, addr, name string, roots *x509.CertPool, version uint16) error {
	t.Helper()
	raw := dialRaw(t, addr)
	conn := tls.Client(raw, &tls.Config{ServerName: name, RootCAs: roots, MinVersion: version, MaxVersion: version})
	err := conn.Handshake()
	raw.Close()
	return err
}

// An opener stands between clients and one upstream, as the proxy would.
type opener struct {
	cache    *Cache
	upstream string
	o        UpstreamOptions
	rejected chan string // reasons
}

func (p *opener) start(t testing.TB) string {
	t.Helper()
	if p.rejected == nil {
		p.rejected = make(chan string, 64)
	}
	return serve(t, func(client net.Conn) {
		raw, err := net.Dial("tcp", p.upstream)
		if err != nil {
			t.Error(err)
			return
		}
		defer raw.Close()
		conn, up, err := Handshake(context.Background(), raw, p.o)
		if err != nil {
			t.Error(err)
			return
		}
		leaf, err := p.cache.Leaf(up, "")
		if err != nil {
			t.Error(err)
			return
		}
		tc, err := Accept(context.Background(), client, ServerConfig(leaf, conn.ConnectionState().NegotiatedProtocol))
		buf := make([]byte, 4096)
		n := 0
		if err == nil {
			defer tc.Close()
			n, err = tc.Read(buf)
		}
		if err != nil {
			if reason, ok := Rejected(err); ok {
				p.rejected <- reason
			}
			return
		}
		conn.Write(buf[:n])
		n, _ = conn.Read(buf)
		tc.Write(buf[:n])
	})
}

// need skips without a program, unless it has to be there.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
}
