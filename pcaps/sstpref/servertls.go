package sstpref

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"sstpwarden/pcaps/sstpref/profile"
)

// tlsVersions are the versions by the names that people write.
var tlsVersions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// ParseTLSVersion reads "1.0" to "1.3"; "" is 0, the default.
func ParseTLSVersion(s string) (uint16, error) {
	v, ok := tlsVersions[s]
	if !ok && s != "" {
		return 0, fmt.Errorf("%q is no version of TLS; there are %s", s, strings.Join(slices.Sorted(maps.Keys(tlsVersions)), ", "))
	}
	return v, nil
}

// ServerTLS returns a configuration for a server that takes the versions from
// lowest to highest, where 0 stands for TLS 1.2 and 1.3. A lowest below 1.2 brings
// the suites that clients of that time need.
func ServerTLS(cert tls.Certificate, lowest, highest uint16) *tls.Config {
	if lowest == 0 {
		lowest = tls.VersionTLS12
		if highest != 0 {
			lowest = min(lowest, highest)
		}
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: lowest, MaxVersion: highest}
	if lowest < tls.VersionTLS12 {
		c.CipherSuites = oldSuites()
	}
	return c
}

// narrowed is c as far as the profile goes.
func narrowed(c *tls.Config, p profile.TLS) *tls.Config {
	c = c.Clone()
	if p.MaxVersion != 0 && (c.MaxVersion == 0 || c.MaxVersion > p.MaxVersion) {
		c.MaxVersion = p.MaxVersion
	}
	if p.CipherSuites != nil {
		c.CipherSuites = p.CipherSuites
	}
	return c
}

// oldSuites are those of TLS 1.2 and before, the good ones first.
func oldSuites() []uint16 {
	var out []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.SupportedVersions[0] < tls.VersionTLS13 {
			out = append(out, s.ID)
		}
	}
	return out
}

// SelfSigned makes a key and a certificate for names, which are host names and IP
// addresses, good for a year. The key is RSA, which every client knows, unless ec
// is set.
func SelfSigned(now time.Time, ec bool, names ...string) (tls.Certificate, error) {
	var key crypto.Signer
	var err error
	if ec {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	draft := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			draft.IPAddresses = append(draft.IPAddresses, ip)
		} else {
			draft.DNSNames = append(draft.DNSNames, n)
		}
	}
	if len(names) > 0 {
		draft.Subject = pkix.Name{CommonName: names[0]}
	}
	der, err := x509.CreateCertificate(rand.Reader, draft, draft, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
