package ipcarry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// A Lease is what a client gets of a Pool: of each family the pool has, one.
type Lease struct {
	// Addr4 is the client's IPv4 address, for IPCP, and Gateway4 the server's.
	Addr4, Gateway4 netip.Addr
	// Addr6 is the client's IPv6 address as it follows from ID6, the interface
	// identifier that the server offers in IPV6CP (RFC 5072, Section 4.1), within
	// Prefix6, the /64 for the Router Advertisement.
	Addr6   netip.Addr
	ID6     [8]byte
	Prefix6 netip.Prefix
	// Shared6 says that other clients have addresses of Prefix6 as well, so that this
	// one may use no other than Addr6. Windows picks its own identifier and is not
	// carried then: give the pool a prefix shorter than /64 for it.
	Shared6 bool

	name  string
	slot4 slot
	slot6 slot
}

// Own returns what the client may send from, for Attach.
func (l *Lease) Own() []netip.Prefix {
	var own []netip.Prefix
	if l.Addr4.IsValid() {
		own = append(own, Own(l.Addr4)...)
	}
	switch {
	case l.Shared6:
		own = append(own, Own(l.Addr6)...)
	case l.Prefix6.IsValid():
		own = append(own, l.Prefix6)
	}
	return own
}

// A Pool gives addresses to clients: always the lowest that is free. It is safe for
// concurrent use.
//
// Each prefix's first address is the gateway's, the server's own end. Of IPv4 the prefix's
// network and broadcast address are left out. An IPv6 prefix shorter than /64 gives each
// client a /64 of its own, the first being the gateway's; one of /64 is shared.
type Pool struct {
	prefixes []netip.Prefix
	gateways []netip.Addr

	mu       sync.Mutex
	four     ranges
	six      ranges
	had      map[string]Lease // what a name had last
	hadOrder []string
}

// ServerID6 is the interface identifier that goes with a Pool's gateways: the server's own
// in IPV6CP.
var ServerID6 = identifier(1)

// maxNames bounds the names whose last addresses a Pool remembers.
const maxNames = 4096

// NewPool makes a Pool of prefixes that do not overlap.
func NewPool(prefixes ...netip.Prefix) (*Pool, error) {
	if len(prefixes) == 0 {
		return nil, errors.New("an address pool needs a prefix, such as 10.9.0.0/24")
	}
	p := &Pool{had: map[string]Lease{}}
	for _, prefix := range prefixes {
		if err := p.add(prefix); err != nil {
			return nil, fmt.Errorf("address pool %v: %w", prefix, err)
		}
	}
	return p, nil
}

func (p *Pool) add(prefix netip.Prefix) error {
	if !prefix.IsValid() || prefix.Addr().Is4In6() {
		return errors.New("no prefix of IPv4 or IPv6")
	}
	prefix = prefix.Masked()
	for _, other := range p.prefixes {
		if other.Overlaps(prefix) {
			return fmt.Errorf("it overlaps with %v", other)
		}
	}
	if a := prefix.Addr(); !unicast(a) || a.IsLinkLocalUnicast() {
		return errors.New("clients cannot have addresses of this kind")
	}
	if prefix.Addr().Is4() {
		return p.add4(prefix)
	}
	return p.add6(prefix)
}

func (p *Pool) add4(prefix netip.Prefix) error {
	size := uint64(1) << (32 - prefix.Bits())
	first, last := uint64(1), size-2 // without network and broadcast address
	if prefix.Bits() == 31 {
		first, last = 0, 1 // RFC 3021: none of either
	}
	if prefix.Bits() == 32 {
		return errors.New("it has no room for a client: /31 is the longest")
	}
	p.prefixes = append(p.prefixes, prefix)
	p.gateways = append(p.gateways, nth4(prefix, first))
	p.four.list = append(p.four.list, span{prefix: prefix, first: first + 1, last: last})
	return nil
}

func (p *Pool) add6(prefix netip.Prefix) error {
	if prefix.Bits() > 64 {
		return errors.New("clients make their IPv6 addresses of a /64 (RFC 4862): it has to be /64 or shorter")
	}
	last := ^uint64(0) // of interface identifiers, or of prefixes
	if prefix.Bits() < 64 {
		last = 1<<min(64-prefix.Bits(), 63) - 1
	}
	first := uint64(1)
	if prefix.Bits() == 64 {
		first = 2
	}
	p.prefixes = append(p.prefixes, prefix)
	p.gateways = append(p.gateways, InterfaceID(prefix, ServerID6))
	p.six.list = append(p.six.list, span{prefix: prefix, first: first, last: last})
	return nil
}

// Prefixes returns the pool's prefixes, Gateways the gateway of each.
func (p *Pool) Prefixes() []netip.Prefix { return append([]netip.Prefix(nil), p.prefixes...) }

// Gateways returns the server's own addresses, in the order of the prefixes.
func (p *Pool) Gateways() []netip.Addr { return append([]netip.Addr(nil), p.gateways...) }

// GatewayPrefixes returns the gateways with the lengths of their prefixes, as a Device
// takes them.
func (p *Pool) GatewayPrefixes() []netip.Prefix {
	out := make([]netip.Prefix, len(p.gateways))
	for i, g := range p.gateways {
		out[i] = netip.PrefixFrom(g, p.prefixes[i].Bits())
	}
	return out
}

// Take takes the lowest free address of each family. If one family has none left, it
// takes nothing and says so.
func (p *Pool) Take() (Lease, error) { return p.TakeFor("") }

// TakeFor is Take for a name, which gets what it had last if that is free.
func (p *Pool) TakeFor(name string) (Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.had[name]
	four, err := p.four.take(last.slot4)
	if err != nil {
		return Lease{}, fmt.Errorf("no IPv4 address left of %v: %w", p.prefixes, err)
	}
	six, err := p.six.take(last.slot6)
	if err != nil {
		p.four.release(four)
		return Lease{}, fmt.Errorf("no IPv6 address left of %v: %w", p.prefixes, err)
	}
	return p.lease(name, four, six), nil
}

func (p *Pool) lease(name string, four, six slot) Lease {
	l := Lease{name: name, slot4: four, slot6: six}
	if four.lease != 0 {
		prefix := p.four.list[four.span].prefix
		l.Addr4 = nth4(prefix, four.n)
		l.Gateway4 = p.gatewayOf(prefix)
	}
	if six.lease != 0 {
		prefix := p.six.list[six.span].prefix
		l.Shared6 = prefix.Bits() == 64
		l.ID6, l.Prefix6 = identifier(2), prefix
		if l.Shared6 {
			l.ID6 = identifier(six.n)
		} else {
			l.Prefix6 = nth64(prefix, six.n)
		}
		l.Addr6 = InterfaceID(l.Prefix6, l.ID6)
	}
	return l
}

func (p *Pool) gatewayOf(prefix netip.Prefix) netip.Addr {
	for i, q := range p.prefixes {
		if q == prefix {
			return p.gateways[i]
		}
	}
	return netip.Addr{}
}

// Release gives a lease back. To give it back again does no harm.
func (p *Pool) Release(l Lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.four.release(l.slot4)
	p.six.release(l.slot6)
	if l.name == "" {
		return
	}
	if _, known := p.had[l.name]; !known {
		if len(p.hadOrder) >= maxNames {
			delete(p.had, p.hadOrder[0])
			p.hadOrder = p.hadOrder[1:]
		}
		p.hadOrder = append(p.hadOrder, l.name)
	}
	p.had[l.name] = l
}

// A slot is a place in one of several ranges.
type slot struct {
	span  int
	n     uint64
	lease uint64 // serial number, above 0
}

// A span is the part of a prefix that clients get.
type span struct {
	prefix      netip.Prefix
	first, last uint64
	low         uint64            // none below is free
	used        map[uint64]uint64 // with the serial number of the lease
}

// ranges are the spans of one family.
type ranges struct {
	list   []span
	serial uint64
}

var errExhausted = errors.New("all are in use: disconnect clients or make the pool larger")

// take takes the wanted slot if it is free, else the lowest. Without spans there is none
// to take, which is no error.
func (r *ranges) take(wanted slot) (slot, error) {
	if len(r.list) == 0 {
		return slot{}, nil
	}
	if wanted.lease != 0 && r.list[wanted.span].used[wanted.n] == 0 {
		return r.use(wanted.span, wanted.n), nil
	}
	for i := range r.list {
		if n, ok := r.list[i].lowest(); ok {
			return r.use(i, n), nil
		}
	}
	return slot{}, errExhausted
}

func (r *ranges) use(i int, n uint64) slot {
	s := &r.list[i]
	if s.used == nil {
		s.used = map[uint64]uint64{}
	}
	r.serial++
	s.used[n] = r.serial
	return slot{i, n, r.serial}
}

// lowest returns the lowest free number.
func (s *span) lowest() (uint64, bool) {
	s.low = max(s.low, s.first)
	for s.low <= s.last && s.used[s.low] != 0 {
		s.low++
	}
	return s.low, s.low <= s.last
}

func (r *ranges) release(sl slot) {
	if sl.lease == 0 || r.list[sl.span].used[sl.n] != sl.lease {
		return
	}
	s := &r.list[sl.span]
	delete(s.used, sl.n)
	s.low = min(s.low, sl.n)
}

func nth4(prefix netip.Prefix, n uint64) netip.Addr {
	a := prefix.Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+uint32(n))
	return netip.AddrFrom4(a)
}

// nth64 returns the nth /64 of a prefix.
func nth64(prefix netip.Prefix, n uint64) netip.Prefix {
	a := prefix.Addr().As16()
	binary.BigEndian.PutUint64(a[:8], binary.BigEndian.Uint64(a[:8])+n)
	return netip.PrefixFrom(netip.AddrFrom16(a), 64)
}

func identifier(n uint64) (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}
