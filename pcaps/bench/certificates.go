package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"time"
)

// recorded is the date of every recording: certificates and session tickets
// carry times.
var recorded = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// authority issues the certificates of the recorded servers: an intermediate
// that they present, signed by a root that they do not.
type authority struct {
	random    io.Reader
	ca        *x509.Certificate
	caKey     crypto.Signer
	leafKeys  map[string]crypto.Signer // by keyECDSA, keyRSA
	lastIssue int64
}

const (
	keyECDSA = "ecdsa"
	keyRSA   = "rsa"
)

func newAuthority(seed uint64) (*authority, error) {
	a := &authority{random: newCryptoRandom(seed, "certificates"), leafKeys: map[string]crypto.Signer{}}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), a.random)
	if err != nil {
		return nil, err
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), a.random)
	if err != nil {
		return nil, err
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), a.random)
	if err != nil {
		return nil, err
	}
	rsaKey, err := rsa.GenerateKey(a.random, 2048)
	if err != nil {
		return nil, err
	}
	a.leafKeys[keyECDSA], a.leafKeys[keyRSA] = ecdsaKey, rsaKey

	root := a.draft("Benchmark Root R1")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	middle := a.draft("Benchmark Edge CA 3")
	middle.IsCA, middle.BasicConstraintsValid, middle.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(a.random, middle, root, caKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	a.caKey = caKey
	a.ca, err = x509.ParseCertificate(der)
	return a, err
}

func (a *authority) draft(name string) *x509.Certificate {
	a.lastIssue++
	return &x509.Certificate{
		SerialNumber:          new(big.Int).Lsh(big.NewInt(a.lastIssue), 100),
		Subject:               pkix.Name{CommonName: name, Organization: []string{"Benchmark Ltd"}, Country: []string{"CH"}},
		NotBefore:             recorded.AddDate(0, -1, 0),
		NotAfter:              recorded.AddDate(1, 0, 0),
		OCSPServer:            []string{"http://ocsp.benchmark.example"},
		IssuingCertificateURL: []string{"http://issuer.benchmark.example/edge-ca-3.der"},
	}
}

// issue makes a server's certificate, with so many further names in it: that
// is what makes certificates of content networks large.
func (a *authority) issue(name, key string, furtherNames int) (tls.Certificate, error) {
	leaf := a.draft(name)
	leaf.DNSNames = []string{name}
	for i := range furtherNames {
		leaf.DNSNames = append(leaf.DNSNames, fmt.Sprintf("edge-%03d.%s", i, name))
	}
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if key == keyRSA {
		leaf.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	der, err := x509.CreateCertificate(a.random, leaf, a.ca, a.leafKeys[key].Public(), a.caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, a.ca.Raw}, PrivateKey: a.leafKeys[key]}, nil
}
