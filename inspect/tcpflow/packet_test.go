package tcpflow_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

// TCP flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

var (
	client4 = netip.MustParseAddrPort("192.0.2.1:51000")
	server4 = netip.MustParseAddrPort("198.51.100.7:443")
	client6 = netip.MustParseAddrPort("[2001:db8::1]:51000")
	server6 = netip.MustParseAddrPort("[2001:db8:f::7]:443")
	began   = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
)

// A seg describes a TCP segment, written by hand so that gopacket is not
// checked against itself.
type seg struct {
	src, dst netip.AddrPort
	flags    byte
	seq, ack uint32
	options  string // a multiple of 4 bytes
	data     string
}

func (s seg) tcp() []byte {
	b := make([]byte, 20, 20+len(s.options)+len(s.data))
	binary.BigEndian.PutUint16(b, s.src.Port())
	binary.BigEndian.PutUint16(b[2:], s.dst.Port())
	binary.BigEndian.PutUint32(b[4:], s.seq)
	binary.BigEndian.PutUint32(b[8:], s.ack)
	b[12], b[13] = byte(20+len(s.options))/4<<4, s.flags
	binary.BigEndian.PutUint16(b[14:], 65535)
	b = append(b, s.options...)
	return append(b, s.data...)
}

func (s seg) ip() []byte { return ipPacket(s.src.Addr(), s.dst.Addr(), 6, s.tcp()) }

func ipPacket(src, dst netip.Addr, proto byte, payload []byte) []byte {
	if src.Is4() {
		b := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, proto, 0, 0}
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		return append(b, payload...)
	}
	b := []byte{0x60, 0, 0, 0, 0, 0, proto, 64}
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, payload...)
}

func ethernet(etherType uint16, payload []byte) []byte {
	b := make([]byte, 14, 14+len(payload))
	b[0], b[6] = 2, 2
	binary.BigEndian.PutUint16(b[12:], etherType)
	return append(b, payload...)
}

func (s seg) frame() []byte {
	if s.src.Addr().Is4() {
		return ethernet(0x0800, s.ip())
	}
	return ethernet(0x86dd, s.ip())
}

// recorder is a Stream that writes down what it is fed.
type recorder struct {
	t        testing.TB
	data     [2]strings.Builder // "[n]" where n bytes are missing
	feeds    int
	missing  [2]int
	settleAt int // settled after so many feeds, if not 0
}

func (r *recorder) Feed(s inspect.Segment) bool {
	i := int(s.Direction - inspect.ClientToServer)
	if i < 0 || i > 1 {
		r.t.Fatalf("Feed with direction %v", s.Direction)
	}
	if len(s.Data) == 0 && s.Missing == 0 || s.Missing < 0 {
		r.t.Fatalf("Feed with nothing: %+v", s)
	}
	if r.Settled() {
		r.t.Fatal("Feed of a settled stream")
	}
	r.feeds++
	r.missing[i] += s.Missing
	if s.Missing > 0 {
		fmt.Fprintf(&r.data[i], "[%d]", s.Missing)
	}
	r.data[i].Write(s.Data)
	return len(s.Data) > 0 && s.Data[0] == '!' // what changes a detection, here
}

func (r *recorder) Settled() bool { return r.settleAt > 0 && r.feeds >= r.settleAt }

func (r *recorder) c2s() string { return r.data[0].String() }
func (r *recorder) s2c() string { return r.data[1].String() }

// harness runs a Table and writes down its calls.
type harness struct {
	t       testing.TB
	table   *tcpflow.Table
	now     time.Time
	streams []*recorder
	keys    []inspect.FlowKey
	closed  []string // "client > server: end"
	changed int
	settle  int // recorder.settleAt of new streams
	refuse  bool
}

func newHarness(t testing.TB, cfg tcpflow.Config) *harness {
	h := &harness{t: t, now: began}
	cfg.Open = func(c *tcpflow.Conn) tcpflow.Stream {
		key := c.Key()
		h.keys = append(h.keys, key)
		if h.refuse {
			return nil
		}
		r := &recorder{t: t, settleAt: h.settle}
		h.streams = append(h.streams, r)
		return r
	}
	cfg.Closed = func(c *tcpflow.Conn) { h.closed = append(h.closed, fmt.Sprintf("%v: %v", c.Key(), c.End())) }
	cfg.Changed = func(*tcpflow.Conn) { h.changed++ }
	h.table = tcpflow.New(cfg)
	return h
}

func (h *harness) send(s seg) tcpflow.Result {
	h.t.Helper()
	f := s.frame()
	return h.table.Packet(tcpflow.LinkEthernet, h.now, f, len(f))
}

// ok is send for a segment that must be tracked.
func (h *harness) ok(s seg) *tcpflow.Conn {
	h.t.Helper()
	r := h.send(s)
	if r.Outcome != tcpflow.OutcomeTracked || r.Conn == nil {
		h.t.Fatalf("%+v: %v", s, r.Outcome)
	}
	return r.Conn
}

func (h *harness) wait(d time.Duration) { h.now = h.now.Add(d) }

// c and s are segments of the client and of the server in the default pair.
func c(flags byte, seq, ack uint32, data string) seg {
	return seg{src: client4, dst: server4, flags: flags, seq: seq, ack: ack, data: data}
}

func s(flags byte, seq, ack uint32, data string) seg {
	return seg{src: server4, dst: client4, flags: flags, seq: seq, ack: ack, data: data}
}

// handshake opens the default pair with the client's bytes from 1001 and the
// server's from 5001.
func (h *harness) handshake() {
	h.t.Helper()
	h.ok(c(SYN, 1000, 0, ""))
	h.ok(s(SYN|ACK, 5000, 1001, ""))
	h.ok(c(ACK, 1001, 5001, ""))
}

func (h *harness) stream(i int) *recorder {
	h.t.Helper()
	if i >= len(h.streams) {
		h.t.Fatalf("%d streams were opened, want more than %d", len(h.streams), i)
	}
	return h.streams[i]
}

func (h *harness) wantC2S(want string) {
	h.t.Helper()
	if got := h.stream(len(h.streams) - 1).c2s(); got != want {
		h.t.Fatalf("client to server:\n got %q\nwant %q", got, want)
	}
}

func (h *harness) wantS2C(want string) {
	h.t.Helper()
	if got := h.stream(len(h.streams) - 1).s2c(); got != want {
		h.t.Fatalf("server to client:\n got %q\nwant %q", got, want)
	}
}

func (h *harness) wantClosed(want ...string) {
	h.t.Helper()
	if got := strings.Join(h.closed, "; "); got != strings.Join(want, "; ") {
		h.t.Fatalf("closed:\n got %q\nwant %q", got, want)
	}
}

const pair = "192.0.2.1:51000 > 198.51.100.7:443"
