package labtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"sstpwarden/pcaps/netlab"
)

// A PKI is an authority and the one certificate that all servers have, for all names
// and addresses of a lab's server.
type PKI struct {
	CA, Cert, Key string // files, PEM
	Pool          *x509.CertPool
	Leaf          tls.Certificate
}

// Names of servers, in every lab's hosts file. The first two have addresses of both
// families.
const (
	WebName  = "web.example"
	VPNName  = "vpn.example"
	Web4Name = "web4.example"
	Web6Name = "web6.example"
)

func newPKI(dir string) (*PKI, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	begin, end := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "interop CA"}, NotBefore: begin, NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: WebName}, NotBefore: begin, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{WebName, Web4Name, Web6Name, VPNName, "localhost"},
	}
	for _, a := range []string{netlab.Server4, netlab.Server4b, netlab.Server6, netlab.Server6b, "127.0.0.1"} {
		leaf.IPAddresses = append(leaf.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	p := &PKI{
		CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "web.pem"), Key: filepath.Join(dir, "web.key"),
		Pool: x509.NewCertPool(),
		Leaf: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{p.CA, "CERTIFICATE", caDER}, {p.Cert, "CERTIFICATE", der}, {p.Key, "PRIVATE KEY", keyDER}} {
		if err := os.WriteFile(f.name, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o644); err != nil {
			return nil, err
		}
	}
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		return nil, err
	}
	p.Pool.AddCert(parsed)
	return p, nil
}
