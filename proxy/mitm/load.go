package mitm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"

	// maxAbove is how many certificates may stand between an authority's own
	// and the root: they are sent with every leaf.
	maxAbove = 8
	// minRSA is what clients take (CA/Browser Forum Baseline Requirements 6.1.5).
	minRSA = 2048
)

// publicKeys are keys that everybody has: SHA-256 of the SubjectPublicKeyInfo.
var publicKeys = map[string]string{
	"c012de113a81789eb5c392c0580156bbc281f9f93e07f08cafa3329672e6993b": "goproxy's built-in authority",
}

// Load reads the authority that is in dir, ours or one that another authority
// issued. What a client would refuse, or what others could use, is refused with
// a *StoreError.
func Load(dir string) (*Authority, error) {
	a, err := load(dir, time.Now)
	if err == nil {
		err = a.checkTime(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("loading certificate authority: %w", err)
	}
	return a, nil
}

// LoadCertificate reads the certificate alone of the authority in dir, also
// where it cannot be used.
func LoadCertificate(dir string) (*x509.Certificate, error) {
	path := filepath.Join(dir, CertificateFile)
	data, err := readCertificate(path)
	if err != nil {
		return nil, fmt.Errorf("loading certificate authority: %w", err)
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("loading certificate authority: %w", &StoreError{path, err, remedyCertificate})
	}
	return certs[0], nil
}

// What to do about files that are not what they should be.
const (
	remedyNone        = "make one with: sstpwarden ca init"
	remedyCertificate = "it should be the authority's certificate as PEM"
	remedyKey         = "it should be the authority's private key as PEM, without a passphrase"
	remedyDenied      = "let the user that runs this read it"
)

func load(dir string, clock func() time.Time) (*Authority, error) {
	if err := checkFolder(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &StoreError{dir, fs.ErrNotExist, remedyNone}
		}
		return nil, err
	}
	keyPath, certPath := filepath.Join(dir, KeyFile), filepath.Join(dir, CertificateFile)
	if missing(keyPath) && missing(certPath) {
		return nil, &StoreError{dir, fs.ErrNotExist, remedyNone}
	}
	certData, err := readCertificate(certPath)
	if err != nil {
		return nil, err
	}
	keyData, err := readFile(keyPath, checkKeyFile(keyPath))
	if errors.Is(err, fs.ErrNotExist) {
		err = &StoreError{keyPath, fs.ErrNotExist, "put the key of " + CertificateFile + " back, or make another authority in another folder"}
	}
	if err != nil {
		return nil, err
	}
	return parse(dir, certData, keyData, clock)
}

// parse makes an authority of what is in its files.
func parse(dir string, certData, keyData []byte, clock func() time.Time) (*Authority, error) {
	keyPath, certPath := filepath.Join(dir, KeyFile), filepath.Join(dir, CertificateFile)
	certs, err := parseCertificates(certData)
	if err == nil {
		err = checkAuthority(certs)
	}
	if err != nil {
		return nil, &StoreError{certPath, err, remedyCertificate}
	}
	key, err := parseKey(keyData)
	if err != nil {
		return nil, &StoreError{keyPath, err, remedyKey}
	}
	if pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(certs[0].PublicKey) {
		return nil, &StoreError{keyPath, fmt.Errorf("not the key of the certificate in %s", CertificateFile), "put the two together that belong together"}
	}
	return newAuthority(key, certs[0], rawAbove(certs), clock)
}

func readCertificate(path string) ([]byte, error) {
	data, err := readFile(path, func(info fs.FileInfo) error { return regular(path, info) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &StoreError{path, fs.ErrNotExist, remedyNone}
	}
	return data, err
}

func checkKeyFile(path string) func(fs.FileInfo) error {
	return func(info fs.FileInfo) error {
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return &StoreError{path, fmt.Errorf("others may read the key (mode %04o)", mode), "chmod 600 it; if others may have read it, make another authority"}
		}
		return regular(path, info)
	}
}

func regular(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &StoreError{path, errors.New("not a file"), ""}
	}
	return nil
}

// parseCertificates reads PEM: the authority's own, then those above it.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != pemCertificate {
			continue // openssl writes other things beside it
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if certs = append(certs, cert); len(certs) > 1+maxAbove {
			return nil, fmt.Errorf("more than %d certificates", 1+maxAbove)
		}
	}
	if len(certs) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return certs, nil
}

// checkAuthority checks that a certificate may sign others, and that those
// behind it lead upwards.
func checkAuthority(certs []*x509.Certificate) error {
	cert := certs[0]
	switch {
	case !cert.BasicConstraintsValid || !cert.IsCA:
		return errors.New("not the certificate of an authority (its basic constraints do not say CA)")
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("its key usage does not allow signing certificates")
	case len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0 && !authenticatesServers(cert):
		return errors.New("its extended key usage does not allow certificates of servers")
	}
	if whose, ok := publicKeys[spki(cert)]; ok {
		return fmt.Errorf("everybody has its key: it is %s", whose)
	}
	if err := checkPublicKey(cert.PublicKey); err != nil {
		return err
	}
	for i := range certs[1:] {
		if err := certs[i].CheckSignatureFrom(certs[i+1]); err != nil {
			return fmt.Errorf("certificate %d is not signed by the one behind it: %w", i+1, err)
		}
	}
	return nil
}

func authenticatesServers(cert *x509.Certificate) bool {
	for _, usage := range cert.ExtKeyUsage {
		if usage == x509.ExtKeyUsageServerAuth || usage == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

func spki(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// checkPublicKey takes what every client verifies.
func checkPublicKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return errors.New("its key is on P-224, which clients do not take: use P-256")
		}
		return nil
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return fmt.Errorf("its RSA key has %d bits: use at least %d", k.N.BitLen(), minRSA)
		}
		return nil
	}
	return fmt.Errorf("its key is neither ECDSA nor RSA (%T)", pub)
}

// parseKey reads the first private key in PEM.
func parseKey(data []byte) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil, errors.New("holds no private key")
		}
		var key any
		var err error
		switch block.Type {
		case pemKey:
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if _, encrypted := block.Headers["DEK-Info"]; encrypted {
				return nil, errEncrypted
			}
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if _, encrypted := block.Headers["DEK-Info"]; encrypted {
				return nil, errEncrypted
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errEncrypted
		default:
			continue // EC PARAMETERS and the like
		}
		if err != nil {
			return nil, errors.New("the private key cannot be read") // the cause may quote it
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("the key cannot sign (%T)", key)
		}
		return signer, nil
	}
}

var errEncrypted = errors.New("the private key has a passphrase, and nobody would type it when the proxy starts: take it off with openssl pkey")

// rawAbove leaves out the root: clients have it.
func rawAbove(certs []*x509.Certificate) [][]byte {
	var above [][]byte
	for i, cert := range certs {
		if selfIssued(cert) {
			break
		}
		if i > 0 {
			above = append(above, cert.Raw)
		}
	}
	return above
}

// checkTime says whether clients take the certificate now.
func (a *Authority) checkTime(dir string) error {
	path := filepath.Join(dir, CertificateFile)
	now := a.clock()
	switch {
	case now.After(a.cert.NotAfter):
		return &StoreError{path, fmt.Errorf("expired %s", a.cert.NotAfter.UTC().Format(time.DateTime)), "run sstpwarden ca renew, and give clients the new certificate"}
	case now.Before(a.cert.NotBefore):
		return &StoreError{path, fmt.Errorf("not valid before %s", a.cert.NotBefore.UTC().Format(time.DateTime)), "look whether this host's clock is right"}
	}
	return nil
}
