package tlswire

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/netip"
	"slices"
	"time"
)

// CertificateTraits are what a chain tells about the one who sent it. Nothing
// of it is verified. The value shares no memory with the message.
type CertificateTraits struct {
	// SHA1 and SHA256 are the hashes of the leaf's DER, which SSTP's crypto
	// binding carries (MS-SSTP 2.2.7).
	SHA1     [sha1.Size]byte
	SHA256   [sha256.Size]byte
	ChainLen int // certificates in the message, the leaf included

	// Err says why the leaf could not be read, and all that follows is zero
	// then: crypto/x509 refuses some certificates that are in use.
	Err error

	Subject, Issuer CertificateName
	// SelfSigned says that issuer and subject are the same name.
	SelfSigned          bool
	SerialNumber        *big.Int
	NotBefore, NotAfter time.Time
	DNSNames            []string // of subjectAltName
	IPAddresses         []netip.Addr
	// KeyAlgorithm is "RSA", "ECDSA", "Ed25519", ..., "" where crypto/x509
	// has no name for it, and KeySize the length of the modulus or of the
	// field in bits, 0 where unknown.
	KeyAlgorithm string
	KeySize      int
	// ExtKeyUsage are the purposes as RFC 5280, Section 4.2.1.12 names them
	// (serverAuth), in the certificate's order, and behind them those that
	// crypto/x509 does not know as dotted numbers.
	ExtKeyUsage []string
	CA          bool // basicConstraints says that this is a CA
	// CRLDistributionPoints are URIs. Those with ldap:// come from Active
	// Directory.
	CRLDistributionPoints []string
	// EnterpriseTemplate says that the certificate names a template of
	// Active Directory Certificate Services.
	EnterpriseTemplate bool
}

// A CertificateName is what matters of a distinguished name. Where an
// attribute occurs more than once, the last CommonName and the first of the
// others count.
type CertificateName struct {
	CommonName   string
	Organization string
	OrgUnit      string
	Country      string
}

// Extensions that Active Directory Certificate Services puts the template in:
// the name of a version 1 template, and the OID of a later one (MS-WCCE
// 2.2.2.7.7.1 and 2.2.2.7.7.2).
var (
	oidEnrollCertType      = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2}
	oidCertificateTemplate = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 7}
)

// Traits returns the traits of the chain, nil for an empty one.
func (c *Certificate) Traits() *CertificateTraits {
	if len(c.Entries) == 0 {
		return nil
	}
	der := c.Entries[0].Data
	t := &CertificateTraits{
		SHA1:     sha1.Sum(der),
		SHA256:   sha256.Sum256(der),
		ChainLen: len(c.Entries),
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Err = err
		return t
	}
	t.Subject = certificateName(leaf.Subject)
	t.Issuer = certificateName(leaf.Issuer)
	t.SelfSigned = slices.Equal(leaf.RawSubject, leaf.RawIssuer)
	t.SerialNumber = leaf.SerialNumber
	t.NotBefore, t.NotAfter = leaf.NotBefore, leaf.NotAfter
	t.DNSNames = leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			t.IPAddresses = append(t.IPAddresses, addr)
		}
	}
	t.KeyAlgorithm, t.KeySize = keyTraits(leaf)
	for _, u := range leaf.ExtKeyUsage {
		t.ExtKeyUsage = append(t.ExtKeyUsage, u.String())
	}
	for _, oid := range leaf.UnknownExtKeyUsage {
		t.ExtKeyUsage = append(t.ExtKeyUsage, oid.String())
	}
	t.CA = leaf.IsCA
	t.CRLDistributionPoints = leaf.CRLDistributionPoints
	t.EnterpriseTemplate = slices.ContainsFunc(leaf.Extensions, func(e pkix.Extension) bool {
		return e.Id.Equal(oidEnrollCertType) || e.Id.Equal(oidCertificateTemplate)
	})
	return t
}

func certificateName(n pkix.Name) CertificateName {
	first := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return list[0]
	}
	return CertificateName{
		CommonName:   n.CommonName,
		Organization: first(n.Organization),
		OrgUnit:      first(n.OrganizationalUnit),
		Country:      first(n.Country),
	}
}

func keyTraits(c *x509.Certificate) (algorithm string, size int) {
	if c.PublicKeyAlgorithm != x509.UnknownPublicKeyAlgorithm {
		algorithm = c.PublicKeyAlgorithm.String()
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		size = key.N.BitLen()
	case *ecdsa.PublicKey:
		size = key.Curve.Params().BitSize
	case ed25519.PublicKey:
		size = 8 * len(key)
	}
	return algorithm, size
}
