package sstp

import (
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"
)

// A HashProtocol is a hash algorithm of the crypto binding, or a bitmask of
// several (MS-SSTP 2.2.6, 2.2.7).
type HashProtocol uint8

// The hash protocols. They are CERT_HASH_PROTOCOL_... in the specification.
const (
	HashProtocolSHA1   HashProtocol = 0x01
	HashProtocolSHA256 HashProtocol = 0x02
)

// String returns the names of the protocols in h in lower case, "sha1",
// "sha256" or "sha1|sha256", and unknown bits as a number.
func (h HashProtocol) String() string {
	var names []string
	if h&HashProtocolSHA1 != 0 {
		names = append(names, "sha1")
	}
	if h&HashProtocolSHA256 != 0 {
		names = append(names, "sha256")
	}
	if unknown := h &^ (HashProtocolSHA1 | HashProtocolSHA256); unknown != 0 || h == 0 {
		names = append(names, fmt.Sprintf("0x%02x", uint8(unknown)))
	}
	return strings.Join(names, "|")
}

// Size returns the length in bytes of a Cert Hash and of a Compound MAC: 20
// for SHA1, 32 for SHA256, 0 if h is not exactly one known protocol.
func (h HashProtocol) Size() int {
	switch h {
	case HashProtocolSHA1:
		return sha1.Size
	case HashProtocolSHA256:
		return sha256.Size
	}
	return 0
}

// Strongest returns the one protocol of the bitmask h that a client has to
// choose, 0 if none is known (MS-SSTP 2.2.6).
func (h HashProtocol) Strongest() HashProtocol {
	if h&HashProtocolSHA256 != 0 {
		return HashProtocolSHA256
	}
	return h & HashProtocolSHA1
}

// new returns the hash's constructor, or an error if h is not exactly one
// known protocol.
func (h HashProtocol) new() (func() hash.Hash, error) {
	switch h {
	case HashProtocolSHA1:
		return sha1.New, nil
	case HashProtocolSHA256:
		return sha256.New, nil
	}
	return nil, fmt.Errorf("sstp: hash protocol %v is neither sha1 nor sha256", h)
}

// CertHash returns the hash of a certificate in DER, HashProtocol.Size()
// bytes long (MS-SSTP 2.2.7). The error says that h is not exactly one known
// protocol.
func CertHash(h HashProtocol, der []byte) ([]byte, error) {
	newHash, err := h.new()
	if err != nil {
		return nil, err
	}
	sum := newHash()
	sum.Write(der)
	return sum.Sum(nil), nil
}
