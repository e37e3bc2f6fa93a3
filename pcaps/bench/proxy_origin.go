package main

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
)

// originName is the server name in the ClientHellos.
const originName = "origin.example"

// An issued certificate with its key, and where they are in files of PEM.
type issued struct {
	certificate       *x509.Certificate
	key               *ecdsa.PrivateKey
	certFile, keyFile string
	both              string // certificate and key in one file
}

// issue makes a certificate, of an authority if there is no issuer, and writes
// it to the folder. The key files are readable for all: squid runs as a user of
// its own, and they are worth nothing after this run.
func issue(dir, name string, issuer *issued) (*issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	draft := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if issuer == nil {
		draft.IsCA, draft.BasicConstraintsValid, draft.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		issuer = &issued{certificate: draft, key: key}
	} else {
		// The address is among the names as well: squid looks for it there only.
		draft.DNSNames, draft.IPAddresses = []string{name, "127.0.0.1"}, []net.IP{net.IPv4(127, 0, 0, 1)}
		draft.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, draft, issuer.certificate, key.Public(), issuer.key)
	if err != nil {
		return nil, err
	}
	i := &issued{key: key}
	if i.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	for _, f := range []struct {
		path    *string
		suffix  string
		content []byte
	}{
		{&i.certFile, ".crt", certPEM},
		{&i.keyFile, ".key", keyPEM},
		{&i.both, ".pem", append(keyPEM, certPEM...)},
	} {
		*f.path = filepath.Join(dir, name+f.suffix)
		if err := os.WriteFile(*f.path, f.content, 0o644); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// plainGroup is a key exchange that all of the proxies know: what is measured is
// not who does the newer and dearer one.
var plainGroup = []tls.CurveID{tls.X25519}

// originConfig is the TLS of the server behind the proxies.
func originConfig(certFile, keyFile string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, CurvePreferences: plainGroup}, nil
}
