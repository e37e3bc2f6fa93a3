package nlqueue

import "encoding/binary"

// A Code is what becomes of a packet (linux/netfilter.h).
type Code uint32

// The codes.
const (
	Drop   Code = 0
	Accept Code = 1 // it goes on behind the chain that queued it
	Repeat Code = 4 // it enters that chain again
)

// A Verdict is what a queue is told of its packets.
type Verdict struct {
	Queue uint16
	// ID is the packet's. With UpTo the verdict is on all packets that wait and came no
	// later.
	ID   uint32
	UpTo bool
	Code Code
	// Mark becomes the packet's, if SetMark says so.
	Mark    uint32
	SetMark bool
}

// Append writes the verdict. Several in a row can be sent at once.
func (v *Verdict) Append(b []byte) []byte {
	start, kind := len(b), uint16(typeVerdict)
	if v.UpTo {
		kind = typeVerdictBatch
	}
	b = appendHeaders(b, kind, 0, v.Queue)
	b = appendAttribute(b, attributeVerdictHeader, 8)
	b = binary.BigEndian.AppendUint32(b, uint32(v.Code))
	b = binary.BigEndian.AppendUint32(b, v.ID)
	if v.SetMark {
		b = appendUint32(b, attributeMark, v.Mark)
	}
	return end(b, start)
}
