package tlskeys

import (
	"crypto/hkdf"

	"sstpwarden/inspect/tlswire"

	"golang.org/x/crypto/cryptobyte"
)

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, Section
// 7.1).
func expandLabel(h tlswire.Hash, secret []byte, label string, length int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddUint16(uint16(length))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddBytes([]byte("tls13 "))
		b.AddBytes([]byte(label))
	})
	b.AddUint8(0)
	return hkdf.Expand(hashNew(h), secret, string(b.BytesOrPanic()), length)
}

// nextTrafficSecret is what a KeyUpdate makes of a secret (RFC 8446, Section
// 7.2).
func nextTrafficSecret(h tlswire.Hash, secret []byte) ([]byte, error) {
	return expandLabel(h, secret, "traffic upd", h.Size())
}

// newTLS13Protection returns what opens the records sealed with a traffic
// secret (RFC 8446, Section 7.3).
func newTLS13Protection(s tlswire.Suite, secret []byte) (protection, error) {
	key, err := expandLabel(s.PRF, secret, "key", s.Cipher.KeyLen())
	if err != nil {
		return nil, err
	}
	iv, err := expandLabel(s.PRF, secret, "iv", nonceLength)
	if err != nil {
		return nil, err
	}
	a, err := newAEAD(s.Cipher, key)
	if err != nil {
		return nil, err
	}
	return &aead{authenticator: a, iv: [nonceLength]byte(iv), tls13: true}, nil
}
