package tlswire

// A Cipher is how a suite protects records. The zero value is none of them.
type Cipher uint8

// Ciphers. CBC and stream ciphers carry a MAC of their own (Suite.MAC); GCM,
// CCM and Poly1305 are AEAD and need none.
const (
	CipherNull Cipher = iota + 1
	CipherRC4_128
	CipherDESCBC
	Cipher3DESCBC
	CipherIDEACBC
	CipherSEEDCBC
	CipherAES128CBC
	CipherAES256CBC
	CipherCamellia128CBC
	CipherCamellia256CBC
	CipherAES128GCM
	CipherAES256GCM
	CipherCamellia128GCM
	CipherCamellia256GCM
	CipherARIA128GCM
	CipherARIA256GCM
	CipherAES128CCM
	CipherAES256CCM
	CipherAES128CCM8 // a tag of 8 bytes instead of 16
	CipherAES256CCM8
	CipherChaCha20Poly1305
)

// cipherTraits are the lengths in bytes that make a record's layout.
type cipherTraits struct {
	name  string
	key   int
	block int // 0 unless CBC
	nonce int // sent with each TLS 1.2 record: RFC 5288, Section 3
	tag   int // 0 unless AEAD
}

var ciphers = [...]cipherTraits{
	CipherNull:             {name: "NULL"},
	CipherRC4_128:          {name: "RC4-128", key: 16},
	CipherDESCBC:           {name: "DES-CBC", key: 8, block: 8},
	Cipher3DESCBC:          {name: "3DES-CBC", key: 24, block: 8},
	CipherIDEACBC:          {name: "IDEA-CBC", key: 16, block: 8},
	CipherSEEDCBC:          {name: "SEED-CBC", key: 16, block: 16},
	CipherAES128CBC:        {name: "AES-128-CBC", key: 16, block: 16},
	CipherAES256CBC:        {name: "AES-256-CBC", key: 32, block: 16},
	CipherCamellia128CBC:   {name: "Camellia-128-CBC", key: 16, block: 16},
	CipherCamellia256CBC:   {name: "Camellia-256-CBC", key: 32, block: 16},
	CipherAES128GCM:        {name: "AES-128-GCM", key: 16, nonce: 8, tag: 16},
	CipherAES256GCM:        {name: "AES-256-GCM", key: 32, nonce: 8, tag: 16},
	CipherCamellia128GCM:   {name: "Camellia-128-GCM", key: 16, nonce: 8, tag: 16},
	CipherCamellia256GCM:   {name: "Camellia-256-GCM", key: 32, nonce: 8, tag: 16},
	CipherARIA128GCM:       {name: "ARIA-128-GCM", key: 16, nonce: 8, tag: 16},
	CipherARIA256GCM:       {name: "ARIA-256-GCM", key: 32, nonce: 8, tag: 16},
	CipherAES128CCM:        {name: "AES-128-CCM", key: 16, nonce: 8, tag: 16},
	CipherAES256CCM:        {name: "AES-256-CCM", key: 32, nonce: 8, tag: 16},
	CipherAES128CCM8:       {name: "AES-128-CCM-8", key: 16, nonce: 8, tag: 8},
	CipherAES256CCM8:       {name: "AES-256-CCM-8", key: 32, nonce: 8, tag: 8},
	CipherChaCha20Poly1305: {name: "ChaCha20-Poly1305", key: 32, tag: 16},
}

func (c Cipher) traits() cipherTraits {
	if int(c) < len(ciphers) {
		return ciphers[c]
	}
	return cipherTraits{}
}

// String returns the cipher's usual name.
func (c Cipher) String() string {
	if t := c.traits(); t.name != "" {
		return t.name
	}
	return enumName(nil, uint8(c))
}

// KeyLen returns the length of the key in bytes, 0 for CipherNull.
func (c Cipher) KeyLen() int { return c.traits().key }

// BlockLen returns the block length in bytes of a CBC cipher, which is also
// that of its IV, and 0 for all others.
func (c Cipher) BlockLen() int { return c.traits().block }

// ExplicitNonceLen returns how many bytes of nonce an AEAD record of TLS 1.2
// carries in front of its ciphertext. TLS 1.3 sends none.
func (c Cipher) ExplicitNonceLen() int { return c.traits().nonce }

// TagLen returns the length in bytes of an AEAD cipher's authentication tag,
// and 0 for all others.
func (c Cipher) TagLen() int { return c.traits().tag }

// AEAD says that the cipher authenticates what it encrypts.
func (c Cipher) AEAD() bool { return c.TagLen() != 0 }
