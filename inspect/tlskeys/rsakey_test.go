package tlskeys

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
)

// otherRSAKey returns Keys with an RSA key that none of testdata's servers has.
func otherRSAKey(t testing.TB) *Keys {
	t.Helper()
	k := &Keys{}
	if err := k.AddRSAKey(pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(serverRSAKey(t)))); err != nil {
		t.Fatal(err)
	}
	return k
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestAddRSAKey(t *testing.T) {
	pkcs1 := pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(serverRSAKey(t)))
	cert := pemOf(t, "CERTIFICATE", certificate(t, serverRSAKey(t)).Certificate[0])
	ec, err := x509.MarshalECPrivateKey(serverECKey(t))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		file []byte
		n    int
		err  string
	}{
		{"pkcs #1", pkcs1, 1, ""},
		{"pkcs #8", pemOf(t, "PRIVATE KEY", pkcs8(t, serverRSAKey(t))), 1, ""},
		{"with text and certificate", bytes.Join([][]byte{[]byte("Bag Attributes\n"), cert, pkcs1}, nil), 1, ""},
		{"two", append(bytes.Clone(pkcs1), pkcs1...), 2, ""},
		{"empty", nil, 0, "no PEM block found"},
		{"der", x509.MarshalPKCS1PrivateKey(serverRSAKey(t)), 0, "no PEM block found"},
		{"certificate only", cert, 0, "holds no private key"},
		{"ec", pemOf(t, "EC PRIVATE KEY", ec), 0, "EC PRIVATE KEY is not an RSA key"},
		{"ec in pkcs #8", pemOf(t, "PRIVATE KEY", pkcs8(t, serverECKey(t))), 0, "*ecdsa.PrivateKey is not an RSA key"},
		{"encrypted", pemOf(t, "ENCRYPTED PRIVATE KEY", []byte{1}), 0, "is encrypted"},
		{"encrypted, traditional", pem.EncodeToMemory(&pem.Block{
			Type:    "RSA PRIVATE KEY",
			Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"},
		}), 0, "is encrypted"},
		{"broken pkcs #1", pemOf(t, "RSA PRIVATE KEY", []byte{1}), 0, "parsing PKCS #1"},
		{"broken pkcs #8", pemOf(t, "PRIVATE KEY", []byte{1}), 0, "parsing PKCS #8"},
		{"good and bad", append(bytes.Clone(pkcs1), pemOf(t, "EC PRIVATE KEY", ec)...), 0, "is not an RSA key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := &Keys{}
			err := k.AddRSAKey(tt.file)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if len(k.rsa) != tt.n || k.hasRSA() != (tt.n > 0) {
				t.Errorf("%d keys, want %d", len(k.rsa), tt.n)
			}
		})
	}
}

func TestPremasterOfRandomBytes(t *testing.T) {
	k := otherRSAKey(t)
	for _, n := range []int{0, 7, 128, 256} {
		b := make([]byte, n)
		if _, err := rand.Read(b); err != nil {
			t.Fatal(err)
		}
		if p, ok := k.premaster(b); ok {
			t.Errorf("%d random bytes gave the pre-master secret %x", n, p)
		}
	}
}
