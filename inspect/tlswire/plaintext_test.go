package tlswire_test

import (
	"testing"

	"sstpwarden/inspect/tlswire"
)

// column is a way in which records are protected.
type column struct {
	name    string
	version tlswire.Version
	suite   tlswire.CipherSuite
	etm     bool
}

// What the lengths of SSTP's own messages come to, measured with Python's ssl
// on OpenSSL 3 and, for TLS 1.0, in a capture of Windows 7.
func TestPlaintextRangeMeasured(t *testing.T) {
	columns := []column{
		{"1.3", tlswire.VersionTLS13, 0x1302, false},
		{"1.2 GCM", tlswire.VersionTLS12, 0xC030, false},
		{"1.2 ChaCha20", tlswire.VersionTLS12, 0xCCA8, false},
		{"1.2 CBC SHA1", tlswire.VersionTLS12, 0x002F, false},
		{"1.2 CBC SHA256", tlswire.VersionTLS12, 0x003C, false},
		{"1.2 CBC SHA384", tlswire.VersionTLS12, 0xC028, false},
		{"1.0 CBC SHA1", tlswire.VersionTLS10, 0x002F, false},
		{"1.2 EtM SHA1", tlswire.VersionTLS12, 0x002F, true},
	}
	for n, fragments := range map[int][]int{
		14:  {31, 38, 30, 64, 64, 80, 48, 52},
		48:  {65, 72, 64, 96, 112, 128, 80, 100},
		112: {129, 136, 128, 160, 176, 192, 144, 164},
		20:  {37, 44, 36, 64, 80, 96, 48, 68},
		22:  {39, 46, 38, 64, 80, 96, 48, 68},
		16:  {33, 40, 32, 64, 80, 96, 48, 68},
		8:   {25, 32, 24, 48, 64, 80, 32, 52},
		29:  {46, 53, 45, 80, 80, 96, 64, 68},
		28:  {45, 52, 44, 80, 80, 96, 64, 68},
		40:  {57, 64, 56, 80, 96, 112, 64, 84},
		42:  {59, 66, 58},
		123: {140, 147, 139, 160},
		125: {142, 149, 141, 176},
	} {
		for i, fragment := range fragments {
			c := columns[i]
			s := suite(t, c.suite)
			lo, hi, ok := tlswire.PlaintextRange(c.version, s, c.etm, fragment)
			if !ok || n < lo || n > hi {
				t.Errorf("%s: %d bytes of fragment hold %d..%d (%v), not %d", c.name, fragment, lo, hi, ok, n)
			}
			if want := max(s.Cipher.BlockLen(), 1); hi-lo+1 > want {
				t.Errorf("%s: %d..%d is wider than %d", c.name, lo, hi, want)
			}
		}
	}
}

// length is the other direction of PlaintextRange, as the specifications put
// it: how long the record is that holds n bytes.
func length(v tlswire.Version, s tlswire.Suite, etm bool, n int) int {
	c := s.Cipher
	pad := func(n int) int { return (n + c.BlockLen() - 1) / c.BlockLen() * c.BlockLen() }
	iv := 0
	if v >= tlswire.VersionTLS11 {
		iv = c.BlockLen()
	}
	switch {
	case v == tlswire.VersionTLS13:
		return n + 1 + c.TagLen()
	case c.AEAD():
		return c.ExplicitNonceLen() + n + c.TagLen()
	case c.BlockLen() == 0:
		return n + s.MAC.Size()
	case etm:
		return iv + pad(n+1) + s.MAC.Size()
	}
	return iv + pad(n+s.MAC.Size()+1)
}

// Every length of plaintext lies in the range of its record's length, and the
// ends of the range give that same record.
func TestPlaintextRangeInverse(t *testing.T) {
	for id := range 1 << 16 {
		s, ok := tlswire.SuiteByID(tlswire.CipherSuite(id))
		if !ok {
			continue
		}
		for v := tlswire.VersionSSL30; v <= tlswire.VersionTLS13; v++ {
			for _, etm := range []bool{false, true} {
				fits := (v == tlswire.VersionTLS13) == (s.KeyExchange == tlswire.KeyExchangeTLS13) &&
					(v >= tlswire.VersionTLS12 || !s.Cipher.AEAD())
				for _, n := range []int{0, 1, 2, 7, 8, 14, 15, 16, 17, 48, 112, 255, 1400, 16383, 16384} {
					fragment := length(v, s, etm, n)
					lo, hi, ok := tlswire.PlaintextRange(v, s, etm, fragment)
					if ok != fits {
						t.Fatalf("%s %s: ok = %v for %d bytes", v, s.Name, ok, fragment)
					}
					if !fits {
						continue
					}
					if n < lo || n > hi {
						t.Fatalf("%s %s EtM %v: %d bytes hold %d..%d, not %d", v, s.Name, etm, fragment, lo, hi, n)
					}
					if length(v, s, etm, lo) != fragment || length(v, s, etm, hi) != fragment {
						t.Fatalf("%s %s EtM %v: %d..%d do not make %d bytes", v, s.Name, etm, lo, hi, fragment)
					}
				}
			}
		}
	}
}

func TestPlaintextRangeImpossible(t *testing.T) {
	for _, tt := range []struct {
		name     string
		version  tlswire.Version
		suite    tlswire.CipherSuite
		etm      bool
		fragment int
	}{
		{"empty", tlswire.VersionTLS12, 0xC02F, false, 0},
		{"no room for nonce and tag", tlswire.VersionTLS12, 0xC02F, false, 23},
		{"no room for the content type", tlswire.VersionTLS13, 0x1301, false, 16},
		{"no room for the short tag", tlswire.VersionTLS13, 0x1305, false, 8},
		{"no room for the MAC", tlswire.VersionTLS12, 0x0005, false, 19},
		{"not whole blocks", tlswire.VersionTLS12, 0x002F, false, 65},
		{"whole blocks without the MAC behind", tlswire.VersionTLS12, 0x002F, true, 64},
		{"IV alone", tlswire.VersionTLS12, 0x002F, false, 16},
		{"IV and MAC alone", tlswire.VersionTLS12, 0x002F, true, 36},
		{"no room for MAC and padding", tlswire.VersionTLS12, 0x002F, false, 32},
		{"negative", tlswire.VersionTLS12, 0x002F, false, -16},
		{"more than 2^14 bytes", tlswire.VersionTLS13, 0x1301, false, 16384 + 18},
		{"more than 2^14 bytes in blocks", tlswire.VersionTLS12, 0x002F, false, 16384 + 64},
		{"AEAD before TLS 1.2", tlswire.VersionTLS11, 0xC02F, false, 100},
		{"TLS 1.3 with an older suite", tlswire.VersionTLS13, 0xC02F, false, 100},
		{"TLS 1.2 with a newer suite", tlswire.VersionTLS12, 0x1301, false, 100},
		{"no version", 0, 0x002F, false, 64},
		{"draft version", 0x7F1C, 0x1301, false, 64},
	} {
		if lo, hi, ok := tlswire.PlaintextRange(tt.version, suite(t, tt.suite), tt.etm, tt.fragment); ok || lo != 0 || hi != 0 {
			t.Errorf("%s: %d..%d, %v", tt.name, lo, hi, ok)
		}
	}
	if _, _, ok := tlswire.PlaintextRange(tlswire.VersionTLS12, tlswire.Suite{}, false, 100); ok {
		t.Error("the zero suite holds something")
	}
}

// The records of TLS 1.0's largest plaintext, where the range meets its bound.
func TestPlaintextRangeBound(t *testing.T) {
	lo, hi, ok := tlswire.PlaintextRange(tlswire.VersionTLS12, suite(t, 0x002F), false, 16+16384+32)
	if lo != 16380 || hi != 16384 || !ok {
		t.Errorf("%d..%d, %v", lo, hi, ok)
	}
}
