package capfile

import (
	"encoding/binary"
	"math"
	"time"
)

// The first four bytes of a pcap file, as they stand there.
const (
	magicMicrosBE = "\xa1\xb2\xc3\xd4"
	magicMicrosLE = "\xd4\xc3\xb2\xa1"
	magicNanosBE  = "\xa1\xb2\x3c\x4d"
	magicNanosLE  = "\x4d\x3c\xb2\xa1"
)

const (
	pcapHeaderSize   = 24
	packetHeaderSize = 16
)

// pcapState is what a pcap file's header says of all its packets.
type pcapState struct {
	link    LinkType
	snapLen uint32
	nanos   uint32 // nanoseconds in a unit of the time stamps' second half
}

// readPcapHeader reads the file header (draft-ietf-opsawg-pcap, Section 4).
//
//	 0                   1                   2                   3
//	+---------------------------------------------------------------+
//	|                         Magic Number                          |
//	+-------------------------------+-------------------------------+
//	|          Major Version        |         Minor Version         |
//	+-------------------------------+-------------------------------+
//	|                           Reserved1                           |
//	+---------------------------------------------------------------+
//	|                           Reserved2                           |
//	+---------------------------------------------------------------+
//	|                            SnapLen                            |
//	+-----------------------+---------------------------------------+
//	|  FCS length and flags |                LinkType               |
//	+-----------------------+---------------------------------------+
func (r *Reader) readPcapHeader() error {
	h, err := r.win.peek(pcapHeaderSize)
	if err != nil {
		return r.unreadable(err, "the file header")
	}
	magic := string(h[:4])
	r.bigEndian = magic == magicMicrosBE || magic == magicNanosBE
	r.pcap.nanos = 1000
	if magic == magicNanosBE || magic == magicNanosLE {
		r.pcap.nanos = 1
	}
	if major, minor := r.u16(h[4:]), r.u16(h[6:]); major != 2 || minor != 4 {
		return r.fail(ErrFormat, versionReason("pcap", major, minor, "2.4"))
	}
	r.pcap.snapLen = r.u32(h[16:])
	r.pcap.link = linkTypeOf(uint16(r.u32(h[20:])))
	r.win.advance(pcapHeaderSize)
	return nil
}

// nextRecord reads a packet record (draft-ietf-opsawg-pcap, Section 5).
//
//	 0                   1                   2                   3
//	+---------------------------------------------------------------+
//	|                      Timestamp (Seconds)                      |
//	+---------------------------------------------------------------+
//	|            Timestamp (Microseconds or nanoseconds)            |
//	+---------------------------------------------------------------+
//	|                    Captured Packet Length                     |
//	+---------------------------------------------------------------+
//	|                    Original Packet Length                     |
//	+---------------------------------------------------------------+
//	/                          Packet Data                          /
//	+---------------------------------------------------------------+
func (r *Reader) nextRecord() (Packet, error) {
	h, err := r.begin(packetHeaderSize)
	if err != nil {
		return Packet{}, err
	}
	captured := r.u32(h[8:])
	if captured > MaxPacket {
		return Packet{}, r.tooLong(captured)
	}
	size := packetHeaderSize + int(captured)
	b, err := r.win.peek(size)
	if err != nil {
		return Packet{}, r.unreadable(err, r.packet())
	}
	r.win.advance(size)
	r.packets++
	return Packet{
		Time:   time.Unix(int64(r.u32(b)), int64(r.u32(b[4:]))*int64(r.pcap.nanos)).UTC(),
		Link:   r.pcap.link,
		Data:   b[packetHeaderSize:],
		Length: wireLength(r.u32(b[12:]), captured),
		Number: r.packets,
		Offset: r.at,
	}, nil
}

// wireLength is the original length that a record states, or the captured one
// if that is more, as some writers have it.
func wireLength(original, captured uint32) int {
	return int(min(max(original, captured), math.MaxInt32))
}

// u16 and u32 read integers in the file's (pcapng: the section's) byte order.
func (r *Reader) u16(b []byte) uint16 {
	if r.bigEndian {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (r *Reader) u32(b []byte) uint32 {
	if r.bigEndian {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}
