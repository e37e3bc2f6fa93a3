package ipcarry

import "encoding/binary"

// Bits of the IPv4 field that holds the flags and the fragment offset (RFC 791).
const (
	flagDF     = 0x4000
	flagMF     = 0x2000
	offsetMask = 0x1fff
)

// fragment4 cuts an IPv4 packet into fragments of mtu bytes (RFC 791, Section 2.3) and
// calls emit for each. Options go into all of them, which those that are there today allow.
func fragment4(p *packet, mtu int, emit func([]byte)) {
	room := (mtu - p.payload) &^ 7
	if room <= 0 {
		return
	}
	field := binary.BigEndian.Uint16(p.bytes[6:])
	first, more := int(field&offsetMask)*8, field&flagMF
	data := p.data()
	for at := 0; at < len(data); at += room {
		part := data[at:min(at+room, len(data))]
		b := append(append(make([]byte, 0, p.payload+len(part)), p.bytes[:p.payload]...), part...)
		flags := uint16(flagMF)
		if at+room >= len(data) {
			flags = more
		}
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		binary.BigEndian.PutUint16(b[6:], flags|uint16((first+at)/8))
		binary.BigEndian.PutUint16(b[10:], 0)
		binary.BigEndian.PutUint16(b[10:], fold(sum(0, b[:p.payload])))
		emit(b)
	}
}
