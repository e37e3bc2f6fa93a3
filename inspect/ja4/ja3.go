package ja4

import (
	"crypto/md5"
	"encoding/hex"
	"strconv"

	"sstpwarden/inspect/tlswire"
)

// JA3 returns the client's JA3 fingerprint, the MD5 of [JA3String] as 32
// hexadecimal digits.
func JA3(h *tlswire.ClientHello) string {
	var buf [listRoom]byte
	return md5hex(appendJA3(buf[:0], h))
}

// JA3String returns what JA3 is the hash of, in decimal:
//
//	version,suites,extensions,groups,point formats
//
// with hyphens inside the lists. The version is the hello's legacy_version.
func JA3String(h *tlswire.ClientHello) string { return string(appendJA3(nil, h)) }

func appendJA3(b []byte, h *tlswire.ClientHello) []byte {
	b = strconv.AppendUint(b, uint64(h.Version), 10)
	b = appendList(append(b, ','), h.CipherSuites)
	b = appendList(append(b, ','), extensionTypes(h.Extensions))
	b = appendList(append(b, ','), h.SupportedGroups)
	return appendList(append(b, ','), pointFormats(h))
}

// JA3S returns the server's JA3S fingerprint, the MD5 of [JA3SString] as 32
// hexadecimal digits. It depends on what the client offered as well.
func JA3S(h *tlswire.ServerHello) string {
	var buf [listRoom]byte
	return md5hex(appendJA3S(buf[:0], h))
}

// JA3SString returns what JA3S is the hash of, in decimal:
//
//	version,suite,extensions
func JA3SString(h *tlswire.ServerHello) string { return string(appendJA3S(nil, h)) }

func appendJA3S(b []byte, h *tlswire.ServerHello) []byte {
	b = strconv.AppendUint(b, uint64(h.Version), 10)
	b = strconv.AppendUint(append(b, ','), uint64(h.CipherSuite), 10)
	return appendList(append(b, ','), extensionTypes(h.Extensions))
}

// listRoom is how long the lists of common clients are at most, in bytes, so
// that they need no memory of their own.
const listRoom = 512

// appendList appends the values to b in decimal with hyphens between them,
// leaving out GREASE.
func appendList[T ~uint16](b []byte, values []T) []byte {
	first := true
	for _, v := range values {
		if tlswire.IsGREASE(v) {
			continue
		}
		if !first {
			b = append(b, '-')
		}
		first = false
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return b
}

func extensionTypes(list []tlswire.Extension) []tlswire.ExtensionType {
	types := make([]tlswire.ExtensionType, len(list))
	for i, e := range list {
		types[i] = e.Type
	}
	return types
}

// pointFormats widens the formats, of which none is a GREASE value then.
func pointFormats(h *tlswire.ClientHello) []uint16 {
	formats := make([]uint16, len(h.ECPointFormats))
	for i, f := range h.ECPointFormats {
		formats[i] = uint16(f)
	}
	return formats
}

func md5hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}
