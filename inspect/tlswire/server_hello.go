package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// helloRetryRequest is the random that makes a ServerHello a
// HelloRetryRequest: SHA-256 of that word (RFC 8446, Section 4.1.3).
var helloRetryRequest = [32]byte{
	0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
	0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
}

// A ServerHello is a server's answer to a ClientHello (RFC 8446, Section
// 4.1.3).
//
// The fields down to Extensions are the message, as it stands on the wire.
// The others are what known extensions say: zero where the extension is absent,
// and what could be read where it is malformed.
type ServerHello struct {
	Version           Version // legacy_version; see NegotiatedVersion
	Random            [32]byte
	SessionID         []byte // up to 32 bytes; from TLS 1.3 on the client's, echoed
	CipherSuite       CipherSuite
	CompressionMethod uint8
	Extensions        []Extension // nil for a hello without the block

	// NegotiatedVersion is that of supported_versions, else Version.
	NegotiatedVersion Version
	// HelloRetryRequest says that the client is asked for another
	// ClientHello, and another ServerHello will follow.
	HelloRetryRequest bool
	// ALPN is the protocol chosen, up to TLS 1.2; "" if none was. Later
	// versions say it in EncryptedExtensions.
	ALPN                 string
	KeyShare             NamedGroup // chosen group of TLS 1.3, 0 without
	EncryptThenMAC       bool
	ExtendedMasterSecret bool
	SessionTicket        bool // up to TLS 1.2: a NewSessionTicket message will follow
	StatusRequest        bool // up to TLS 1.2: a CertificateStatus message may follow
	PreSharedKey         bool // a TLS 1.3 session is resumed: no certificate follows

	// Malformed is as in ClientHello.
	Malformed []ExtensionType
}

// ParseServerHello parses the body of a server_hello message, which is b from
// end to end. Its byte slices are parts of b.
//
// An extension whose data makes no sense is no error; see Malformed.
func ParseServerHello(b []byte) (*ServerHello, error) {
	r := newReader(b, "RFC 8446, Section 4.1.3")
	h := &ServerHello{}
	if h.Version = Version(r.uint16("legacy_version")); h.Version>>8 != 3 && *r.err == nil {
		r.fail("legacy_version", 2, h.Version)
	}
	copy(h.Random[:], r.bytes(len(h.Random), "random"))
	h.SessionID = r.sessionID()
	h.CipherSuite = CipherSuite(r.uint16("cipher_suite"))
	h.CompressionMethod = r.uint8("legacy_compression_method")
	if r.more() {
		h.Extensions = r.extensions()
	}
	if err := r.done(); err != nil {
		return nil, err
	}
	h.HelloRetryRequest = h.Random == helloRetryRequest
	h.NegotiatedVersion = h.Version
	h.Malformed = decodeExtensions(h.Extensions, h.decode)
	return h, nil
}

// decode reads the data of one extension.
func (h *ServerHello) decode(t ExtensionType, r *reader) {
	switch t {
	case ExtensionSupportedVersions:
		if v := Version(r.uint16("selected_version")); *r.err == nil {
			h.NegotiatedVersion = v
		}
	case ExtensionALPN:
		h.ALPN = chosenProtocol(r)
	case ExtensionKeyShare:
		h.KeyShare = NamedGroup(r.uint16("group"))
		if !h.HelloRetryRequest {
			r.vector(2, "key_exchange")
		}
	case ExtensionEncryptThenMAC:
		h.EncryptThenMAC = true
	case ExtensionExtendedMasterSecret:
		h.ExtendedMasterSecret = true
	case ExtensionSessionTicket:
		h.SessionTicket = true
	case ExtensionStatusRequest:
		h.StatusRequest = true
	case ExtensionPreSharedKey:
		h.PreSharedKey = true
		r.uint16("selected_identity")
	default:
		r.rest("extension_data")
	}
}

// chosenProtocol reads a server's ALPN extension, which "MUST contain exactly
// one" name (RFC 7301, Section 3.1).
func chosenProtocol(r *reader) string {
	names := decodeALPN(r)
	if len(names) != 1 {
		r.fail("protocol_name_list", 0, len(names))
		return ""
	}
	return names[0]
}

// Extension returns the data of the first extension of the type, and whether
// there is one. The data is the ServerHello's own.
func (h *ServerHello) Extension(t ExtensionType) (data []byte, ok bool) {
	return findExtension(h.Extensions, t)
}

// Append appends the message's body to b. It is made of the fields down to
// Extensions alone, and panics when one of them is too long for its length
// field.
func (h *ServerHello) Append(b []byte) []byte {
	w := cryptobyte.NewBuilder(b)
	w.AddUint16(uint16(h.Version))
	w.AddBytes(h.Random[:])
	w.AddUint8LengthPrefixed(func(w *cryptobyte.Builder) { w.AddBytes(h.SessionID) })
	w.AddUint16(uint16(h.CipherSuite))
	w.AddUint8(h.CompressionMethod)
	if h.Extensions != nil {
		appendExtensions(w, h.Extensions)
	}
	return w.BytesOrPanic()
}

// EncryptedExtensions are what a TLS 1.3 server says under encryption of the
// extensions it was offered (RFC 8446, Section 4.3.1).
type EncryptedExtensions struct {
	Extensions []Extension
	ALPN       string // the protocol chosen, "" if none was
	// Malformed is as in ClientHello.
	Malformed []ExtensionType
}

// ParseEncryptedExtensions parses the body of an encrypted_extensions message,
// which is b from end to end. Its byte slices are parts of b.
func ParseEncryptedExtensions(b []byte) (*EncryptedExtensions, error) {
	r := newReader(b, "RFC 8446, Section 4.3.1")
	e := &EncryptedExtensions{Extensions: r.extensions()}
	if err := r.done(); err != nil {
		return nil, err
	}
	e.Malformed = decodeExtensions(e.Extensions, func(t ExtensionType, r *reader) {
		if t == ExtensionALPN {
			e.ALPN = chosenProtocol(r)
			return
		}
		r.rest("extension_data")
	})
	return e, nil
}

// Append appends the message's body to b. It is made of Extensions alone, and
// panics when they are too long for their length field.
func (e *EncryptedExtensions) Append(b []byte) []byte {
	w := cryptobyte.NewBuilder(b)
	appendExtensions(w, e.Extensions)
	return w.BytesOrPanic()
}
