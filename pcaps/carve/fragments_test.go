package carve_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps/carve"
)

// TestFragments has a connection's datagrams in pieces, in several orders and
// among those of others.
func TestFragments(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20)
	talk := conversation(client, server, 1000, long, long)
	talk6 := conversation(client6, server6, 1000, long, long)
	whole := ips(talk...)
	other := conversation(netip.MustParseAddrPort("10.1.2.3:9"), server, 7, long) // between the same addresses
	pieces := func(s seg, id int) [][]byte { return s.fragments(id, 128) }
	three, six := pieces(talk[3], 77), pieces(talk6[3], 77)
	if len(three) != 3 || len(six) != 3 {
		t.Fatalf("%d and %d fragments", len(three), len(six))
	}
	theirs := pieces(other[3], 78)
	udp := ipPackets(client.Addr(), server.Addr(), 17, []byte(long), 77, 128)

	for _, test := range []struct {
		name    string
		packets [][]byte
		want    []int // of the first connection
		counted uint64
	}{
		{"in order", slices.Concat(whole[:3], three, whole[4:]), ints(1, 12), 10},
		{"last first", slices.Concat(whole[:3], [][]byte{three[2], three[1], three[0]}, whole[4:]), ints(1, 12), 10},
		{"beginning in the middle", slices.Concat(whole[:3], [][]byte{three[1]}, whole[4:5], [][]byte{three[2]}, [][]byte{three[0]}, whole[5:]), ints(1, 12), 10},
		{"a copy", slices.Concat(whole[:3], [][]byte{three[0], three[0], three[1], three[2]}, whole[4:]), ints(1, 13), 10},
		{"the first packet", slices.Concat([][]byte{three[2], three[0]}, [][]byte{three[1]}, whole[4:]), ints(1, 9), 7},
		{
			"among others", slices.Concat(whole[:3], ips(other[:3]...), [][]byte{
				theirs[2], three[2], udp[0], udp[1], three[1], theirs[0], theirs[1], udp[2], three[0],
			}, whole[4:]),
			append(append(ints(1, 3), 8, 11, 15), ints(16, 21)...), 10,
		},
		{"never complete", slices.Concat(whole[:3], [][]byte{three[0], three[2]}, whole[4:]), ints(1, 11), 9},
		{"never complete, first one last", slices.Concat(whole[:3], [][]byte{three[2], three[0]}, whole[4:]), ints(1, 11), 9},
		{"never complete, first one lost", slices.Concat(whole[:3], [][]byte{three[1], three[2]}, whole[4:]), append(ints(1, 3), ints(6, 11)...), 9},
		{"never complete, after the end", slices.Concat(whole[:3], three[:1], whole[4:], three[1:2], ips(other...)), ints(1, 10), 9},
		{"IPv6", slices.Concat(ips(talk6[:3]...), [][]byte{six[2], six[0], six[1]}, ips(talk6[4:]...)), ints(1, 12), 10},
		{"IPv6, refused", slices.Concat(ips(talk6[:3]...), [][]byte{six[0], six[1], talk6[3].fragments(77, 136)[1], six[2]}, ips(talk6[4:]...)), ints(1, 13), 9},
		{"number used again", slices.Concat(whole[:3], three[1:], theirs[:1], [][]byte{three[0]}, pieces(talk[4], 77), whole[5:]), append(ints(1, 5), ints(7, 15)...), 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := capture(t, frames(test.packets...))
			all := find(t, path, tcpflow.Config{})
			if all[0].tunnel.Packets != test.counted {
				t.Errorf("%d packets counted, want %d", all[0].tunnel.Packets, test.counted)
			}
			files := carveAll(t, path, all[:1], carve.Options{})
			wantNumbers(t, files[0], path, test.want...)
			alone := find(t, files[0].Path, tcpflow.Config{})
			if diff := cmp.Diff(all[0].event, alone[0].event, cmp.Comparer(sameAddr)); diff != "" {
				t.Errorf("(-in the capture +alone):\n%s", diff)
			}
			both := carveAll(t, path, all, carve.Options{}) // others must not change what is there
			wantNumbers(t, both[0], path, test.want...)
		})
	}
}

// TestFragmentedTunnels has GRE packets in pieces that hold pieces.
func TestFragmentedTunnels(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 40)
	talk := conversation(client, server, 1000, long)
	var all [][]byte
	for i, s := range talk {
		for j, inner := range s.fragments(100+i, 256) {
			outer := gre(inner, 200+10*i+j, 128)
			slices.Reverse(outer)
			all = append(all, outer...)
		}
	}
	noise := gre(seg{server, client6, ACK, 1, 1, long}.ip()[:100], 5, 48)
	all = slices.Insert(all, 9, noise...)
	path := capture(t, frames(all...))
	conns := find(t, path, tcpflow.Config{})
	if len(conns) != 1 || conns[0].tunnel.Packets != 8 {
		t.Fatalf("%d connections, %d packets", len(conns), conns[0].tunnel.Packets)
	}
	files := carveAll(t, path, conns, carve.Options{})
	wantNumbers(t, files[0], path, append(ints(1, 9), ints(10+len(noise), len(all))...)...)
	alone := find(t, files[0].Path, tcpflow.Config{})
	if diff := cmp.Diff(conns[0].event, alone[0].event, cmp.Comparer(sameAddr)); diff != "" {
		t.Errorf("(-in the capture +alone):\n%s", diff)
	}
}

// TestManyDatagrams has more datagrams that are never complete than are noted:
// the one that counts begins after most of them, and is complete when those
// were looked for.
func TestManyDatagrams(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20)
	talk := conversation(client, server, 1000, long, long)
	three, more := talk[3].fragments(77, 128), talk[5].fragments(78, 128)
	never := talk[4].fragments(66, 128)[0]
	for _, test := range []struct {
		name    string
		before  int           // datagrams that the first one is behind
		timeout time.Duration // what is given up by then
	}{
		{"the oldest", 4000, time.Millisecond},
		{"one of many", 4000, time.Hour},
		{"the last", 4096, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			var shots []shot
			add := func(at time.Duration, packets ...[]byte) {
				for _, b := range packets {
					shots = append(shots, shot{at: at, data: b})
				}
			}
			noise := func(at time.Duration, from, to int) {
				for i := from; i < to; i++ {
					src := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
					add(at, ipPackets(src, server.Addr(), 6, make([]byte, 64), i, 32)[0])
				}
			}
			add(0, ips(talk[:3]...)...)
			add(0, never)
			noise(0, 0, test.before)
			add(5*time.Second, three[1])
			noise(5*time.Second, test.before, test.before+500)
			add(5*time.Second, three[0], three[2])
			noise(5*time.Second, test.before+500, 20_000)
			add(5*time.Second, more...)
			add(5*time.Second, ips(talk[6:]...)...)
			path := capture(t, shots)
			limits := tcpflow.Config{FragmentTimeout: test.timeout}
			all := find(t, path, limits)
			i := slices.IndexFunc(all, func(f found) bool { return f.tunnel.Key.Client == client })
			files := carveAll(t, path, all[i:i+1], carve.Options{Limits: limits})
			n := len(shots)
			want := append([]int{1, 2, 3, 4}, 5+test.before, 5+test.before+501, 5+test.before+502)
			wantNumbers(t, files[0], path, append(want, ints(n-6, n)...)...)
		})
	}
}

// TestRandomFragments cuts the packets of many connections at random and mixes
// the pieces.
func TestRandomFragments(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		type piece struct {
			data []byte
			conn int
		}
		var lines [4][]piece // of connections, in order
		id := 0
		for i := range lines {
			ends := [2]netip.AddrPort{client, server}
			if i%2 == 1 {
				ends = [2]netip.AddrPort{client6, server6}
			}
			ends[0] = netip.AddrPortFrom(ends[0].Addr(), uint16(2000+i))
			for _, s := range conversation(ends[0], ends[1], uint32(i), strings.Repeat("a", 100), strings.Repeat("b", 300), strings.Repeat("c", 500)) {
				id++
				pieces := s.fragments(id, []int{0, 64, 128}[r.IntN(3)])
				r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
				for _, b := range pieces {
					lines[i] = append(lines[i], piece{b, i})
				}
			}
		}
		var mixed []piece
		for {
			i := r.IntN(len(lines))
			if i = slices.IndexFunc(append(lines[i:len(lines):len(lines)], lines[:i]...), func(l []piece) bool { return len(l) > 0 }); i < 0 {
				break
			}
			for i = r.IntN(len(lines)); len(lines[i]) == 0; i = (i + 1) % len(lines) {
			}
			n := 1 + r.IntN(len(lines[i]))
			mixed = append(mixed, lines[i][:n]...)
			lines[i] = lines[i][n:]
		}
		var packed [][]byte
		for _, p := range mixed {
			packed = append(packed, p.data)
		}
		path := capture(t, frames(packed...))
		all := find(t, path, tcpflow.Config{})
		if len(all) != len(lines) {
			t.Fatalf("seed %d: %d connections", seed, len(all))
		}
		for i, f := range carveAll(t, path, all, carve.Options{}) {
			var want, got [][]byte
			for _, p := range mixed {
				if p.conn == int(all[i].tunnel.Key.Client.Port())-2000 {
					want = append(want, p.data)
				}
			}
			for _, p := range packets(t, f.Path) {
				got = append(got, []byte(p.Data))
			}
			if !slices.EqualFunc(want, got, bytes.Equal) {
				t.Errorf("seed %d: %v: %d packets, want %d", seed, all[i].tunnel.Key, len(got), len(want))
			}
		}
	}
}
