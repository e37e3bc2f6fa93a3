package tcpflow_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// packet is a captured one.
type packet struct {
	link tcpflow.LinkType
	at   time.Time
	data []byte
	wire int
}

// mixture is packets of some connections: fragments, other protocols, damage,
// what the capture cut off, and time that jumps.
func mixture(rng *rand.Rand, n int) []packet {
	var list []packet
	at := began
	add := func(link tcpflow.LinkType, data []byte) {
		list = append(list, packet{link, at, data, len(data)})
	}
	for id := uint16(1); len(list) < n; id++ {
		at = at.Add(time.Duration(rng.IntN(40)) * time.Millisecond)
		if rng.IntN(100) == 0 {
			at = at.Add(time.Duration(rng.IntN(180)-90) * time.Second)
		}
		a, ipType := hello4, uint16(0x0800)
		if rng.IntN(2) == 0 {
			a, ipType = hello6, 0x86dd
		}
		a.flags, a.seq, a.ack = []byte{ACK, ACK, ACK, SYN, FIN | ACK, RST}[rng.IntN(6)], uint32(rng.IntN(200)), uint32(rng.IntN(200))
		a.data = randomText(rng, rng.IntN(60))
		if rng.IntN(2) == 0 {
			a.src, a.dst = a.dst, a.src
		}
		ip := a.ip()
		switch whole := len(ip) - 20; rng.IntN(8) {
		case 0:
			if a.src.Addr().Is4() {
				middle := whole / 16 * 8
				add(tcpflow.LinkRaw, frag4(ip, id, 0, middle))
				if rng.IntN(4) > 0 {
					add(tcpflow.LinkRaw, frag4(ip, id, middle, whole))
				}
			}
		case 1:
			add(tcpflow.LinkEthernet, ethernet(0x0806, ip))
		case 2:
			f := a.frame()
			f[rng.IntN(len(f))] ^= 1 << rng.IntN(8)
			add(tcpflow.LinkEthernet, f)
		case 3:
			f := a.frame()
			add(tcpflow.LinkEthernet, f[:rng.IntN(len(f))])
			list[len(list)-1].wire = len(f)
		default:
			add(tcpflow.LinkEthernet, ethernet(0x8100, join(tag(uint16(1+rng.IntN(3)), ipType), ip)))
		}
	}
	return list
}

// journal is a Table's configuration that writes down all calls.
func journal(log *[]string) tcpflow.Config {
	say := func(format string, args ...any) { *log = append(*log, fmt.Sprintf(format, args...)) }
	return tcpflow.Config{
		MaxDatagrams: 3, FragmentTimeout: time.Second, MaxHalfOpen: 2,
		Open: func(c *tcpflow.Conn) tcpflow.Stream {
			say("open %v", c.Key())
			return feedFunc(func(s inspect.Segment) { say("feed %v %+v", c.Key(), s) })
		},
		Closed: func(c *tcpflow.Conn) {
			outer, _ := c.VLANs()
			say("closed %v %v, packet %d of VLAN %d, %+v", c.Key(), c.End(), c.FirstPacket(), outer, c.Traffic(inspect.ClientToServer))
		},
	}
}

type feedFunc func(inspect.Segment)

func (f feedFunc) Feed(s inspect.Segment) bool { f(s); return s.Missing > 0 }
func (f feedFunc) Settled() bool               { return false }

// TestDecodeAhead wants that packets which are decoded long before the table
// takes them make the same calls and counts as one at a time.
func TestDecodeAhead(t *testing.T) {
	for seed := range uint64(20) {
		list := mixture(rand.New(rand.NewPCG(7, seed)), 500)
		var want []string
		once := tcpflow.New(journal(&want))
		for _, p := range list {
			r := once.Packet(p.link, p.at, p.data, p.wire)
			want = append(want, fmt.Sprint(r.Outcome, r.Changed))
		}
		once.Flush()
		want = append(want, fmt.Sprintf("%+v", once.Stats()))

		for _, ahead := range []int{1, 7, len(list)} {
			var got []string
			cfg := journal(&got)
			decoder, table := tcpflow.NewDecoder(cfg), tcpflow.New(cfg)
			segments := make([]tcpflow.Segment, ahead)
			for at := 0; at < len(list); at += ahead {
				part := list[at:min(at+ahead, len(list))]
				for i, p := range part {
					decoder.Decode(&segments[i], p.link, p.at, p.data, p.wire)
				}
				for i := range part {
					r := table.Segment(&segments[i])
					got = append(got, fmt.Sprint(r.Outcome, r.Changed))
				}
			}
			decoder.Flush()
			table.Flush()
			stats := table.Stats()
			stats.Add(decoder.Stats())
			got = append(got, fmt.Sprintf("%+v", stats))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, %d ahead (-one at a time +decoded ahead):\n%s", seed, ahead, diff)
			}
			if stats.Reassembled == 0 || stats.FragmentsExpired+stats.FragmentsEvicted == 0 || stats.Undecodable() == 0 || stats.Streams < 5 || stats.MissingBytes == 0 {
				t.Fatalf("seed %d shows too little: %+v", seed, stats)
			}
		}
	}
}

// TestDecoderNoAllocs: what is decoded takes no memory of its own.
func TestDecoderNoAllocs(t *testing.T) {
	decoder, frame := tcpflow.NewDecoder(tcpflow.Config{}), hello4.frame()
	var s tcpflow.Segment
	if n := testing.AllocsPerRun(100, func() { decoder.Decode(&s, tcpflow.LinkEthernet, began, frame, len(frame)) }); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
