package tcpflow_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tcpflow"
)

// told is what a decoder tells of a packet without a table.
type told struct {
	From, To  netip.AddrPort
	Counts    bool
	Outcome   tcpflow.Outcome
	Datagrams []uint64
	Oldest    uint64
}

var byString = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

func TestSegmentEnds(t *testing.T) {
	s4 := hello4
	s4.data = "abcdefghijklmnopqrstuvwxyz"
	s6 := hello6
	s6.data = s4.data
	ip4, ip6 := s4.ip(), s6.ip() // 46 bytes of TCP
	bad := s4
	bad.flags = SYN | FIN
	gre := ipPacket(netip.MustParseAddr("192.0.2.8"), netip.MustParseAddr("192.0.2.9"), 47, append([]byte{0, 0, 8, 0}, frag4(ip4, 9, 0, 24)...)) // 48 bytes of GRE
	const fragment, dropped = tcpflow.OutcomeFragment, tcpflow.OutcomeFragmentDropped

	d := tcpflow.NewDecoder(tcpflow.Config{FragmentTimeout: time.Minute})
	for _, step := range []struct {
		name   string
		after  time.Duration
		packet []byte
		want   told
	}{
		{"whole", 0, ip4, told{From: s4.src, To: s4.dst, Counts: true}},
		{"IPv6", 0, ip6, told{From: s6.src, To: s6.dst, Counts: true}},
		{"impossible flags", 0, bad.ip(), told{From: s4.src, To: s4.dst}},
		{"UDP", 0, ipPacket(s4.src.Addr(), s4.dst.Addr(), 17, make([]byte, 20)), told{Outcome: tcpflow.OutcomeNotTCP}},
		{"last fragment", 0, frag4(ip4, 1, 24, 46), told{Outcome: fragment, Datagrams: []uint64{1}, Oldest: 1}},
		{"another datagram", 0, frag6(ip6, 1, 0, 24), told{From: s6.src, To: s6.dst, Outcome: fragment, Datagrams: []uint64{2}, Oldest: 1}},
		{"first fragment completes", 0, frag4(ip4, 1, 0, 24), told{From: s4.src, To: s4.dst, Counts: true, Datagrams: []uint64{1}, Oldest: 2}},
		{"the same number again", 0, frag4(ip4, 1, 0, 24), told{From: s4.src, To: s4.dst, Outcome: fragment, Datagrams: []uint64{3}, Oldest: 2}},
		{"too short a first fragment", 0, frag4(ip4, 2, 0, 8), told{Outcome: fragment, Datagrams: []uint64{4}, Oldest: 2}},
		{"refused", 0, frag6(ip6, 1, 8, 16), told{Outcome: dropped, Datagrams: []uint64{2}, Oldest: 2}},
		{"and what follows", 0, frag6(ip6, 1, 24, 46), told{Outcome: dropped, Datagrams: []uint64{2}, Oldest: 2}},
		{"beyond the end", 0, frag4(ip4, 2, 40, 46), told{Outcome: fragment, Datagrams: []uint64{4}, Oldest: 2}},
		{"and it goes on", 0, frag4(ip4, 2, 40, 48-8), told{Outcome: dropped, Oldest: 2}},
		{"of no datagram", 0, frag4(ip4, 7, 8, 15), told{Outcome: dropped, Oldest: 2}},
		{"whole again", 0, ip4, told{From: s4.src, To: s4.dst, Counts: true, Oldest: 2}},
		{"all are given up", 2 * time.Minute, ip4, told{From: s4.src, To: s4.dst, Counts: true}},
		{"in a tunnel, inside", 0, gre, told{From: s4.src, To: s4.dst, Outcome: fragment, Datagrams: []uint64{5}, Oldest: 5}},
		{"in a tunnel, last fragment", 0, frag4(gre, 9, 24, 48), told{Outcome: fragment, Datagrams: []uint64{6}, Oldest: 5}},
		{"in a tunnel, of both", 0, frag4(gre, 9, 0, 24), told{From: s4.src, To: s4.dst, Outcome: fragment, Datagrams: []uint64{6, 5}, Oldest: 5}},
		{"a packet that is none", 0, nil, told{Outcome: tcpflow.OutcomeBadIP, Oldest: 5}},
	} {
		var s tcpflow.Segment
		d.Decode(&s, tcpflow.LinkRaw, began.Add(step.after), step.packet, len(step.packet))
		got := told{Outcome: s.Outcome(), Oldest: d.OldestDatagram()}
		got.From, got.To, got.Counts = s.Ends()
		got.Datagrams = append(got.Datagrams, d.Datagrams()...)
		if diff := cmp.Diff(step.want, got, byString); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

// TestSegmentCounts holds what a segment says against what a table does with it:
// whatever it counts, from a connection's first packet on until it is closed.
func TestSegmentCounts(t *testing.T) {
	for seed := range uint64(20) {
		closed := 0
		table := tcpflow.New(tcpflow.Config{
			Open:   func(*tcpflow.Conn) tcpflow.Stream { return nil },
			Closed: func(*tcpflow.Conn) { closed++ },
		})
		d := tcpflow.NewDecoder(tcpflow.Config{})
		for i, p := range mixture(rand.New(rand.NewPCG(seed, 3)), 2000) {
			var s tcpflow.Segment
			d.Decode(&s, p.link, p.at, p.data, p.wire)
			from, to, counts := s.Ends()
			r := table.Segment(&s)
			switch {
			case !counts && r.Conn != nil, counts && r.Conn == nil && r.Outcome != tcpflow.OutcomeStray:
				t.Fatalf("seed %d, packet %d: counts %v, and is %v", seed, i, counts, r.Outcome)
			case r.Conn == nil:
				continue
			}
			if k := r.Conn.Key(); (k.Client != from || k.Server != to) && (k.Client != to || k.Server != from) {
				t.Fatalf("seed %d, packet %d: from %v to %v, and is counted to %v", seed, i, from, to, k)
			}
		}
		table.Flush()
		if closed == 0 {
			t.Errorf("seed %d: no connection", seed)
		}
	}
}
