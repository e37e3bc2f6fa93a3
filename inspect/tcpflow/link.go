package tcpflow

import (
	"encoding/binary"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// A LinkType is a link-layer header type, numbered as in capture files
// (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// The link types that a [Table] decodes.
const (
	LinkNull     LinkType = 0 // BSD loopback, host byte order (either is read)
	LinkEthernet LinkType = 1
	LinkRaw12    LinkType = 12 // raw IP, as some systems number it
	LinkRaw14    LinkType = 14
	LinkRaw      LinkType = 101 // raw IP, version 4 or 6
	LinkLoop     LinkType = 108 // OpenBSD loopback, network byte order
	LinkSLL      LinkType = 113 // Linux cooked
	LinkIPv4     LinkType = 228
	LinkIPv6     LinkType = 229
	LinkSLL2     LinkType = 276 // Linux cooked, version 2
)

func (l LinkType) String() string {
	switch l {
	case LinkNull:
		return "null"
	case LinkEthernet:
		return "ethernet"
	case LinkRaw12, LinkRaw14, LinkRaw:
		return "raw"
	case LinkLoop:
		return "loop"
	case LinkSLL:
		return "linux-sll"
	case LinkIPv4:
		return "ipv4"
	case LinkIPv6:
		return "ipv6"
	case LinkSLL2:
		return "linux-sll2"
	}
	return fmt.Sprintf("LinkType(%d)", uint16(l))
}

// Header lengths.
const (
	ethernetHeader = 14
	tagHeader      = 4
	loopHeader     = 4
	sllHeader      = 16
	sll2Header     = 20
	pppoeHeader    = 6
	mplsLabel      = 4
)

// maxDepth bounds tags and tunnels inside each other; real ones need three
// or four.
const maxDepth = 8

// link decodes from the link layer on. wire is the frame's length as sent,
// len(data) or more.
func (d *Decoder) link(link LinkType, data []byte, wire int) Outcome {
	switch link {
	case LinkEthernet:
		return d.ethernet(data, wire)
	case LinkRaw, LinkRaw12, LinkRaw14:
		return d.ip(data, wire)
	case LinkIPv4:
		return d.network(layers.EthernetTypeIPv4, data, wire)
	case LinkIPv6:
		return d.network(layers.EthernetTypeIPv6, data, wire)
	case LinkNull, LinkLoop:
		return d.loopback(data, wire)
	case LinkSLL:
		// By hand: gopacket v1.1.19 slices the address by the length in the
		// packet, which panics on hostile ones and on InfiniBand's 20.
		if len(data) < sllHeader {
			return tooShort(OutcomeBadLink, sllHeader, wire)
		}
		return d.network(etherType(data[14:]), data[sllHeader:], wire-sllHeader)
	case LinkSLL2:
		if len(data) < sll2Header {
			return tooShort(OutcomeBadLink, sll2Header, wire)
		}
		return d.network(etherType(data), data[sll2Header:], wire-sll2Header)
	}
	return OutcomeUnknownLink
}

func (d *Decoder) ethernet(data []byte, wire int) Outcome {
	if len(data) < ethernetHeader {
		return tooShort(OutcomeBadLink, ethernetHeader, wire)
	}
	if d.eth.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
		return OutcomeBadLink
	}
	return d.network(d.eth.EthernetType, data[ethernetHeader:], wire-ethernetHeader)
}

func (d *Decoder) loopback(data []byte, wire int) Outcome {
	if len(data) < loopHeader {
		return tooShort(OutcomeBadLink, loopHeader, wire)
	}
	if d.loop.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
		return OutcomeBadLink
	}
	switch d.loop.Family {
	case 2: // AF_INET, everywhere
		return d.network(layers.EthernetTypeIPv4, data[loopHeader:], wire-loopHeader)
	case 10, 24, 28, 30: // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin
		return d.network(layers.EthernetTypeIPv6, data[loopHeader:], wire-loopHeader)
	}
	return OutcomeNotIP
}

// network follows an EtherType through tags and labels to IP.
func (d *Decoder) network(t layers.EthernetType, data []byte, wire int) Outcome {
	for range maxDepth {
		switch t {
		case layers.EthernetTypeIPv4:
			return d.ip4(data, wire)
		case layers.EthernetTypeIPv6:
			return d.ip6(data, wire)
		case layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ, 0x9100:
			if len(data) < tagHeader {
				return tooShort(OutcomeBadLink, tagHeader, wire)
			}
			if d.tag.DecodeFromBytes(data, gopacket.NilDecodeFeedback) != nil {
				return OutcomeBadLink
			}
			d.addVLAN(d.tag.VLANIdentifier)
			t, data, wire = d.tag.Type, data[tagHeader:], wire-tagHeader
		case layers.EthernetTypeMPLSUnicast, layers.EthernetTypeMPLSMulticast:
			return d.mpls(data, wire)
		case layers.EthernetTypePPPoESession:
			return d.pppoe(data, wire)
		default:
			return OutcomeNotIP
		}
	}
	return OutcomeBadLink
}

// mpls skips the label stack. What is under it is not said; only IP is
// looked for (RFC 4928 has other payloads avoid its first nibbles).
func (d *Decoder) mpls(data []byte, wire int) Outcome {
	for bottom := false; !bottom; {
		if len(data) < mplsLabel {
			return tooShort(OutcomeBadLink, mplsLabel, wire)
		}
		bottom = data[2]&1 != 0
		data, wire = data[mplsLabel:], wire-mplsLabel
	}
	if len(data) > 0 && data[0]>>4 != 4 && data[0]>>4 != 6 {
		return OutcomeNotIP
	}
	return d.ip(data, wire)
}

// pppoe reads a PPPoE session frame (RFC 2516, Section 4) and the two-byte
// PPP protocol field after it.
func (d *Decoder) pppoe(data []byte, wire int) Outcome {
	const header = pppoeHeader + 2
	if len(data) < header {
		return tooShort(OutcomeBadLink, header, wire)
	}
	length := int(binary.BigEndian.Uint16(data[4:]))
	if data[0] != 0x11 || length < 2 || length > wire-pppoeHeader {
		return OutcomeBadLink
	}
	ppp := layers.PPPType(binary.BigEndian.Uint16(data[pppoeHeader:]))
	data, wire = data[header:min(len(data), pppoeHeader+length)], length-2
	if ppp == layers.PPPTypeIPv4 {
		return d.network(layers.EthernetTypeIPv4, data, wire)
	}
	if ppp == layers.PPPTypeIPv6 {
		return d.network(layers.EthernetTypeIPv6, data, wire)
	}
	return OutcomeNotIP
}

// addVLAN keeps the outermost two tags.
func (d *Decoder) addVLAN(id uint16) {
	if d.vlans < len(d.to.vlan) {
		d.to.vlan[d.vlans] = id
		d.vlans++
	}
}

func etherType(b []byte) layers.EthernetType {
	return layers.EthernetType(binary.BigEndian.Uint16(b))
}

// tooShort tells a header that the capture cut off from one that was never
// there.
func tooShort(malformed Outcome, need, wire int) Outcome {
	if wire < need {
		return malformed
	}
	return OutcomeTruncated
}
