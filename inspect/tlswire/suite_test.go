package tlswire_test

import (
	"crypto/tls"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tlswire"
)

// A suite's name says all that its columns say.
var suiteName = regexp.MustCompile(`^TLS_(?:(.+)_WITH_)?(.+?)(?:_(MD5|SHA|SHA256|SHA384))?$`)

var cipherWords = map[string]tlswire.Cipher{
	"NULL":              tlswire.CipherNull,
	"RC4_128":           tlswire.CipherRC4_128,
	"DES_CBC":           tlswire.CipherDESCBC,
	"3DES_EDE_CBC":      tlswire.Cipher3DESCBC,
	"IDEA_CBC":          tlswire.CipherIDEACBC,
	"SEED_CBC":          tlswire.CipherSEEDCBC,
	"AES_128_CBC":       tlswire.CipherAES128CBC,
	"AES_256_CBC":       tlswire.CipherAES256CBC,
	"CAMELLIA_128_CBC":  tlswire.CipherCamellia128CBC,
	"CAMELLIA_256_CBC":  tlswire.CipherCamellia256CBC,
	"AES_128_GCM":       tlswire.CipherAES128GCM,
	"AES_256_GCM":       tlswire.CipherAES256GCM,
	"CAMELLIA_128_GCM":  tlswire.CipherCamellia128GCM,
	"CAMELLIA_256_GCM":  tlswire.CipherCamellia256GCM,
	"ARIA_128_GCM":      tlswire.CipherARIA128GCM,
	"ARIA_256_GCM":      tlswire.CipherARIA256GCM,
	"AES_128_CCM":       tlswire.CipherAES128CCM,
	"AES_256_CCM":       tlswire.CipherAES256CCM,
	"AES_128_CCM_8":     tlswire.CipherAES128CCM8,
	"AES_256_CCM_8":     tlswire.CipherAES256CCM8,
	"CHACHA20_POLY1305": tlswire.CipherChaCha20Poly1305,
}

var hashWords = map[string]tlswire.Hash{
	"MD5":    tlswire.HashMD5,
	"SHA":    tlswire.HashSHA1,
	"SHA256": tlswire.HashSHA256,
	"SHA384": tlswire.HashSHA384,
}

func TestSuites(t *testing.T) {
	seen := 0
	for id := range 1 << 16 {
		s, ok := tlswire.SuiteByID(tlswire.CipherSuite(id))
		if !ok {
			continue
		}
		seen++
		m := suiteName.FindStringSubmatch(s.Name)
		if m == nil {
			t.Errorf("%#04x: name %q", id, s.Name)
			continue
		}
		want := tlswire.Suite{
			ID: tlswire.CipherSuite(id), Name: s.Name, KeyExchange: s.KeyExchange,
			Cipher: cipherWords[m[2]], MAC: hashWords[m[3]], PRF: tlswire.HashSHA256,
		}
		if want.Cipher.AEAD() {
			want.MAC = tlswire.HashNone
		}
		if m[3] == "SHA384" {
			want.PRF = tlswire.HashSHA384
		}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%s (-name +table):\n%s", s.Name, diff)
		}
		kx := m[1]
		switch kx {
		case "":
			kx = "TLS 1.3"
		case "PSK_DHE": // RFC 6655 turns the words round
			kx = "DHE_PSK"
		}
		if got := s.KeyExchange.String(); got != kx {
			t.Errorf("%s: key exchange %s", s.Name, got)
		}
		if got := s.ID.String(); got != s.Name {
			t.Errorf("%s: String() = %s", s.Name, got)
		}
	}
	if seen < 250 {
		t.Errorf("%d suites", seen)
	}
}

// Go's own table is an independent list of numbers and names.
func TestSuitesOfGo(t *testing.T) {
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if got := tlswire.CipherSuite(c.ID).String(); got != c.Name {
			t.Errorf("%#04x = %s, want %s", c.ID, got, c.Name)
		}
	}
}

// Suites that stacks name otherwise, or that came late, by number.
func TestSuiteByID(t *testing.T) {
	for _, want := range []tlswire.Suite{
		{0x0004, "TLS_RSA_WITH_RC4_128_MD5", tlswire.KeyExchangeRSA, tlswire.CipherRC4_128, tlswire.HashMD5, tlswire.HashSHA256},
		{0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA", tlswire.KeyExchangeRSA, tlswire.CipherAES128CBC, tlswire.HashSHA1, tlswire.HashSHA256},
		{0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", tlswire.KeyExchangeDHAnon, tlswire.CipherAES128CBC, tlswire.HashSHA1, tlswire.HashSHA256},
		{0x1302, "TLS_AES_256_GCM_SHA384", tlswire.KeyExchangeTLS13, tlswire.CipherAES256GCM, tlswire.HashNone, tlswire.HashSHA384},
		{0x1305, "TLS_AES_128_CCM_8_SHA256", tlswire.KeyExchangeTLS13, tlswire.CipherAES128CCM8, tlswire.HashNone, tlswire.HashSHA256},
		{0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", tlswire.KeyExchangeECDHERSA, tlswire.CipherAES256CBC, tlswire.HashSHA384, tlswire.HashSHA384},
		{0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", tlswire.KeyExchangeECDHERSA, tlswire.CipherAES128GCM, tlswire.HashNone, tlswire.HashSHA256},
		{0xC09C, "TLS_RSA_WITH_AES_128_CCM", tlswire.KeyExchangeRSA, tlswire.CipherAES128CCM, tlswire.HashNone, tlswire.HashSHA256},
		{0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", tlswire.KeyExchangeECDHERSA, tlswire.CipherChaCha20Poly1305, tlswire.HashNone, tlswire.HashSHA256},
		{0xD005, "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256", tlswire.KeyExchangeECDHEPSK, tlswire.CipherAES128CCM, tlswire.HashNone, tlswire.HashSHA256},
	} {
		if diff := cmp.Diff(want, suite(t, want.ID)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
	for id, name := range map[tlswire.CipherSuite]string{
		0x0000: "0x0000", // TLS_NULL_WITH_NULL_NULL is never negotiated
		0x00FF: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
		0x5600: "TLS_FALLBACK_SCSV",
		0x1A1A: "0x1a1a",
		0xFFFF: "0xffff",
	} {
		if s, ok := tlswire.SuiteByID(id); ok {
			t.Errorf("%#04x is %s", uint16(id), s.Name)
		}
		if got := id.String(); got != name {
			t.Errorf("%#04x = %s, want %s", uint16(id), got, name)
		}
	}
}

func TestAnonymous(t *testing.T) {
	for id, want := range map[tlswire.CipherSuite]bool{
		0x0018: true,  // DH_anon RC4
		0xC018: true,  // ECDH_anon AES
		0x002F: false, // RSA
		0x008C: false, // PSK
		0x1301: false, // TLS 1.3
	} {
		s := suite(t, id)
		if got := s.KeyExchange.Anonymous(); got != want {
			t.Errorf("%s: Anonymous() = %v", s.Name, got)
		}
	}
}

func TestCipherLengths(t *testing.T) {
	type lengths struct{ Key, Block, Nonce, Tag int }
	for c, want := range map[tlswire.Cipher]lengths{
		tlswire.CipherNull:             {},
		tlswire.CipherRC4_128:          {Key: 16},
		tlswire.Cipher3DESCBC:          {Key: 24, Block: 8},
		tlswire.CipherAES256CBC:        {Key: 32, Block: 16},
		tlswire.CipherAES128GCM:        {Key: 16, Nonce: 8, Tag: 16},
		tlswire.CipherAES256CCM8:       {Key: 32, Nonce: 8, Tag: 8},
		tlswire.CipherChaCha20Poly1305: {Key: 32, Tag: 16},
		0:                              {},
		200:                            {},
	} {
		got := lengths{c.KeyLen(), c.BlockLen(), c.ExplicitNonceLen(), c.TagLen()}
		if got != want {
			t.Errorf("%s: %+v, want %+v", c, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		got  interface{ String() string }
		want string
	}{
		{tlswire.CipherAES128GCM, "AES-128-GCM"},
		{tlswire.Cipher(0), "0"},
		{tlswire.Cipher(99), "99"},
		{tlswire.KeyExchangeDHAnon, "DH_anon"},
		{tlswire.KeyExchange(0), "0"},
		{tlswire.KeyExchange(99), "99"},
		{tlswire.HashNone, "none"},
		{tlswire.HashSHA384, "SHA-384"},
		{tlswire.Hash(9), "9"},
		{tlswire.VersionSSL30, "SSL 3.0"},
		{tlswire.VersionTLS10, "TLS 1.0"},
		{tlswire.VersionTLS13, "TLS 1.3"},
		{tlswire.Version(0x7F1C), "0x7f1c"},
		{tlswire.ContentChangeCipherSpec, "change_cipher_spec"},
		{tlswire.ContentAlert, "alert"},
		{tlswire.ContentHandshake, "handshake"},
		{tlswire.ContentApplicationData, "application_data"},
		{tlswire.ContentHeartbeat, "heartbeat"},
		{tlswire.ContentType(25), "25"},
		{tlswire.HandshakeClientHello, "client_hello"},
		{tlswire.HandshakeType(3), "3"},
		{tlswire.HandshakeType(254), "254"},
		{tlswire.ExtensionEncryptThenMAC, "encrypt_then_mac"},
		{tlswire.ExtensionType(0x4469), "17513"},
	} {
		if got := tt.got.String(); got != tt.want {
			t.Errorf("%T: %s, want %s", tt.got, got, tt.want)
		}
	}
	sizes := map[tlswire.Hash]int{
		tlswire.HashNone: 0, tlswire.HashMD5: 16, tlswire.HashSHA1: 20,
		tlswire.HashSHA256: 32, tlswire.HashSHA384: 48,
	}
	for h, want := range sizes {
		if got := h.Size(); got != want {
			t.Errorf("%s: Size() = %d", h, got)
		}
	}
}
