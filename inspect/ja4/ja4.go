package ja4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"sstpwarden/inspect/tlswire"
)

// JA4 returns the client's JA4 fingerprint for TLS over TCP, such as
// t13d1516h2_8daaf6152771_e5627efa2ab1.
func JA4(h *tlswire.ClientHello) string {
	p := partsOf(h)
	return p.head + "_" + hash12(p.suites, p.suites) + "_" + hash12(p.extensions, p.tail())
}

// Raw returns the client's JA4_r fingerprint: the lists themselves where JA4 has
// their hashes, which shows in what two clients differ.
func Raw(h *tlswire.ClientHello) string {
	p := partsOf(h)
	return p.head + "_" + p.suites + "_" + p.tail()
}

// parts are what a fingerprint is made of.
type parts struct {
	head       string // the readable part
	suites     string // sorted
	extensions string // sorted, without server_name and ALPN
	signatures string // in the client's order
}

// tail joins extensions and signature algorithms as the last hash takes them.
func (p parts) tail() string {
	if p.signatures == "" {
		return p.extensions
	}
	return p.extensions + "_" + p.signatures
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

	destination := 'i'
	if named {
		destination = 'd'
	}
	return parts{
		head: fmt.Sprintf("t%s%c%02d%02d%s", version(h.MaxVersion()), destination,
			min(len(suites), 99), min(count, 99), protocol(h.ALPN)),
		suites:     hexList(suites),
		extensions: hexList(extensions),
		signatures: hexList(meant(h.SignatureAlgorithms)),
	}
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
func hexList[T ~uint16](values []T) string {
	b := make([]byte, 0, 5*len(values))
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return string(b)
}

// hash12 returns the first 12 hexadecimal digits of the SHA-256 of s, or
// zeros when the list that s is made from is empty.
func hash12(list, s string) string {
	if list == "" {
		return "000000000000"
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}
