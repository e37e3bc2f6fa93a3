package carve_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sstpwarden/inspect/tcpflow"
	"sstpwarden/pcaps/capfile"
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
	client  = netip.MustParseAddrPort("10.1.2.3:51234")
	server  = netip.MustParseAddrPort("198.51.100.7:443")
	client6 = netip.MustParseAddrPort("[2001:db8::1]:51000")
	server6 = netip.MustParseAddrPort("[2001:db8:f::7]:443")
	began   = time.Date(2026, 11, 22, 5, 0, 0, 123456000, time.UTC)
)

// A seg is a TCP segment.
type seg struct {
	src, dst netip.AddrPort
	flags    byte
	seq, ack uint32
	data     string
}

func (s seg) tcp() []byte {
	b := make([]byte, 20, 20+len(s.data))
	binary.BigEndian.PutUint16(b, s.src.Port())
	binary.BigEndian.PutUint16(b[2:], s.dst.Port())
	binary.BigEndian.PutUint32(b[4:], s.seq)
	binary.BigEndian.PutUint32(b[8:], s.ack)
	b[12], b[13] = 5<<4, s.flags
	return append(b, s.data...)
}

// ip is the segment as a packet.
func (s seg) ip() []byte { return s.fragments(0, 0)[0] }

// fragments is the segment as packets whose payload has at most size bytes, a
// multiple of 8; 0 is whole.
func (s seg) fragments(id, size int) [][]byte {
	return ipPackets(s.src.Addr(), s.dst.Addr(), 6, s.tcp(), id, size)
}

func ipPackets(src, dst netip.Addr, proto byte, payload []byte, id, size int) [][]byte {
	if size == 0 || size >= len(payload) {
		return [][]byte{ipPacket(src, dst, proto, payload)}
	}
	var all [][]byte
	for at := 0; at < len(payload); at += size {
		end, more := at+size, 1
		if end >= len(payload) {
			end, more = len(payload), 0
		}
		if src.Is4() {
			b := ipPacket(src, dst, proto, payload[at:end])
			binary.BigEndian.PutUint16(b[4:], uint16(id))
			binary.BigEndian.PutUint16(b[6:], uint16(more<<13|at/8))
			all = append(all, b)
			continue
		}
		h := make([]byte, 8)
		h[0] = proto
		binary.BigEndian.PutUint16(h[2:], uint16(at|more))
		binary.BigEndian.PutUint32(h[4:], uint32(id))
		all = append(all, ipPacket(src, dst, 44, append(h, payload[at:end]...)))
	}
	return all
}

func ipPacket(src, dst netip.Addr, proto byte, payload []byte) []byte {
	if src.Is4() {
		b := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, proto, 0, 0}
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
		return slices.Concat(b, src.AsSlice(), dst.AsSlice(), payload)
	}
	b := []byte{0x60, 0, 0, 0, 0, 0, proto, 64}
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	return slices.Concat(b, src.AsSlice(), dst.AsSlice(), payload)
}

func ethernet(etherType uint16, payload []byte) []byte {
	b := make([]byte, 14, 14+len(payload))
	b[0], b[6] = 2, 2
	binary.BigEndian.PutUint16(b[12:], etherType)
	return append(b, payload...)
}

// gre puts a packet into a GRE tunnel between two routers.
func gre(ip []byte, id, size int) [][]byte {
	inner := []byte{0, 0, 0x08, 0x00}
	return ipPackets(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), 47, append(inner, ip...), id, size)
}

// A shot is a packet that a test captures.
type shot struct {
	at   time.Duration // after began
	data []byte
	via  int // number of the interface
	cut  int // bytes that were not captured
}

// frames are raw IP packets, a millisecond apart.
func frames(all ...[]byte) []shot {
	var out []shot
	for i, b := range all {
		out = append(out, shot{at: time.Duration(i) * time.Millisecond, data: b})
	}
	return out
}

var raw = capfile.Interface{Link: capfile.LinkTypeRaw, Resolution: 9}

// capture writes a capture of packets.
func capture(t testing.TB, shots []shot, via ...capfile.Interface) string {
	t.Helper()
	return save(t, "capture.pcapng", captureBytes(t, shots, via...))
}

func captureBytes(t testing.TB, shots []shot, via ...capfile.Interface) []byte {
	t.Helper()
	if via == nil {
		via = []capfile.Interface{raw}
	}
	var file bytes.Buffer
	w, err := capfile.NewWriter(&file, capfile.Section{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range via {
		if _, err := w.Interface(i); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range shots {
		if err := w.Packet(uint32(s.via), stamp(via[s.via], began.Add(s.at)), s.data[:len(s.data)-s.cut], len(s.data)); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// stamp is a time in an interface's units.
func stamp(i capfile.Interface, at time.Time) uint64 {
	ns := uint64(at.Add(-time.Duration(i.Offset) * time.Second).UnixNano())
	switch i.Resolution {
	case 6:
		return ns / 1000
	case 9:
		return ns
	case 12:
		return ns * 10 // by far too early, but exact
	case 0x80 | 20:
		return ns/1e9<<20 | ns%1e9<<20/1e9
	}
	panic("no such resolution")
}

func save(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// conversation is a connection from its first packet to its last one.
func conversation(src, dst netip.AddrPort, isn uint32, data ...string) []seg {
	out := []seg{
		{src, dst, SYN, isn, 0, ""},
		{dst, src, SYN | ACK, isn + 5000, isn + 1, ""},
		{src, dst, ACK, isn + 1, isn + 5001, ""},
	}
	seq, ack := isn+1, isn+5001
	for _, d := range data {
		out = append(out, seg{src, dst, PSH | ACK, seq, ack, d}, seg{dst, src, PSH | ACK, ack, seq + uint32(len(d)), d})
		seq, ack = seq+uint32(len(d)), ack+uint32(len(d))
	}
	return append(out, seg{src, dst, FIN | ACK, seq, ack, ""}, seg{dst, src, FIN | ACK, ack, seq + 1, ""}, seg{src, dst, ACK, seq + 1, ack + 1, ""})
}

func ips(segments ...seg) [][]byte {
	var out [][]byte
	for _, s := range segments {
		out = append(out, s.ip())
	}
	return out
}

// find audits a capture and gives its connections in the order of their first
// packets.
func find(t testing.TB, path string, limits tcpflow.Config) []found {
	t.Helper()
	all := audit(t, path, nil, limits)
	slices.SortFunc(all, func(a, b found) int { return int(a.tunnel.FirstPacket) - int(b.tunnel.FirstPacket) })
	return all
}
