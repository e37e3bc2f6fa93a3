package tlswire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Lengths of records in bytes.
const (
	// RecordHeaderLen is that of the header in front of every fragment.
	RecordHeaderLen = 5
	// MaxFragmentLen is the most that a fragment can have: TLSCiphertext of
	// TLS 1.2, the largest of all versions (RFC 5246, Section 6.2.3).
	MaxFragmentLen = maxPlaintext + 2048

	maxPlaintext = 1 << 14 // RFC 8446, Section 5.1
)

// A ContentType says what a record carries (RFC 8446, Section 5.1). From TLS
// 1.3 on, everything that is encrypted calls itself application data.
type ContentType uint8

// Content types.
const (
	ContentChangeCipherSpec ContentType = 20
	ContentAlert            ContentType = 21
	ContentHandshake        ContentType = 22
	ContentApplicationData  ContentType = 23
	ContentHeartbeat        ContentType = 24 // RFC 6520, Section 3
)

// String returns the type's name in the specification.
func (t ContentType) String() string {
	switch t {
	case ContentChangeCipherSpec:
		return "change_cipher_spec"
	case ContentAlert:
		return "alert"
	case ContentHandshake:
		return "handshake"
	case ContentApplicationData:
		return "application_data"
	case ContentHeartbeat:
		return "heartbeat"
	}
	return fmt.Sprintf("%d", uint8(t))
}

// A Version is a protocol version as it stands on the wire.
type Version uint16

// Protocol versions.
const (
	VersionSSL30 Version = 0x0300 // RFC 6101
	VersionTLS10 Version = 0x0301 // RFC 2246
	VersionTLS11 Version = 0x0302 // RFC 4346
	VersionTLS12 Version = 0x0303 // RFC 5246
	VersionTLS13 Version = 0x0304 // RFC 8446
)

// String returns the version's usual name, such as "TLS 1.2".
func (v Version) String() string {
	switch {
	case v == VersionSSL30:
		return "SSL 3.0"
	case VersionTLS10 <= v && v <= VersionTLS13:
		return fmt.Sprintf("TLS 1.%d", v-VersionTLS10)
	}
	return fmt.Sprintf("0x%04x", uint16(v))
}

// A Record is one TLS record as a [Stream] or [ParseRecordHeader] tells of it.
type Record struct {
	Type ContentType
	// Version is the header's legacy_record_version, which is not the one
	// negotiated: a TLS 1.3 record says TLS 1.2 here, a first one often 1.0.
	Version Version
	// Length is that of the fragment on the wire, without the header.
	Length int
	// Fragment is the whole fragment where the Stream keeps it and no byte
	// of it was lost, else nil. It is valid only during the call that
	// receives it.
	Fragment []byte
	// Damaged says that bytes of the fragment were lost.
	Damaged bool
	// Resynced marks the first record that was found after the stream's
	// order was lost, or in the middle of a connection: any number of
	// records may be missing in front of it.
	Resynced bool
}

// ParseRecordHeader reads the header of the record that b begins with and
// returns its type, version and length, and the number of bytes used, always
// [RecordHeaderLen].
//
//	 0      1      2      3      4      5
//	+------+------+------+------+------+----------
//	| type | legacy_     | length      | fragment
//	|      | record_     |             |
//	|      | version     |             |
//	+------+------+------+------+------+----------
//
// Of the version only the major number 3 is checked: it "MUST be ignored for
// all purposes" (RFC 8446, Section 5.1), and this much tells TLS from others.
func ParseRecordHeader(b []byte) (Record, int, error) {
	const section = "RFC 8446, Section 5.1"
	if len(b) > 0 && (b[0] < byte(ContentChangeCipherSpec) || b[0] > byte(ContentHeartbeat)) {
		return Record{}, 0, &SyntaxError{Section: section, Field: "type", Offset: 0, Value: b[0]}
	}
	if len(b) > 1 && b[1] != 3 {
		return Record{}, 0, &SyntaxError{Section: section, Field: "legacy_record_version", Offset: 1, Value: b[1]}
	}
	// The length's first byte alone can already say too much.
	if len(b) > 3 && int(b[3]) > MaxFragmentLen>>8 {
		return Record{}, 0, &SyntaxError{Section: section, Field: "length", Offset: 3, Value: b[3]}
	}
	if len(b) < RecordHeaderLen {
		return Record{}, 0, io.ErrUnexpectedEOF
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	if n > MaxFragmentLen {
		return Record{}, 0, &SyntaxError{Section: section, Field: "length", Offset: 3, Value: n}
	}
	return Record{
		Type:    ContentType(b[0]),
		Version: Version(binary.BigEndian.Uint16(b[1:])),
		Length:  n,
	}, RecordHeaderLen, nil
}

// AppendHeader appends the record's header to b.
func (r Record) AppendHeader(b []byte) []byte {
	b = append(b, byte(r.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(r.Version))
	return binary.BigEndian.AppendUint16(b, uint16(r.Length))
}
