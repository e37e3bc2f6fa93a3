package capfile

// A Batch holds packets that were read together, and the memory they lie in.
// The zero Batch is empty. It belongs to the first Reader that fills it.
// Several Batches of one Reader may be in use at the same time, each by another
// goroutine: reading into one leaves the packets of the others alone.
type Batch struct {
	// Packets in the file's order. Their Data is valid until the Batch is
	// given to NextBatch again.
	Packets []Packet

	buf []byte // what Data lies in; nobody else's
}

// NextBatch reads packets into b, in place of those it held: the next one, and
// all that were read from the file along with it. What Next would do before the
// first of them it does too; it does nothing after the last, so that a Batch
// ends before decryption secrets. It waits for no more than Next does.
//
// The error is Next's; b is empty then. Next itself reads over the packets of
// the newest Batch: a program uses the one or the other.
func (r *Reader) NextBatch(b *Batch) error {
	b.Packets = b.Packets[:0]
	b.buf = r.win.move(b.buf)
	p, err := r.Next()
	b.buf = r.win.buf // which the first packet may have outgrown
	if err != nil {
		return err
	}
	for b.Packets = append(b.Packets, p); r.packetAtHand(); {
		if p, err = r.Next(); err != nil {
			break // for the next Batch to tell
		}
		b.Packets = append(b.Packets, p)
	}
	return nil
}

// packetAtHand says that the next record is a packet and lies in the window
// from end to end, so that Next returns it, or an error, without reading on.
func (r *Reader) packetAtHand() bool {
	head := r.win.buf[r.win.pos:r.win.end]
	if !r.isNG {
		return len(head) >= packetHeaderSize && uint64(len(head)) >= packetHeaderSize+uint64(r.u32(head[8:]))
	}
	if len(head) < blockOverhead {
		return false
	}
	switch blockType(r.u32(head)) {
	case blockEnhancedPacket, blockSimplePacket, blockPacket:
		return uint64(len(head)) >= uint64(r.u32(head[4:]))
	default:
		return false
	}
}
