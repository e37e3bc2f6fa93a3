package carve

import (
	"cmp"
	"slices"

	"sstpwarden/inspect/tcpflow"
)

// fragments are the packets that hold fragments of the tunnels' datagrams.
type fragments struct {
	list []fragment // in the capture's order
	next int        // of list, for owner
}

type fragment struct {
	number uint64 // of the packet
	tunnel int
}

// A datagram is being put together. Which connection it belongs to shows when
// it is complete; where it never is, its first fragment shows it.
type datagram struct {
	packets []uint64
	tunnel  int // by the first fragment, -1 while that is not known
}

// manyDatagrams is how many datagrams may be noted before those are looked for
// that will never be complete.
const manyDatagrams = 4096

// fragments reads the capture to its end, or to that of the last tunnel, and
// finds the fragments of the tunnels: the ports stand in one of them, and which
// one comes first is the network's choice.
func (r *reading) fragments(tunnels []Tunnel) (*fragments, error) {
	m, f := newMatcher(tunnels), &fragments{}
	open, many := map[uint64]*datagram{}, manyDatagrams
	err := r.each(func(p *seen) (bool, error) {
		tunnel, counts, err := m.match(p.Number, p.Time, &p.segment)
		if err != nil || len(p.datagrams) == 0 {
			return m.left > 0, err
		}
		f.add(open, p, tunnel, counts)
		if len(open) > many {
			oldest := p.decoder.OldestDatagram()
			for number, d := range open {
				if number < oldest {
					f.place(d, d.tunnel)
					delete(open, number)
				}
			}
			many = max(manyDatagrams, 2*len(open))
		}
		return m.left > 0, nil
	})
	if err != nil {
		return nil, err
	}
	if m.left > 0 {
		return nil, m.incomplete()
	}
	for _, d := range open {
		f.place(d, d.tunnel)
	}
	f.list = slices.DeleteFunc(f.list, func(x fragment) bool { return x.number > m.last[x.tunnel] })
	slices.SortFunc(f.list, func(a, b fragment) int { return cmp.Compare(a.number, b.number) })
	return f, nil
}

// add notes a packet with its datagram, the innermost one that it is a part
// of: datagrams around that are complete with this packet, and so are parts of
// it too.
func (f *fragments) add(open map[uint64]*datagram, p *seen, tunnel int, counts bool) {
	inner := p.datagrams[len(p.datagrams)-1]
	d := open[inner]
	if d == nil {
		d = &datagram{tunnel: -1}
		open[inner] = d
	}
	for _, number := range p.datagrams[:len(p.datagrams)-1] {
		if outer := open[number]; outer != nil {
			d.packets = append(d.packets, outer.packets...)
			delete(open, number)
		}
	}
	d.packets = append(d.packets, p.Number)
	switch p.segment.Outcome() {
	case tcpflow.OutcomeFragment, tcpflow.OutcomeFragmentDropped:
		if d.tunnel < 0 {
			d.tunnel = tunnel
		}
		return
	default: // complete
	}
	delete(open, inner)
	if counts {
		f.place(d, tunnel)
	}
}

// place notes that a datagram is a tunnel's; -1 is none.
func (f *fragments) place(d *datagram, tunnel int) {
	if tunnel < 0 {
		return
	}
	for _, number := range d.packets {
		f.list = append(f.list, fragment{number, tunnel})
	}
}

// owner is the tunnel that a packet with a fragment belongs to, -1 for none.
// Packets are asked for in order.
func (f *fragments) owner(number uint64) int {
	for f.next < len(f.list) && f.list[f.next].number < number {
		f.next++
	}
	if f.next < len(f.list) && f.list[f.next].number == number {
		return f.list[f.next].tunnel
	}
	return -1
}
