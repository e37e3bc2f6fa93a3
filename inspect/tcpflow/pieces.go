package tcpflow

import (
	"slices"
	"sort"
	"time"
)

// A piece is a copy of bytes that came early.
type piece struct {
	seq   uint32 // of its first byte
	short uint32 // bytes after data that the capture does not have
	data  []byte
	at    time.Time // when it was captured
}

// pieceCost is what a piece is counted for besides its bytes: its entry in
// pieces.list and the allocation's overhead.
const pieceCost = 80

func (p *piece) len() int    { return len(p.data) + int(p.short) }
func (p *piece) end() uint32 { return p.seq + uint32(p.len()) }

// before compares sequence numbers around the wrap (RFC 9293, Section 3.4).
func before(a, b uint32) bool { return int32(a-b) < 0 }

// pieces are sorted and do not overlap. Sequence numbers span less than 2^31.
type pieces struct {
	list []piece
	cost int // bytes held, pieceCost for each piece included
}

// find gives the first piece that ends after seq.
func (p *pieces) find(seq uint32) int {
	return sort.Search(len(p.list), func(i int) bool { return before(seq, p.list[i].end()) })
}

// need is the most that insert can add to cost: bytes go between what is
// held, in as many pieces as there are gaps.
func (p *pieces) need(seq uint32, data []byte, length int) int {
	end := seq + uint32(length)
	n := 1
	for i := p.find(seq); i < len(p.list) && before(p.list[i].seq, end); i++ {
		n++
	}
	return len(data) + n*pieceCost
}

// insert copies what of the bytes is not held yet: the first copy wins.
// length is that on the wire, len(data) or more. It returns how many of
// length were held already.
func (p *pieces) insert(seq uint32, data []byte, length int, at time.Time) (repeated int) {
	end := seq + uint32(length)
	i := p.find(seq)
	for seq != end {
		stop := end
		if i < len(p.list) {
			held := &p.list[i]
			if !before(seq, held.seq) {
				if stop = held.end(); before(end, stop) {
					stop = end
				}
				n := int(stop - seq)
				repeated += n
				data, seq = data[min(n, len(data)):], stop
				i++
				continue
			}
			if before(held.seq, stop) {
				stop = held.seq
			}
		}
		n := int(stop - seq)
		have := min(n, len(data))
		p.list = slices.Insert(p.list, i, piece{
			seq: seq, short: uint32(n - have), data: slices.Clone(data[:have]), at: at,
		})
		p.cost += have + pieceCost
		data, seq = data[have:], stop
		i++
	}
	return repeated
}

// drop forgets the first n pieces.
func (p *pieces) drop(n int) {
	for i := range n {
		p.cost -= len(p.list[i].data) + pieceCost
	}
	p.list = slices.Delete(p.list, 0, n)
}

// join gives the bytes held, in new memory.
func (p *pieces) join() []byte {
	b := make([]byte, 0, p.cost-len(p.list)*pieceCost)
	for i := range p.list {
		b = append(b, p.list[i].data...)
	}
	return b
}
