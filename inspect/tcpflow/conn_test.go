package tcpflow_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

func TestConn(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.send(seg{src: client6, dst: server6, flags: SYN})
	h.wait(time.Second)
	conn := h.ok(c(SYN, 1000, 0, ""))
	if conn.Stream() != nil || !conn.SYN() || conn.SYNACK() || conn.Midstream() {
		t.Errorf("after SYN: %+v", conn)
	}
	h.wait(time.Second)
	h.ok(s(SYN|ACK, 5000, 1001, ""))
	h.ok(c(ACK, 1001, 5001, ""))
	if len(h.streams) != 0 {
		t.Error("a stream was opened without payload")
	}
	h.ok(c(ACK, 1001, 5001, "hello"))
	h.wait(time.Second)
	h.ok(s(ACK, 5001, 1006, "hi"))
	if conn.Stream() != tcpflow.Stream(h.stream(0)) || !conn.SYNACK() || conn.Midstream() || conn.End() != tcpflow.EndOpen {
		t.Errorf("%+v", conn)
	}
	if conn.Start() != began.Add(time.Second) || conn.Last() != began.Add(3*time.Second) || conn.FirstPacket() != 2 {
		t.Errorf("from %v to %v, first packet %d", conn.Start(), conn.Last(), conn.FirstPacket())
	}
	want := []tcpflow.Traffic{{Packets: 3, Bytes: 3*54 + 5, Payload: 5}, {Packets: 2, Bytes: 2*54 + 2, Payload: 2}, {}}
	got := []tcpflow.Traffic{conn.Traffic(inspect.ClientToServer), conn.Traffic(inspect.ServerToClient), conn.Traffic(0)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error("traffic (-want +got):\n" + d)
	}
	if len(h.keys) != 1 || h.keys[0] != (inspect.FlowKey{Client: client4, Server: server4}) || conn.Key() != h.keys[0] {
		t.Errorf("key %v, opened %v", conn.Key(), h.keys)
	}
	h.table.Flush()
	h.wantClosed("[2001:db8::1]:51000 > [2001:db8:f::7]:443: open", pair+": open")
	if h.table.Len() != 0 {
		t.Errorf("%d left after Flush", h.table.Len())
	}
}

// TestRoles: who is client, and whether that was seen from the start.
func TestRoles(t *testing.T) {
	const hello = "\x16\x03\x01\x02\x00\x01rest"
	const serverHello = "\x16\x03\x03\x00\x7a\x02rest"
	high := netip.MustParseAddrPort("192.0.2.1:60000")
	mid := netip.MustParseAddrPort("198.51.100.7:50000")
	odd := netip.MustParseAddrPort("203.0.113.1:60000")
	between := func(src, dst netip.AddrPort, flags byte, data string) seg {
		return seg{src: src, dst: dst, flags: flags, seq: 100, ack: 200, data: data}
	}
	tests := []struct {
		name      string
		segs      []seg
		client    netip.AddrPort
		midstream bool
	}{
		{"SYN", []seg{between(mid, high, SYN, ""), {src: mid, dst: high, flags: ACK, seq: 101, data: serverHello}}, mid, false},
		{"SYN of the side with port 443", []seg{between(server4, high, SYN, "")}, server4, false},
		{"SYN and ACK", []seg{between(high, mid, SYN|ACK, "")}, mid, false},
		{"SYN and ACK first, then SYN", []seg{between(high, mid, SYN|ACK, ""), {src: mid, dst: high, flags: SYN, seq: 199}}, mid, false},
		{"simultaneous open", []seg{between(mid, high, SYN, ""), between(high, mid, SYN, ""), between(mid, high, SYN|ACK, "")}, mid, false},
		{"ClientHello", []seg{between(mid, high, ACK, hello)}, mid, true},
		{"ClientHello after the server's ACK", []seg{between(high, mid, ACK, ""), between(mid, high, ACK, hello)}, mid, true},
		{"ServerHello", []seg{between(mid, high, ACK, serverHello)}, high, true},
		{"request", []seg{between(mid, high, ACK, "SSTP_DUPLEX_POST /sra_ HTTP/1.1")}, mid, true},
		{"CONNECT", []seg{between(mid, high, ACK, "CONNECT a:443 HTTP/1.1")}, mid, true},
		{"response", []seg{between(mid, high, ACK, "HTTP/1.1 200 OK")}, high, true},
		{"other handshake message: the port", []seg{between(mid, high, ACK, "\x16\x03\x03\x00\x7a\x0brest")}, high, true},
		{"port 443", []seg{between(server4, netip.MustParseAddrPort("192.0.2.1:80"), ACK, "zz")}, netip.MustParseAddrPort("192.0.2.1:80"), true},
		{"port 443, the other way", []seg{between(netip.MustParseAddrPort("192.0.2.1:80"), server4, ACK, "zz")}, netip.MustParseAddrPort("192.0.2.1:80"), true},
		{"port 443 against a lower one, client's address first", []seg{between(netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("198.51.100.9:443"), ACK, "zz")}, netip.MustParseAddrPort("192.0.2.1:80"), true},
		{"port 443 against a lower one, server's address first", []seg{between(netip.MustParseAddrPort("203.0.113.1:80"), netip.MustParseAddrPort("198.51.100.9:443"), ACK, "zz")}, netip.MustParseAddrPort("203.0.113.1:80"), true},
		{"lower port of the lower address", []seg{between(netip.MustParseAddrPort("192.0.2.1:80"), odd, ACK, "zz")}, odd, true},
		{"lower port", []seg{between(mid, high, ACK, "zz")}, high, true},
		{"lower port, the other way", []seg{between(high, mid, ACK, "zz")}, high, true},
		{"same port: who came first", []seg{between(odd, high, ACK, "zz")}, odd, true},
		{"no payload: the port", []seg{between(mid, high, ACK, "")}, high, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			var conn *tcpflow.Conn
			for _, s := range tt.segs {
				conn = h.ok(s)
			}
			if got := conn.Key().Client; got != tt.client {
				t.Errorf("client %v, want %v", got, tt.client)
			}
			if conn.Midstream() != tt.midstream {
				t.Errorf("Midstream = %v, want %v", conn.Midstream(), tt.midstream)
			}
			h.table.Flush()
			if len(h.closed) != 1 {
				t.Errorf("closed %q, want one connection", h.closed)
			}
		})
	}
}

func TestMidstream(t *testing.T) {
	tests := []struct {
		name     string
		segs     []seg
		c2s, s2c string
		streams  int
	}{
		{
			name:    "picked up at the first packet",
			segs:    []seg{c(ACK, 700, 900, "abc"), s(ACK, 900, 703, "XY"), c(ACK, 703, 902, "d")},
			c2s:     "abcd",
			s2c:     "XY",
			streams: 1,
		},
		{
			name:    "what came before the first packet is not delivered",
			segs:    []seg{c(ACK, 700, 900, "def"), c(ACK, 697, 900, "abc"), c(ACK, 703, 900, "g")},
			c2s:     "defg",
			streams: 1,
		},
		{
			name: "a bare ACK opens nothing but an entry",
			segs: []seg{c(ACK, 700, 900, ""), s(ACK, 900, 700, "")},
		},
		{
			name:    "a keep-alive's byte is no payload",
			segs:    []seg{c(ACK, 699, 900, "\x00"), s(ACK, 900, 700, ""), c(ACK, 700, 900, "abc")},
			c2s:     "abc",
			streams: 1,
		},
		{
			name:    "nor does a keep-alive without one make a hole",
			segs:    []seg{c(ACK, 699, 900, ""), s(ACK, 900, 700, ""), c(ACK, 700, 900, "abc")},
			c2s:     "abc",
			streams: 1,
		},
		{
			name:    "client only",
			segs:    []seg{c(SYN, 699, 0, ""), c(ACK, 700, 900, ""), c(ACK, 700, 900, "abc"), c(ACK, 703, 910, "d")},
			c2s:     "abcd",
			streams: 1,
		},
		{
			name:    "server only",
			segs:    []seg{s(SYN|ACK, 899, 700, ""), s(ACK, 900, 703, "XY"), s(ACK, 902, 704, "Z")},
			s2c:     "XYZ",
			streams: 1,
		},
		{
			name:    "a SYN that nobody answered does not hold against the data",
			segs:    []seg{c(SYN, 3_000_000_000, 0, ""), c(ACK, 700, 900, "abc"), c(ACK, 703, 900, "d")},
			c2s:     "abcd",
			streams: 1,
		},
		{
			name:    "nor do data that do not fit an answered one",
			segs:    []seg{c(SYN, 699, 0, ""), s(SYN|ACK, 899, 700, ""), c(ACK, 3_000_000_000, 900, "wild"), c(ACK, 700, 900, "abc")},
			c2s:     "abc",
			streams: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			for _, s := range tt.segs {
				h.ok(s)
			}
			h.table.Flush()
			if len(h.streams) != tt.streams || len(h.closed) != 1 {
				t.Fatalf("%d streams, closed %q; want %d and one", len(h.streams), h.closed, tt.streams)
			}
			if tt.streams > 0 {
				h.wantC2S(tt.c2s)
				h.wantS2C(tt.s2c)
			}
		})
	}
}

func TestHandshakes(t *testing.T) {
	fastOpen := c(SYN, 1000, 0, "early")
	fastOpen.options = "\x22\x04ck"
	tests := []struct {
		name   string
		segs   []seg
		c2s    string
		closed []string
	}{
		{
			name:   "SYN retransmitted",
			segs:   []seg{c(SYN, 1000, 0, ""), c(SYN, 1000, 0, ""), s(SYN|ACK, 5000, 1001, ""), s(SYN|ACK, 5000, 1001, ""), c(ACK, 1001, 5001, "a")},
			c2s:    "a",
			closed: []string{pair + ": open"},
		},
		{
			name:   "SYN duplicated after data",
			segs:   []seg{c(SYN, 1000, 0, ""), c(ACK, 1001, 5001, "a"), c(SYN, 1000, 0, ""), c(ACK, 1002, 5001, "b")},
			c2s:    "ab",
			closed: []string{pair + ": open"},
		},
		{
			name:   "SYN after data, near but not the same: ignored",
			segs:   []seg{c(SYN, 1000, 0, ""), c(ACK, 1001, 5001, "a"), c(SYN, 1500, 0, ""), c(ACK, 1002, 5001, "b")},
			c2s:    "ab",
			closed: []string{pair + ": open"},
		},
		{
			name:   "Fast Open",
			segs:   []seg{fastOpen, s(SYN|ACK, 5000, 1006, ""), c(ACK, 1006, 5001, "a")},
			c2s:    "earlya",
			closed: []string{pair + ": open"},
		},
		{
			name:   "Fast Open, not taken",
			segs:   []seg{fastOpen, s(SYN|ACK, 5000, 1001, ""), c(ACK, 1001, 5001, "early"), c(ACK, 1006, 5001, "a")},
			c2s:    "earlya",
			closed: []string{pair + ": open"},
		},
		{
			name:   "data in a plain SYN is not taken",
			segs:   []seg{c(SYN, 1000, 0, "bait"), s(SYN|ACK, 5000, 1001, ""), c(ACK, 1001, 5001, "real")},
			c2s:    "real",
			closed: []string{pair + ": open"},
		},
		{
			name:   "the server's SYN says which of two it took",
			segs:   []seg{c(SYN, 1000, 0, ""), c(SYN, 1200, 0, ""), s(SYN|ACK, 5000, 1001, ""), c(ACK, 1001, 5001, "a")},
			c2s:    "a",
			closed: []string{pair + ": open"},
		},
		{
			name:   "a far SYN replaces an open connection",
			segs:   []seg{c(SYN, 1000, 0, ""), c(ACK, 1001, 5001, "a"), c(SYN, 90_000_000, 0, ""), c(ACK, 90_000_001, 5001, "new")},
			c2s:    "new",
			closed: []string{pair + ": replaced", pair + ": open"},
		},
		{
			name:   "a far answer replaces it too",
			segs:   []seg{c(SYN, 1000, 0, ""), s(SYN|ACK, 5000, 1001, ""), s(ACK, 5001, 1001, "a"), s(SYN|ACK, 90_000_000, 70_000_001, ""), c(ACK, 70_000_001, 90_000_001, "new")},
			c2s:    "new",
			closed: []string{pair + ": replaced", pair + ": open"},
		},
		{
			name: "any new SYN replaces a connection that has ended",
			segs: []seg{
				c(SYN, 1000, 0, ""), c(ACK, 1001, 5001, "a"), c(FIN|ACK, 1002, 5001, ""), s(FIN|ACK, 5001, 1003, ""),
				c(SYN, 1100, 0, ""), c(ACK, 1101, 5001, "new"),
			},
			c2s:    "new",
			closed: []string{pair + ": fin", pair + ": open"},
		},
		{
			name: "but its own does not",
			segs: []seg{
				c(SYN, 1000, 0, ""), c(ACK, 1001, 5001, "a"), c(FIN|ACK, 1002, 5001, ""), s(FIN|ACK, 5001, 1003, ""),
				c(SYN, 1000, 0, ""),
			},
			c2s:    "a",
			closed: []string{pair + ": fin"},
		},
		{
			name:   "simultaneous open",
			segs:   []seg{c(SYN, 1000, 0, ""), s(SYN, 5000, 0, ""), c(SYN|ACK, 1000, 5001, ""), s(SYN|ACK, 5000, 1001, ""), c(ACK, 1001, 5001, "a")},
			c2s:    "a",
			closed: []string{pair + ": open"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			for _, s := range tt.segs {
				h.ok(s)
			}
			h.table.Flush()
			h.wantC2S(tt.c2s)
			h.wantClosed(tt.closed...)
		})
	}
}

func TestEnds(t *testing.T) {
	tests := []struct {
		name string
		segs []seg
		end  tcpflow.End
		want string // how it is closed after a silence of 11 s; "" if it is not
		c2s  string
	}{
		{"FIN one way", []seg{c(FIN|ACK, 1004, 5001, "")}, tcpflow.EndOpen, "", "abc"},
		{"FIN both ways", []seg{c(FIN|ACK, 1004, 5001, ""), s(FIN|ACK, 5001, 1005, ""), c(ACK, 1005, 5002, "")}, tcpflow.EndFIN, "fin", "abc"},
		{"FIN with data, repeated", []seg{c(FIN|ACK, 1004, 5001, "d"), c(FIN|ACK, 1004, 5001, "d"), s(FIN|ACK, 5001, 1006, "")}, tcpflow.EndFIN, "fin", "abcd"},
		{"FIN that came early counts when its turn comes", []seg{s(FIN|ACK, 5001, 1004, ""), c(FIN|ACK, 1006, 5002, ""), c(ACK, 1004, 5002, "de")}, tcpflow.EndFIN, "fin", "abcde"},
		{"FIN that came early, hole lost", []seg{s(FIN|ACK, 5001, 1004, ""), c(FIN|ACK, 1006, 5002, "f"), s(ACK, 5002, 1007, "")}, tcpflow.EndFIN, "fin", "abc[2]f"},
		{"new bytes after FIN take it back", []seg{c(FIN|ACK, 1004, 5001, ""), s(FIN|ACK, 5001, 1005, ""), c(ACK, 1005, 5002, "on")}, tcpflow.EndOpen, "", "abcon"},
		{"RST", []seg{s(RST, 5001, 0, "")}, tcpflow.EndRST, "rst", "abc"},
		{"RST after a loss", []seg{s(RST|ACK, 9001, 1004, "")}, tcpflow.EndRST, "rst", "abc"},
		{"RST, bytes of the other side on their way", []seg{s(RST, 5001, 0, ""), c(ACK, 1004, 5001, "de")}, tcpflow.EndRST, "rst", "abcde"},
		{"RST, its own bytes late", []seg{c(RST, 1006, 0, ""), c(ACK, 1004, 5001, "de")}, tcpflow.EndRST, "rst", "abcde"},
		{"new bytes after RST take it back", []seg{c(RST, 1004, 0, ""), c(ACK, 1004, 5001, "de")}, tcpflow.EndOpen, "", "abcde"},
		{"but not the other side's RST", []seg{s(RST, 5001, 0, ""), c(RST, 1004, 0, ""), c(ACK, 1004, 5001, "de")}, tcpflow.EndRST, "rst", "abcde"},
		{"RST with a wild number", []seg{c(RST, 3_000_000_000, 0, ""), s(RST, 4_000_000_000, 0, "")}, tcpflow.EndOpen, "", "abc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			h.handshake()
			h.ok(s(ACK, 5001, 1001, ""))
			conn := h.ok(c(ACK, 1001, 5001, "abc"))
			for _, s := range tt.segs {
				h.ok(s)
			}
			if conn.End() != tt.end {
				t.Errorf("End = %v, want %v", conn.End(), tt.end)
			}
			h.wait(11 * time.Second)
			h.table.Advance(h.now)
			if tt.want == "" {
				h.wantClosed()
			} else {
				h.wantClosed(pair + ": " + tt.want)
			}
			h.table.Flush()
			h.wantC2S(tt.c2s)
		})
	}
}

func TestHalfOpenEnds(t *testing.T) {
	refusal := s(RST|ACK, 0, 1001, "")
	tests := []struct {
		name string
		segs []seg
		want string
	}{
		{"refused", []seg{c(SYN, 1000, 0, ""), refusal}, "rst"},
		{"refused by a stranger", []seg{c(SYN, 1000, 0, ""), s(RST|ACK, 0, 90_000_000, "")}, "open"},
		{"reset unverifiably", []seg{c(SYN, 1000, 0, ""), s(RST, 5, 0, "")}, "rst"},
		{"reset, then used all the same", []seg{c(SYN, 1000, 0, ""), s(SYN|ACK, 5000, 1001, ""), c(RST, 1001, 0, ""), c(ACK, 1001, 5001, "abc")}, "open"},
		{"FIN both ways", []seg{c(SYN, 1000, 0, ""), s(SYN|ACK, 5000, 1001, ""), c(FIN|ACK, 1001, 5001, ""), s(FIN|ACK, 5001, 1002, "")}, "fin"},
		{"FIN a little ahead", []seg{c(SYN, 1000, 0, ""), s(SYN|ACK, 5000, 1001, ""), c(FIN|ACK, 1050, 5001, ""), s(FIN|ACK, 5001, 1051, "")}, "fin"},
		{"wild FIN", []seg{c(SYN, 1000, 0, ""), s(SYN|ACK, 5000, 1001, ""), c(FIN|ACK, 90_000_000, 5001, ""), s(FIN|ACK, 5001, 1002, "")}, "open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			for _, s := range tt.segs {
				h.ok(s)
			}
			h.table.Flush()
			h.wantClosed(pair + ": " + tt.want)
		})
	}
}

func TestPassedOver(t *testing.T) {
	for _, tt := range []struct {
		name string
		seg  seg
		want tcpflow.Outcome
	}{
		{"stray RST", c(RST, 1, 0, ""), tcpflow.OutcomeStray},
		{"stray FIN", c(FIN|ACK, 1, 0, ""), tcpflow.OutcomeStray},
		{"SYN and FIN", c(SYN|FIN, 1, 0, ""), tcpflow.OutcomeBadFlags},
		{"SYN and RST", c(SYN|RST, 1, 0, ""), tcpflow.OutcomeBadFlags},
		{"no flags", c(0, 1, 0, "x"), tcpflow.OutcomeBadFlags},
		{"PSH alone", c(PSH, 1, 0, "x"), tcpflow.OutcomeBadFlags},
	} {
		h := newHarness(t, tcpflow.Config{})
		if r := h.send(tt.seg); r.Outcome != tt.want || r.Conn != nil || h.table.Len() != 0 {
			t.Errorf("%s: %+v, %d connections; want %v", tt.name, r, h.table.Len(), tt.want)
		}
	}
	h := newHarness(t, tcpflow.Config{})
	if r := h.send(c(FIN|ACK, 1, 0, "data")); r.Outcome != tcpflow.OutcomeTracked {
		t.Errorf("FIN with data: %v", r.Outcome)
	}
}

func TestStrings(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{tcpflow.EndReplaced.String(), "replaced"},
		{tcpflow.End(99).String(), "End(99)"},
		{tcpflow.OutcomeNotTCP.String(), "not TCP"},
		{tcpflow.Outcome(99).String(), "Outcome(99)"},
		{tcpflow.LinkEthernet.String(), "ethernet"},
		{tcpflow.LinkNull.String(), "null"},
		{tcpflow.LinkRaw14.String(), "raw"},
		{tcpflow.LinkLoop.String(), "loop"},
		{tcpflow.LinkSLL.String(), "linux-sll"},
		{tcpflow.LinkSLL2.String(), "linux-sll2"},
		{tcpflow.LinkIPv4.String(), "ipv4"},
		{tcpflow.LinkIPv6.String(), "ipv6"},
		{tcpflow.LinkType(147).String(), "LinkType(147)"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
