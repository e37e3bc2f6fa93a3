package tlswire

import (
	"golang.org/x/crypto/cryptobyte"
)

// A ClientHello is a client's first message (RFC 8446, Section 4.1.2).
//
// The fields down to Extensions are the message, as it stands on the wire,
// with GREASE values. The others are what known extensions say: zero where the
// extension is absent, and what could be read where it is malformed.
type ClientHello struct {
	Version            Version // legacy_version; see MaxVersion
	Random             [32]byte
	SessionID          []byte // up to 32 bytes
	CipherSuites       []CipherSuite
	CompressionMethods []uint8
	Extensions         []Extension // nil for a hello without the block

	// ServerName is the first host_name of the server_name extension, in the
	// client's spelling. It is the client's to choose, and with ECH it is
	// the outer one, which is not where the connection goes.
	ServerName string
	// ALPN are the protocols offered.
	ALPN                []string
	SupportedVersions   []Version
	SupportedGroups     []NamedGroup
	ECPointFormats      []uint8
	SignatureAlgorithms []SignatureScheme
	KeyShares           []NamedGroup // groups that key_share has a key for
	// SessionTicket is the ticket that the client returns: empty if it only
	// asks for one, nil without the extension.
	SessionTicket        []byte
	EncryptThenMAC       bool
	ExtendedMasterSecret bool
	StatusRequest        bool // the certificate's OCSP status is asked for
	PreSharedKey         bool // a TLS 1.3 session is to be resumed
	EarlyData            bool // application data follows before the server answers
	ECH                  bool // encrypted_client_hello, real or GREASE

	// Malformed are the types of known extensions whose data does not follow
	// their specification, and those of extensions that come twice, which
	// only count the first time.
	Malformed []ExtensionType
}

// ParseClientHello parses the body of a client_hello message, which is b from
// end to end. Its byte slices are parts of b.
//
// An extension whose data makes no sense is no error; see Malformed. Hellos of
// SSL 3.0 and later may end behind their compression methods.
func ParseClientHello(b []byte) (*ClientHello, error) {
	r := newReader(b, "RFC 8446, Section 4.1.2")
	h := &ClientHello{}
	if h.Version = Version(r.uint16("legacy_version")); h.Version>>8 != 3 && *r.err == nil {
		r.fail("legacy_version", 2, h.Version)
	}
	copy(h.Random[:], r.bytes(len(h.Random), "random"))
	h.SessionID = r.sessionID()
	h.CipherSuites = uint16s[CipherSuite](r.vector(2, "cipher_suites"), "cipher_suites")
	h.CompressionMethods = r.vector(1, "legacy_compression_methods").s
	if r.more() {
		h.Extensions = r.extensions()
	}
	if err := r.done(); err != nil {
		return nil, err
	}
	h.Malformed = decodeExtensions(h.Extensions, h.decode)
	return h, nil
}

// sessionID reads a legacy_session_id.
func (r *reader) sessionID() []byte {
	const field = "legacy_session_id"
	if n := r.peek(1, field); len(n) == 1 && n[0] > 32 {
		r.fail(field+" length", 0, n[0])
	}
	return r.vector(1, field).s
}

// decode reads the data of one extension.
func (h *ClientHello) decode(t ExtensionType, r *reader) {
	switch t {
	case ExtensionServerName:
		h.ServerName = decodeServerName(r)
	case ExtensionALPN:
		h.ALPN = decodeALPN(r)
	case ExtensionSupportedVersions:
		h.SupportedVersions = uint16s[Version](r.vector(1, "versions"), "versions")
	case ExtensionSupportedGroups:
		h.SupportedGroups = uint16s[NamedGroup](r.vector(2, "named_group_list"), "named_group_list")
	case ExtensionECPointFormats:
		h.ECPointFormats = r.vector(1, "ec_point_format_list").s
	case ExtensionSignatureAlgorithms:
		list := r.vector(2, "supported_signature_algorithms")
		h.SignatureAlgorithms = uint16s[SignatureScheme](list, "supported_signature_algorithms")
	case ExtensionKeyShare:
		shares := r.vector(2, "client_shares")
		for shares.more() {
			h.KeyShares = append(h.KeyShares, NamedGroup(shares.uint16("group")))
			shares.vector(2, "key_exchange")
		}
	case ExtensionSessionTicket:
		h.SessionTicket = r.rest("ticket")
	case ExtensionEncryptThenMAC:
		h.EncryptThenMAC = true
	case ExtensionExtendedMasterSecret:
		h.ExtendedMasterSecret = true
	case ExtensionStatusRequest:
		h.StatusRequest = true
		r.rest("request")
	case ExtensionPreSharedKey:
		h.PreSharedKey = true
		r.rest("identities")
	case ExtensionEarlyData:
		h.EarlyData = true
	case ExtensionEncryptedClientHello:
		h.ECH = true
		r.rest("ECHClientHello")
	default:
		r.rest("extension_data")
	}
}

// decodeServerName reads a ServerNameList. The only type there is is
// host_name, 0 (RFC 6066, Section 3).
func decodeServerName(r *reader) (name string) {
	list := r.vector(2, "server_name_list")
	for list.more() {
		t := list.uint8("name_type")
		v := list.vector(2, "host_name").s
		if t == 0 && name == "" {
			name = string(v)
		}
	}
	return name
}

// Extension returns the data of the first extension of the type, and whether
// there is one. The data is the ClientHello's own.
func (h *ClientHello) Extension(t ExtensionType) (data []byte, ok bool) {
	return findExtension(h.Extensions, t)
}

// MaxVersion returns the highest version offered, leaving out GREASE: of
// supported_versions, or without that extension of legacy_version.
func (h *ClientHello) MaxVersion() Version {
	var highest Version
	for _, v := range h.SupportedVersions {
		if !IsGREASE(v) {
			highest = max(highest, v)
		}
	}
	if highest == 0 {
		return h.Version
	}
	return highest
}

// Append appends the message's body to b. It is made of the fields down to
// Extensions alone, and panics when one of them is too long for its length
// field.
func (h *ClientHello) Append(b []byte) []byte {
	w := cryptobyte.NewBuilder(b)
	w.AddUint16(uint16(h.Version))
	w.AddBytes(h.Random[:])
	w.AddUint8LengthPrefixed(func(w *cryptobyte.Builder) { w.AddBytes(h.SessionID) })
	w.AddUint16LengthPrefixed(func(w *cryptobyte.Builder) {
		for _, s := range h.CipherSuites {
			w.AddUint16(uint16(s))
		}
	})
	w.AddUint8LengthPrefixed(func(w *cryptobyte.Builder) { w.AddBytes(h.CompressionMethods) })
	if h.Extensions != nil {
		appendExtensions(w, h.Extensions)
	}
	return w.BytesOrPanic()
}
