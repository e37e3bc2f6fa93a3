package tcpflow_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tcpflow"
)

func be16(v uint16) string { return string(binary.BigEndian.AppendUint16(nil, v)) }

// tag is an 802.1Q tag, after the EtherType that announces it.
func tag(vlan, inner uint16) string { return be16(0x2000|vlan) + be16(inner) }

var (
	hello4 = seg{src: client4, dst: server4, flags: ACK, seq: 9, ack: 9, data: "hello"}
	hello6 = seg{src: client6, dst: server6, flags: ACK, seq: 9, ack: 9, data: "hello"}
)

func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

// ext6 puts extension headers between the IPv6 header and TCP. first is the
// number of the first one.
func ext6(first byte, headers string) []byte {
	return ipPacket(client6.Addr(), server6.Addr(), first, join(headers, hello6.tcp()))
}

// set changes one byte of a copy.
func set(b []byte, at int, v byte) []byte {
	b = bytes.Clone(b)
	b[at] = v
	return b
}

func TestLinks(t *testing.T) {
	ip4, ip6 := hello4.ip(), hello6.ip()
	pppoe := func(ppp uint16, ip []byte) string {
		return "\x11\x00\x00\x01" + be16(uint16(len(ip)+2)) + be16(ppp) + string(ip)
	}
	tests := []struct {
		name         string
		link         tcpflow.LinkType
		frame        []byte
		want         tcpflow.Outcome
		outer, inner uint16
	}{
		{name: "Ethernet IPv4", link: 1, frame: ethernet(0x0800, ip4)},
		{name: "Ethernet IPv6", link: 1, frame: ethernet(0x86dd, ip6)},
		{name: "Ethernet ARP", link: 1, frame: ethernet(0x0806, make([]byte, 28)), want: tcpflow.OutcomeNotIP},
		{name: "Ethernet 802.3", link: 1, frame: ethernet(38, make([]byte, 46)), want: tcpflow.OutcomeNotIP},
		{name: "Ethernet, IPv4 in an IPv6 frame", link: 1, frame: ethernet(0x86dd, ip4), want: tcpflow.OutcomeBadIP},
		{name: "Ethernet, IPv6 in an IPv4 frame", link: 1, frame: ethernet(0x0800, ip6), want: tcpflow.OutcomeBadIP},
		{name: "802.1Q", link: 1, frame: ethernet(0x8100, join(tag(7, 0x0800), ip4)), outer: 7},
		{name: "802.1ad and 802.1Q", link: 1, frame: ethernet(0x88a8, join(tag(100, 0x8100), tag(7, 0x86dd), ip6)), outer: 100, inner: 7},
		{name: "0x9100", link: 1, frame: ethernet(0x9100, join(tag(100, 0x8100), tag(7, 0x0800), ip4)), outer: 100, inner: 7},
		{name: "three tags", link: 1, frame: ethernet(0x88a8, join(tag(1, 0x88a8), tag(2, 0x8100), tag(3, 0x0800), ip4)), outer: 1, inner: 2},
		{name: "tags without end", link: 1, frame: ethernet(0x8100, bytes.Repeat([]byte(tag(1, 0x8100)), 20)), want: tcpflow.OutcomeBadLink},
		{name: "MPLS", link: 1, frame: ethernet(0x8847, join("\x00\x01\x00\x40\x00\x02\x01\x40", ip4))},
		{name: "MPLS, IPv6", link: 1, frame: ethernet(0x8848, join("\x00\x01\x01\x40", ip6))},
		{name: "MPLS, pseudowire", link: 1, frame: ethernet(0x8847, join("\x00\x01\x01\x40\x00\x00\x00\x00", ip4)), want: tcpflow.OutcomeNotIP},
		{name: "PPPoE IPv4", link: 1, frame: ethernet(0x8864, []byte(pppoe(0x0021, ip4)))},
		{name: "PPPoE IPv6", link: 1, frame: ethernet(0x8864, []byte(pppoe(0x0057, ip6)))},
		{name: "PPPoE LCP", link: 1, frame: ethernet(0x8864, []byte(pppoe(0xc021, make([]byte, 8)))), want: tcpflow.OutcomeNotIP},
		{name: "PPPoE discovery", link: 1, frame: ethernet(0x8863, make([]byte, 20)), want: tcpflow.OutcomeNotIP},
		{name: "PPPoE, wrong version", link: 1, frame: set(ethernet(0x8864, []byte(pppoe(0x0021, ip4))), 14, 0x21), want: tcpflow.OutcomeBadLink},
		{name: "PPPoE, longer than the frame", link: 1, frame: set(ethernet(0x8864, []byte(pppoe(0x0021, ip4))), 18, 9), want: tcpflow.OutcomeBadLink},
		{name: "raw IPv4", link: 101, frame: ip4},
		{name: "raw IPv6", link: 101, frame: ip6},
		{name: "raw, 12", link: 12, frame: ip4},
		{name: "raw, 14", link: 14, frame: ip6},
		{name: "IPv4", link: 228, frame: ip4},
		{name: "IPv4, but it is not", link: 228, frame: ip6, want: tcpflow.OutcomeBadIP},
		{name: "IPv6", link: 229, frame: ip6},
		{name: "null, little endian", link: 0, frame: join("\x02\x00\x00\x00", ip4)},
		{name: "null, big endian", link: 0, frame: join("\x00\x00\x00\x02", ip4)},
		{name: "null, Darwin's IPv6", link: 0, frame: join("\x1e\x00\x00\x00", ip6)},
		{name: "null, FreeBSD's IPv6", link: 0, frame: join("\x00\x00\x00\x1c", ip6)},
		{name: "null, other family", link: 0, frame: join("\x07\x00\x00\x00", ip4), want: tcpflow.OutcomeNotIP},
		{name: "null, no family", link: 0, frame: join("\x07\x00\x00\x01", ip4), want: tcpflow.OutcomeBadLink},
		{name: "loop", link: 108, frame: join("\x00\x00\x00\x18", ip6)},
		{name: "Linux cooked", link: 113, frame: join("\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00", ip4)},
		{name: "Linux cooked, InfiniBand address", link: 113, frame: join("\x00\x00\x00\x20\x00\x14\x02\x00\x00\x00\x00\x01\x00\x00\x08\x00", ip4)},
		{name: "Linux cooked, tagged", link: 113, frame: join("\x00\x00\x00\x01\x00\x06\x02\x00\x00\x00\x00\x01\x00\x00\x81\x00", tag(7, 0x86dd), ip6), outer: 7},
		{name: "Linux cooked 2", link: 276, frame: join("\x86\xdd\x00\x00\x00\x00\x00\x02\x00\x01\x04\x06\x02\x00\x00\x00\x00\x01\x00\x00", ip6)},
		{name: "unknown link", link: 147, frame: ip4, want: tcpflow.OutcomeUnknownLink},

		{name: "UDP", link: 101, frame: ipPacket(client4.Addr(), server4.Addr(), 17, hello4.tcp()), want: tcpflow.OutcomeNotTCP},
		{name: "no next header", link: 101, frame: ext6(59, ""), want: tcpflow.OutcomeNotTCP},
		{name: "IPv4 options", link: 101, frame: withIPOptions("\x94\x04\x00\x00\x01\x01\x01\x00")},
		{name: "IPv4 options, malformed", link: 101, frame: withIPOptions("\x94\x09\x00\x00")},
		{name: "IPv4 header too short", link: 101, frame: set(ip4, 0, 0x44), want: tcpflow.OutcomeBadIP},
		{name: "IPv4 total length in the header", link: 101, frame: set(ip4, 3, 19), want: tcpflow.OutcomeBadIP},
		{name: "IPv4 total length beyond the frame", link: 101, frame: set(ip4, 3, byte(len(ip4)+1)), want: tcpflow.OutcomeBadIP},
		{name: "IPv6 length beyond the frame", link: 101, frame: set(ip6, 5, byte(len(ip6))), want: tcpflow.OutcomeBadIP},
		{name: "IPv4 total length 0", link: 101, frame: set(ip4, 3, 0)},
		{name: "IPv6 length 0", link: 101, frame: set(ip6, 5, 0)},
		{name: "no IP version", link: 101, frame: set(ip4, 0, 0x55), want: tcpflow.OutcomeBadIP},
		{name: "TCP header too short", link: 101, frame: set(ip4, 20+12, 0x40), want: tcpflow.OutcomeBadTCP},
		{name: "TCP header beyond the packet", link: 101, frame: set(ip4, 20+12, 0xf0), want: tcpflow.OutcomeBadTCP},
		{name: "TCP options malformed", link: 101, frame: seg{src: client4, dst: server4, flags: ACK, seq: 9, options: "\x08\x0a\x00\x00", data: "hello"}.ip()},
		{name: "AH in IPv4", link: 101, frame: ipPacket(client4.Addr(), server4.Addr(), 51, join("\x06\x04", make([]byte, 22), hello4.tcp()))},
		{name: "hop-by-hop in IPv4", link: 101, frame: ipPacket(client4.Addr(), server4.Addr(), 0, join("\x06\x00\x01\x04\x00\x00\x00\x00", hello4.tcp())), want: tcpflow.OutcomeNotTCP},
		{name: "fragment header in IPv4", link: 101, frame: ipPacket(client4.Addr(), server4.Addr(), 44, join("\x06\x00\x00\x00\x00\x00\x00\x00", hello4.tcp())), want: tcpflow.OutcomeNotTCP},

		{name: "hop-by-hop", link: 101, frame: ext6(0, "\x06\x00\x01\x04\x00\x00\x00\x00")},
		{name: "hop-by-hop, malformed options", link: 101, frame: ext6(0, "\x06\x00\x01\xff\x00\x00\x00\x00")},
		{name: "all extension headers", link: 101, frame: ext6(0, "\x3c\x00\x05\x02\x00\x00\x01\x00"+
			"\x2b\x00\x01\x04\x00\x00\x00\x00"+"\x33\x02"+strings.Repeat("\x00", 22)+
			"\x2c\x04"+strings.Repeat("\x00", 22)+"\x3c\x00\x00\x00\x00\x00\x00\x07"+"\x06\x00\x01\x04\x00\x00\x00\x00")},
		{name: "extension header beyond the packet", link: 101, frame: ext6(60, "\x06\xff\x01\x04\x00\x00\x00\x00"), want: tcpflow.OutcomeBadIP},

		{name: "GRE", link: 101, frame: ipPacket(server4.Addr(), client4.Addr(), 47, join("\x00\x00\x08\x00", ip4))},
		{name: "GRE, all options, IPv6", link: 101, frame: ipPacket(server4.Addr(), client4.Addr(), 47, join("\xb0\x00\x86\xdd", make([]byte, 12), ip6))},
		{name: "GRE, Ethernet", link: 101, frame: ipPacket(client6.Addr(), server6.Addr(), 47, join("\x00\x00\x65\x58", ethernet(0x8100, join(tag(9, 0x0800), ip4)))), outer: 9},
		{name: "GRE, PPTP", link: 101, frame: ipPacket(server4.Addr(), client4.Addr(), 47, join("\x30\x01\x88\x0b", make([]byte, 12))), want: tcpflow.OutcomeNotTCP},
		{name: "GRE, source route", link: 101, frame: ipPacket(server4.Addr(), client4.Addr(), 47, join("\x40\x00\x08\x00", make([]byte, 12))), want: tcpflow.OutcomeBadLink},
		{name: "GRE, something else", link: 101, frame: ipPacket(server4.Addr(), client4.Addr(), 47, join("\x00\x00\x88\xcc", make([]byte, 12))), want: tcpflow.OutcomeNotIP},
		{name: "GRE without end", link: 101, frame: nestGRE(12, ip4), want: tcpflow.OutcomeBadLink},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tcpflow.Config{})
			r := h.table.Packet(tt.link, began, tt.frame, len(tt.frame))
			if r.Outcome != tt.want {
				t.Fatalf("outcome %v, want %v", r.Outcome, tt.want)
			}
			if st := h.table.Stats(); st.Outcomes[tt.want] != 1 || st.Packets != 1 || st.Bytes != uint64(len(tt.frame)) ||
				(st.Undecodable() == 1) != tt.want.Undecodable() {
				t.Errorf("stats %+v", st)
			}
			if tt.want != tcpflow.OutcomeTracked {
				return
			}
			key := r.Conn.Key()
			if want := (inspect.FlowKey{Client: client4, Server: server4}); key != want && key != (inspect.FlowKey{Client: client6, Server: server6}) {
				t.Errorf("key %v, want %v or the same in IPv6", key, want)
			}
			if outer, inner := r.Conn.VLANs(); outer != tt.outer || inner != tt.inner {
				t.Errorf("VLANs %d and %d, want %d and %d", outer, inner, tt.outer, tt.inner)
			}
			h.wantC2S("hello")

			// Cut anywhere before the payload, nothing breaks, and what was cut
			// is known to be missing.
			for n := range len(tt.frame) - len("hello") {
				h := newHarness(t, tcpflow.Config{})
				r := h.table.Packet(tt.link, began, tt.frame[:n], len(tt.frame))
				if r.Outcome == tcpflow.OutcomeTracked {
					h.table.Flush()
					h.wantC2S("[5]")
				} else if r.Outcome != tcpflow.OutcomeTruncated {
					t.Fatalf("captured %d bytes of %d: %v", n, len(tt.frame), r.Outcome)
				}
				// Not sent at all, it is malformed.
				r = h.table.Packet(tt.link, began, tt.frame[:n], n)
				if r.Outcome == tcpflow.OutcomeTracked && tt.name != "IPv4 total length 0" && tt.name != "IPv6 length 0" || r.Outcome == tcpflow.OutcomeTruncated {
					t.Fatalf("sent %d bytes of %d: %v", n, len(tt.frame), r.Outcome)
				}
			}
		})
	}
}

func withIPOptions(options string) []byte {
	ip := hello4.ip()
	b := join(ip[:20], options, ip[20:])
	b[0] += byte(len(options) / 4)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func nestGRE(n int, ip []byte) []byte {
	for range n {
		ip = ipPacket(server4.Addr(), client4.Addr(), 47, join("\x00\x00\x08\x00", ip))
	}
	return ip
}

func TestEthernetPadding(t *testing.T) {
	h := newHarness(t, tcpflow.Config{})
	h.handshake()
	pad := func(s seg) {
		f := append(s.frame(), "padding"...)
		h.table.Packet(tcpflow.LinkEthernet, h.now, f, len(f))
	}
	pad(c(ACK, 1001, 5001, ""))
	pad(c(ACK, 1001, 5001, "ab"))
	pad(c(ACK, 1003, 5001, "cd"))
	// Behind a hop-by-hop header.
	f := ethernet(0x86dd, append(ext6(0, "\x06\x00\x01\x04\x00\x00\x00\x00"), "padding"...))
	h.table.Packet(tcpflow.LinkEthernet, h.now, f, len(f))
	if got := h.stream(0).c2s(); got != "abcd" {
		t.Errorf("got %q, want the payload without padding", got)
	}
	h.wantC2S("hello")
}

// A card that segments is given packets without a total length, or longer
// than any frame.
func TestSegmentationOffload(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 5000) // over 64 KiB
	for _, s := range []seg{hello4, hello6} {
		s.data = big
		ip := s.ip()
		if s.src.Addr().Is4() {
			ip[2], ip[3] = 0, 0
		} else {
			ip[4], ip[5] = 0, 0
		}
		h := newHarness(t, tcpflow.Config{})
		if r := h.table.IPPacket(began, ip, len(ip)); r.Outcome != tcpflow.OutcomeTracked {
			t.Fatalf("%v: %v", s.src, r.Outcome)
		}
		h.wantC2S(big)
		// Cut short, the rest of it is known to be missing.
		h = newHarness(t, tcpflow.Config{})
		h.table.IPPacket(began, ip[:100], len(ip))
		h.table.Flush()
		if got := h.stream(0).missing[0]; got != len(ip)-100 {
			t.Errorf("%v: %d missing, want %d", s.src, got, len(ip)-100)
		}
	}
	// A jumbogram (RFC 2675).
	s := hello6
	s.data = big
	tcp := s.tcp()
	ip := ipPacket(client6.Addr(), server6.Addr(), 0, join("\x06\x00\xc2\x04", binary.BigEndian.AppendUint32(nil, uint32(8+len(tcp))), tcp))
	ip[4], ip[5] = 0, 0
	h := newHarness(t, tcpflow.Config{})
	h.table.IPPacket(began, ip, len(ip))
	h.wantC2S(big)
}

// IPv4 and the IPv6 addresses that stand for it are different.
func TestMappedAddresses(t *testing.T) {
	mapped := seg{
		src: netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.1"), client4.Port()),
		dst: netip.AddrPortFrom(netip.MustParseAddr("::ffff:198.51.100.7"), server4.Port()), flags: SYN,
	}
	h := newHarness(t, tcpflow.Config{})
	a, b := h.ok(mapped), h.ok(c(SYN, 0, 0, ""))
	if a == b || a.Key().Client.Addr().Is4() || a.Key().String() == b.Key().String() {
		t.Errorf("%v and %v are taken for one", a.Key(), b.Key())
	}
}

// TestAgainstGopacket sends what gopacket serializes.
func TestAgainstGopacket(t *testing.T) {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: client4.Addr().AsSlice(), DstIP: server4.Addr().AsSlice()}
	tcp := &layers.TCP{SrcPort: 51000, DstPort: 443, Seq: 1<<32 - 2, Ack: 5, ACK: true, PSH: true, Options: []layers.TCPOption{
		{OptionType: layers.TCPOptionKindNop},
		{OptionType: layers.TCPOptionKindSACK, OptionLength: 10, OptionData: make([]byte, 8)},
	}}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	mac := []byte{2, 0, 0, 0, 0, 1}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: mac, DstMAC: mac, EthernetType: layers.EthernetTypeDot1Q},
		&layers.Dot1Q{VLANIdentifier: 4094, Type: layers.EthernetTypeIPv4}, ip, tcp, gopacket.Payload("payload"))
	if err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, tcpflow.Config{})
	r := h.table.Packet(tcpflow.LinkEthernet, began, buf.Bytes(), 0)
	if r.Outcome != tcpflow.OutcomeTracked {
		t.Fatal(r.Outcome)
	}
	h.wantC2S("payload")
	if outer, _ := r.Conn.VLANs(); outer != 4094 || r.Conn.Traffic(inspect.ClientToServer).Bytes != uint64(len(buf.Bytes())) {
		t.Errorf("VLAN %d, %d bytes", outer, r.Conn.Traffic(inspect.ClientToServer).Bytes)
	}
}
