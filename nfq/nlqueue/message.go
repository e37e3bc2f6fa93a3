package nlqueue

import (
	"encoding/binary"
	"fmt"
	"io"
	"syscall"
)

// A Kind is what a message is.
type Kind uint8

// The kinds. The zero Kind is none.
const (
	_          Kind = iota
	KindPacket      // NFQNL_MSG_PACKET
	KindError       // NLMSG_ERROR: a request failed, or, with errno 0, was done
	KindOther       // anything else, of which only the length was read
)

var kindNames = [...]string{"", "packet", "error", "other"}

func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// A Message is one from the kernel.
type Message struct {
	Kind   Kind
	Packet Packet        // of a KindPacket
	Errno  syscall.Errno // of a KindError
}

// Message types (linux/netlink.h, linux/netfilter/nfnetlink_queue.h). Those of a
// subsystem have its number in the upper byte: NFNL_SUBSYS_QUEUE is 3.
const (
	typeError        = 2
	typePacket       = 3<<8 + 0
	typeVerdict      = 3<<8 + 1
	typeVerdictBatch = 3<<8 + 3
)

// Header lengths. Messages and attributes begin at multiples of alignment.
const (
	messageHeader   = 16 // struct nlmsghdr
	familyHeader    = 4  // struct nfgenmsg
	attributeHeader = 4  // struct nlattr
	alignment       = 4
)

// attributeType is without the bits for nested attributes and network byte order.
const attributeType = 0x3fff

func aligned(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// Parse reads the message at the start of b, which is n bytes long with its padding.
// Packet.Payload is a part of b.
//
// The error is io.ErrUnexpectedEOF if b ends within the message, and a *SyntaxError
// if it is none; where the message's own length can be believed, n is set beside that
// error too.
func Parse(b []byte) (m Message, n int, err error) {
	if len(b) < messageHeader {
		return m, 0, io.ErrUnexpectedEOF
	}
	length := binary.NativeEndian.Uint32(b)
	if length < messageHeader {
		return m, 0, &SyntaxError{"struct nlmsghdr", "nlmsg_len", 0, length}
	}
	if uint64(length) > uint64(len(b)) {
		return m, 0, io.ErrUnexpectedEOF
	}
	n = min(aligned(int(length)), len(b))
	body := b[messageHeader:length]
	switch binary.NativeEndian.Uint16(b[4:]) {
	case typePacket:
		m.Kind = KindPacket
		err = m.Packet.parse(body)
	case typeError:
		m.Kind = KindError
		if len(body) < 4 {
			return Message{}, n, &SyntaxError{"struct nlmsgerr", "error", messageHeader, len(body)}
		}
		m.Errno = syscall.Errno(-int32(binary.NativeEndian.Uint32(body)))
	default:
		m.Kind = KindOther
	}
	if err != nil {
		return Message{}, n, err
	}
	return m, n, nil
}

// appendHeaders begins a message; end gives it its length.
func appendHeaders(b []byte, kind uint16, family uint8, queue uint16) []byte {
	b = append(b, 0, 0, 0, 0) // length
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, 1) // NLM_F_REQUEST
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)      // sequence and port
	b = append(b, family, 0)                   // NFNETLINK_V0
	return binary.BigEndian.AppendUint16(b, queue)
}

// end sets the length of the message that began at start, and pads it.
func end(b []byte, start int) []byte {
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return pad(b, start)
}

func pad(b []byte, start int) []byte {
	for (len(b)-start)%alignment != 0 {
		b = append(b, 0)
	}
	return b
}

// appendAttribute begins an attribute whose value has that length.
func appendAttribute(b []byte, kind uint16, length int) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attributeHeader+length))
	return binary.NativeEndian.AppendUint16(b, kind)
}

func appendUint32(b []byte, kind uint16, v uint32) []byte {
	return binary.BigEndian.AppendUint32(appendAttribute(b, kind, 4), v)
}

// A SyntaxError says what in a message cannot be.
type SyntaxError struct {
	Section string // the struct or attribute, in the kernel's words
	Field   string
	Offset  int // of the field in the message
	Value   any
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("nlqueue: %s of %s at byte %d cannot be %v", e.Field, e.Section, e.Offset, e.Value)
}
