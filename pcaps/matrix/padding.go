package matrix

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net"

	"golang.org/x/crypto/chacha20poly1305"
)

// A padder seals the application data records of TLS 1.3 anew, with padding (RFC 8446,
// Section 5.4), which crypto/tls can read and cannot write. It stands below the end
// whose records it pads and knows its secrets; the number of records stays the same, so
// that the other end notices nothing else.
type padder struct {
	net.Conn
	keys   *secrets
	labels [2]string // of the handshake's and the application data's secret
	length func(n int) int
	buf    []byte
	begun  bool          // TLS was
	epoch  int           // 0 none, 1 handshake, 2 application data
	aeads  []cipher.AEAD // the one in use, or those that it may be
	iv     []byte
	seq    uint64
}

const (
	recordHeader    = 5
	handshakeRecord = 22
	applicationData = 23
	maxInner        = 1<<14 + 1 // RFC 8446, Section 5.2: content, its type and padding
)

var (
	clientLabels = [2]string{"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0"}
	serverLabels = [2]string{"SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0"}
)

// padding pads an end's records. Length is that of a padded content of n bytes.
func padding(keys *secrets, labels [2]string, length func(n int) int) func(net.Conn) net.Conn {
	return func(c net.Conn) net.Conn { return &padder{Conn: c, keys: keys, labels: labels, length: length} }
}

// Write implements net.Conn.
func (p *padder) Write(b []byte) (int, error) {
	if !p.begun && len(b) > 0 && b[0] != handshakeRecord { // what is asked of a proxy
		return p.Conn.Write(b)
	}
	p.begun = true
	p.buf = append(p.buf, b...)
	var out []byte
	for len(p.buf) >= recordHeader {
		n := recordHeader + int(binary.BigEndian.Uint16(p.buf[3:]))
		if len(p.buf) < n {
			break
		}
		r, err := p.record(p.buf[:n])
		if err != nil {
			return 0, err
		}
		out = append(out, r...)
		p.buf = p.buf[n:]
	}
	if len(out) > 0 {
		if _, err := p.Conn.Write(out); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// NetConn returns the connection below.
func (p *padder) NetConn() net.Conn { return below(p.Conn) }

// record pads one record, if it is one that can be.
func (p *padder) record(r []byte) ([]byte, error) {
	if r[0] != applicationData {
		return r, nil
	}
	inner, err := p.open(r)
	if err != nil {
		return nil, err
	}
	if p.epoch < 2 { // the handshake stays as it is
		p.seq++
		return r, nil
	}
	end := len(inner) // the content's type is the last byte that is not 0
	for end > 0 && inner[end-1] == 0 {
		end--
	}
	want := max(min(p.length(end-1)+1, maxInner), end)
	padded := append(append([]byte(nil), inner[:end]...), make([]byte, want-end)...)
	head := []byte{applicationData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(want+p.aeads[0].Overhead()))
	sealed := p.aeads[0].Seal(head, p.nonce(), padded, head)
	p.seq++
	return sealed, nil
}

// open opens a record with the current keys, or with the next where those do not fit.
func (p *padder) open(r []byte) ([]byte, error) {
	for {
		for i, aead := range p.aeads {
			inner, err := aead.Open(nil, p.nonce(), r[recordHeader:], r[:recordHeader])
			if err == nil {
				p.aeads = p.aeads[i : i+1]
				return inner, nil
			}
		}
		if p.epoch == 2 {
			return nil, errors.New("padding records: one does not open with the keys that are known")
		}
		secret := p.keys.get(p.labels[p.epoch])
		if secret == nil {
			return nil, fmt.Errorf("padding records: no %s is known", p.labels[p.epoch])
		}
		p.epoch++
		p.seq = 0
		if err := p.setKeys(secret); err != nil {
			return nil, err
		}
	}
}

// setKeys makes the keys of a traffic secret (RFC 8446, Section 7.3). Its length tells the
// hash; of the two suites with SHA-256 the first record tells which it is.
func (p *padder) setKeys(secret []byte) (err error) {
	h, sizes := func() hash.Hash { return sha256.New() }, []int{16, chacha20poly1305.KeySize}
	if len(secret) == sha512.Size384 {
		h, sizes = sha512.New384, []int{32}
	}
	if p.iv, err = expandLabel(h, secret, "iv", chacha20poly1305.NonceSize); err != nil {
		return err
	}
	p.aeads = nil
	for _, size := range sizes {
		key, err := expandLabel(h, secret, "key", size)
		if err != nil {
			return err
		}
		aead, err := newAEAD(key, len(sizes) > 1 && size == chacha20poly1305.KeySize)
		if err != nil {
			return err
		}
		p.aeads = append(p.aeads, aead)
	}
	return nil
}

func newAEAD(key []byte, chacha bool) (cipher.AEAD, error) {
	if chacha {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446, Section 7.1).
func expandLabel(h func() hash.Hash, secret []byte, label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(info, byte(len(label)))
	info = append(info, label...)
	return hkdf.Expand(h, secret, string(append(info, 0)), length)
}

func (p *padder) nonce() []byte {
	n := append([]byte(nil), p.iv...)
	for i := range 8 {
		n[len(n)-1-i] ^= byte(p.seq >> (8 * i))
	}
	return n
}
