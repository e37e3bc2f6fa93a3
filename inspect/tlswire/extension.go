package tlswire

import (
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// An ExtensionType says what an extension is (IANA's TLS ExtensionType Values
// registry).
type ExtensionType uint16

// Extensions whose data is decoded or whose presence tells something.
const (
	ExtensionServerName           ExtensionType = 0      // RFC 6066, Section 3
	ExtensionStatusRequest        ExtensionType = 5      // RFC 6066, Section 8
	ExtensionSupportedGroups      ExtensionType = 10     // RFC 8446, Section 4.2.7
	ExtensionECPointFormats       ExtensionType = 11     // RFC 8422, Section 5.1.2
	ExtensionSignatureAlgorithms  ExtensionType = 13     // RFC 8446, Section 4.2.3
	ExtensionALPN                 ExtensionType = 16     // RFC 7301, Section 3.1
	ExtensionPadding              ExtensionType = 21     // RFC 7685
	ExtensionEncryptThenMAC       ExtensionType = 22     // RFC 7366
	ExtensionExtendedMasterSecret ExtensionType = 23     // RFC 7627
	ExtensionSessionTicket        ExtensionType = 35     // RFC 5077
	ExtensionPreSharedKey         ExtensionType = 41     // RFC 8446, Section 4.2.11
	ExtensionEarlyData            ExtensionType = 42     // RFC 8446, Section 4.2.10
	ExtensionSupportedVersions    ExtensionType = 43     // RFC 8446, Section 4.2.1
	ExtensionKeyShare             ExtensionType = 51     // RFC 8446, Section 4.2.8
	ExtensionEncryptedClientHello ExtensionType = 0xFE0D // RFC 9849, Section 5
	ExtensionRenegotiationInfo    ExtensionType = 0xFF01 // RFC 5746, Section 3.2
)

var extensionNames = map[ExtensionType]string{
	ExtensionServerName:           "server_name",
	ExtensionStatusRequest:        "status_request",
	ExtensionSupportedGroups:      "supported_groups",
	ExtensionECPointFormats:       "ec_point_formats",
	ExtensionSignatureAlgorithms:  "signature_algorithms",
	ExtensionALPN:                 "application_layer_protocol_negotiation",
	ExtensionPadding:              "padding",
	ExtensionEncryptThenMAC:       "encrypt_then_mac",
	ExtensionExtendedMasterSecret: "extended_master_secret",
	ExtensionSessionTicket:        "session_ticket",
	ExtensionPreSharedKey:         "pre_shared_key",
	ExtensionEarlyData:            "early_data",
	ExtensionSupportedVersions:    "supported_versions",
	ExtensionKeyShare:             "key_share",
	ExtensionEncryptedClientHello: "encrypted_client_hello",
	ExtensionRenegotiationInfo:    "renegotiation_info",
}

// String returns the extension's name in the registry, or its number.
func (t ExtensionType) String() string {
	if name, ok := extensionNames[t]; ok {
		return name
	}
	return fmt.Sprintf("%d", uint16(t))
}

// A NamedGroup is a group for key agreement (RFC 8446, Section 4.2.7).
type NamedGroup uint16

// A SignatureScheme is a signature algorithm (RFC 8446, Section 4.2.3).
type SignatureScheme uint16

// IsGREASE says whether v is one of the values 0x0A0A, 0x1A1A, ... 0xFAFA that
// clients strew among cipher suites, extensions, groups, versions and
// signature schemes so that servers keep ignoring what they do not know (RFC
// 8701, Section 2).
func IsGREASE[T ~uint16](v T) bool {
	return v&0x0F0F == 0x0A0A && v>>8 == v&0xFF
}

// An Extension is one extension as it stands in a message (RFC 8446, Section
// 4.2).
type Extension struct {
	Type ExtensionType
	Data []byte
}

// findExtension returns the data of the first extension of the type.
func findExtension(list []Extension, t ExtensionType) (data []byte, ok bool) {
	i := slices.IndexFunc(list, func(e Extension) bool { return e.Type == t })
	if i < 0 {
		return nil, false
	}
	return list[i].Data, true
}

// extensions reads a block of extensions, keeping order and duplicates. It is
// not nil, even if it is empty.
func (r *reader) extensions() []Extension {
	block := r.vector(2, "extensions")
	list := make([]Extension, 0, countExtensions(block.s))
	for block.more() {
		t := ExtensionType(block.uint16("extension_type"))
		data := block.vector(2, "extension_data")
		list = append(list, Extension{Type: t, Data: data.s})
	}
	return list
}

// countExtensions gives how many extensions there are in a block, about as
// many where it is malformed.
func countExtensions(block []byte) (n int) {
	for ; len(block) >= 4; n++ {
		length := 4 + int(block[2])<<8 + int(block[3])
		block = block[min(length, len(block)):]
	}
	return n
}

// decodeExtensions calls decode with a reader of each extension's data. It
// returns the types of those whose data decode did not read to its end
// without an error. Of duplicates, which RFC 8446, Section 4.2 forbids, the
// first one counts and the others are malformed.
func decodeExtensions(list []Extension, decode func(ExtensionType, *reader)) (malformed []ExtensionType) {
	before := earlier{list: list}
	r := newReader(nil, "")
	r.closed = true
	for i, e := range list {
		if before.has(i, e.Type) {
			malformed = append(malformed, e.Type)
			continue
		}
		r.s, r.end, *r.err = e.Data, len(e.Data), nil
		if decode(e.Type, r); r.done() != nil {
			malformed = append(malformed, e.Type)
		}
	}
	return malformed
}

// manyExtensions is more than honest hellos have. That many are gone through
// again for each; a hello can have 16,384, for which a set is kept.
const manyExtensions = 64

// earlier tells whether a type stands in a list before.
type earlier struct {
	list []Extension
	set  map[ExtensionType]struct{}
}

// has is asked for each index in turn.
func (e *earlier) has(i int, t ExtensionType) bool {
	if len(e.list) <= manyExtensions {
		return slices.ContainsFunc(e.list[:i], func(x Extension) bool { return x.Type == t })
	}
	if e.set == nil {
		e.set = make(map[ExtensionType]struct{}, len(e.list))
	}
	_, ok := e.set[t]
	e.set[t] = struct{}{}
	return ok
}

// decodeALPN reads the names of application protocols, which are not empty.
func decodeALPN(r *reader) []string {
	var names []string
	list := r.vector(2, "protocol_name_list")
	for list.more() {
		names = append(names, string(list.vector(1, "protocol_name").s))
	}
	return names
}

func appendExtensions(b *cryptobyte.Builder, list []Extension) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, e := range list {
			b.AddUint16(uint16(e.Type))
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.Data) })
		}
	})
}
