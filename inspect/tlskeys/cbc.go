package tlskeys

import (
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"hash"

	"sstpwarden/inspect/tlswire"
)

// A cbc opens records of block ciphers in CBC mode (RFC 5246, Section
// 6.2.3.2; RFC 2246, the same; RFC 7366 for encrypt-then-MAC).
//
//	MAC then encrypt   [IV] E( content | MAC | padding | padding length )
//	encrypt then MAC   [IV] E( content | padding | padding length ) | MAC
//
// TLS 1.0 sends no IV: it is the last block of the record before. mode
// carries it over. With an IV in the record that runs through mode as well: it
// comes out as a block that means nothing, and what follows is right.
type cbc struct {
	mode           cipher.BlockMode
	mac            recordMAC
	explicitIV     bool
	encryptThenMAC bool
	chained        bool // mode holds the block that the next record needs
}

func (c *cbc) lose(int) { c.chained = false }

func (c *cbc) open(buf []byte, r tlswire.Record, n numbers) ([]byte, uint64, error) {
	sealed, tag := r.Fragment, []byte(nil)
	if c.encryptThenMAC {
		if len(sealed) < c.mac.size() {
			return nil, 0, errNotAuthentic
		}
		sealed, tag = cutTail(sealed, c.mac.size())
	}
	if len(sealed)%c.mode.BlockSize() != 0 {
		return nil, 0, errNotAuthentic
	}
	// This comes before any check: the next record's IV depends on it.
	plain := buf[:len(sealed)]
	c.mode.CryptBlocks(plain, sealed)
	if c.explicitIV {
		plain = plain[min(c.mode.BlockSize(), len(plain)):]
	}
	if c.encryptThenMAC {
		return c.openEncryptThenMAC(plain, r, sealed, tag, n)
	}
	content, ok := cutPadding(plain)
	if !ok || len(content) < c.mac.size() {
		return nil, 0, errNotAuthentic
	}
	content, tag = cutTail(content, c.mac.size())
	used, err := c.mac.find(r, content, tag, n)
	return content, used, err
}

func (c *cbc) openEncryptThenMAC(plain []byte, r tlswire.Record, sealed, tag []byte, n numbers) ([]byte, uint64, error) {
	used, err := c.mac.find(r, sealed, tag, n)
	if !c.explicitIV {
		// The MAC does not cover the IV, without which the first block is
		// garbage.
		chained := c.chained && used == n.next
		c.chained = err == nil
		if err == nil && !chained {
			return nil, used, errNoIV
		}
	}
	if err != nil {
		return nil, 0, err
	}
	content, ok := cutPadding(plain)
	if !ok {
		return nil, 0, errNotAuthentic
	}
	return content, used, nil
}

func cutTail(b []byte, n int) (head, tail []byte) { return b[:len(b)-n], b[len(b)-n:] }

// cutPadding removes the padding and its length byte. All bytes of the
// padding have the value of the length byte. Nobody measures how long this
// takes, so it need not be constant.
func cutPadding(b []byte) ([]byte, bool) {
	if len(b) == 0 {
		return nil, false
	}
	n := int(b[len(b)-1]) + 1
	if n > len(b) {
		return nil, false
	}
	content, padding := cutTail(b, n)
	for _, p := range padding {
		if int(p) != n-1 {
			return nil, false
		}
	}
	return content, true
}

// A recordMAC authenticates records (RFC 5246, Section 6.2.3.1).
type recordMAC struct {
	hash hash.Hash

	header [13]byte // scratch: on the stack they would escape
	sum    [64]byte
}

func (m *recordMAC) size() int { return m.hash.Size() }

// find returns the sequence number with which tag is the MAC over data.
func (m *recordMAC) find(r tlswire.Record, data, tag []byte, n numbers) (uint64, error) {
	header := appendHeader(m.header[:8], r, len(data))
	for i := range n.len() {
		seq := n.at(i)
		binary.BigEndian.PutUint64(header, seq)
		m.hash.Reset()
		m.hash.Write(header)
		m.hash.Write(data)
		if hmac.Equal(m.hash.Sum(m.sum[:0]), tag) {
			return seq, nil
		}
	}
	return 0, errNotAuthentic
}

// A stream opens records of a stream cipher (RFC 5246, Section 6.2.3.1). Its
// place in the key stream follows from all records before: when one is lost
// whose length is not known, nothing after it can be opened.
type stream struct {
	cipher cipher.Stream
	mac    recordMAC
	junk   [256]byte
}

func (s *stream) lose(n int) {
	for n > 0 {
		part := s.junk[:min(n, len(s.junk))]
		s.cipher.XORKeyStream(part, part)
		n -= len(part)
	}
}

func (s *stream) open(buf []byte, r tlswire.Record, n numbers) ([]byte, uint64, error) {
	plain := buf[:len(r.Fragment)]
	s.cipher.XORKeyStream(plain, r.Fragment)
	if len(plain) < s.mac.size() {
		return nil, 0, errNotAuthentic
	}
	content, tag := cutTail(plain, s.mac.size())
	used, err := s.mac.find(r, content, tag, n)
	return content, used, err
}
