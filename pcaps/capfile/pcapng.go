package capfile

import (
	"encoding/binary"
	"fmt"
	"time"
)

// magicSection begins a section, and so a file: a block type that reads the same
// in either byte order.
const magicSection = "\x0a\x0d\x0d\x0a"

// blockType is what a block holds (draft-ietf-opsawg-pcapng, Section 4).
type blockType uint32

const (
	blockSectionHeader        blockType = 0x0a0d0d0a // 4.1
	blockInterfaceDescription blockType = 1          // 4.2
	blockPacket               blockType = 2          // Appendix A, obsolete
	blockSimplePacket         blockType = 3          // 4.4
	blockEnhancedPacket       blockType = 6          // 4.3
	blockDecryptionSecrets    blockType = 10         // 4.7
)

const (
	blockOverhead = 12 // type, length before and after the body

	// maxHeld bounds the blocks that are looked at in one piece: a packet of
	// MaxPacket bytes, and room for comments.
	maxHeld = 1 << 20
	// maxPassed bounds the others, which stream by.
	maxPassed = MaxSecrets
	// maxInterfaces bounds what a section's interfaces may take: a few MiB.
	maxInterfaces = 1 << 16
)

// ngState is what the blocks of a section say of its packets.
type ngState struct {
	interfaces []iface
	secrets    int // length of all blocks with secrets so far, in all sections
}

// iface is an interface of a section (Section 4.2).
type iface struct {
	link    LinkType
	snapLen uint32 // 0 is no limit
	clock   clock
}

// readFirstSection reads the file's first block, a Section Header Block.
func (r *Reader) readFirstSection() error {
	h, err := r.win.peek(blockOverhead)
	if err != nil {
		return r.unreadable(err, "the file header")
	}
	_, length, err := r.blockHeader(h)
	if err != nil {
		return err
	}
	return r.sectionHeader(length)
}

// nextBlockPacket passes blocks until one holds a packet.
//
//	 0                   1                   2                   3
//	+---------------------------------------------------------------+
//	|                          Block Type                           |
//	+---------------------------------------------------------------+
//	|                      Block Total Length                       |
//	+---------------------------------------------------------------+
//	/                  Block Body, padded to 32 bits                /
//	+---------------------------------------------------------------+
//	|                      Block Total Length                       |
//	+---------------------------------------------------------------+
func (r *Reader) nextBlockPacket() (Packet, error) {
	for {
		h, err := r.begin(blockOverhead)
		if err != nil {
			return Packet{}, err
		}
		typ, length, err := r.blockHeader(h)
		if err != nil {
			return Packet{}, err
		}
		switch typ {
		case blockEnhancedPacket, blockPacket:
			return r.enhancedPacket(typ, length)
		case blockSimplePacket:
			return r.simplePacket(length)
		case blockInterfaceDescription:
			err = r.interfaceDescription(length)
		case blockSectionHeader:
			err = r.sectionHeader(length)
		case blockDecryptionSecrets:
			err = r.decryptionSecrets(length)
		default:
			err = r.passBlock(typ, length, r.win.skip)
		}
		if err != nil {
			return Packet{}, err
		}
	}
}

// blockHeader reads the type and the length of a block. h is the block's first
// 12 bytes: a section's byte order stands behind its length.
func (r *Reader) blockHeader(h []byte) (blockType, uint32, error) {
	if string(h[:4]) == magicSection {
		switch {
		case binary.LittleEndian.Uint32(h[8:]) == 0x1a2b3c4d:
			r.bigEndian = false
		case binary.BigEndian.Uint32(h[8:]) == 0x1a2b3c4d:
			r.bigEndian = true
		default:
			return 0, 0, r.malformed("the section header at %s has the unknown byte order magic % x", r.where(), h[8:12])
		}
	}
	typ, length := blockType(r.u32(h)), r.u32(h[4:])
	if length < blockOverhead || length%4 != 0 {
		return 0, 0, r.malformed("%s at %s claims an impossible length of %d bytes", r.block(typ), r.where(), length)
	}
	return typ, length, nil
}

// holdBlock consumes a block and returns its body, valid until the next read.
func (r *Reader) holdBlock(typ blockType, length uint32) ([]byte, error) {
	if length > maxHeld {
		return nil, r.malformed("%s at %s claims a length of %d bytes, more than %d", r.block(typ), r.where(), length, maxHeld)
	}
	b, err := r.win.peek(int(length))
	if err != nil {
		return nil, r.unreadable(err, r.block(typ))
	}
	if err := r.checkTrailer(typ, length, b[length-4:]); err != nil {
		return nil, err
	}
	r.win.advance(int(length))
	return b[8 : length-4 : length-4], nil
}

// passBlock consumes a block that may be larger than the window; consume takes
// the body, of which it is told the size.
func (r *Reader) passBlock(typ blockType, length uint32, consume func(size int64) error) error {
	if length > maxPassed {
		return r.malformed("%s at %s claims a length of %d bytes, more than %d", r.block(typ), r.where(), length, maxPassed)
	}
	r.win.advance(8)
	if err := consume(int64(length) - blockOverhead); err != nil {
		return r.unreadable(err, r.block(typ))
	}
	b, err := r.win.peek(4)
	if err != nil {
		return r.unreadable(err, r.block(typ))
	}
	r.win.advance(4)
	return r.checkTrailer(typ, length, b)
}

// checkTrailer compares the length at a block's end with that at its beginning,
// which is how a wrong length is noticed where it stands.
func (r *Reader) checkTrailer(typ blockType, length uint32, trailer []byte) error {
	if end := r.u32(trailer); end != length {
		return r.malformed("%s at %s has a length of %d bytes at its beginning and %d at its end", r.block(typ), r.where(), length, end)
	}
	return nil
}

// sectionHeader reads a Section Header Block (Section 4.1), whose byte order is
// known. Interfaces are numbered anew in every section.
func (r *Reader) sectionHeader(length uint32) error {
	body, err := r.holdBlock(blockSectionHeader, length)
	if err != nil {
		return err
	}
	if len(body) < 16 {
		return r.malformed("the section header at %s is too short", r.where())
	}
	// Version 1.2 was written for a while and is 1.0 (Section 4.1).
	if major, minor := r.u16(body[4:]), r.u16(body[6:]); major != 1 || minor != 0 && minor != 2 {
		return r.fail(ErrFormat, versionReason("pcapng", major, minor, "1.0"))
	}
	r.ng.interfaces = r.ng.interfaces[:0]
	return nil
}

// enhancedPacket reads an Enhanced Packet Block (Section 4.3), or the obsolete Packet Block (Appendix A), which has a count of drops in the
// second half of the interface's number.
//
//	 0                   1                   2                   3
//	+---------------------------------------------------------------+
//	|                         Interface ID                          |
//	+---------------------------------------------------------------+
//	|                     Timestamp (Upper 4 bytes)                 |
//	+---------------------------------------------------------------+
//	|                     Timestamp (Lower 4 bytes)                 |
//	+---------------------------------------------------------------+
//	|                    Captured Packet Length                     |
//	+---------------------------------------------------------------+
//	|                    Original Packet Length                     |
//	+---------------------------------------------------------------+
//	/                  Packet Data, padded to 32 bits               /
//	+---------------------------------------------------------------+
//	/                      Options (variable)                       /
//	+---------------------------------------------------------------+
func (r *Reader) enhancedPacket(typ blockType, length uint32) (Packet, error) {
	body, err := r.holdBlock(typ, length)
	if err != nil {
		return Packet{}, err
	}
	if len(body) < 20 {
		return Packet{}, r.malformed("%s at %s has no room for its header", r.packet(), r.where())
	}
	id := r.u32(body)
	if typ == blockPacket {
		id = uint32(r.u16(body))
	}
	if uint64(id) >= uint64(len(r.ng.interfaces)) {
		return Packet{}, r.noInterface(id)
	}
	captured := r.u32(body[12:])
	if captured > MaxPacket {
		return Packet{}, r.tooLong(captured)
	}
	if int(captured) > len(body)-20 {
		return Packet{}, r.beyondBlock(captured, len(body)-20)
	}
	i := &r.ng.interfaces[id]
	stamp := uint64(r.u32(body[4:]))<<32 | uint64(r.u32(body[8:]))
	r.packets++
	return Packet{
		Time:   i.clock.time(stamp),
		Link:   i.link,
		Data:   body[20 : 20+captured : 20+captured],
		Length: wireLength(r.u32(body[16:]), captured),
		Number: r.packets,
		Offset: r.at,
	}, nil
}

// simplePacket reads a Simple Packet Block (Section 4.4): a packet of the first interface, without a time. Its captured length is not stated and
// follows from the interface's snapshot length.
func (r *Reader) simplePacket(length uint32) (Packet, error) {
	body, err := r.holdBlock(blockSimplePacket, length)
	if err != nil {
		return Packet{}, err
	}
	if len(body) < 4 {
		return Packet{}, r.malformed("%s at %s has no room for its header", r.packet(), r.where())
	}
	if len(r.ng.interfaces) == 0 {
		return Packet{}, r.noInterface(0)
	}
	i := &r.ng.interfaces[0]
	original := r.u32(body)
	captured := original
	if i.snapLen != 0 {
		captured = min(captured, i.snapLen)
	}
	if captured > MaxPacket {
		return Packet{}, r.tooLong(captured)
	}
	if int(captured) > len(body)-4 {
		return Packet{}, r.beyondBlock(captured, len(body)-4)
	}
	r.packets++
	return Packet{
		Time:   time.Time{},
		Link:   i.link,
		Data:   body[4 : 4+captured : 4+captured],
		Length: wireLength(original, captured),
		Number: r.packets,
		Offset: r.at,
	}, nil
}

// block names the current block.
func (r *Reader) block(typ blockType) string {
	switch typ {
	case blockPacket, blockSimplePacket, blockEnhancedPacket:
		return r.packet()
	case blockSectionHeader:
		return "a section header"
	case blockInterfaceDescription:
		return "an interface description"
	case blockDecryptionSecrets:
		return "a decryption secrets block"
	default:
		return fmt.Sprintf("a block of type %d", uint32(typ))
	}
}
