package tcpflow_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

var linkTypes = []tcpflow.LinkType{
	tcpflow.LinkNull, tcpflow.LinkEthernet, tcpflow.LinkRaw12, tcpflow.LinkRaw14, tcpflow.LinkRaw, tcpflow.LinkLoop,
	tcpflow.LinkSLL, tcpflow.LinkIPv4, tcpflow.LinkIPv6, tcpflow.LinkSLL2, 147,
}

// checked counts what is opened and closed.
type checked struct {
	t             testing.TB
	table         *tcpflow.Table
	streams, ends uint64
}

func newChecked(t testing.TB, cfg tcpflow.Config, open func(*tcpflow.Conn) tcpflow.Stream) *checked {
	k := &checked{t: t}
	cfg.Open = func(c *tcpflow.Conn) tcpflow.Stream {
		k.streams++
		return open(c)
	}
	cfg.Closed = func(*tcpflow.Conn) { k.ends++ }
	k.table = tcpflow.New(cfg)
	return k
}

func (k *checked) check() {
	k.t.Helper()
	if err := k.table.Check(); err != nil {
		k.t.Fatal(err)
	}
}

// finish flushes, and checks that the counts add up.
func (k *checked) finish() {
	k.t.Helper()
	k.table.Flush()
	k.check()
	st := k.table.Stats()
	var outcomes uint64
	for _, n := range st.Outcomes {
		outcomes += n
	}
	closed := st.Finished + st.Reset + st.Replaced + st.Idle + st.HalfOpenIdle + st.FlowsEvicted + st.HalfOpenEvicted + st.LeftOpen
	if outcomes != st.Packets || st.Opened != k.ends || st.Opened != closed || st.Streams != k.streams || k.table.Len() != 0 {
		k.t.Fatalf("%d streams, %d closed, %d left, stats %+v", k.streams, k.ends, k.table.Len(), st)
	}
	if dropped := st.FragmentsOverlapping + st.FragmentsMalformed + st.FragmentsTruncated + st.FragmentsEvicted + st.FragmentsExpired; dropped > 2*st.Fragments {
		k.t.Fatalf("fragments: %+v", st)
	}
}

// FuzzPacket: each packet of the input is a length byte and so many bytes,
// the last one whatever is left.
func FuzzPacket(f *testing.F) {
	packets := func(ps ...[]byte) []byte {
		var b []byte
		for _, p := range ps[:len(ps)-1] {
			b = append(append(b, byte(len(p))), p...)
		}
		return append(append(b, 255), ps[len(ps)-1]...)
	}
	ip4, ip6 := hello4.ip(), hello6.ip()
	f.Add(byte(1), packets(hello4.frame(), hello6.frame()), 0)
	f.Add(byte(1), packets(c(SYN, 1, 0, "").frame(), s(SYN|ACK, 1, 2, "").frame(), c(ACK, 2, 2, "abc").frame()), 7)
	f.Add(byte(1), packets(ethernet(0x8100, join(tag(7, 0x8847), "\x00\x01\x01\x40", ip4))), 0)
	f.Add(byte(1), packets(ethernet(0x8864, join("\x11\x00\x00\x01\x00\x2f\x00\x21", ip4))), 0)
	f.Add(byte(0), packets(join("\x02\x00\x00\x00", ip4), join("\x00\x00\x00\x1e", ip6)), 0)
	f.Add(byte(4), packets(frag4(ip4, 1, 0, 8), frag4(ip4, 1, 8, 25)), 0)
	f.Add(byte(4), packets(frag6(ip6, 1, 0, 8), frag6(ip6, 1, 8, 25)), 0)
	f.Add(byte(4), packets(ext6(0, "\x33\x00\x05\x02\x00\x00\x01\x00\x06\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")), 3)
	f.Add(byte(4), packets(nestGRE(3, ip4), withIPOptions("\x94\x04\x00\x00\x01\x01\x01\x00")), 0)
	f.Add(byte(6), packets(join("\x00\x00\x00\x01\x00\x14\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00", ip4)), 0)
	f.Add(byte(9), packets(join("\x86\xdd\x00\x00\x00\x00\x00\x02\x00\x01\x04\x06\x02\x00\x00\x00\x00\x01\x00\x00", ip6)), 0)
	f.Fuzz(func(t *testing.T, link byte, data []byte, more int) {
		k := newChecked(t, tcpflow.Config{MaxFlows: 4, MaxHalfOpen: 4, MaxDatagrams: 4, MaxFragmentBytes: 2000, MaxBuffered: 1000, MaxBufferedPerFlow: 500},
			func(*tcpflow.Conn) tcpflow.Stream { return &recorder{t: t} })
		now := began
		for len(data) > 0 {
			n := min(int(data[0]), len(data)-1)
			if data[0] == 255 {
				n = len(data) - 1
			}
			p := data[1 : 1+n : 1+n]
			data = data[1+n:]
			now = now.Add(time.Duration(len(p)) * 100 * time.Millisecond)
			for _, l := range []tcpflow.LinkType{linkTypes[int(link)%len(linkTypes)], tcpflow.LinkRaw} {
				if r := k.table.Packet(l, now, p, n+more%2000); (r.Conn != nil) != (r.Outcome == tcpflow.OutcomeTracked) {
					t.Fatalf("%+v", r)
				}
			}
			k.check()
		}
		k.finish()
	})
}

// counting is a Stream of bytes that say their own sequence numbers, modulo
// 256, so that one which is out of place shows.
type counting struct {
	t        *testing.T
	log      *[]string
	fins     *[3]int // FINs sent so far, by inspect.Direction: each takes a number
	begun    [3]bool
	next     [3]byte
	skipped  [3]int // FINs taken for what they are
	feeds    int
	settleAt int
}

func (s *counting) Feed(sg inspect.Segment) bool {
	s.feeds++
	d := sg.Direction
	*s.log = append(*s.log, fmt.Sprintf("%v %d %v %d", d, sg.Missing, sg.Data, sg.Time.UnixNano()))
	s.next[d] += byte(sg.Missing)
	for _, b := range sg.Data {
		for s.begun[d] && b != s.next[d] && s.skipped[d] < s.fins[d] {
			s.next[d]++
			s.skipped[d]++
		}
		if s.begun[d] && b != s.next[d] {
			s.t.Fatalf("%v: byte %d where %d belongs\n%s", d, b, s.next[d], strings.Join(*s.log, "\n"))
		}
		s.begun[d], s.next[d] = true, b+1
	}
	return sg.Missing%2 == 1
}

func (s *counting) Settled() bool { return s.settleAt > 0 && s.feeds >= s.settleAt }

// script runs a TCP conversation made of six bytes a segment: kind, number,
// number's scale, acknowledgement, length, time.
func script(t *testing.T, ops []byte, settleAt int) []string {
	var log []string
	fins := &[2][3]int{}
	cfg := tcpflow.Config{MaxFlows: 2, MaxHalfOpen: 2, MaxBuffered: 1500, MaxBufferedPerFlow: 900}
	cfg.Changed = func(c *tcpflow.Conn) { log = append(log, "changed "+c.Key().String()) }
	k := newChecked(t, cfg, func(c *tcpflow.Conn) tcpflow.Stream {
		log = append(log, "open "+c.Key().String())
		return &counting{t: t, log: &log, fins: &fins[int(c.Key().Client.Port()+c.Key().Server.Port())&1], settleAt: settleAt}
	})
	now := began
	isn := [2]uint32{1<<32 - 50, 1<<31 - 50}
	for ; len(ops) >= 6; ops = ops[6:] {
		side := int(ops[0] & 1)
		pair := ops[0] >> 1 & 1
		a, b := client4, netip.AddrPortFrom(server4.Addr(), server4.Port()+uint16(pair))
		flags := []byte{ACK, ACK, ACK, ACK | PSH, SYN, SYN | ACK, FIN | ACK, RST}[ops[0]>>2&7]
		scale := []uint32{1, 1, 1, 7, 1 << 10, 1 << 20, 1 << 25, 1 << 30}[ops[2]&7]
		sg := seg{
			src: a, dst: b, flags: flags,
			seq: isn[side] + uint32(ops[1])*scale,
			ack: isn[1-side] + uint32(ops[3]),
		}
		if side == 1 {
			sg.src, sg.dst = b, a
		}
		first := sg.seq
		if flags&SYN != 0 {
			first++
			sg.options = "\x22\x04ck"
		}
		data := make([]byte, ops[4]%64)
		for i := range data {
			data[i] = byte(first + uint32(i))
		}
		sg.data = string(data)
		if flags&FIN != 0 {
			fins[int(a.Port()+b.Port())&1][inspect.ClientToServer]++
			fins[int(a.Port()+b.Port())&1][inspect.ServerToClient]++
		}
		now = now.Add(time.Duration(int8(ops[5])) * 100 * time.Millisecond)
		frame := sg.frame()
		short := int(ops[2]>>3) % (len(data) + 1)
		r := k.table.Packet(tcpflow.LinkEthernet, now, frame[:len(frame)-short], len(frame))
		log = append(log, fmt.Sprint(r.Outcome, r.Changed))
		k.check()
	}
	k.finish()
	return append(log, fmt.Sprintf("%+v", k.table.Stats()))
}

// FuzzScript: whatever the order, the numbers and the flags, no byte comes out
// of its place, and the same packets give the same calls.
func FuzzScript(f *testing.F) {
	const data, other, syn, synack, fin, rst = 0, 1, 4 << 2, 5<<2 | 1, 6 << 2, 7 << 2
	f.Add([]byte{syn, 0, 0, 0, 0, 0, synack, 0, 0, 1, 0, 0, data, 1, 0, 1, 20, 0, data, 41, 0, 1, 20, 0, data, 21, 0, 1, 20, 0, fin, 61, 0, 1, 3, 0}, byte(0))
	f.Add([]byte{data, 1, 0, 1, 20, 0, data, 61, 0, 1, 20, 60, other, 1, 0, 30, 0, 0, data, 21, 0, 1, 60, 0, rst, 81, 0, 1, 0, 0, data, 81, 0, 0, 9, 0}, byte(3))
	f.Add([]byte{data, 1, 0, 1, 63, 0, data, 91, 1, 1, 63, 0, data, 191, 2, 1, 63, 127, 2, 1, 0, 1, 30, 0, 2, 99, 0, 1, 30, 127}, byte(0))
	// A FIN right before held bytes, without what FIN ends.
	f.Add([]byte("0\x0000A0\x15\x000 \x0008A00000)\x00\x01\x14\x00\x00\x15\x00\x01\x14\x00\x18=\x00\x01\x03\x00"), byte(0))
	f.Fuzz(func(t *testing.T, ops []byte, settleAt byte) {
		if len(ops) > 6*200 {
			return
		}
		once, again := script(t, ops, int(settleAt)), script(t, ops, int(settleAt))
		if !slices.Equal(once, again) {
			t.Fatal("the same packets gave different calls")
		}
	})
}
