package tcpflow_test

import (
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// Each script runs after a handshake; the client's bytes begin at 1001, the
// server's at 5001.
func TestOrder(t *testing.T) {
	type step = any // seg, or time.Duration to wait
	tests := []struct {
		name     string
		steps    []step
		c2s, s2c string
		missing  uint64
	}{
		{
			name:  "in order, both ways",
			steps: []step{c(ACK, 1001, 5001, "abc"), s(ACK, 5001, 1004, "XYZ"), c(ACK, 1004, 5004, "def")},
			c2s:   "abcdef", s2c: "XYZ",
		},
		{
			name:  "two swapped",
			steps: []step{c(ACK, 1004, 5001, "def"), c(ACK, 1001, 5001, "abc"), c(ACK, 1007, 5001, "ghi")},
			c2s:   "abcdefghi",
		},
		{
			name:  "retransmission, whole and partial",
			steps: []step{c(ACK, 1001, 5001, "abc"), c(ACK, 1001, 5001, "abc"), c(ACK, 1002, 5001, "bcde"), c(ACK, 1002, 5001, "b")},
			c2s:   "abcde",
		},
		{
			name:  "delivered bytes win over later ones",
			steps: []step{c(ACK, 1001, 5001, "abc"), c(ACK, 1001, 5001, "ABCD")},
			c2s:   "abcD",
		},
		{
			name: "the first copy of held bytes wins",
			steps: []step{
				c(ACK, 1005, 5001, "ef"), c(ACK, 1003, 5001, "CDEFGH"), c(ACK, 1001, 5001, "ab12345678"),
			},
			c2s: "abCDefGH78",
		},
		{
			name:  "a hole that the receiver acknowledged is lost at once",
			steps: []step{c(ACK, 1001, 5001, "abc"), c(ACK, 1009, 5001, "ijk"), s(ACK, 5001, 1012, ""), c(ACK, 1012, 5001, "l")},
			c2s:   "abc[5]ijkl", missing: 5,
		},
		{
			name:  "so is one acknowledged before what follows it",
			steps: []step{c(ACK, 1001, 5001, "abc"), s(ACK, 5001, 1009, ""), c(ACK, 1009, 5001, "ijk")},
			c2s:   "abc[5]ijk", missing: 5,
		},
		{
			name:  "a hole acknowledged in part waits for the rest",
			steps: []step{c(ACK, 1009, 5001, "ijk"), s(ACK, 5001, 1005, ""), c(ACK, 1001, 5001, "abcdefgh")},
			c2s:   "abcdefghijk",
		},
		{
			name:  "late bytes of a lost hole are not delivered",
			steps: []step{c(ACK, 1005, 5001, "ef"), s(ACK, 5001, 1007, ""), c(ACK, 1001, 5001, "abcdefg")},
			c2s:   "[4]efg", missing: 4,
		},
		{
			name:  "without acknowledgements a hole is lost after a while",
			steps: []step{c(ACK, 1005, 5001, "ef"), 6 * time.Second, c(ACK, 1007, 5001, "g")},
			c2s:   "[4]efg", missing: 4,
		},
		{
			name: "each hole has its time",
			steps: []step{
				c(ACK, 1005, 5001, "ef"), 3 * time.Second, c(ACK, 1010, 5001, "j"), 3 * time.Second,
				c(ACK, 1007, 5001, "ghi"),
			},
			c2s: "[4]efghij", missing: 4,
		},
		{
			name: "a hole that the receiver waits for too is waited for",
			steps: []step{
				c(ACK, 1005, 5001, "ef"), s(ACK, 5001, 1001, ""), time.Minute, c(ACK, 1007, 5001, "g"), time.Minute,
				c(ACK, 1001, 5001, "abcd"),
			},
			c2s: "abcdefg",
		},
		{
			name:  "what is held when the connection ends is delivered",
			steps: []step{c(ACK, 1001, 5001, "a"), c(ACK, 1005, 5001, "ef"), c(ACK, 1010, 5001, "j"), s(ACK, 5003, 1001, "Z")},
			c2s:   "a[3]ef[3]j", s2c: "[2]Z", missing: 8,
		},
		{
			name:  "keep-alives",
			steps: []step{c(ACK, 1001, 5001, "ab"), c(ACK, 1002, 5001, ""), c(ACK, 1002, 5001, "\x00"), s(ACK, 5001, 1003, ""), c(ACK, 1003, 5001, "c")},
			c2s:   "abc",
		},
		{
			name:  "zero window probe, refused and repeated",
			steps: []step{c(ACK, 1001, 5001, "ab"), c(ACK, 1003, 5001, "c"), s(ACK, 5001, 1003, ""), c(ACK, 1003, 5001, "cde")},
			c2s:   "abcde",
		},
		{
			name:  "too far ahead is ignored",
			steps: []step{c(ACK, 1001, 5001, "ab"), c(ACK, 1003+1<<30+1, 5001, "wild"), c(ACK, 1003, 5001, "c")},
			c2s:   "abc",
		},
		{
			name:  "a wild acknowledgement is ignored",
			steps: []step{c(ACK, 1001, 5001, "ab"), s(ACK, 5001, 1003+1<<30+1, ""), c(ACK, 1004, 5001, "d"), c(ACK, 1003, 5001, "c")},
			c2s:   "abcd",
		},
		{
			name:  "data later than the FIN that follows it, and nothing before",
			steps: []step{c(FIN|ACK, 1004, 5001, ""), s(FIN|ACK, 5001, 1001, ""), c(ACK, 1001, 5001, "abc")},
			c2s:   "abc",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			h.handshake()
			for _, st := range tt.steps {
				switch st := st.(type) {
				case seg:
					h.ok(st)
				case time.Duration:
					h.wait(st)
				}
			}
			h.table.Flush()
			h.wantC2S(tt.c2s)
			h.wantS2C(tt.s2c)
			if got := h.table.Stats().MissingBytes; got != tt.missing {
				t.Errorf("MissingBytes = %d, want %d", got, tt.missing)
			}
			if len(h.closed) != 1 {
				t.Errorf("closed %q, want one", h.closed)
			}
		})
	}
}

func TestSequenceWrap(t *testing.T) {
	for _, isn := range []uint32{1<<32 - 1, 1<<32 - 2, 1<<32 - 6, 1<<31 - 3, 1 << 31} {
		h := newHarness(t, tcpflow.Config{})
		h.ok(c(SYN, isn, 0, ""))
		h.ok(c(ACK, isn+4, 0, "def"))
		h.ok(c(ACK, isn+8, 0, "hij"))
		h.ok(c(ACK, isn+1, 0, "abcde"))
		h.ok(c(ACK, isn+15, 0, "op"))
		h.ok(s(ACK, 77, isn+17, ""))
		h.table.Flush()
		h.wantC2S("abcdef[1]hij[4]op")
	}
}

func TestSegmentTimes(t *testing.T) {
	var times []time.Duration
	table := tcpflow.New(tcpflow.Config{Open: func(*tcpflow.Conn) tcpflow.Stream {
		return streamFunc(func(s inspect.Segment) bool { times = append(times, s.Time.Sub(began)); return false })
	}})
	for i, sg := range []seg{c(SYN, 0, 0, ""), c(ACK, 1, 0, "a"), c(ACK, 3, 0, "c"), c(ACK, 2, 0, "b")} {
		f := sg.frame()
		table.Packet(tcpflow.LinkEthernet, began.Add(time.Duration(i)*time.Second), f, len(f))
	}
	if len(times) != 3 || times[0] != time.Second || times[1] != 3*time.Second || times[2] != 2*time.Second {
		t.Errorf("times %v, want those of the packets that brought the bytes", times)
	}
}

type streamFunc func(inspect.Segment) bool

func (f streamFunc) Feed(s inspect.Segment) bool { return f(s) }
func (f streamFunc) Settled() bool               { return false }

func TestChanged(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.handshake()
	for _, tt := range []struct {
		seg  seg
		want bool
	}{
		{c(ACK, 1001, 5001, "a"), false},
		{c(ACK, 1002, 5001, "!"), true},
		{c(ACK, 1004, 5001, "!"), false}, // held
		{s(ACK, 5001, 1003, ""), false},
		{c(ACK, 1003, 5001, "b"), true}, // delivers what was held
		{c(ACK, 1005, 5001, ""), false},
	} {
		if got := h.send(tt.seg).Changed; got != tt.want {
			t.Errorf("%+v: Changed = %v, want %v", tt.seg, got, tt.want)
		}
	}
	if h.changed != 2 {
		t.Errorf("Config.Changed was called %d times, want 2", h.changed)
	}
	// Time passing delivers too, and then only the callback tells.
	h.ok(c(ACK, 1009, 5001, "!"))
	h.wait(time.Minute)
	other := seg{src: server6, dst: client6, flags: ACK, data: "x"}
	if r := h.send(other); r.Changed || h.changed != 3 {
		t.Errorf("Changed %v, %d callbacks; want false, 3", r.Changed, h.changed)
	}
}

func TestSettled(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.settle = 2
	h.handshake()
	h.ok(c(ACK, 1001, 5001, "a"))
	h.ok(c(ACK, 1004, 5001, "d")) // held, and dropped when the stream settles
	h.ok(s(ACK, 5001, 1002, "Z"))
	conn := h.ok(c(ACK, 1002, 5001, "b"))
	h.ok(c(ACK, 1010, 5001, "far"))
	h.wantC2S("a")
	h.wantS2C("Z")
	tr := conn.Traffic(inspect.ClientToServer)
	if tr.Packets != 6 || tr.Payload != 6 || tr.Missing != 0 {
		t.Errorf("traffic %+v, want 6 packets and 6 bytes counted on", tr)
	}
	h.ok(c(FIN|ACK, 1013, 5002, ""))
	if got := h.ok(s(FIN|ACK, 5002, 1014, "")).End(); got != tcpflow.EndFIN {
		t.Errorf("End = %v, want fin", got)
	}
	h.wait(11 * time.Second)
	h.table.Advance(h.now)
	h.wantClosed(pair + ": fin")
}

func TestSettledWithEarlyFIN(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.settle = 1
	h.handshake()
	h.ok(s(FIN|ACK, 5001, 1001, ""))
	h.ok(c(FIN|ACK, 1005, 5002, "x")) // its bytes are held, with the FIN
	if got := h.ok(c(ACK, 1001, 5002, "abcd")).End(); got != tcpflow.EndFIN {
		t.Errorf("End = %v, want fin", got)
	}
}

// Streams settle within what one segment brings, too.
func TestSettledAtOnce(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.settle = 1
	h.handshake()
	h.ok(c(ACK, 1001, 5001, "a"))
	h.ok(c(ACK, 1002, 5001, "b"))
	h.wantC2S("a")

	h = newHarness(t, tcpflow.Config{})
	h.settle = 1
	h.handshake()
	h.ok(c(ACK, 1003, 5001, "c"))
	h.ok(c(ACK, 1001, 5001, "abcde")) // the held byte comes between
	h.wantC2S("ab")
	h.ok(c(FIN|ACK, 1006, 5001, ""))
	if got := h.ok(s(FIN|ACK, 5001, 1007, "")).End(); got != tcpflow.EndFIN {
		t.Errorf("End = %v, want fin", got)
	}
}

func TestUnwanted(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.refuse = true
	h.handshake()
	conn := h.ok(c(ACK, 1001, 5001, "a"))
	h.ok(c(ACK, 1009, 5001, "b"))
	if conn.Stream() != nil || conn.Traffic(inspect.ClientToServer).Payload != 2 || len(h.keys) != 1 {
		t.Errorf("stream %v, %d opened; want none, asked for once", conn.Stream(), len(h.keys))
	}
}

// A truncated capture feeds what there is, and the rest as missing.
func TestSnaplen(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.handshake()
	cut := func(s seg, n int) {
		t.Helper()
		f := s.frame()
		if r := h.table.Packet(tcpflow.LinkEthernet, h.now, f[:n], len(f)); r.Outcome != tcpflow.OutcomeTracked {
			t.Fatalf("outcome %v", r.Outcome)
		}
	}
	cut(c(ACK, 1001, 5001, "abcdef"), 54+2)
	cut(c(ACK, 1007, 5001, "ghi"), 54) // headers only
	cut(c(ACK, 1012, 5001, "lm"), 55)  // early
	h.ok(c(ACK, 1010, 5001, "jk"))
	h.ok(c(ACK, 1014, 5001, "n"))
	o := c(ACK, 1015, 5001, "op")
	o.options = timestamps
	cut(o, 54+6) // within TCP's options
	h.table.Flush()
	h.wantC2S("ab[7]jkl[1]n[2]")
	if got := h.table.Stats(); got.MissingBytes != 10 || got.OutOfOrder != 1 {
		t.Errorf("stats %+v", got)
	}
}
