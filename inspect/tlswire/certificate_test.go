package tlswire_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/inspect/tlswire"
)

func TestCertificate(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version tlswire.Version
		b       []byte
		want    tlswire.Certificate
	}{
		{"none", tlswire.VersionTLS12, unhex(t, "000000"), tlswire.Certificate{}},
		{"none in 1.3", tlswire.VersionTLS13, unhex(t, "00 000000"), tlswire.Certificate{Context: []byte{}}},
		{
			"two", tlswire.VersionTLS10, unhex(t, "00000a", "000003 aabbcc", "000001 dd"),
			tlswire.Certificate{Entries: []tlswire.CertificateEntry{
				{Data: []byte{0xAA, 0xBB, 0xCC}},
				{Data: []byte{0xDD}},
			}},
		},
		{
			"two in 1.3", tlswire.VersionTLS13,
			unhex(t, "01 07", "000012", "000002 aabb", "0005 0005 0001 01", "000001 dd", "0000"),
			tlswire.Certificate{
				Context: []byte{7},
				Entries: []tlswire.CertificateEntry{
					{
						Data:       []byte{0xAA, 0xBB},
						Extensions: []tlswire.Extension{{Type: tlswire.ExtensionStatusRequest, Data: []byte{1}}},
					},
					{Data: []byte{0xDD}, Extensions: []tlswire.Extension{}},
				},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tlswire.ParseCertificate(tt.version, tt.b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.b, tt.want.Append(tt.version, nil)); diff != "" {
				t.Errorf("appended (-want +got):\n%s", diff)
			}
			for i := range tt.b {
				if _, err := tlswire.ParseCertificate(tt.version, tt.b[:i]); !isEOF(err) {
					t.Errorf("%d bytes: %v", i, err)
				}
			}
		})
	}
}

func TestCertificateErrors(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version tlswire.Version
		b       []byte
		want    tlswire.SyntaxError
	}{
		{
			"certificate longer than the list", tlswire.VersionTLS12, unhex(t, "000004 000002 aa"),
			tlswire.SyntaxError{Section: "RFC 5246, Section 7.4.2", Field: "cert_data length", Offset: 3, Value: 2},
		},
		{
			"trailing", tlswire.VersionTLS12, unhex(t, "000000 00"),
			tlswire.SyntaxError{Section: "RFC 5246, Section 7.4.2", Field: "trailing bytes", Offset: 3, Value: 1},
		},
		{
			"no extensions", tlswire.VersionTLS13, unhex(t, "00 000004 000001 aa"),
			tlswire.SyntaxError{Section: "RFC 8446, Section 4.4.2", Field: "extensions", Offset: 8},
		},
	} {
		_, err := tlswire.ParseCertificate(tt.version, tt.b)
		var got *tlswire.SyntaxError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// SoftEther's self-made certificate. The hashes are openssl's.
func TestTraitsSoftEther(t *testing.T) {
	c, err := tlswire.ParseCertificate(tlswire.VersionTLS12, message(t, "certificate_softether"))
	if err != nil {
		t.Fatal(err)
	}
	name := tlswire.CertificateName{CommonName: "vm", Organization: "vm", OrgUnit: "vm", Country: "US"}
	want := &tlswire.CertificateTraits{
		SHA1:         [20]byte(unhex(t, "74e2b8a86522209ef28c5fdf296c66752c79c055")),
		SHA256:       [32]byte(unhex(t, "3f7e724d2d3b851d0ca708b6f6c982f305cbd8edd9da39e1386365b7c6248947")),
		ChainLen:     1,
		Subject:      name,
		Issuer:       name,
		SelfSigned:   true,
		SerialNumber: new(big.Int),
		NotBefore:    time.Date(2026, 11, 22, 3, 20, 22, 0, time.UTC),
		NotAfter:     time.Date(2037, 12, 31, 3, 20, 22, 0, time.UTC),
		KeyAlgorithm: "RSA",
		KeySize:      2048,
		ExtKeyUsage: []string{
			"serverAuth", "clientAuth", "codeSigning", "emailProtection",
			"ipsecEndSystem", "ipsecTunnel", "ipsecUser", "timeStamping", "OCSPSigning",
		},
		CA: true,
	}
	if diff := cmp.Diff(want, c.Traits(), bigInt); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

var bigInt = cmp.Comparer(func(a, b *big.Int) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 })

// leaf returns the traits of a certificate made from the template.
func leaf(t *testing.T, key crypto.Signer, subject, issuer *x509.Certificate) *tlswire.CertificateTraits {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, subject, issuer, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c := tlswire.Certificate{Entries: []tlswire.CertificateEntry{{Data: der}, {Data: []byte("its issuer")}}}
	return c.Traits()
}

// What a certificate of Active Directory Certificate Services looks like.
func TestTraitsEnterprise(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const ldap = "ldap:///CN=CA,CN=DC1,CN=CDP,DC=EXAMPLE,DC=NET?certificateRevocationList"
	from := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	subject := &x509.Certificate{
		SerialNumber:          big.NewInt(0x1234),
		Subject:               pkix.Name{CommonName: "vpn.example.net"},
		NotBefore:             from,
		NotAfter:              from.AddDate(1, 0, 0),
		DNSNames:              []string{"vpn.example.net", "*.example.net"},
		IPAddresses:           []net.IP{net.IPv4(192, 0, 2, 1).To4(), net.ParseIP("2001:db8::1")},
		CRLDistributionPoints: []string{ldap},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{
			{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}, // smart card logon
			{1, 3, 6, 1, 5, 5, 7, 3, 99},
			{1, 3, 6, 1, 5, 5, 8, 2, 2}, // IKE intermediate
		},
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 21, 7}, Value: []byte{0x30, 0}},
		},
	}
	issuer := &x509.Certificate{Subject: pkix.Name{
		CommonName: "EXAMPLE-DC1-CA", Organization: []string{"First", "Second"}, Country: []string{"DE"},
	}}
	want := &tlswire.CertificateTraits{
		ChainLen:     2,
		Subject:      tlswire.CertificateName{CommonName: "vpn.example.net"},
		Issuer:       tlswire.CertificateName{CommonName: "EXAMPLE-DC1-CA", Organization: "First", Country: "DE"},
		SerialNumber: big.NewInt(0x1234),
		NotBefore:    from,
		NotAfter:     from.AddDate(1, 0, 0),
		DNSNames:     []string{"vpn.example.net", "*.example.net"},
		IPAddresses:  []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		KeyAlgorithm: "ECDSA",
		KeySize:      384,
		ExtKeyUsage: []string{
			"serverAuth", "1.3.6.1.4.1.311.20.2.2", "1.3.6.1.5.5.7.3.99", "1.3.6.1.5.5.8.2.2",
		},
		CRLDistributionPoints: []string{ldap},
		EnterpriseTemplate:    true,
	}
	got := leaf(t, key, subject, issuer)
	hashes := cmpopts.IgnoreFields(tlswire.CertificateTraits{}, "SHA1", "SHA256")
	if diff := cmp.Diff(want, got, bigInt, hashes, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTraitsTemplateVersion1(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2}, Value: []byte{0x1E, 0}},
		},
	}
	got := leaf(t, key, c, c)
	if !got.EnterpriseTemplate || got.KeyAlgorithm != "Ed25519" || got.KeySize != 256 || !got.SelfSigned || got.ExtKeyUsage != nil {
		t.Errorf("%+v", got)
	}
}

// The hashes are there for what is no certificate at all.
func TestTraitsUnreadable(t *testing.T) {
	c := tlswire.Certificate{Entries: []tlswire.CertificateEntry{{Data: []byte("abc")}}}
	got := c.Traits()
	if got.Err == nil {
		t.Error("no error")
	}
	// FIPS 180-2, Appendix A.1 and B.1.
	want := &tlswire.CertificateTraits{
		SHA1:     [20]byte(unhex(t, "a9993e364706816aba3e25717850c26c9cd0d89d")),
		SHA256:   [32]byte(unhex(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
		ChainLen: 1,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(tlswire.CertificateTraits{}, "Err")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := (&tlswire.Certificate{}).Traits(); got != nil {
		t.Errorf("traits of no certificate: %+v", got)
	}
}
