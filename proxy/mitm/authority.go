package mitm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// DefaultName is the common name of an authority that was given none.
	DefaultName = "sstpwarden CA"
	// DefaultValid is how long an authority's certificate is valid.
	DefaultValid = 5 * 365 * 24 * time.Hour
	// maxValid keeps dates in what every client can read (RFC 5280, Section 4.1.2.5).
	maxValid = 30 * 365 * 24 * time.Hour
	// backdate allows for clients whose clocks are slow.
	backdate = 24 * time.Hour
	// maxName is ub-common-name (RFC 5280, Appendix A.1).
	maxName = 64
)

// CreateOptions say what an authority is to be. The zero value is usable.
type CreateOptions struct {
	// Name is the common name, at most 64 characters. Default DefaultName. Two
	// authorities on one client are better told apart by it.
	Name string
	// Valid is how long the certificate is valid, at most 30 years. Default DefaultValid.
	Valid time.Duration
	// Constraints limit what clients accept from the authority.
	Constraints Constraints
	// Clock is the time. Default time.Now.
	Clock func() time.Time
}

// An Authority signs leaf certificates. It is not changed once it is made, and
// safe for concurrent use.
type Authority struct {
	key   crypto.Signer
	cert  *x509.Certificate
	above [][]byte // DER of the certificates between cert and the root that clients have; none where that is cert
	clock func() time.Time
	id    [sha256.Size]byte // hash of cert

	untrusted *issuer
}

// An issuer signs certificates: an Authority, or what is used in its place for
// an upstream that is not trusted.
type issuer struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// Create makes an authority with a key of its own, ECDSA on P-256. It is in
// memory only until it is saved.
func Create(o CreateOptions) (*Authority, error) {
	template, err := o.template()
	if err != nil {
		return nil, fmt.Errorf("creating certificate authority: %w", err)
	}
	is, err := newIssuer(template)
	if err != nil {
		return nil, fmt.Errorf("creating certificate authority: %w", err)
	}
	return newAuthority(is.key, is.cert, nil, clockOr(o.Clock))
}

func (o *CreateOptions) template() (*x509.Certificate, error) {
	name, valid := o.Name, o.Valid
	if name == "" {
		name = DefaultName
	}
	if valid == 0 {
		valid = DefaultValid
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := checkValid(valid); err != nil {
		return nil, err
	}
	t := caTemplate(name, clockOr(o.Clock)(), valid)
	return t, o.Constraints.apply(t)
}

func checkName(name string) error {
	if n := len([]rune(name)); n > maxName {
		return fmt.Errorf("the name has %d characters: use at most %d", n, maxName)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return fmt.Errorf("the name %q holds characters that cannot be printed: leave them out", name)
		}
	}
	return nil
}

func checkValid(valid time.Duration) error {
	if valid <= 0 || valid > maxValid {
		return fmt.Errorf("a validity of %d days makes no sense: use 1 to %d", valid/(24*time.Hour), maxValid/(24*time.Hour))
	}
	return nil
}

// caTemplate signs leaves and nothing else: pathlen 0 forbids authorities below.
func caTemplate(name string, now time.Time, valid time.Duration) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(valid),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
}

// newIssuer makes a key and a certificate that it signs itself.
func newIssuer(template *x509.Certificate) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := keyID(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	template.SubjectKeyId, template.AuthorityKeyId = id, id
	cert, err := selfSign(template, key)
	return &issuer{key, cert}, err
}

func selfSign(template *x509.Certificate, key crypto.Signer) (*x509.Certificate, error) {
	var err error
	if template.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial gives 128 random bits, of which the first is set: all serials are of
// one length and none is zero. In DER that takes 17 bytes, of the 20 that are
// allowed (RFC 5280, Section 4.1.2.2).
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	b[0] |= 0x80
	return new(big.Int).SetBytes(b[:]), nil
}

// keyID is a key's identifier: the first 160 bits of the SHA-256 of its bits (RFC
// 7093, Section 2, method 1).
func keyID(pub *ecdsa.PublicKey) ([]byte, error) {
	bits, err := pub.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(bits)
	return sum[:20], nil
}

func newAuthority(key crypto.Signer, cert *x509.Certificate, above [][]byte, clock func() time.Time) (*Authority, error) {
	untrusted, err := newIssuer(caTemplate(untrustedName, clock(), DefaultValid))
	if err != nil {
		return nil, fmt.Errorf("making the issuer for upstreams that are not trusted: %w", err)
	}
	return &Authority{key: key, cert: cert, above: above, clock: clock, id: sha256.Sum256(cert.Raw), untrusted: untrusted}, nil
}

func clockOr(clock func() time.Time) func() time.Time {
	if clock == nil {
		return time.Now
	}
	return clock
}

// Certificate is what clients are to trust. It is not to be changed.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// DER returns the certificate, for programs that want it in binary.
func (a *Authority) DER() []byte { return bytes.Clone(a.cert.Raw) }

// PEM returns the certificate as most programs want it.
func (a *Authority) PEM() []byte { return EncodePEM(a.cert) }

// EncodePEM returns a certificate as PEM.
func EncodePEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: cert.Raw})
}

// Renew makes a new certificate for the same key, name and constraints, valid
// from now. Leaves that were signed before verify with it, and leaves that are
// signed now verify for clients that have the old one, until that expires.
func (a *Authority) Renew(valid time.Duration) (*Authority, error) {
	if valid == 0 {
		valid = DefaultValid
	}
	if err := checkValid(valid); err != nil {
		return nil, fmt.Errorf("renewing certificate authority: %w", err)
	}
	if !selfIssued(a.cert) {
		return nil, errors.New("renewing certificate authority: its certificate was issued by another authority: have that one issue a new one, and put it in place")
	}
	now := a.clock()
	t := *a.cert // with its subject, key identifier and constraints
	t.NotBefore, t.NotAfter = now.Add(-backdate), now.Add(valid)
	t.SignatureAlgorithm = x509.UnknownSignatureAlgorithm // by the key
	t.ExtraExtensions = nil
	cert, err := selfSign(&t, a.key)
	if err != nil {
		return nil, fmt.Errorf("renewing certificate authority: %w", err)
	}
	return newAuthority(a.key, cert, nil, a.clock)
}

func selfIssued(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, cert.RawSubject)
}
