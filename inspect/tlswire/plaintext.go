package tlswire

// PlaintextRange returns the least and the most bytes of plaintext that an
// application data record can hold whose fragment has the given length. Lo and
// hi differ only for block ciphers. The result is false where no such record
// can be: the length does not fit the suite, or the suite not the version.
//
// The lengths of records, n being the plaintext's:
//
//	TLS 1.3                          n + 1 + tag              RFC 8446, Section 5.2
//	AEAD                             nonce + n + tag          RFC 5246, Section 6.2.3.3
//	stream cipher, NULL              n + mac                  RFC 5246, Section 6.2.3.1
//	CBC                              iv + pad(n + mac + 1)    RFC 5246, Section 6.2.3.2
//	CBC, encrypt_then_mac            iv + pad(n + 1) + mac    RFC 7366, Section 3
//
// Pad rounds up to the block length; iv is a block from TLS 1.1 on, and
// nothing before. Tag is 16 bytes, 8 for CCM_8; nonce 8 bytes for GCM and CCM,
// 0 for ChaCha20-Poly1305. EncryptThenMAC concerns CBC alone.
//
// A sender may pad more than it must: by multiples of a block with CBC, by any
// amount with TLS 1.3. The range is that of senders that do not, which all
// major stacks are unless told otherwise. Compression, which no stack
// negotiates any more, is not reckoned with.
func PlaintextRange(v Version, s Suite, encryptThenMAC bool, fragment int) (lo, hi int, ok bool) {
	if s.Cipher == 0 || v < VersionSSL30 || v > VersionTLS13 || (v == VersionTLS13) != (s.KeyExchange == KeyExchangeTLS13) {
		return 0, 0, false
	}
	c := s.Cipher.traits()
	switch {
	case v == VersionTLS13:
		hi = fragment - 1 - c.tag
		lo = hi
	case c.tag > 0:
		if v < VersionTLS12 {
			return 0, 0, false
		}
		hi = fragment - c.nonce - c.tag
		lo = hi
	case c.block > 0:
		return blockRange(v, s, encryptThenMAC, fragment)
	default:
		hi = fragment - s.MAC.Size()
		lo = hi
	}
	return bounded(lo, hi)
}

// blockRange is PlaintextRange for CBC.
func blockRange(v Version, s Suite, encryptThenMAC bool, fragment int) (lo, hi int, ok bool) {
	block, mac := s.Cipher.BlockLen(), s.MAC.Size()
	padded := fragment
	if v >= VersionTLS11 {
		padded -= block // the IV
	}
	if encryptThenMAC {
		padded -= mac
		mac = 0
	}
	if padded <= 0 || padded%block != 0 {
		return 0, 0, false
	}
	hi = padded - mac - 1
	return bounded(hi-block+1, hi)
}

// bounded narrows a range to what a plaintext can have.
func bounded(lo, hi int) (int, int, bool) {
	lo, hi = max(lo, 0), min(hi, maxPlaintext)
	if lo > hi {
		return 0, 0, false
	}
	return lo, hi, true
}
