package tcpflow_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// sink is a Stream that does nothing.
type sink struct{ settled bool }

func (s *sink) Feed(inspect.Segment) bool { return false }
func (s *sink) Settled() bool             { return s.settled }

// traffic is one packet per flow, whose sequence number can be set in place.
type traffic struct {
	frames  [][]byte
	payload int
}

const timestamps = "\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x02"

func newTraffic(flows, payload int) *traffic {
	tr := &traffic{payload: payload}
	for i := range flows {
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
		f := seg{src: src, dst: server4, flags: ACK | PSH, seq: 1, options: timestamps, data: strings.Repeat("x", payload)}.frame()
		tr.frames = append(tr.frames, f)
	}
	return tr
}

// next gives packet i of a sequence that goes round the flows.
func (tr *traffic) next(i int) []byte {
	f := tr.frames[i%len(tr.frames)]
	seq := uint32(1 + i/len(tr.frames)*tr.payload)
	const at = 14 + 20 + 4
	f[at], f[at+1], f[at+2], f[at+3] = byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq)
	return f
}

func report(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mpackets/s")
}

func benchmark(b *testing.B, flows, payload int, settled bool) {
	tr := newTraffic(flows, payload)
	t := tcpflow.New(tcpflow.Config{Open: func(*tcpflow.Conn) tcpflow.Stream { return &sink{} }})
	if settled {
		t = tcpflow.New(tcpflow.Config{Open: func(*tcpflow.Conn) tcpflow.Stream { return &sink{settled: true} }})
	}
	now := began
	for i := range flows {
		f := tr.next(i)
		t.Packet(tcpflow.LinkEthernet, now, f, len(f))
	}
	b.SetBytes(int64(len(tr.frames[0])))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		f := tr.next(flows + i)
		now = now.Add(time.Microsecond)
		t.Packet(tcpflow.LinkEthernet, now, f, len(f))
	}
	b.StopTimer()
	report(b)
	if st := t.Stats(); st.OutOfOrder+st.RepeatedBytes+st.Outcomes[tcpflow.OutcomeTracked]-st.Packets != 0 || t.Len() != flows {
		b.Fatalf("not what was meant to be measured: %+v", st)
	}
}

func BenchmarkPacket(b *testing.B) {
	b.Run("1400B/1k flows", func(b *testing.B) { benchmark(b, 1000, 1400, false) })
	b.Run("4B/1 flow", func(b *testing.B) { benchmark(b, 1, 4, false) })
	b.Run("4B/1k flows", func(b *testing.B) { benchmark(b, 1000, 4, false) })
	b.Run("4B/100k flows", func(b *testing.B) { benchmark(b, 100_000, 4, false) })
	b.Run("4B/1k flows settled", func(b *testing.B) { benchmark(b, 1000, 4, true) })
	b.Run("4B/100k flows settled", func(b *testing.B) { benchmark(b, 100_000, 4, true) })
}

// BenchmarkDecode is the floor under BenchmarkPacket: the three headers alone.
func BenchmarkDecode(b *testing.B) {
	b.Run("gopacket", func(b *testing.B) {
		tr := newTraffic(1000, 4)
		var eth layers.Ethernet
		var ip layers.IPv4
		var tcp layers.TCP
		for i := range b.N {
			f := tr.next(i)
			if eth.DecodeFromBytes(f, gopacket.NilDecodeFeedback) != nil ||
				ip.DecodeFromBytes(eth.Payload, gopacket.NilDecodeFeedback) != nil ||
				tcp.DecodeFromBytes(ip.Payload, gopacket.NilDecodeFeedback) != nil || len(tcp.Payload) != 4 {
				b.Fatal("decoding failed")
			}
		}
		report(b)
	})
	b.Run("parser", func(b *testing.B) {
		tr := newTraffic(1000, 4)
		var eth layers.Ethernet
		var ip layers.IPv4
		var tcp layers.TCP
		p := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &ip, &tcp)
		p.IgnoreUnsupported = true
		var decoded []gopacket.LayerType
		for i := range b.N {
			if p.DecodeLayers(tr.next(i), &decoded) != nil || len(tcp.Payload) != 4 {
				b.Fatal("decoding failed")
			}
		}
		report(b)
	})
	b.Run("by hand", func(b *testing.B) {
		tr := newTraffic(1000, 4)
		var sum uint32
		for i := range b.N {
			f := tr.next(i)
			if len(f) < 54 || f[12] != 8 || f[13] != 0 || f[14] != 0x45 || f[23] != 6 {
				b.Fatal("decoding failed")
			}
			tcp := f[34:]
			off := int(tcp[12]>>4) * 4
			if off > len(tcp) || len(tcp[off:]) != 4 {
				b.Fatal("decoding failed")
			}
			sum += uint32(tcp[4])<<24 | uint32(tcp[5])<<16 | uint32(tcp[6])<<8 | uint32(tcp[7])
		}
		_ = sum
		report(b)
	})
}

// BenchmarkSYN is a SYN flood: each packet opens a connection and evicts one.
func BenchmarkSYN(b *testing.B) {
	t := tcpflow.New(tcpflow.Config{Open: func(*tcpflow.Conn) tcpflow.Stream { return &sink{} }})
	f := seg{src: client4, dst: server4, flags: SYN}.frame()
	b.ReportAllocs()
	for i := range b.N {
		f[26], f[27], f[28], f[29] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		t.Packet(tcpflow.LinkEthernet, began, f, len(f))
	}
	report(b)
}
