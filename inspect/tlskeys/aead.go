package tlskeys

import (
	"encoding/binary"

	"sstpwarden/inspect/tlswire"
)

// nonceLength is that of every AEAD cipher TLS has (RFC 5116, Section 3.2).
const nonceLength = 12

// An authenticator is the half of a [cipher.AEAD] that opens.
type authenticator interface {
	Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
	Overhead() int
}

// An aead opens records of AEAD ciphers: RFC 5246, Section 6.2.3.3 with RFC
// 5288, 6655 and 7905, and RFC 8446, Section 5.2.
type aead struct {
	authenticator
	iv       [nonceLength]byte
	explicit int // bytes of the nonce that each record carries, else it comes from the sequence number
	tls13    bool

	nonce [nonceLength]byte // scratch: on the stack they would escape
	ad    [13]byte
}

func (a *aead) lose(int) {}

func (a *aead) open(buf []byte, r tlswire.Record, n numbers) ([]byte, uint64, error) {
	if len(r.Fragment) < a.explicit+a.Overhead() {
		return nil, 0, errNotAuthentic
	}
	ciphertext := r.Fragment[a.explicit:]
	var ad []byte
	if a.tls13 {
		ad = appendHeader(a.ad[:0], r, len(r.Fragment))
	} else {
		ad = binary.BigEndian.AppendUint64(a.ad[:0], 0)
		ad = appendHeader(ad, r, len(ciphertext)-a.Overhead())
	}
	for i := range n.len() {
		seq := n.at(i)
		if !a.tls13 {
			binary.BigEndian.PutUint64(ad, seq)
		}
		plain, err := a.Open(buf[:0], a.nonceOf(seq, r.Fragment), ciphertext, ad)
		if err == nil {
			return plain, seq, nil
		}
	}
	return nil, 0, errNotAuthentic
}

func (a *aead) nonceOf(seq uint64, fragment []byte) []byte {
	a.nonce = a.iv
	tail := a.nonce[nonceLength-8:]
	if a.explicit > 0 {
		copy(tail, fragment[:a.explicit])
	} else {
		binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^seq)
	}
	return a.nonce[:]
}

// appendHeader appends a record's header with the given length.
//
//	| type | version (2) | length (2) |
func appendHeader(b []byte, r tlswire.Record, length int) []byte {
	b = append(b, byte(r.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Version))
	return binary.BigEndian.AppendUint16(b, uint16(length))
}
