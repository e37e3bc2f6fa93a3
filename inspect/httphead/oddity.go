package httphead

import (
	"strconv"
	"strings"
)

// Oddity is a set of things that were wrong or unusual in a head and did not
// hide its meaning.
type Oddity uint32

// What a head can be odd in.
const (
	// LeadingEmptyLine: empty lines before the request line (RFC 9112, Section 2.2).
	LeadingEmptyLine Oddity = 1 << iota
	// BareLF: a line ends with LF alone (RFC 9112, Section 2.2). sstpc sends it.
	BareLF
	// BareCR: a CR that no LF follows, in a field line (RFC 9112, Section 2.2).
	BareCR
	// NUL: a zero byte in a field line (RFC 9110, Section 5.5).
	NUL
	// ControlChar: another control character in a field line (RFC 9110, Section 5.5).
	ControlChar
	// NonASCII: bytes from 0x80 up, in the start line or in a field line.
	NonASCII
	// RequestLineSpace: the parts of the request line are not parted by exactly
	// one space each (RFC 9112, Section 3).
	RequestLineSpace
	// SpaceInTarget: white space inside the request target (RFC 9112, Section 3.2).
	SpaceInTarget
	// InvalidTarget: the request target has none of the forms that its method
	// allows (RFC 9112, Section 3.2).
	InvalidTarget
	// MissingReasonSpace: the status line ends with the status code (RFC 9112,
	// Section 4).
	MissingReasonSpace
	// SpaceBeforeFields: lines that begin with white space come before the first
	// field line; they are left out of Fields (RFC 9112, Section 2.2).
	SpaceBeforeFields
	// ObsFold: a value continues on a line that begins with white space (RFC
	// 9112, Section 5.2).
	ObsFold
	// SpaceBeforeColon: white space between name and colon (RFC 9112, Section 5.1).
	SpaceBeforeColon
	// InvalidFieldName: a name that is empty or not a token (RFC 9110, Section 5.1).
	InvalidFieldName
	// MissingColon: a field line without a colon; its Field has no name.
	MissingColon
	// MissingHost: a request of HTTP/1.1 or later without Host (RFC 9112, Section
	// 3.2). sstpc sends none in a CONNECT.
	MissingHost
	// DuplicateHost: more than one Host line (RFC 9112, Section 3.2).
	DuplicateHost
	// InvalidHost: a Host value that is not a host with an optional port (RFC
	// 9112, Section 3.2).
	InvalidHost
	// RepeatedLength: Content-Length is given several times, always the same
	// (RFC 9110, Section 8.6).
	RepeatedLength
	// ConflictingLength: Content-Length is given several times, not the same (RFC
	// 9112, Section 6.3).
	ConflictingLength
	// InvalidLength: a Content-Length that is not a number below 2^64 (RFC 9112,
	// Section 6.3).
	InvalidLength
	// LengthAndEncoding: both Content-Length and Transfer-Encoding (RFC 9112,
	// Section 6.1).
	LengthAndEncoding
	// InvalidEncoding: a Transfer-Encoding that does not tell where the body ends
	// or that HTTP/1.0 does not know (RFC 9112, Sections 6.1 and 6.3).
	InvalidEncoding
	// MissingPort: an authority without a port (RFC 9110, Section 9.3.6).
	MissingPort
	// DoublePort: an authority with two ports, of which the first counts. sstpc
	// adds ":443" to whatever server it was given.
	DoublePort
	// UnbracketedIPv6: an IPv6 address without its brackets (RFC 3986, Section
	// 3.2.2). sstpc writes addresses so.
	UnbracketedIPv6
)

var oddityNames = [...]string{
	"LeadingEmptyLine", "BareLF", "BareCR", "NUL", "ControlChar", "NonASCII", "RequestLineSpace", "SpaceInTarget",
	"InvalidTarget", "MissingReasonSpace", "SpaceBeforeFields", "ObsFold", "SpaceBeforeColon", "InvalidFieldName",
	"MissingColon", "MissingHost", "DuplicateHost", "InvalidHost", "RepeatedLength", "ConflictingLength",
	"InvalidLength", "LengthAndEncoding", "InvalidEncoding", "MissingPort", "DoublePort", "UnbracketedIPv6",
}

// refuseAlways are the oddities on which two recipients of the same bytes may
// part, which is what smuggling lives on.
const refuseAlways = BareCR | NUL | SpaceBeforeFields | ObsFold | InvalidFieldName | MissingColon |
	ConflictingLength | InvalidLength | LengthAndEncoding | InvalidEncoding

// refuseRequest adds those for which RFC 9112 wants a request answered with 400
// and a response repaired, or which only a request can have.
const refuseRequest = refuseAlways | RequestLineSpace | SpaceInTarget | InvalidTarget | SpaceBeforeColon |
	MissingHost | DuplicateHost | InvalidHost | MissingPort

// Has reports whether o holds any oddity of set.
func (o Oddity) Has(set Oddity) bool { return o&set != 0 }

// String names the oddities in o, joined by "|". It is empty for none.
func (o Oddity) String() string {
	var names []string
	for i, name := range oddityNames {
		if o&(1<<i) != 0 {
			names = append(names, name)
			o &^= 1 << i
		}
	}
	if o != 0 {
		names = append(names, "0x"+strconv.FormatUint(uint64(o), 16))
	}
	return strings.Join(names, "|")
}
