package tcpflow_test

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// frag4 is bytes from..to of an IPv4 packet's payload.
func frag4(ip []byte, id uint16, from, to int) []byte {
	b := join(ip[:20], ip[20+from:20+to])
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], id)
	flags := uint16(from / 8)
	if 20+to < len(ip) {
		flags |= 0x2000
	}
	binary.BigEndian.PutUint16(b[6:], flags)
	return b
}

// frag6 is the same of an IPv6 packet's.
func frag6(ip []byte, id uint32, from, to int) []byte {
	header := []byte{ip[6], 0, 0, 0, 0, 0, 0, 0}
	offset := uint16(from)
	if 40+to < len(ip) {
		offset |= 1
	}
	binary.BigEndian.PutUint16(header[2:], offset)
	binary.BigEndian.PutUint32(header[4:], id)
	b := join(ip[:40], header, ip[40+from:40+to])
	b[6] = 44
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

func TestFragments(t *testing.T) {
	s4, s6 := hello4, hello6
	s4.data = "abcdefghijklmnopqrstuvwxyz"
	s6.data = s4.data
	ip4, ip6 := s4.ip(), s6.ip() // 46 bytes of TCP
	other := s4
	other.data = strings.ToUpper(s4.data)
	upper4 := other.ip()
	other = s6
	other.data = strings.ToUpper(s6.data)
	upper6 := other.ip()
	f4 := func(from, to int) []byte { return frag4(ip4, 1, from, to) }
	f6 := func(from, to int) []byte { return frag6(ip6, 1, from, to) }
	cut := func(b []byte) []byte { return b[:len(b)-1] } // IP's length says more

	tests := []struct {
		name  string
		frags [][]byte
		want  string // the stream; "" if the datagram never completes
		stats tcpflow.Stats
	}{
		{name: "two", frags: [][]byte{f4(0, 24), f4(24, 46)}, want: s4.data, stats: tcpflow.Stats{Fragments: 2, Reassembled: 1}},
		{name: "IPv6", frags: [][]byte{f6(0, 24), f6(24, 46)}, want: s6.data, stats: tcpflow.Stats{Fragments: 2, Reassembled: 1}},
		{name: "out of order", frags: [][]byte{f4(40, 46), f4(8, 24), f4(24, 40), f4(0, 8)}, want: s4.data, stats: tcpflow.Stats{Fragments: 4, Reassembled: 1}},
		{name: "IPv6 out of order", frags: [][]byte{f6(40, 46), f6(8, 24), f6(24, 40), f6(0, 8)}, want: s6.data, stats: tcpflow.Stats{Fragments: 4, Reassembled: 1}},
		{name: "one missing", frags: [][]byte{f4(0, 8), f4(24, 46)}, stats: tcpflow.Stats{Fragments: 2, FragmentsExpired: 2}},
		{name: "different datagrams", frags: [][]byte{f4(0, 24), frag4(ip4, 2, 24, 46)}, stats: tcpflow.Stats{Fragments: 2, FragmentsExpired: 2}},
		{
			name: "IPv4 overlap: the first copy wins", frags: [][]byte{f4(24, 40), frag4(upper4, 1, 16, 46), f4(0, 24)},
			want: "ABCDefghijklmnopqrstUVWXYZ"[:4] + "efghijklmnopqrst" + "UVWXYZ", stats: tcpflow.Stats{Fragments: 3, Reassembled: 1},
		},
		{
			name: "IPv6 overlap: refused", frags: [][]byte{f6(24, 40), frag6(upper6, 1, 16, 46), f6(0, 16), f6(40, 46)},
			stats: tcpflow.Stats{Fragments: 4, FragmentsOverlapping: 4},
		},
		{name: "IPv6 duplicate", frags: [][]byte{f6(24, 40), f6(24, 40), f6(0, 24), f6(40, 46)}, want: s6.data, stats: tcpflow.Stats{Fragments: 4, Reassembled: 1}},
		{name: "IPv6 duplicate that differs", frags: [][]byte{f6(24, 40), frag6(upper6, 1, 24, 40)}, stats: tcpflow.Stats{Fragments: 2, FragmentsOverlapping: 2}},
		{name: "not a multiple of 8", frags: [][]byte{f4(0, 23)}, stats: tcpflow.Stats{Fragments: 1, FragmentsMalformed: 1}},
		{name: "empty", frags: [][]byte{f4(8, 8)}, stats: tcpflow.Stats{Fragments: 1, FragmentsMalformed: 1}},
		{name: "beyond 64 KiB", frags: [][]byte{set(set(f4(24, 46), 6, 0x1f), 7, 0xff)}, stats: tcpflow.Stats{Fragments: 1, FragmentsMalformed: 1}},
		{name: "beyond the last", frags: [][]byte{f4(24, 46), set(f4(0, 24), 7, 6)}, stats: tcpflow.Stats{Fragments: 2, FragmentsMalformed: 1, FragmentsExpired: 2}},
		{name: "two ends", frags: [][]byte{f4(24, 46), set(f4(24, 46), 7, 1)}, stats: tcpflow.Stats{Fragments: 2, FragmentsMalformed: 1, FragmentsExpired: 2}},
		{name: "an end before what came", frags: [][]byte{f4(32, 40), set(f4(24, 46), 7, 1)}, stats: tcpflow.Stats{Fragments: 2, FragmentsMalformed: 1, FragmentsExpired: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			var last tcpflow.Result
			wire := 0
			for _, f := range tt.frags {
				last = h.table.IPPacket(began, f, len(f))
				wire += len(f)
			}
			if done := last.Outcome == tcpflow.OutcomeTracked; done != (tt.want != "") {
				t.Fatalf("outcome of the last fragment: %v", last.Outcome)
			}
			if tt.want != "" {
				h.wantC2S(tt.want)
				if got := last.Conn.Traffic(inspect.ClientToServer); got.Bytes != uint64(wire) || got.Packets != 1 {
					t.Errorf("traffic %+v, want one packet, %d bytes", got, wire)
				}
			}
			h.table.Flush()
			got := h.table.Stats()
			got = tcpflow.Stats{
				Fragments: got.Fragments, Reassembled: got.Reassembled, FragmentsOverlapping: got.FragmentsOverlapping,
				FragmentsMalformed: got.FragmentsMalformed, FragmentsTruncated: got.FragmentsTruncated, FragmentsExpired: got.FragmentsExpired,
			}
			if got != tt.stats {
				t.Errorf("stats\n got %+v\nwant %+v", got, tt.stats)
			}
		})
	}

	h := newHarness(t, tcpflow.Config{})
	f := f4(0, 24)
	if r := h.table.IPPacket(began, cut(f), len(f)); r.Outcome != tcpflow.OutcomeFragmentDropped || h.table.Stats().FragmentsTruncated != 1 {
		t.Errorf("cut fragment: %v", r.Outcome)
	}
}

// Fragments within fragments: a GRE tunnel's packets, fragmented inside and
// outside.
func TestNestedFragments(t *testing.T) {
	s := hello4
	s.data = strings.Repeat("0123456789", 100)
	ip := s.ip()
	h := newHarness(t, tcpflow.Config{})
	id := uint16(0)
	for from := 0; from < len(ip)-20; from += 400 {
		inner := frag4(ip, 1, from, min(from+400, len(ip)-20))
		outer := ipPacket(server4.Addr(), client4.Addr(), 47, join("\x00\x00\x08\x00", inner))
		id++
		for at := 0; at < len(outer)-20; at += 160 {
			f := frag4(outer, id, at, min(at+160, len(outer)-20))
			h.table.IPPacket(began, f, len(f))
		}
	}
	h.wantC2S(s.data)
}

func TestFragmentLimits(t *testing.T) {
	s := hello4
	s.data = strings.Repeat("x", 1000)
	ip := s.ip()
	h := newHarness(t, tcpflow.Config{MaxDatagrams: 3})
	send := func(id uint16, from, to int) tcpflow.Outcome {
		f := frag4(ip, id, from, to)
		return h.table.IPPacket(h.now, f, len(f)).Outcome
	}
	for id := range uint16(5) {
		send(id, 0, 80)
	}
	if got := h.table.Stats().FragmentsEvicted; got != 2 {
		t.Errorf("%d evicted by count, want 2", got)
	}
	if o := send(1, 80, 1020); o != tcpflow.OutcomeFragment {
		t.Errorf("rest of an evicted datagram: %v", o)
	}
	if o := send(4, 80, 1020); o != tcpflow.OutcomeTracked {
		t.Errorf("rest of a datagram that was kept: %v", o)
	}

	h = newHarness(t, tcpflow.Config{MaxFragmentBytes: 1000})
	send(1, 0, 400)
	send(2, 0, 400)
	send(3, 0, 400)
	if got := h.table.Stats().FragmentsEvicted; got != 1 {
		t.Errorf("%d evicted by bytes, want 1", got)
	}
	if o := send(4, 0, 1016); o != tcpflow.OutcomeFragmentDropped {
		t.Errorf("fragment over the limit: %v", o)
	}

	h = newHarness(t, tcpflow.Config{})
	send(1, 0, 400)
	h.wait(31 * time.Second)
	if o := send(1, 400, 1020); o != tcpflow.OutcomeFragment || h.table.Stats().FragmentsExpired != 1 {
		t.Errorf("rest after 31 s: %v", o)
	}
}

// However a datagram is cut and whatever the order, it comes out the same.
func TestFragmentsAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		s := hello4
		if round%2 == 1 {
			s = hello6
		}
		s.data = randomText(rng, 1+rng.IntN(3000))
		ip, header := s.ip(), 20
		if round%2 == 1 {
			header = 40
		}
		size := len(ip) - header
		var frags [][]byte
		for from := 0; from < size; {
			to := min(from+8*(1+rng.IntN(40)), size)
			if round%2 == 1 {
				frags = append(frags, frag6(ip, uint32(round), from, to))
			} else {
				frags = append(frags, frag4(ip, uint16(round), from, to))
			}
			from = to
		}
		rng.Shuffle(len(frags), func(i, j int) { frags[i], frags[j] = frags[j], frags[i] })
		h := newHarness(t, tcpflow.Config{})
		for _, f := range frags {
			h.table.IPPacket(began, f, len(f))
		}
		h.wantC2S(s.data)
		if st := h.table.Stats(); st.FragmentsExpired+st.FragmentsMalformed != 0 {
			t.Fatalf("round %d: %+v", round, st)
		}
	}
}
