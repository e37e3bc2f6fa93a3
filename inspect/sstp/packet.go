package sstp

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Version is the first byte of every packet: major version 1, minor version 0
// (MS-SSTP 2.2.1).
const Version = 0x10

// Sizes of packets in bytes (MS-SSTP 2.2.1).
const (
	HeaderLen    = 4                        // Version, Reserved and C, LengthPacket
	MaxPacketLen = 1<<12 - 1                // Length has 12 bits
	MaxDataLen   = MaxPacketLen - HeaderLen // also the MRU of MS-SSTP 3.1.5.2
)

// Masks of the packed fields in the headers of packets and of attributes.
const (
	controlMask = 1 << 0    // C, the lowest bit of the second byte
	lengthMask  = 1<<12 - 1 // Length, the low bits of LengthPacket
	lengthBits  = 12
)

// A Packet is an SSTP packet (MS-SSTP 2.2.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+-------------+-+-------+-----------------------+
//	|    Version    |  Reserved   |C|   R   |        Length         |
//	+---------------+-------------+-+-------+-----------------------+
//	|                       Data (Length - 4)                     ...
//	+---------------------------------------------------------------+
//
// Receivers ignore the reserved bits; they are kept because some
// implementations set them.
type Packet struct {
	Control        bool  // C: a control packet, else a data packet
	Reserved       uint8 // Reserved: 7 bits, 0 as specified
	LengthReserved uint8 // R: 4 bits, 0 as specified
	// Data is one PPP frame in a data packet (MS-SSTP 2.2.3) and what
	// [Packet.ControlMessage] reads in a control packet. At most MaxDataLen
	// bytes, possibly none. From ParsePacket it aliases the input.
	Data []byte
}

// ParsePacket takes one packet from the start of b, which may hold less than
// one packet or more: n is the number of bytes it took, 0 with an error.
//
// The error is io.ErrUnexpectedEOF if the packet goes on beyond b, and a
// *SyntaxError if b is no packet: its version is not 1.0 or its length does
// not cover the header. A receiver closes the connection on the latter,
// without a message (MS-SSTP 3.1.5.1).
//
// p.Data aliases b and is valid for as long as b is unchanged.
func ParsePacket(b []byte) (p Packet, n int, err error) {
	if len(b) > 0 && b[0] != Version {
		return Packet{}, 0, &SyntaxError{"MS-SSTP 2.2.1", "Version", 0, b[0]}
	}
	if len(b) < HeaderLen {
		return Packet{}, 0, io.ErrUnexpectedEOF
	}
	lengthPacket := binary.BigEndian.Uint16(b[2:])
	n = int(lengthPacket & lengthMask)
	if n < HeaderLen {
		return Packet{}, 0, &SyntaxError{"MS-SSTP 2.2.1", "Length", 2, n}
	}
	if len(b) < n {
		return Packet{}, 0, io.ErrUnexpectedEOF
	}
	return Packet{
		Control:        b[1]&controlMask != 0,
		Reserved:       b[1] >> 1,
		LengthReserved: uint8(lengthPacket >> lengthBits),
		Data:           b[HeaderLen:n:n],
	}, n, nil
}

// Len returns the number of bytes that Append appends.
func (p Packet) Len() int { return HeaderLen + len(p.Data) }

// Append appends the packet to b. It panics if Data is longer than
// MaxDataLen, which no length field can tell.
func (p Packet) Append(b []byte) []byte {
	if len(p.Data) > MaxDataLen {
		panic(fmt.Sprintf("sstp: %d bytes of data in a packet, at most %d fit", len(p.Data), MaxDataLen))
	}
	second := p.Reserved << 1
	if p.Control {
		second |= controlMask
	}
	b = append(b, Version, second)
	b = binary.BigEndian.AppendUint16(b, packLength(p.LengthReserved, p.Len()))
	return append(b, p.Data...)
}

// packLength packs R and Length into a LengthPacket field.
func packLength(reserved uint8, length int) uint16 {
	return uint16(reserved)<<lengthBits | uint16(length)&lengthMask
}
