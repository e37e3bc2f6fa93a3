package pppauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"
)

// noon is when the certificates of the tests are looked at.
var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// An authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(name string) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &authority{cert, key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) issue(change func(*x509.Certificate)) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		NotBefore:    noon.AddDate(0, -1, 0), NotAfter: noon.AddDate(0, 1, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) client(name string) tls.Certificate {
	return a.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.ExtKeyUsage = name, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
}

func (a *authority) expired(name string) tls.Certificate {
	return a.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.ExtKeyUsage = name, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		c.NotAfter = noon.AddDate(0, 0, -1)
	})
}

func (a *authority) server(name string) tls.Certificate {
	return a.issue(func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = name, []string{name}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
}

// pki is what the tests of EAP with TLS share.
type pki struct {
	ca, other             *authority
	alice, expired, alien tls.Certificate
	server, alienServer   tls.Certificate
}

var testPKI = sync.OnceValue(func() pki {
	ca, other := newAuthority("Test CA"), newAuthority("Other CA")
	return pki{
		ca: ca, other: other,
		alice: ca.client("alice"), expired: ca.expired("alice"), alien: other.client("alice"),
		server: ca.server("vpn.example.test"), alienServer: other.server("vpn.example.test"),
	}
})

func testCertificates(t testing.TB) pki {
	t.Helper()
	return testPKI()
}
