package tlskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"errors"
	"testing"

	"sstpwarden/inspect/tlswire"

	"github.com/google/go-cmp/cmp"
)

func TestCutPadding(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want []byte
		ok   bool
	}{
		{"none but the length", []byte{7, 0}, []byte{7}, true},
		{"three", []byte{7, 2, 2, 2}, []byte{7}, true},
		{"nothing else", []byte{1, 1}, []byte{}, true},
		{"empty", nil, nil, false},
		{"longer than all", []byte{7, 2}, nil, false},
		{"not all the same", []byte{7, 1, 2, 2}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := cutPadding(tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != tt.ok {
				t.Errorf("ok %v, (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestNumbers(t *testing.T) {
	n := numbers{next: 5, ahead: 3, behind: 2}
	var got []uint64
	for i := range n.len() {
		got = append(got, n.at(i))
	}
	if diff := cmp.Diff([]uint64{5, 6, 7, 4, 3}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// protections is one of each kind, with keys of zeros.
func protections(t testing.TB) map[string]protection {
	t.Helper()
	all := map[string]protection{}
	for name, c := range map[string]struct {
		suite   tlswire.CipherSuite
		version tlswire.Version
		etm     bool
	}{
		"cbc":                     {0x002F, tlswire.VersionTLS12, false},
		"cbc, implicit IV":        {0x002F, tlswire.VersionTLS10, false},
		"cbc, encrypt then MAC":   {0x002F, tlswire.VersionTLS12, true},
		"cbc, both":               {0x002F, tlswire.VersionTLS10, true},
		"des":                     {0x0009, tlswire.VersionTLS11, false},
		"3des":                    {0x000A, tlswire.VersionTLS11, false},
		"rc4":                     {0x0005, tlswire.VersionTLS12, false},
		"rc4 with md5":            {0x0004, tlswire.VersionTLS10, false},
		"gcm":                     {0x009C, tlswire.VersionTLS12, false},
		"ccm":                     {0xC09C, tlswire.VersionTLS12, false},
		"ccm with a tag of 8":     {0xC0A0, tlswire.VersionTLS12, false},
		"chacha20-poly1305":       {0xCCA8, tlswire.VersionTLS12, false},
		"chacha20-poly1305 again": {0x1303, tlswire.VersionTLS13, false},
	} {
		suite, ok := tlswire.SuiteByID(c.suite)
		if !ok {
			t.Fatalf("%v is not known", c.suite)
		}
		var p protection
		var err error
		if c.version == tlswire.VersionTLS13 {
			p, err = newTLS13Protection(suite, make([]byte, suite.PRF.Size()))
		} else {
			block := newKeyBlock(c.version, suite, make([]byte, masterSecretLength), [32]byte{}, [32]byte{})
			p, err = newTLS12Protection(c.version, suite, c.etm, block.of(true))
		}
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	return all
}

// A fragment of any length is an error and no more, if it does not
// authenticate.
func TestOpenShortFragments(t *testing.T) {
	for name, p := range protections(t) {
		t.Run(name, func(t *testing.T) {
			for n := range 100 {
				r := tlswire.Record{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12, Length: n, Fragment: make([]byte, n)}
				if plain, _, err := p.open(make([]byte, n), r, numbers{ahead: 2}); !errors.Is(err, errNotAuthentic) {
					t.Errorf("%d bytes opened: %x (%v)", n, plain, err)
				}
				p.lose(n)
			}
		})
	}
}

func TestUnsupportedCiphers(t *testing.T) {
	for id, want := range map[tlswire.CipherSuite]string{
		0x0001: "cipher NULL is not supported",
		0x0007: "cipher IDEA-CBC is not supported",
		0x0041: "cipher Camellia-128-CBC is not supported",
		0xC050: "cipher ARIA-128-GCM is not supported",
	} {
		suite, ok := tlswire.SuiteByID(id)
		if !ok {
			t.Fatalf("%v is not known", id)
		}
		block := newKeyBlock(tlswire.VersionTLS12, suite, make([]byte, masterSecretLength), [32]byte{}, [32]byte{})
		if _, err := newTLS12Protection(tlswire.VersionTLS12, suite, false, block.of(false)); err == nil || err.Error() != want {
			t.Errorf("%v: error %v, want %q", id, err, want)
		}
	}
}

// What CCM must open is among the recordings of OpenSSL.
func TestCCMRejects(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	c := &ccm{block: block, tag: 16}
	for n := range 40 {
		if plain, err := c.Open(nil, make([]byte, nonceLength), make([]byte, n), make([]byte, 13)); err == nil {
			t.Errorf("%d zeros opened: %x", n, plain)
		}
	}
	if _, err := c.Open(nil, make([]byte, nonceLength), make([]byte, 32), make([]byte, 15)); err == nil {
		t.Error("additional data of 15 bytes was taken")
	}
}

// sealTLS13 seals an inner plaintext as TLS 1.3 does.
func sealTLS13(t testing.TB, suite tlswire.Suite, secret []byte, seq byte, inner []byte) tlswire.Record {
	t.Helper()
	key, err := expandLabel(suite.PRF, secret, "key", suite.Cipher.KeyLen())
	if err != nil {
		t.Fatal(err)
	}
	nonce, err := expandLabel(suite.PRF, secret, "iv", nonceLength)
	if err != nil {
		t.Fatal(err)
	}
	nonce[nonceLength-1] ^= seq
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	r := tlswire.Record{Type: tlswire.ContentApplicationData, Version: tlswire.VersionTLS12, Length: len(inner) + gcm.Overhead()}
	r.Fragment = gcm.Seal(nil, nonce, inner, appendHeader(nil, r, r.Length))
	return r
}

func TestTLS13Inner(t *testing.T) {
	rec := load(t, "openssl/tls13_aes256_gcm.txt")
	k := rec.keys(t)
	suite, _ := tlswire.SuiteByID(tlswire.CipherSuite(tls.TLS_AES_256_GCM_SHA384))
	random := [32]byte(rec.connections[0][0].Fragment[6:])
	secret, ok := k.secret(random, labelServerHandshake)
	if !ok {
		t.Fatal("no secret")
	}
	tests := []struct {
		name  string
		inner []byte
		typ   tlswire.ContentType
		want  []byte
		err   error
	}{
		{"alert", []byte{1, 0, 21}, tlswire.ContentAlert, []byte{1, 0}, nil},
		{"padded", []byte{1, 0, 21, 0, 0, 0}, tlswire.ContentAlert, []byte{1, 0}, nil},
		{"empty", []byte{23}, tlswire.ContentApplicationData, []byte{}, nil},
		{"empty, padded", []byte{23, 0}, tlswire.ContentApplicationData, []byte{}, nil},
		{"only padding", []byte{0, 0}, tlswire.ContentApplicationData, nil, errNoContent},
		{"nothing", []byte{}, tlswire.ContentApplicationData, nil, errNoContent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := k.NewOpener()
			openAll(t, o, rec.connections[0][:2])
			typ, plain, err := o.Open(false, sealTLS13(t, suite, secret.bytes(), 0, tt.inner))
			if typ != tt.typ || !errors.Is(err, tt.err) {
				t.Errorf("type %v, error %v", typ, err)
			}
			if diff := cmp.Diff(tt.want, plain); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
			// What follows is not affected.
			_, plain, err = o.Open(false, sealTLS13(t, suite, secret.bytes(), 1, []byte{9, 23}))
			if err != nil || len(plain) != 1 || plain[0] != 9 {
				t.Errorf("the next record: %x (%v)", plain, err)
			}
		})
	}
}
