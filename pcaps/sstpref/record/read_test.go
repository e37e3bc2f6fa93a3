package record_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"go.uber.org/goleak"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/inspect/tlswire"
	"sstpwarden/pcaps/capfile"
	"sstpwarden/pcaps/sstpref/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A file takes a capture. It can be read while it is written.
type file struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (f *file) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.Write(b)
}

func (f *file) bytes() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.b.Bytes())
}

// begin begins a capture in a file.
func begin(t testing.TB) (*record.Capture, *file) {
	t.Helper()
	f := &file{}
	c, err := record.NewCapture(f, "a test")
	if err != nil {
		t.Fatal(err)
	}
	return c, f
}

// finish closes a capture and returns what is in it.
func finish(t testing.TB, c *record.Capture, f *file) []byte {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return f.bytes()
}

// each reads a capture: the packets and the secrets in their order. It checks
// what holds for every one.
func each(t testing.TB, capture []byte, packet func(capfile.Packet), secrets func([]byte)) {
	t.Helper()
	r, err := capfile.NewReader(bytes.NewReader(capture), "capture", capfile.Options{OnSecrets: func(kind uint32, data []byte) {
		if kind != capfile.SecretsTLSKeyLog || secrets == nil {
			t.Errorf("secrets of kind %#x: %q", kind, data)
			return
		}
		secrets(data)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if !p.Time.After(last) {
			t.Errorf("packet %d at %v, the one before at %v", p.Number, p.Time, last)
		}
		last = p.Time
		if len(p.Data) > 1514 || len(p.Data) != p.Length || p.Link != capfile.LinkTypeEthernet {
			t.Errorf("packet %d: %d of %d bytes, %v", p.Number, len(p.Data), p.Length, p.Link)
		}
		checksums(t, p)
		packet(p)
	}
}

// checksums works out the checksums by itself (RFC 1071).
func checksums(t testing.TB, p capfile.Packet) {
	t.Helper()
	ip := p.Data[14:]
	header, pseudo := ip[:20], bytes.Clone(ip[12:20])
	if ip[0]>>4 == 6 {
		header, pseudo = ip[:40], bytes.Clone(ip[8:40])
		ip = ip[:40+binary.BigEndian.Uint16(ip[4:])] // without what fills the frame
	} else if ip = ip[:binary.BigEndian.Uint16(ip[2:])]; sum(header) != 0xffff {
		t.Errorf("packet %d: wrong checksum of IPv4", p.Number)
	}
	segment := ip[len(header):]
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(segment)))
	pseudo = append(pseudo, 0, 0, 0, 6)
	if sum(append(pseudo, segment...)) != 0xffff {
		t.Errorf("packet %d: wrong checksum of TCP", p.Number)
	}
}

func sum(b []byte) (s uint32) {
	if len(b)%2 != 0 {
		b = append(b, 0)
	}
	for ; len(b) > 0; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
		s = s&0xffff + s>>16
	}
	return s
}

// A line is a packet: direction, flags, and the payload's beginning.
//
//	> PA hello
func lines(t testing.TB, capture []byte) []string {
	t.Helper()
	var out []string
	clients := map[string]bool{}
	each(t, capture, func(p capfile.Packet) {
		decoded := gopacket.NewPacket(p.Data, layers.LayerTypeEthernet, gopacket.Default)
		tcp := decoded.Layer(layers.LayerTypeTCP).(*layers.TCP)
		from := fmt.Sprint(decoded.NetworkLayer().NetworkFlow().Src(), tcp.SrcPort)
		if tcp.SYN && !tcp.ACK {
			clients[from] = true
		}
		line := "< "
		if clients[from] {
			line = "> "
		}
		for _, f := range []struct {
			set  bool
			name string
		}{{tcp.FIN, "F"}, {tcp.SYN, "S"}, {tcp.RST, "R"}, {tcp.PSH, "P"}, {tcp.ACK, "A"}} {
			if f.set {
				line += f.name
			}
		}
		if b := tcp.Payload; len(b) > 40 {
			line += fmt.Sprintf(" %d bytes", len(b))
		} else if len(b) > 0 {
			line += fmt.Sprintf(" %s", b)
		}
		out = append(out, line)
	}, func([]byte) { out = append(out, "secrets") })
	return out
}

var opening = []string{"> S", "< SA", "> A"}

// A session is a connection as our own stack reads it from a capture.
type session struct {
	key    inspect.FlowKey
	end    tcpflow.End
	raw    [2]bytes.Buffer // the client's bytes and the server's
	plain  [2]bytes.Buffer // of application data
	closed []error         // records that could not be opened

	opener  *tlskeys.Opener
	records [2]tlswire.Stream
}

func (s *session) Settled() bool { return false }

func (s *session) Feed(seg inspect.Segment) bool {
	i := int(seg.Direction - inspect.ClientToServer)
	b := seg.Data
	if _, rest, ok := bytes.Cut(b, []byte("\r\n\r\n")); ok && s.raw[i].Len() == 0 {
		b = rest // of a proxy's head
	}
	s.raw[i].Write(seg.Data)
	s.records[i].KeepApplicationData = true
	s.records[i].Feed(b, seg.Missing, func(r tlswire.Record) {
		typ, plain, err := s.opener.Open(i == 0, r)
		switch {
		case err != nil:
			s.closed = append(s.closed, err)
		case typ == tlswire.ContentApplicationData:
			s.plain[i].Write(plain)
		}
	})
	return false
}

// sessions reads a capture with our own stack, in the order of the connections'
// beginnings. Secrets count for what stands behind them. Nothing may be missing,
// out of order or repeated.
func sessions(t testing.TB, capture []byte) []*session {
	t.Helper()
	keys := &tlskeys.Keys{}
	var all []*session
	byConn := map[tcpflow.Stream]*session{}
	table := tcpflow.New(tcpflow.Config{
		Open: func(c *tcpflow.Conn) tcpflow.Stream {
			s := &session{key: c.Key(), opener: keys.NewOpener()}
			all = append(all, s)
			byConn[s] = s
			if c.Midstream() || !c.SYN() || !c.SYNACK() {
				t.Errorf("%v does not begin with a handshake", c.Key())
			}
			return s
		},
		Closed: func(c *tcpflow.Conn) {
			if s := byConn[c.Stream()]; s != nil {
				s.end = c.End()
			}
		},
	})
	each(t, capture, func(p capfile.Packet) {
		if r := table.Packet(tcpflow.LinkType(p.Link), p.Time, p.Data, p.Length); r.Outcome != tcpflow.OutcomeTracked {
			t.Errorf("packet %d: outcome %d", p.Number, r.Outcome)
		}
	}, func(b []byte) {
		if _, err := keys.AddKeyLog(bytes.NewReader(b)); err != nil {
			t.Error(err)
		}
	})
	table.Flush()
	st := table.Stats()
	if st.MissingBytes+st.OutOfOrder+st.RepeatedBytes+st.IgnoredSegments+st.IgnoredResets+st.IgnoredSyns > 0 {
		t.Errorf("not as it should be: %+v", st)
	}
	return all
}

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func tcpAddr(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) }

// short cuts texts for messages.
func short(b []byte) string {
	if len(b) > 60 {
		return fmt.Sprintf("%q... (%d bytes)", b[:60], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func repeat(s string, n int) []byte { return []byte(strings.Repeat(s, n/len(s)+1)[:n]) }
