package sstp

import "encoding/binary"

// Sizes of the fixed parts of a control packet in bytes.
const (
	ControlHeaderLen   = HeaderLen + 4 // with Message Type and Num Attributes (MS-SSTP 2.2.2)
	AttributeHeaderLen = 4             // Reserved, Attribute ID, LengthPacket (MS-SSTP 2.2.4)
)

// A ControlMessage is a control message as it was or will be sent, faults
// included (MS-SSTP 2.2.2).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+-------------+-+-------+-----------------------+
//	|    Version    |  Reserved   |C|   R   |        Length         |
//	+---------------+-------------+-+-------+-----------------------+
//	|         Message Type          |        Num Attributes         |
//	+-------------------------------+-------------------------------+
//	|                          Attributes                         ...
//	+---------------------------------------------------------------+
//
// The first row belongs to the [Packet].
type ControlMessage struct {
	Type MessageType
	// NumAttributes is the field of that name, equal to len(Attributes)
	// unless it or an attribute's length lies.
	NumAttributes uint16
	// Attributes in the order sent, unknown and repeated ones among them.
	Attributes []Attribute
	// Trailing is what follows Attributes: bytes beyond the announced
	// number of attributes, or from the first attribute whose length does
	// not fit. Empty as specified.
	Trailing []byte
}

// An Attribute is an attribute as it was or will be sent (MS-SSTP 2.2.4).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------+-----------------------+
//	|   Reserved    | Attribute ID  |   R   |        Length         |
//	+---------------+---------------+-------+-----------------------+
//	|                      Value (Length - 4)                     ...
//	+---------------------------------------------------------------+
type Attribute struct {
	Reserved       uint8 // Reserved: 0 as specified
	ID             AttributeID
	LengthReserved uint8 // R: 4 bits, 0 as specified
	Value          []byte
}

// ControlMessage reads the control message that p carries. The slices in it
// alias p.Data.
//
// The error is a *SyntaxError if p is a data packet or too short for a
// message type. Everything else is kept for Validate to judge.
func (p Packet) ControlMessage() (ControlMessage, error) {
	if !p.Control {
		return ControlMessage{}, &SyntaxError{"MS-SSTP 2.2.2", "C", 1, 0}
	}
	if len(p.Data) < ControlHeaderLen-HeaderLen {
		return ControlMessage{}, &SyntaxError{"MS-SSTP 2.2.2", "Length", 2, p.Len()}
	}
	m := ControlMessage{
		Type:          MessageType(binary.BigEndian.Uint16(p.Data)),
		NumAttributes: binary.BigEndian.Uint16(p.Data[2:]),
	}
	rest := p.Data[ControlHeaderLen-HeaderLen:]
	for len(m.Attributes) < int(m.NumAttributes) {
		a, n := parseAttribute(rest)
		if n == 0 {
			break
		}
		m.Attributes = append(m.Attributes, a)
		rest = rest[n:]
	}
	if len(rest) > 0 {
		m.Trailing = rest
	}
	return m, nil
}

// parseAttribute takes one attribute from the start of b; n is 0 if there is
// none whose length fits.
func parseAttribute(b []byte) (a Attribute, n int) {
	if len(b) < AttributeHeaderLen {
		return Attribute{}, 0
	}
	lengthPacket := binary.BigEndian.Uint16(b[2:])
	n = int(lengthPacket & lengthMask)
	if n < AttributeHeaderLen || n > len(b) {
		return Attribute{}, 0
	}
	return Attribute{
		Reserved:       b[0],
		ID:             AttributeID(b[1]),
		LengthReserved: uint8(lengthPacket >> lengthBits),
		Value:          b[AttributeHeaderLen:n:n],
	}, n
}

// Packet returns m in a control packet whose reserved bits are 0.
func (m ControlMessage) Packet() Packet {
	size := ControlHeaderLen - HeaderLen + len(m.Trailing)
	for _, a := range m.Attributes {
		size += AttributeHeaderLen + len(a.Value)
	}
	data := make([]byte, 0, size)
	data = binary.BigEndian.AppendUint16(data, uint16(m.Type))
	data = binary.BigEndian.AppendUint16(data, m.NumAttributes)
	for _, a := range m.Attributes {
		data = append(data, a.Reserved, byte(a.ID))
		data = binary.BigEndian.AppendUint16(data, packLength(a.LengthReserved, AttributeHeaderLen+len(a.Value)))
		data = append(data, a.Value...)
	}
	return Packet{Control: true, Data: append(data, m.Trailing...)}
}

// Append appends m to b as a whole packet. It panics if m is longer than
// MaxPacketLen.
func (m ControlMessage) Append(b []byte) []byte { return m.Packet().Append(b) }
