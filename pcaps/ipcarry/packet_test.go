package ipcarry

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// segment makes a TCP segment with a right checksum.
func segment(src, dst netip.Addr, flags uint8, options, data []byte) []byte {
	length := tcpHeader + len(options) + len(data)
	b := appendHeader(nil, src, dst, protoTCP, length, 64)
	at := len(b)
	b = append(b, 0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 0, uint8(tcpHeader+len(options))<<2, flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(append(b, options...), data...)
	binary.BigEndian.PutUint16(b[at+tcpOffsetSum:], fold(sumTCP(b, at, src, dst)))
	return b
}

// sumTCP sums a segment and its pseudo-header.
func sumTCP(b []byte, at int, src, dst netip.Addr) uint32 {
	acc := sum(sum(uint32(protoTCP)+uint32(len(b)-at), src.AsSlice()), dst.AsSlice())
	return sum(acc, b[at:])
}

func TestClampMSS(t *testing.T) {
	mss := func(v uint16) []byte { return []byte{2, 4, byte(v >> 8), byte(v)} }
	const syn, synAck, ack = 0x02, 0x12, 0x10
	tests := []struct {
		name    string
		six     bool
		flags   uint8
		options []byte
		mtu     int
		want    []byte // nil: unchanged
	}{
		{"SYN", false, syn, mss(1460), 1400, mss(1360)},
		{"SYN-ACK", false, synAck, mss(1460), 1400, mss(1360)},
		{"IPv6", true, syn, mss(1440), 1400, mss(1340)},
		{"small enough", false, syn, mss(1360), 1400, nil},
		{"no SYN", false, ack, mss(1460), 1400, nil},
		{"behind others", false, syn, append([]byte{1, 1, 4, 2}, mss(1460)...), 1400, append([]byte{1, 1, 4, 2}, mss(1360)...)},
		{"at an odd offset", false, syn, append(append([]byte{1}, mss(1460)...), 1, 1, 1), 1400, append(append([]byte{1}, mss(1360)...), 1, 1, 1)},
		{"behind the end", false, syn, append([]byte{0, 0, 0, 0}, mss(1460)...), 1400, nil},
		{"behind an option without length", false, syn, append([]byte{8, 0, 1, 1}, mss(1460)...), 1400, nil},
		{"behind an option that is too long", false, syn, append([]byte{8, 9, 1, 1}, mss(1460)...), 1400, nil},
		{"cut off", false, syn, []byte{1, 1, 2, 4}, 1400, nil},
		{"none", false, syn, nil, 1400, nil},
		{"an MTU too small for TCP", false, syn, mss(1460), 40, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, dst := addr("192.0.2.1"), addr("192.0.2.2")
			if tt.six {
				src, dst = addr("2001:db8::1"), addr("2001:db8::2")
			}
			p := segment(src, dst, tt.flags, tt.options, []byte("odd"))
			want := p
			if tt.want != nil {
				want = segment(src, dst, tt.flags, tt.want, []byte("odd"))
			}
			got := bytes.Clone(p)
			ClampMSS(got, tt.mtu)
			if !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
			for n := range p { // what is cut off is left alone, and never panics
				short := bytes.Clone(p[:n])
				ClampMSS(short, tt.mtu)
				if !bytes.Equal(short, p[:n]) {
					t.Fatalf("%d of %d bytes were changed", n, len(p))
				}
			}
		})
	}
	fragment := segment(addr("192.0.2.1"), addr("192.0.2.2"), syn, mss(1460), nil)
	fragment[7] = 1
	was := bytes.Clone(fragment)
	if ClampMSS(fragment, 1400); !bytes.Equal(fragment, was) {
		t.Error("a later fragment has no TCP header")
	}
}

func FuzzClampMSS(f *testing.F) {
	f.Add(segment(addr("192.0.2.1"), addr("192.0.2.2"), 2, []byte{2, 4, 5, 0xb4}, nil), 1400)
	f.Add(segment(addr("2001:db8::1"), addr("2001:db8::2"), 2, []byte{1, 2, 4, 5, 0xb4, 0, 0, 0}, nil), 1280)
	f.Fuzz(func(t *testing.T, p []byte, mtu int) {
		before := bytes.Clone(p)
		ip, ok := parsePacket(before)
		ClampMSS(p, mtu)
		if !ok || ip.proto != protoTCP || ip.fragment || len(ip.data()) < tcpHeader {
			if !bytes.Equal(p, before) {
				t.Fatal("what is no TCP was changed")
			}
			return
		}
		// A right checksum stays right, a wrong one wrong.
		was := fold(sumTCP(ip.bytes, ip.payload, ip.src, ip.dst))
		is := fold(sumTCP(p[:len(ip.bytes)], ip.payload, ip.src, ip.dst))
		if was != is {
			t.Fatalf("the checksum was off by %#x and is off by %#x", was, is)
		}
	})
}

func FuzzParsePacket(f *testing.F) {
	f.Add(udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), netip.MustParseAddrPort("192.0.2.1:9"), []byte("x")))
	f.Add(AppendRouterSolicitation(nil, addr("fe80::1")))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePacket(b)
		if !ok {
			return
		}
		if len(p.bytes) > len(b) || p.payload > len(p.bytes) || !p.src.IsValid() || !p.dst.IsValid() {
			t.Fatalf("%+v", p)
		}
		_ = p.carriesTCPData()
		if p.mayAnswer() {
			e, ok := parsePacket(appendError(nil, &p, p.dst, tooBig, 1280))
			if !ok || e.dst != p.src || len(e.bytes) > 1280 || p.src.Is4() && len(e.bytes) > 576 {
				t.Fatalf("%+v", e)
			}
		}
		if p.src.Is4() {
			fragment4(&p, 576, func(part []byte) {
				if _, ok := parsePacket(part); !ok || len(part) > 576 {
					t.Fatalf("fragment %x", part)
				}
			})
		}
	})
}

// gVisor reads the same out of a packet.
func TestParsePacketLikeAnother(t *testing.T) {
	b := udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), netip.MustParseAddrPort("192.0.2.1:10"), []byte("hello"))
	h := header.IPv4(b)
	if !h.IsValid(len(b)) || !h.IsChecksumValid() || header.UDP(h.Payload()).DestinationPort() != 10 {
		t.Error("a packet of ours is not valid")
	}
	six := AppendRouterSolicitation(nil, addr("fe80::1"))
	if h := header.IPv6(six); !h.IsValid(len(six)) || h.HopLimit() != 255 || h.NextHeader() != uint8(header.ICMPv6ProtocolNumber) {
		t.Error("a packet of ours is not valid")
	}
}

func TestFragment4(t *testing.T) {
	data := randomBytes(3000, 1)
	whole := udpPacket(netip.MustParseAddrPort("10.9.0.2:9"), netip.MustParseAddrPort("192.0.2.1:10"), data)
	p, _ := parsePacket(whole)
	var got []byte
	parts := 0
	fragment4(&p, 1001, func(b []byte) {
		h := header.IPv4(b)
		if !h.IsValid(len(b)) || !h.IsChecksumValid() || len(b) > 1001 {
			t.Fatalf("fragment of %d bytes: %x", len(b), b[:20])
		}
		if int(h.FragmentOffset()) != len(got) || h.More() != (len(got)+len(h.Payload()) < len(p.data())) {
			t.Errorf("offset %d, more %v, behind %d bytes", h.FragmentOffset(), h.More(), len(got))
		}
		got = append(got, h.Payload()...)
		parts++
	})
	if !bytes.Equal(got, p.data()) || parts != 4 {
		t.Errorf("%d fragments do not add up", parts)
	}
}

func TestMayAnswer(t *testing.T) {
	mk := func(src, dst string, kind uint8) packet {
		p, ok := parsePacket(appendICMP(nil, addr(src), addr(dst), 64, kind, 0, make([]byte, 4)))
		if !ok {
			t.Fatal("no packet")
		}
		return p
	}
	for _, tt := range []struct {
		name string
		p    packet
		want bool
	}{
		{"ping", mk("192.0.2.1", "192.0.2.2", echoRequest4), true},
		{"an error", mk("192.0.2.1", "192.0.2.2", 3), false},
		{"ping, IPv6", mk("2001:db8::1", "2001:db8::2", echoRequest6), true},
		{"an error, IPv6", mk("2001:db8::1", "2001:db8::2", 1), false},
		{"to many", mk("192.0.2.1", "224.0.0.1", echoRequest4), false},
		{"from nobody", mk("::", "2001:db8::2", echoRequest6), false},
	} {
		if got := tt.p.mayAnswer(); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
