package ppp

import (
	"encoding/binary"
	"fmt"
	"io"
)

// packetHeaderLen is the size in octets of the fields before a packet's data.
const packetHeaderLen = 4

// maxPacketLen is the largest value of a packet's Length field.
const maxPacketLen = 0xffff

// A Packet is the form that the messages of LCP, the network control protocols, CBCP, PAP, CHAP and EAP share (RFC 1661,
// Section 5).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Code      |  Identifier   |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    Data ...
//	+-+-+-+-+
//
// Packet is also the [Message] for a code that its protocol does not define or that this package does not read.
type Packet struct {
	Code       uint8 // what kind of message it is; each protocol counts its own
	Identifier uint8 // matches replies to requests
	Data       []byte
}

// ParsePacket parses the packet at the start of b, a frame's payload, and returns the octets that it takes, its Length
// field. What follows is padding. Data aliases b. ParsePacket does not allocate unless it fails.
func ParsePacket(b []byte) (Packet, int, error) {
	if len(b) < packetHeaderLen {
		return Packet{}, 0, io.ErrUnexpectedEOF
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < packetHeaderLen {
		return Packet{}, 0, &SyntaxError{"RFC 1661, Section 5", "Length", 2, n}
	}
	if n > len(b) {
		return Packet{}, 0, io.ErrUnexpectedEOF
	}
	return Packet{Code: b[0], Identifier: b[1], Data: b[packetHeaderLen:n:n]}, n, nil
}

// Append appends the packet to b.
func (p Packet) Append(b []byte) ([]byte, error) {
	return finishPacket(append(beginPacket(b, p.Code, p.Identifier), p.Data...), len(b))
}

// String gives the code, the identifier and the data's size. It leaves the data out, which may hold a password.
func (p Packet) String() string {
	return fmt.Sprintf("code %d, identifier %d, %d octets", p.Code, p.Identifier, len(p.Data))
}

// beginPacket appends a header whose length finishPacket fills in.
func beginPacket(b []byte, code, identifier uint8) []byte { return append(b, code, identifier, 0, 0) }

// finishPacket sets the length of the packet that begins at start and ends with b.
func finishPacket(b []byte, start int) ([]byte, error) {
	n := len(b) - start
	if n > maxPacketLen {
		return b[:start], unencodable("packet of %d octets", n)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(n))
	return b, nil
}

// appendCounted appends s after an octet that gives its length. field names it in errors.
func appendCounted[T string | []byte](b []byte, field string, s T) ([]byte, error) {
	if len(s) > 0xff {
		return b, unencodable("%s of %d octets", field, len(s))
	}
	return append(append(b, byte(len(s))), s...), nil
}

// tooShort says that a packet's Length leaves no room for a fixed field of its kind.
func tooShort(p Packet, section string) error {
	return &SyntaxError{section, "Length", 2, packetHeaderLen + len(p.Data)}
}
