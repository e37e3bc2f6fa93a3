package capfile

// An Interface is what a capture says of the packets of one of its sources. In
// a pcap file that is the file header.
type Interface struct {
	Link LinkType
	// SnapLen is the length that packets are cut to, 0 where there is no limit.
	SnapLen uint32
	// Resolution is the unit of the time stamps as in if_tsresol (Section 4.2):
	// 6 stands for microseconds, 9 for nanoseconds, 0x80|20 for 2^-20 seconds.
	Resolution uint8
	// Offset is added to every time stamp, in seconds (if_tsoffset).
	Offset int64
}

// An Origin is what a capture says of a packet, as it stands there: the
// [Packet] has the time to the nanosecond, the file may know it better.
type Origin struct {
	Interface Interface
	// ID is the number of the interface in its section, from 0.
	ID uint32
	// Stamp is the time stamp, in the interface's units.
	Stamp uint64
	// Timed is false of a Simple Packet Block, which has no time stamp.
	Timed bool
}

// Origin tells of the packet that Next returned last, and may be asked until
// Next is called again. It is zero where Next has returned none, or an error.
func (r *Reader) Origin() Origin {
	if r.packets == 0 || r.err != nil {
		return Origin{}
	}
	record := r.win.buf[r.at-r.win.base:] // where Next left it
	if r.isNG {
		return r.blockOrigin(record)
	}
	i := Interface{Link: r.pcap.link, SnapLen: r.pcap.snapLen, Resolution: 6}
	if r.pcap.nanos == 1 {
		i.Resolution = 9
	}
	stamp := uint64(r.u32(record))*(1e9/uint64(r.pcap.nanos)) + uint64(r.u32(record[4:]))
	return Origin{Interface: i, Stamp: stamp, Timed: true}
}

// blockOrigin is the origin of a packet's block.
func (r *Reader) blockOrigin(block []byte) Origin {
	var o Origin
	switch typ := blockType(r.u32(block)); typ {
	case blockEnhancedPacket, blockPacket:
		o.ID = r.u32(block[8:])
		if typ == blockPacket {
			o.ID = uint32(r.u16(block[8:]))
		}
		o.Stamp, o.Timed = uint64(r.u32(block[12:]))<<32|uint64(r.u32(block[16:])), true
	default: // a simple packet is of the first interface
	}
	i := &r.ng.interfaces[o.ID]
	o.Interface = Interface{Link: i.link, SnapLen: i.snapLen, Resolution: uint8(i.clock.exponent), Offset: i.clock.offset}
	if i.clock.binary {
		o.Interface.Resolution |= 0x80
	}
	return o
}
