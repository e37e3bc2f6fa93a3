package mitm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

func TestCreate(t *testing.T) {
	a := newCATest(t, CreateOptions{})
	cert := a.Certificate()
	if cert.Subject.CommonName != DefaultName || !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		t.Errorf("subject %s, issuer %s", cert.Subject, cert.Issuer)
	}
	if !cert.IsCA || cert.MaxPathLen != 0 || !cert.MaxPathLenZero {
		t.Errorf("CA %v, pathlen %d", cert.IsCA, cert.MaxPathLen)
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key %T", cert.PublicKey)
	}
	if cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(cert.ExtKeyUsage) != 0 {
		t.Errorf("key usage %v %v", cert.KeyUsage, cert.ExtKeyUsage)
	}
	if len(cert.SubjectKeyId) != 20 || !bytes.Equal(cert.SubjectKeyId, cert.AuthorityKeyId) {
		t.Errorf("key ids %x, %x", cert.SubjectKeyId, cert.AuthorityKeyId)
	}
	if bits := cert.SerialNumber.BitLen(); bits != 128 {
		t.Errorf("serial of %d bits", bits)
	}
	now := time.Now()
	if !cert.NotBefore.Before(now.Add(-23*time.Hour)) || !cert.NotAfter.After(now.AddDate(0, 0, 5*365-1)) || cert.NotAfter.After(now.AddDate(0, 0, 5*365+1)) {
		t.Errorf("valid %s to %s", cert.NotBefore, cert.NotAfter)
	}
	if other := newCATest(t, CreateOptions{}); cert.SerialNumber.Cmp(other.Certificate().SerialNumber) == 0 || cert.Equal(other.Certificate()) {
		t.Error("two authorities are alike")
	}
	block, rest := pem.Decode(a.PEM())
	if block == nil || len(rest) != 0 || !bytes.Equal(block.Bytes, a.DER()) || !bytes.Equal(a.DER(), cert.Raw) {
		t.Error("PEM and DER differ")
	}
}

func TestCreateOptions(t *testing.T) {
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	a := newCATest(t, CreateOptions{Name: "Beispiel GmbH", Valid: 48 * time.Hour, Clock: func() time.Time { return at }})
	if cert := a.Certificate(); cert.Subject.CommonName != "Beispiel GmbH" || !cert.NotAfter.Equal(at.Add(48*time.Hour)) {
		t.Errorf("%s until %s", cert.Subject, cert.NotAfter)
	}
	for _, c := range []struct {
		name string
		o    CreateOptions
		want string
	}{
		{"long name", CreateOptions{Name: strings.Repeat("ä", 65)}, "65 characters: use at most 64"},
		{"unprintable name", CreateOptions{Name: "a\nb"}, `"a\nb" holds characters`},
		{"not UTF-8", CreateOptions{Name: "a\xff"}, "holds characters"},
		{"negative", CreateOptions{Valid: -time.Hour}, "makes no sense: use 1 to 10950"},
		{"for ever", CreateOptions{Valid: 40 * 365 * 24 * time.Hour}, "makes no sense"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Create(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestRenew has clients go on with the certificate that they have, either way
// round.
func TestRenew(t *testing.T) {
	a := newCATest(t, CreateOptions{Name: "old", Constraints: Constraints{PermitDNS: []string{"example"}}})
	b, err := a.Renew(24 * time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	old, renewed := a.Certificate(), b.Certificate()
	if !bytes.Equal(old.RawSubject, renewed.RawSubject) || !bytes.Equal(old.RawSubjectPublicKeyInfo, renewed.RawSubjectPublicKeyInfo) ||
		!bytes.Equal(old.SubjectKeyId, renewed.SubjectKeyId) || old.SerialNumber.Cmp(renewed.SerialNumber) == 0 {
		t.Error("a renewal keeps subject and key, and has a serial of its own")
	}
	if len(renewed.PermittedDNSDomains) != 1 || !renewed.PermittedDNSDomainsCritical || len(renewed.ExcludedIPRanges) != 2 || !renewed.MaxPathLenZero {
		t.Errorf("constraints were lost: %v %v", renewed.PermittedDNSDomains, renewed.ExcludedIPRanges)
	}
	up := upstreamOf(host, sign(server(host, host), testPKI().root, ecKey()))
	for _, signs := range []*Authority{a, b} {
		for _, trusts := range []*Authority{a, b} {
			if _, err := parsed(t, signs, up).Verify(x509.VerifyOptions{Roots: pool(trusts.Certificate()), DNSName: host}); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := a.Renew(-1); err == nil {
		t.Error("renewed for less than no time")
	}
}

// parsed is the leaf of up that clients see.
func parsed(t testing.TB, a *Authority, up Upstream) *x509.Certificate {
	t.Helper()
	leaf, err := a.Leaf(up, "")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(leaf.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
