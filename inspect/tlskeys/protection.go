package tlskeys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/rc4"
	"fmt"

	"sstpwarden/inspect/tlswire"

	"golang.org/x/crypto/chacha20poly1305"
)

// A protection opens the records of one direction that are sealed with one
// set of keys.
type protection interface {
	// open returns the content of r in buf, which has the length of r's
	// fragment at least. For TLS 1.3 that is TLSInnerPlaintext. Used is which
	// of the sequence numbers authenticates the record. The error is
	// errNotAuthentic if none does, or errNoIV.
	open(buf []byte, r tlswire.Record, n numbers) (plain []byte, used uint64, err error)
	// lose steps over a record of n bytes that was not captured.
	lose(n int)
}

// numbers is the sequence numbers that a record may have, the likely ones
// first: the next one and those ahead of it, if records were lost, then
// those behind it, if something was taken for a record that was none.
type numbers struct {
	next          uint64
	ahead, behind int // how many; next is one of those ahead
}

func (n numbers) len() int { return n.ahead + n.behind }

func (n numbers) at(i int) uint64 {
	if i < n.ahead {
		return n.next + uint64(i)
	}
	return n.next - 1 - uint64(i-n.ahead)
}

// An unsupportedError is a cipher that the package cannot open.
type unsupportedError struct{ cipher tlswire.Cipher }

func (e unsupportedError) Error() string {
	return fmt.Sprintf("cipher %v is not supported", e.cipher)
}

// newTLS12Protection returns what opens the records of one side up to TLS 1.2.
func newTLS12Protection(v tlswire.Version, s tlswire.Suite, encryptThenMAC bool, keys directionKeys) (protection, error) {
	switch {
	case s.Cipher.AEAD():
		a, err := newAEAD(s.Cipher, keys.key)
		if err != nil {
			return nil, err
		}
		p := &aead{authenticator: a, explicit: s.Cipher.ExplicitNonceLen()}
		copy(p.iv[:], keys.iv)
		return p, nil

	case s.Cipher.BlockLen() > 0:
		block, err := newBlock(s.Cipher, keys.key)
		if err != nil {
			return nil, err
		}
		return &cbc{
			mode:           cipher.NewCBCDecrypter(block, keys.iv),
			mac:            recordMAC{hash: hmac.New(hashNew(s.MAC), keys.mac)},
			explicitIV:     v >= tlswire.VersionTLS11,
			chained:        true,
			encryptThenMAC: encryptThenMAC,
		}, nil

	case s.Cipher == tlswire.CipherRC4_128:
		c, err := rc4.NewCipher(keys.key)
		if err != nil {
			return nil, err
		}
		return &stream{cipher: c, mac: recordMAC{hash: hmac.New(hashNew(s.MAC), keys.mac)}}, nil
	}
	return nil, unsupportedError{s.Cipher}
}

func newAEAD(c tlswire.Cipher, key []byte) (authenticator, error) {
	switch c {
	case tlswire.CipherChaCha20Poly1305:
		return chacha20poly1305.New(key)
	case tlswire.CipherAES128GCM, tlswire.CipherAES256GCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case tlswire.CipherAES128CCM, tlswire.CipherAES256CCM, tlswire.CipherAES128CCM8, tlswire.CipherAES256CCM8:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return &ccm{block: block, tag: c.TagLen()}, nil
	default:
		return nil, unsupportedError{c}
	}
}

func newBlock(c tlswire.Cipher, key []byte) (cipher.Block, error) {
	switch c {
	case tlswire.CipherAES128CBC, tlswire.CipherAES256CBC:
		return aes.NewCipher(key)
	case tlswire.Cipher3DESCBC:
		return des.NewTripleDESCipher(key)
	case tlswire.CipherDESCBC:
		return des.NewCipher(key)
	default:
		return nil, unsupportedError{c}
	}
}
