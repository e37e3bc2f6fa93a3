package ja4

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"sstpwarden/inspect/tlswire"
)

// JA4 returns the client's JA4 fingerprint for TLS over TCP, such as
// t13d1516h2_8daaf6152771_e5627efa2ab1.
func JA4(h *tlswire.ClientHello) string {
	p := partsOf(h)
	b := append(make([]byte, 0, fingerprintLen), p.head...)
	b = appendHash12(append(b, '_'), p.suites, p.suites)
	b = appendHash12(append(b, '_'), p.extensions, p.tail())
	return string(b)
}

// Raw returns the client's JA4_r fingerprint: the lists themselves where JA4 has
// their hashes, which shows in what two clients differ.
func Raw(h *tlswire.ClientHello) string {
	p := partsOf(h)
	return string(p.head) + "_" + string(p.suites) + "_" + string(p.tail())
}

// fingerprintLen is the length of every JA4 fingerprint.
const fingerprintLen = 10 + 1 + 12 + 1 + 12

// parts are what a fingerprint is made of.
type parts struct {
	head       []byte // the readable part
	suites     []byte // sorted
	extensions []byte // sorted, without server_name and ALPN
	signatures []byte // in the client's order
}

// tail joins extensions and signature algorithms as the last hash takes them.
func (p *parts) tail() []byte {
	if len(p.signatures) == 0 {
		return p.extensions
	}
	return slices.Concat(p.extensions, []byte{'_'}, p.signatures)
}

func partsOf(h *tlswire.ClientHello) parts {
	suites := meant(h.CipherSuites)
	slices.Sort(suites)
	extensions := meant(extensionTypes(h.Extensions))
	count := len(extensions)
	_, named := h.Extension(tlswire.ExtensionServerName)
	extensions = slices.DeleteFunc(extensions, func(t tlswire.ExtensionType) bool {
		return t == tlswire.ExtensionServerName || t == tlswire.ExtensionALPN
	})
	slices.Sort(extensions)

	head := append([]byte{'t'}, version(h.MaxVersion())...)
	if named {
		head = append(head, 'd')
	} else {
		head = append(head, 'i')
	}
	head = appendCount(appendCount(head, len(suites)), count)
	return parts{
		head:       append(head, protocol(h.ALPN)...),
		suites:     hexList(suites),
		extensions: hexList(extensions),
		signatures: hexList(meant(h.SignatureAlgorithms)),
	}
}

// appendCount appends n in two digits, at most 99.
func appendCount(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, '0'+byte(n/10), '0'+byte(n%10))
}

// version returns the two characters for a version of TLS.
func version(v tlswire.Version) string {
	switch v {
	case tlswire.VersionTLS13:
		return "13"
	case tlswire.VersionTLS12:
		return "12"
	case tlswire.VersionTLS11:
		return "11"
	case tlswire.VersionTLS10:
		return "10"
	case tlswire.VersionSSL30:
		return "s3"
	}
	return "00"
}

// protocol returns the first and the last character of the first name; where
// one of them is not alphanumeric, those of the name in hexadecimal.
func protocol(names []string) string {
	if len(names) == 0 || names[0] == "" {
		return "00"
	}
	name := names[0]
	if !alphanumeric(name[0]) || !alphanumeric(name[len(name)-1]) {
		name = hex.EncodeToString([]byte(name))
	}
	return name[:1] + name[len(name)-1:]
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// meant returns a copy of values without GREASE.
func meant[T ~uint16](values []T) []T {
	return slices.DeleteFunc(slices.Clone(values), tlswire.IsGREASE[T])
}

// hexList returns the values as four hexadecimal digits each, with commas
// between them.
func hexList[T ~uint16](values []T) []byte {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 5*len(values))
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
	}
	return b
}

// appendHash12 appends the first 12 hexadecimal digits of the SHA-256 of text,
// or zeros when the list that text is made from is empty.
func appendHash12(b, list, text []byte) []byte {
	if len(list) == 0 {
		return append(b, "000000000000"...)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(b, sum[:6])
}
