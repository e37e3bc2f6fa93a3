package tlskeys

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"

	"sstpwarden/inspect/tlswire"
)

// hashNew returns the constructor of a hash function, nil for HashNone.
func hashNew(h tlswire.Hash) func() hash.Hash {
	switch h {
	case tlswire.HashMD5:
		return md5.New
	case tlswire.HashSHA1:
		return sha1.New
	case tlswire.HashSHA256:
		return sha256.New
	case tlswire.HashSHA384:
		return sha512.New384
	default:
		return nil
	}
}

// A prf is the pseudorandom function of TLS 1.0 to 1.2 (RFC 5246, Section 5;
// RFC 2246, Section 5): of one hash function, or of MD5 and SHA-1 together.
type prf []func() hash.Hash

// newPRF returns the function that a connection uses.
func newPRF(v tlswire.Version, s tlswire.Suite) prf {
	if v >= tlswire.VersionTLS12 {
		return prf{hashNew(s.PRF)}
	}
	return prf{md5.New, sha1.New}
}

// expand fills out.
func (p prf) expand(out, secret []byte, label string, seeds ...[]byte) {
	seed := []byte(label)
	for _, s := range seeds {
		seed = append(seed, s...)
	}
	clear(out)
	if len(p) == 1 {
		xorPHash(out, p[0], secret, seed)
		return
	}
	// The halves share the middle byte of a secret whose length is odd.
	half := (len(secret) + 1) / 2
	xorPHash(out, p[0], secret[:half], seed)
	xorPHash(out, p[1], secret[len(secret)-half:], seed)
}

// digest hashes the messages of a handshake for the session hash (RFC 7627,
// Section 3).
func (p prf) digest(messages []byte) []byte {
	var sum []byte
	for _, newHash := range p {
		h := newHash()
		h.Write(messages)
		sum = h.Sum(sum)
	}
	return sum
}

// xorPHash combines out with P_hash(secret, seed) of RFC 5246, Section 5.
func xorPHash(out []byte, newHash func() hash.Hash, secret, seed []byte) {
	mac := hmac.New(newHash, secret)
	mac.Write(seed)
	a := mac.Sum(nil) // A(1)
	var block []byte
	for len(out) > 0 {
		mac.Reset()
		mac.Write(a)
		mac.Write(seed)
		block = mac.Sum(block[:0])
		out = out[subtle.XORBytes(out, out, block):]

		mac.Reset()
		mac.Write(a)
		a = mac.Sum(a[:0])
	}
}

// keyBlock is the keys of both directions of a connection up to TLS 1.2 (RFC
// 5246, Section 6.3).
type keyBlock struct {
	client, server directionKeys
}

type directionKeys struct {
	mac, key, iv []byte
}

// of returns the keys that one side writes with.
func (b *keyBlock) of(client bool) directionKeys {
	if client {
		return b.client
	}
	return b.server
}

// newKeyBlock expands a master secret.
func newKeyBlock(v tlswire.Version, s tlswire.Suite, master []byte, client, server [32]byte) keyBlock {
	macLen, keyLen := s.MAC.Size(), s.Cipher.KeyLen()
	// From TLS 1.1 on CBC needs no IV from here; as the IVs are the last part
	// of the block it does no harm to have one.
	ivLen := s.Cipher.BlockLen()
	if s.Cipher.AEAD() {
		macLen, ivLen = 0, nonceLength-s.Cipher.ExplicitNonceLen()
	}
	block := make([]byte, 2*(macLen+keyLen+ivLen))
	newPRF(v, s).expand(block, master, "key expansion", server[:], client[:])
	next := func(n int) (part []byte) {
		part, block = block[:n:n], block[n:]
		return part
	}
	var b keyBlock
	b.client.mac, b.server.mac = next(macLen), next(macLen)
	b.client.key, b.server.key = next(keyLen), next(keyLen)
	b.client.iv, b.server.iv = next(ivLen), next(ivLen)
	return b
}
