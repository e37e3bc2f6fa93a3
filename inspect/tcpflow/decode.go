package tcpflow

import (
	"encoding/binary"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// Header lengths.
const (
	ip4Header      = 20
	ip6Header      = 40
	fragmentHeader = 8
	tcpHeader      = 20
	greHeader      = 4
)

// A Decoder reads packets up to TCP and puts fragments together: the part of
// a [Table]'s work that needs no connection, so that it can be done ahead of
// the table, by another goroutine. It is not safe for concurrent use, and
// takes a capture's packets in order.
//
// Lengths are checked here before gopacket sees the bytes: payload bounds are
// our own, and several of its v1.1.19 decoders index without looking.
type Decoder struct {
	eth  layers.Ethernet
	tag  layers.Dot1Q
	loop layers.Loopback
	v4   layers.IPv4
	v6   layers.IPv6
	tcp  layers.TCP // ports, numbers and flags; its Payload is not used

	clock clock
	frags defragmenter
	stats Stats // of fragments

	datagrams []uint64 // of the packet that was read last

	// Of the packet being read.
	to       *Segment
	vlans    int // how many of to.vlan are set
	depth    int // tunnels entered
	family   uint32
	src, dst address
}

// NewDecoder makes a Decoder with c's limits for fragments.
func NewDecoder(c Config) *Decoder {
	c = c.withDefaults()
	d := &Decoder{}
	d.frags = defragmenter{
		maxDatagrams: c.MaxDatagrams, maxBytes: c.MaxFragmentBytes, timeout: c.FragmentTimeout,
		stats: &d.stats, byKey: make(map[datagramKey]*datagram),
	}
	return d
}

// Decode reads a packet into s. The arguments are those of [Table.Packet]; s
// refers to data.
func (d *Decoder) Decode(s *Segment, link LinkType, ts time.Time, data []byte, wireLen int) {
	d.advance(ts)
	wire := max(wireLen, len(data))
	*s = Segment{}
	s.time, s.wire, s.frame = ts, wire, wire
	d.to, d.vlans, d.depth, d.datagrams = s, 0, 0, d.datagrams[:0]
	s.outcome = d.link(link, data, wire)
	d.to = nil
}

// advance gives up the datagrams whose time is over.
func (d *Decoder) advance(ts time.Time) {
	due := d.clock.advance(ts)
	d.frags.now = d.clock.now
	if due {
		d.frags.expire()
	}
}

// Flush gives up the datagrams that are not complete.
func (d *Decoder) Flush() { d.frags.flush() }

// Stats gives the counts of fragments so far. Those of the table that takes
// the segments do not include them: [Stats.Add] adds them up.
func (d *Decoder) Stats() Stats { return d.stats }

// ip decodes from the IP header on, whichever version it is.
func (d *Decoder) ip(data []byte, wire int) Outcome {
	if len(data) == 0 {
		return tooShort(OutcomeBadIP, 1, wire)
	}
	if data[0]>>4 == 6 {
		return d.ip6(data, wire)
	}
	return d.ip4(data, wire)
}

// ip4 reads an IPv4 header (RFC 791, Section 3.1). A total length of 0 is how
// captures show packets that the network card is yet to segment: all that
// was sent then belongs to the packet. A total length beyond the frame is
// refused, as by any receiver; short of it is Ethernet padding.
func (d *Decoder) ip4(data []byte, wire int) Outcome {
	if len(data) < ip4Header {
		return tooShort(OutcomeBadIP, ip4Header, wire)
	}
	header := int(data[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(data[2:]))
	if total == 0 {
		total = wire
	}
	switch {
	case data[0]>>4 != 4 || header < ip4Header || total < header || total > wire:
		return OutcomeBadIP
	case len(data) < header:
		return OutcomeTruncated
	}
	data = data[:min(len(data), total)]
	// All it can still find fault with is options, whose bytes do not matter
	// here, and lengths of 0 over 64 KiB. The fields are set before.
	_ = d.v4.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
	d.family, d.src, d.dst = 4, address4(data[12:]), address4(data[16:])
	if d.v4.Flags&layers.IPv4MoreFragments == 0 && d.v4.FragOffset == 0 {
		return d.upper(d.v4.Protocol, data[header:], total-header)
	}
	return d.fragment(fragment{
		key: datagramKey{
			src: d.src, dst: d.dst, id: uint32(d.v4.Id), proto: uint32(d.v4.Protocol),
		},
		offset: int(d.v4.FragOffset) * 8, more: d.v4.Flags&layers.IPv4MoreFragments != 0,
		next: d.v4.Protocol, data: data[header:], length: total - header,
	})
}

// ip6 reads an IPv6 header (RFC 8200, Section 3). A payload length of 0
// stands for a jumbogram or a packet yet to be segmented.
func (d *Decoder) ip6(data []byte, wire int) Outcome {
	if len(data) < ip6Header {
		return tooShort(OutcomeBadIP, ip6Header, wire)
	}
	total := ip6Header + int(binary.BigEndian.Uint16(data[4:]))
	if total == ip6Header {
		total = wire
	}
	if data[0]>>4 != 6 || total > wire {
		return OutcomeBadIP
	}
	data = data[:min(len(data), total)]
	next := layers.IPProtocol(data[6])
	if next != layers.IPProtocolIPv6HopByHop {
		// gopacket v1.1.19 reads on into hop-by-hop options, allocates for
		// each and gets the payload's bounds wrong behind them.
		_ = d.v6.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
		next = d.v6.NextHeader
	}
	d.family, d.src, d.dst = 6, address6(data[8:]), address6(data[24:])
	return d.upper(next, data[ip6Header:], total-ip6Header)
}

// upper follows the chain of headers after IP's to TCP. wire is the length
// as sent, len(data) or more. The IPv6 extension headers are RFC 8200,
// Section 4, and AH RFC 4302, Section 2.
func (d *Decoder) upper(next layers.IPProtocol, data []byte, wire int) Outcome {
	for {
		unit, plus := 8, 1
		switch next {
		case layers.IPProtocolTCP:
			return d.segment(data, wire)
		case layers.IPProtocolGRE:
			return d.gre(data, wire)
		case layers.IPProtocolAH:
			unit, plus = 4, 2
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Destination:
			if d.family != 6 {
				return OutcomeNotTCP
			}
		case layers.IPProtocolIPv6Fragment:
			if d.family != 6 {
				return OutcomeNotTCP
			}
			if len(data) < fragmentHeader {
				return tooShort(OutcomeBadIP, fragmentHeader, wire)
			}
			word := binary.BigEndian.Uint16(data[2:])
			if word&^6 != 0 {
				return d.fragment(fragment{
					key:    datagramKey{src: d.src, dst: d.dst, id: binary.BigEndian.Uint32(data[4:]), proto: ip6Datagram},
					offset: int(word &^ 7), more: word&1 != 0, next: layers.IPProtocol(data[0]),
					data: data[fragmentHeader:], length: wire - fragmentHeader,
				})
			}
			unit, plus = 0, 0 // an atomic fragment (RFC 6946): nothing to wait for
		default:
			return OutcomeNotTCP
		}
		if len(data) < 2 {
			return tooShort(OutcomeBadIP, 2, wire)
		}
		header := fragmentHeader
		if unit != 0 {
			header = (int(data[1]) + plus) * unit
		}
		if len(data) < header {
			return tooShort(OutcomeBadIP, header, wire)
		}
		next, data, wire = layers.IPProtocol(data[0]), data[header:], wire-header
	}
}

// gre enters a GRE tunnel (RFC 2784, RFC 2890), version 0. By hand: gopacket
// v1.1.19 indexes without looking at the length.
func (d *Decoder) gre(data []byte, wire int) Outcome {
	if len(data) < greHeader {
		return tooShort(OutcomeBadLink, greHeader, wire)
	}
	if data[1]&7 != 0 {
		return OutcomeNotTCP // version 1 is PPTP's
	}
	if data[0]&0x40 != 0 || d.depth == maxDepth {
		return OutcomeBadLink // source routes were never deployed
	}
	d.depth++
	header := greHeader
	for _, option := range [...]byte{0x80, 0x20, 0x10} { // checksum, key, sequence number
		if data[0]&option != 0 {
			header += 4
		}
	}
	if len(data) < header {
		return tooShort(OutcomeBadLink, header, wire)
	}
	inner, data, wire := etherType(data[2:]), data[header:], wire-header
	if inner == layers.EthernetTypeTransparentEthernetBridging {
		return d.ethernet(data, wire)
	}
	return d.network(inner, data, wire)
}

// segment reads the TCP header (RFC 9293, Section 3.1).
func (d *Decoder) segment(data []byte, wire int) Outcome {
	if len(data) < tcpHeader {
		return tooShort(OutcomeBadTCP, tcpHeader, wire)
	}
	header := int(data[12]>>4) * 4
	if header < tcpHeader || header > wire {
		return OutcomeBadTCP
	}
	// All it can still find fault with is options, malformed or cut off by
	// the capture. The fields are set before, and receivers do not mind.
	_ = d.tcp.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
	s := d.to
	s.key, s.from = makeKey(d.family, d.src, d.dst, uint16(d.tcp.SrcPort), uint16(d.tcp.DstPort))
	s.seq, s.ack = d.tcp.Seq, d.tcp.Ack
	s.syn, s.fin, s.rst, s.hasAck = d.tcp.SYN, d.tcp.FIN, d.tcp.RST, d.tcp.ACK
	s.fastOpen = d.tcp.SYN && d.fastOpen()
	s.payload, s.length = data[min(header, len(data)):], wire-header
	return OutcomeTracked
}

// fastOpen says that the SYN asks for TCP Fast Open (RFC 7413, Section 4.1.1;
// 254 is the experimental number).
func (d *Decoder) fastOpen() bool {
	for i := range d.tcp.Options {
		if k := d.tcp.Options[i].OptionType; k == 34 || k == 254 {
			return true
		}
	}
	return false
}
