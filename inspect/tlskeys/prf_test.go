package tlskeys

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"testing"

	"sstpwarden/inspect/tlswire"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The vectors of TLS 1.2 are those posted to the TLS working group's list in
// 2009 (mailarchive.ietf.org/arch/msg/tls/fzVCzk-z3FShgGJ6DOXqM1ydxms). Those
// of TLS 1.0 come from "openssl kdf TLS1-PRF" with the digest MD5-SHA1.
func TestPRF(t *testing.T) {
	tests := []struct {
		name               string
		version            tlswire.Version
		hash               tlswire.Hash
		secret, seed, want string
	}{
		{
			"tls 1.2 sha-256", tlswire.VersionTLS12, tlswire.HashSHA256,
			"9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
			"e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa0" +
				"22f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
		},
		{
			"tls 1.2 sha-384", tlswire.VersionTLS12, tlswire.HashSHA384,
			"b80b733d6ceefcdc71566ea48e5567df", "cd665cf6a8447dd6ff8b27555edb7465",
			"7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534",
		},
		{
			"tls 1.0, even secret", tlswire.VersionTLS10, tlswire.HashSHA256,
			"9bbe436ba940f017b17652849a71db35", "a0ba9f936cda311827a6f796ffd5198c",
			"661740e6f98bc901efd2738502a71c03f76dd2f86298549b1148eff06714cf0f6b7c532cd8c69f1530e0bb680eec34c4",
		},
		{
			"tls 1.1, odd secret", tlswire.VersionTLS11, tlswire.HashSHA256,
			"9bbe436ba940f017b17652849a71db35aa", "a0ba9f936cda311827a6f796ffd5198c",
			"d15d261f27f994096fbb4709ff20d231799dce32219baafb6883af51983e132f9c83dfee54eba38ec8a35879b14b9613",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPRF(tt.version, tlswire.Suite{PRF: tt.hash})
			seed := unhex(t, tt.seed)
			got := make([]byte, len(tt.want)/2)
			p.expand(got, unhex(t, tt.secret), "test label", seed[:5], seed[5:])
			if diff := cmp.Diff(tt.want, hex.EncodeToString(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSessionHash(t *testing.T) {
	messages := []byte("messages")
	m, s := md5.Sum(messages), sha1.Sum(messages)
	got := newPRF(tlswire.VersionTLS10, tlswire.Suite{}).digest(messages)
	if diff := cmp.Diff(append(m[:], s[:]...), got); diff != "" {
		t.Errorf("TLS 1.0 (-want +got):\n%s", diff)
	}
	if n := len(newPRF(tlswire.VersionTLS12, tlswire.Suite{PRF: tlswire.HashSHA384}).digest(messages)); n != 48 {
		t.Errorf("TLS 1.2 with SHA-384: %d bytes", n)
	}
}

// The secrets and keys are those of RFC 8448, Section 3.
func TestTrafficKeys(t *testing.T) {
	tests := []struct{ name, secret, key, iv string }{
		{"client handshake", "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21", "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"},
		{"server handshake", "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", "3fce516009c21727d0f2e4e86ee403bc", "5d313eb2671276ee13000b30"},
		{"client application", "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5", "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"},
		{"server application", "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643", "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for label, want := range map[string]string{"key": tt.key, "iv": tt.iv} {
				got, err := expandLabel(tlswire.HashSHA256, unhex(t, tt.secret), label, len(want)/2)
				if err != nil || hex.EncodeToString(got) != want {
					t.Errorf("%s %x (%v), want %s", label, got, err, want)
				}
			}
		})
	}
}

// The records are those of RFC 8448, Section 3: the client's Finished and its
// application data.
func TestTLS13Records(t *testing.T) {
	suite, ok := tlswire.SuiteByID(0x1301)
	if !ok {
		t.Fatal("TLS_AES_128_GCM_SHA256 is not known")
	}
	tests := []struct{ name, secret, record, want string }{
		{
			"Finished", "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
			"170303003575ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb384bd1caeacab6867d726c40546",
			"14000020a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce6116",
		},
		{
			"application data", "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
			"1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4",
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303117",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := newTLS13Protection(suite, unhex(t, tt.secret))
			if err != nil {
				t.Fatal(err)
			}
			r := wholeRecord(t, unhex(t, tt.record))
			got, used, err := p.open(make([]byte, r.Length), r, numbers{ahead: 1})
			if err != nil || used != 0 || hex.EncodeToString(got) != tt.want {
				t.Errorf("%x, number %d (%v), want %s", got, used, err, tt.want)
			}
		})
	}
}
