package ppp

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Fields of a frame that never vary (RFC 1662, Section 3.1).
const (
	allStations           = 0xff // "Address" field
	unnumberedInformation = 0x03 // "Control" field
)

// A Frame is a PPP frame as SSTP carries it: the whole payload of one data packet.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Address 0xff  | Control 0x03  |           Protocol            |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Payload ...
//	+-+-+-+-+-+-+-+
//
// Address and control may be absent and the protocol may be a single octet. Peers send such frames as soon as they have
// negotiated them and sometimes before, so all four forms are valid at any time.
type Frame struct {
	Protocol Protocol
	ACFC     bool   // the address and control fields are absent (RFC 1661, Section 6.6)
	PFC      bool   // the protocol field is one octet (RFC 1661, Section 6.5); only protocols below 0x0100 have that form
	Payload  []byte // the rest, padding included; aliases what was parsed
}

// ParseFrame parses b, one whole frame. It does not allocate unless it fails.
func ParseFrame(b []byte) (Frame, error) {
	f := Frame{ACFC: true}
	rest := b
	if len(rest) > 0 && rest[0] == allStations {
		if len(rest) < 2 {
			return Frame{}, io.ErrUnexpectedEOF
		}
		if rest[1] != unnumberedInformation {
			return Frame{}, &SyntaxError{"RFC 1662, Section 3.1", "Control", 1, rest[1]}
		}
		f.ACFC = false
		rest = rest[2:]
	}
	if len(rest) == 0 {
		return Frame{}, io.ErrUnexpectedEOF
	}
	// An odd octet ends the field, and the first one of an uncompressed field is even.
	offset := len(b) - len(rest)
	if rest[0]&1 == 1 {
		f.PFC = true
		f.Protocol = Protocol(rest[0])
		rest = rest[1:]
	} else {
		if len(rest) < 2 {
			return Frame{}, io.ErrUnexpectedEOF
		}
		f.Protocol = Protocol(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
	}
	if f.Protocol&1 == 0 || f.Protocol == reserved {
		return Frame{}, &SyntaxError{"RFC 1661, Section 2", "Protocol", offset, f.Protocol}
	}
	f.Payload = slices.Clip(rest)
	return f, nil
}

// Append appends the frame to b in the form that ACFC and PFC say. PFC is passed over where the protocol needs two
// octets.
func (f Frame) Append(b []byte) []byte {
	if !f.ACFC {
		b = append(b, allStations, unnumberedInformation)
	}
	if f.PFC && f.Protocol < firstTwoOctet {
		b = append(b, byte(f.Protocol))
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(f.Protocol))
	}
	return append(b, f.Payload...)
}

// String names the protocol and the payload's size. It leaves the payload out, which may hold a password.
func (f Frame) String() string { return fmt.Sprintf("%v frame, %d octets", f.Protocol, len(f.Payload)) }
