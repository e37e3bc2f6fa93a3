package matrix

import (
	"crypto/tls"
	"slices"
	"strings"
)

// A tlsChoice is a version of TLS and, up to 1.2, what the server may choose.
type tlsChoice struct {
	name    string
	version uint16
	suites  []uint16 // nil for what both prefer
	about   string
}

// tlsChoices are those that a grid can name. TLS 1.3 has no choice of suites: all of
// them add as many bytes to a record.
var tlsChoices = []tlsChoice{
	{"1.3", tls.VersionTLS13, nil, "TLS 1.3"},
	{"1.2", tls.VersionTLS12, nil, "TLS 1.2, what both ends prefer"},
	{"1.2/gcm128", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, "AES-128-GCM"},
	{"1.2/gcm256", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384}, "AES-256-GCM"},
	{"1.2/chacha20", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256}, "ChaCha20-Poly1305"},
	{"1.2/cbc-sha1", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}, "AES-CBC with SHA-1"},
	{"1.2/cbc-sha256", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256}, "AES-128-CBC with SHA-256"},
	{"1.2/rsa-gcm", tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, "AES-GCM, no forward secrecy"},
	{"1.2/rsa-cbc", tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA}, "AES-CBC with SHA-1, no forward secrecy"},
	{"1.0", tls.VersionTLS10, nil, "TLS 1.0"},
}

// TLSNames returns the versions and suites that a grid can name.
func TLSNames() []string {
	names := make([]string, len(tlsChoices))
	for i, c := range tlsChoices {
		names[i] = c.name
	}
	return names
}

func findTLS(name string) (tlsChoice, bool) {
	i := slices.IndexFunc(tlsChoices, func(c tlsChoice) bool { return c.name == name })
	if i < 0 {
		return tlsChoice{}, false
	}
	return tlsChoices[i], true
}

// family is the choice's name without the version.
func (c tlsChoice) family() string {
	_, suite, _ := strings.Cut(c.name, "/")
	return suite
}
