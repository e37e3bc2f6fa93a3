package tlskeys

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ccm is the opening half of Counter with CBC-MAC (RFC 3610) for nonces of 12
// bytes, which leaves 3 bytes (L) for the length. It exists because neither
// the standard library nor x/crypto has CCM; sealing is not needed here.
type ccm struct {
	block cipher.Block
	tag   int // M: 16 or 8

	counter, stream, mac [16]byte // scratch: on the stack they would escape
}

var errCCM = errors.New("tlskeys: message authentication failed")

func (c *ccm) Overhead() int { return c.tag }

// Open appends the content to dst. It takes up to 14 bytes of additionalData,
// what a block holds behind its length; TLS has 13 or 5.
func (c *ccm) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	if len(ciphertext) < c.tag || len(additionalData) > 14 {
		return nil, errCCM
	}
	body, tag := cutTail(ciphertext, c.tag)

	// B_0: flags, nonce, length. The flags say that there is additional
	// data, (M-2)/2 and L-1.
	c.mac = [16]byte{0: 0x40 | byte(c.tag-2)/2<<3 | 2}
	copy(c.mac[1:], nonce)
	c.mac[13] = byte(len(body) >> 16)
	binary.BigEndian.PutUint16(c.mac[14:], uint16(len(body)))
	c.block.Encrypt(c.mac[:], c.mac[:])
	c.mac[1] ^= byte(len(additionalData)) // two bytes of length, the first is 0
	subtle.XORBytes(c.mac[2:], c.mac[2:], additionalData)
	c.block.Encrypt(c.mac[:], c.mac[:])

	// A_i: flags, nonce, counter. A_0 hides the tag.
	c.counter = [16]byte{0: 2}
	copy(c.counter[1:], nonce)
	for i := 1; len(body) > 0; i++ {
		c.counter[13] = byte(i >> 16)
		binary.BigEndian.PutUint16(c.counter[14:], uint16(i))
		c.block.Encrypt(c.stream[:], c.counter[:])
		n := subtle.XORBytes(c.stream[:], c.stream[:], body)
		dst, body = append(dst, c.stream[:n]...), body[n:]
		subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:n])
		c.block.Encrypt(c.mac[:], c.mac[:])
	}
	c.counter[13], c.counter[14], c.counter[15] = 0, 0, 0
	c.block.Encrypt(c.stream[:], c.counter[:])
	subtle.XORBytes(c.mac[:], c.mac[:], c.stream[:])
	if subtle.ConstantTimeCompare(c.mac[:c.tag], tag) != 1 {
		return nil, errCCM
	}
	return dst, nil
}
