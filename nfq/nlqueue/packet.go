package nlqueue

import "encoding/binary"

// A Packet is one that waits in the queue for its verdict.
type Packet struct {
	Queue uint16
	// ID names it in a verdict. The queue counts from 1, by one for each packet, and
	// wraps; those that did not fit into the socket are counted as well.
	ID uint32
	// Protocol is the EtherType, and Hook where in the kernel it waits (NF_INET_...).
	Protocol uint16
	Hook     uint8
	// Mark is the packet's, 0 if it has none.
	Mark uint32
	Info Info
	// Payload is the packet from its IP header on, as far as it was copied.
	Payload []byte
	// Length is the whole packet's: more than that of Payload where that was cut.
	Length int
}

// Info is what the kernel says of a packet's state (NFQA_SKB_INFO).
type Info uint32

// The bits of an Info.
const (
	InfoChecksumNotReady    Info = 1 << iota // it is yet to be filled in
	InfoGSO                                  // it is yet to be cut into smaller ones
	InfoChecksumNotVerified                  // it may be wrong
)

// Attributes of a packet (enum nfqnl_attr_type).
const (
	attributePacketHeader  = 1
	attributeVerdictHeader = 2
	attributeMark          = 3
	attributePayload       = 10
	attributeLength        = 13
	attributeInfo          = 14
)

// packetHeader is the length of struct nfqnl_msg_packet_hdr:
//
//	 0               4       6   7
//	+---------------+-------+---+
//	| packet_id     |protocol hook
//	+---------------+-------+---+
const packetHeader = 7

// parse reads what follows the message's header.
func (p *Packet) parse(body []byte) error {
	if len(body) < familyHeader {
		return &SyntaxError{"struct nfgenmsg", "length", messageHeader, len(body)}
	}
	p.Queue = binary.BigEndian.Uint16(body[2:])
	length, identified := -1, false
	for at := familyHeader; at < len(body); {
		offset, rest := messageHeader+at, body[at:]
		if len(rest) < attributeHeader {
			break // padding
		}
		size := int(binary.NativeEndian.Uint16(rest))
		if size < attributeHeader || size > len(rest) {
			return &SyntaxError{"struct nlattr", "nla_len", offset, size}
		}
		value := rest[attributeHeader:size]
		var want int
		kind := binary.NativeEndian.Uint16(rest[2:]) & attributeType
		switch kind {
		case attributePacketHeader:
			want = packetHeader
		case attributeMark, attributeLength, attributeInfo:
			want = 4
		}
		if len(value) < want {
			return &SyntaxError{"struct nlattr", "nla_len", offset, size}
		}
		switch kind {
		case attributePacketHeader:
			p.ID, p.Protocol, p.Hook = binary.BigEndian.Uint32(value), binary.BigEndian.Uint16(value[4:]), value[6]
			identified = true
		case attributeMark:
			p.Mark = binary.BigEndian.Uint32(value)
		case attributeLength:
			length = int(binary.BigEndian.Uint32(value))
		case attributeInfo:
			p.Info = Info(binary.BigEndian.Uint32(value))
		case attributePayload:
			p.Payload = value
		}
		at += aligned(size)
	}
	if !identified {
		return &SyntaxError{"NFQNL_MSG_PACKET", "NFQA_PACKET_HDR", messageHeader, "missing"}
	}
	p.Length = max(length, len(p.Payload))
	return nil
}

// Append writes the packet as the kernel does. Its payload is no longer than 65531 bytes.
func (p *Packet) Append(b []byte) []byte {
	start := len(b)
	b = appendHeaders(b, typePacket, 0, p.Queue)
	b = appendAttribute(b, attributePacketHeader, packetHeader)
	b = binary.BigEndian.AppendUint32(b, p.ID)
	b = binary.BigEndian.AppendUint16(b, p.Protocol)
	b = append(b, p.Hook, 0)
	if p.Mark != 0 {
		b = appendUint32(b, attributeMark, p.Mark)
	}
	if p.Length > len(p.Payload) {
		b = appendUint32(b, attributeLength, uint32(p.Length))
	}
	if p.Info != 0 {
		b = appendUint32(b, attributeInfo, uint32(p.Info))
	}
	b = append(appendAttribute(b, attributePayload, len(p.Payload)), p.Payload...)
	return end(b, start)
}
