package tcpflow_test

import (
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// from is a segment of client number i.
func from(i int, flags byte, seq uint32, data string) seg {
	src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
	return seg{src: src, dst: server4, flags: flags, seq: seq, ack: 1, data: data}
}

func TestTimeouts(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.ok(from(1, SYN, 0, ""))
	h.ok(from(2, ACK, 0, "payload"))
	h.wait(50 * time.Second)
	h.ok(from(1, SYN, 0, ""))
	h.wait(50 * time.Second)
	h.table.Advance(h.now)
	h.wantClosed()
	h.wait(15 * time.Second)
	h.table.Advance(h.now)
	h.wantClosed("10.0.0.1:40000 > 198.51.100.7:443: idle")
	h.wait(8 * time.Minute)
	h.ok(from(2, ACK, 7, "more"))
	h.wait(9 * time.Minute)
	h.ok(from(3, SYN, 0, ""))
	if len(h.closed) != 1 {
		t.Errorf("closed %q", h.closed)
	}
	h.wait(2 * time.Minute)
	h.ok(from(4, SYN, 0, ""))
	h.wantClosed("10.0.0.1:40000 > 198.51.100.7:443: idle", "10.0.0.3:40000 > 198.51.100.7:443: idle", "10.0.0.2:40000 > 198.51.100.7:443: idle")
	if st := h.table.Stats(); st.Idle != 1 || st.HalfOpenIdle != 2 || st.Opened != 4 || st.Streams != 1 {
		t.Errorf("stats %+v", st)
	}
}

// Time may stand, step back a little, or start again.
func TestTimeStepsBack(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.ok(from(1, ACK, 0, "payload"))
	for range 100 { // two interfaces whose clocks differ: no time passes
		h.wait(30 * time.Second)
		h.ok(from(1, ACK, 7, ""))
		h.wait(-30 * time.Second)
		h.ok(from(1, ACK, 7, ""))
	}
	h.ok(from(2, SYN, 0, ""))
	h.wantClosed()
	h.wait(-24 * time.Hour) // the next file
	conn := h.ok(from(3, SYN, 0, ""))
	if conn.Start() != began.Add(-24*time.Hour) {
		t.Errorf("Start = %v", conn.Start())
	}
	h.wait(50 * time.Second)
	h.ok(from(3, SYN, 0, ""))
	h.wantClosed()
	h.wait(30 * time.Second)
	h.table.Advance(h.now)
	h.wantClosed("10.0.0.2:40000 > 198.51.100.7:443: idle")
}

func TestMaxHalfOpen(t *testing.T) {
	h := newHarness(t, tcpflow.Config{MaxHalfOpen: 2})
	for i := range 4 {
		h.ok(from(i, SYN, 0, ""))
		h.wait(2 * time.Second)
		h.ok(from(0, SYN, 0, "")) // stays active
	}
	h.wantClosed("10.0.0.1:40000 > 198.51.100.7:443: evicted", "10.0.0.2:40000 > 198.51.100.7:443: evicted")
	if st := h.table.Stats(); st.HalfOpenEvicted != 2 || st.FlowsEvicted != 0 || h.table.Len() != 2 {
		t.Errorf("stats %+v", st)
	}
}

func TestMaxFlows(t *testing.T) {
	h := newHarness(t, tcpflow.Config{MaxFlows: 3})
	for i := range 3 {
		h.ok(from(i, ACK, 0, "payload"))
		h.wait(2 * time.Second)
	}
	h.ok(from(0, ACK, 7, "x")) // stays active
	h.ok(from(2, RST, 7, ""))
	h.ok(from(3, ACK, 0, "payload")) // the ended one goes first
	h.ok(from(4, ACK, 0, "payload")) // then the least active
	h.wantClosed("10.0.0.2:40000 > 198.51.100.7:443: rst", "10.0.0.1:40000 > 198.51.100.7:443: evicted")
	h.ok(from(5, SYN, 0, ""))
	r := h.send(seg{src: server4, dst: from(5, 0, 0, "").src, flags: RST | ACK, ack: 1})
	h.wantClosed("10.0.0.2:40000 > 198.51.100.7:443: rst", "10.0.0.1:40000 > 198.51.100.7:443: evicted", "10.0.0.0:40000 > 198.51.100.7:443: evicted")
	if r.Conn.Key().Client != from(5, 0, 0, "").src || r.Conn.End() != tcpflow.EndRST {
		t.Errorf("the packet's own connection was evicted: %v", r.Conn.Key())
	}
	if st := h.table.Stats(); st.FlowsEvicted != 2 || st.Reset != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestMaxBufferedPerFlow(t *testing.T) {
	h := newHarness(t, tcpflow.Config{MaxBufferedPerFlow: 1000})
	h.handshake()
	kilo := strings.Repeat("k", 400)
	h.ok(c(ACK, 1101, 5001, kilo))
	h.ok(c(ACK, 1601, 5001, kilo))
	h.ok(c(ACK, 2101, 5001, kilo)) // no room: the holes are given up
	h.wantC2S("[100]" + kilo + "[100]" + kilo + "[100]" + kilo)
	h.ok(c(ACK, 2601, 5001, strings.Repeat("k", 2000))) // never has room
	if st := h.table.Stats(); st.HolesOverLimit != 2 || st.MissingBytes != 400 {
		t.Errorf("stats %+v", st)
	}

	// Where the receiver waits for the hole as well, what is early is dropped.
	h = newHarness(t, tcpflow.Config{MaxBufferedPerFlow: 1000})
	h.handshake()
	h.ok(c(ACK, 1101, 5001, kilo))
	h.ok(s(ACK, 5001, 1001, ""))
	h.ok(c(ACK, 1501, 5001, kilo))
	h.ok(c(ACK, 1901, 5001, kilo))
	h.ok(c(ACK, 1001, 5001, kilo[:100]))
	h.wantC2S(kilo[:100] + kilo + kilo)
	if st := h.table.Stats(); st.FlowLimitSegments != 1 || st.MissingBytes != 0 {
		t.Errorf("stats %+v", st)
	}

	// Many small pieces cost what they cost.
	h = newHarness(t, tcpflow.Config{MaxBufferedPerFlow: 1000})
	h.handshake()
	for i := range uint32(100) {
		h.ok(c(ACK, 1003+2*i, 5001, "x"))
	}
	if st := h.table.Stats(); st.HolesOverLimit == 0 {
		t.Error("100 pieces were held in 1000 bytes")
	}
}

func TestMaxBuffered(t *testing.T) {
	h := newHarness(t, tcpflow.Config{MaxBuffered: 1000})
	data := strings.Repeat("k", 400)
	open := func(i int) {
		h.ok(from(i, SYN, 0, ""))
		h.ok(from(i, ACK, 1, "a"))
	}
	early := func(i int, seq uint32) { h.ok(from(i, ACK, seq, data)) }
	for i := range 4 {
		open(i)
	}
	early(0, 10)
	early(1, 10)
	early(2, 10) // 0 waits longest
	if got, want := h.stream(0).c2s(), "a[8]"+data; got != want {
		t.Errorf("stream 0: %q, want %q", got, want)
	}
	// 1 waits for what its receiver waits for, too: it forgets.
	h.ok(seg{src: server4, dst: from(1, 0, 0, "").src, flags: ACK, seq: 1, ack: 2})
	early(3, 10)
	if got := h.stream(1).c2s(); got != "a" {
		t.Errorf("stream 1: %q, want a", got)
	}
	early(2, 500) // it waits longest itself
	if got, want := h.stream(2).c2s(), "a[8]"+data+"[90]"+data; got != want {
		t.Errorf("stream 2: %q, want %q", got, want)
	}
	st := h.table.Stats()
	if st.HolesOverLimit != 2 || st.TotalLimitSegments != 1 {
		t.Errorf("stats %+v", st)
	}
	h.ok(seg{src: server4, dst: from(3, 0, 0, "").src, flags: ACK, seq: 1, ack: 2})
	h.ok(from(3, ACK, 500, strings.Repeat("k", 900)))
	if st := h.table.Stats(); st.TotalLimitSegments != 2 || h.stream(3).c2s() != "a" {
		t.Errorf("stats %+v, stream %q", st, h.stream(3).c2s())
	}
}

// A million half-open connections.
func TestSYNFlood(t *testing.T) {
	closed := 0
	table := tcpflow.New(tcpflow.Config{
		Open:   func(*tcpflow.Conn) tcpflow.Stream { t.Error("a stream was opened"); return nil },
		Closed: func(*tcpflow.Conn) { closed++ },
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f := from(0, SYN, 0, "").frame()
	for i := range 1_000_000 {
		f[26], f[27], f[28], f[29] = 10, byte(i>>16), byte(i>>8), byte(i)
		table.Packet(tcpflow.LinkEthernet, began, f, len(f))
	}
	runtime.ReadMemStats(&after) // garbage included
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if st := table.Stats(); st.HalfOpenEvicted != 1_000_000-65536 || closed != 1_000_000-65536 || table.Len() != 65536 {
		t.Errorf("%d closed, %d left, stats %+v", closed, table.Len(), st)
	}
	table.Flush()
	if closed != 1_000_000 {
		t.Errorf("%d closed", closed)
	}
}

func TestNoAllocs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		seg     seg
		settled bool
	}{
		{name: "IPv4", seg: hello4},
		{name: "IPv6", seg: hello6},
		{name: "IPv4 settled", seg: hello4, settled: true},
		{name: "IPv6 settled", seg: hello6, settled: true},
	} {
		tt.seg.options = timestamps
		table := tcpflow.New(tcpflow.Config{Open: func(*tcpflow.Conn) tcpflow.Stream { return &sink{settled: tt.settled} }})
		f := tt.seg.frame()
		at := len(f) - len(tt.seg.data) - 32 + 4
		seq := uint32(0)
		send := func() {
			f[at], f[at+1], f[at+2], f[at+3] = byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq)
			seq += uint32(len(tt.seg.data))
			if r := table.Packet(tcpflow.LinkEthernet, began, f, len(f)); r.Outcome != tcpflow.OutcomeTracked {
				t.Fatal(r.Outcome)
			}
		}
		send()
		if n := testing.AllocsPerRun(1000, send); n != 0 {
			t.Errorf("%s: %v allocations a packet", tt.name, n)
		}
		if st := table.Stats(); st.OutOfOrder+st.RepeatedBytes != 0 {
			t.Errorf("%s: not in order: %+v", tt.name, st)
		}
	}
}

func TestFlushOrder(t *testing.T) {
	var want []string
	for round := range 5 {
		h := newHarness(t, tcpflow.Config{})
		for _, i := range []int{5, 3, 9, 1} {
			h.ok(from(i, SYN, 0, ""))
		}
		h.ok(seg{src: client6, dst: server6, flags: SYN})
		h.wait(-time.Second)
		h.ok(from(7, ACK, 0, "x"))
		h.table.Flush()
		if round == 0 {
			want = h.closed
			h.wantClosed("10.0.0.7:40000 > 198.51.100.7:443: open",
				"10.0.0.1:40000 > 198.51.100.7:443: open", "10.0.0.3:40000 > 198.51.100.7:443: open",
				"10.0.0.5:40000 > 198.51.100.7:443: open", "10.0.0.9:40000 > 198.51.100.7:443: open",
				"[2001:db8::1]:51000 > [2001:db8:f::7]:443: open")
		}
		h.wantClosed(want...)
	}
}

// A connection that the table recycled starts afresh.
func TestRecycling(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	for i := range 10 {
		h.handshake()
		h.ok(c(ACK, 1001, 5001, "a"))
		h.ok(c(ACK, 1009, 5001, "b"))
		conn := h.ok(s(FIN|ACK, 5001, 1001, ""))
		if got := conn.Traffic(inspect.ClientToServer); got.Packets != 4 || got.Missing != 0 || conn.End() != tcpflow.EndOpen {
			t.Fatalf("round %d: %+v", i, got)
		}
		h.table.Flush()
		h.wantC2S("a[7]b")
	}
}

func TestStatsAdd(t *testing.T) {
	var a, b tcpflow.Stats
	fill := func(s *tcpflow.Stats, n uint64) {
		for _, f := range reflect.ValueOf(s).Elem().Fields() {
			if f.Kind() == reflect.Uint64 {
				f.SetUint(n)
			} else {
				for j := range f.Len() {
					f.Index(j).SetUint(n)
				}
			}
		}
	}
	fill(&a, 1)
	fill(&b, 41)
	a.Add(b)
	var want tcpflow.Stats
	fill(&want, 42)
	if a != want {
		t.Errorf("got %+v, want 42 everywhere", a)
	}
}

func TestNewPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New without Open did not panic")
		}
	}()
	tcpflow.New(tcpflow.Config{})
}
