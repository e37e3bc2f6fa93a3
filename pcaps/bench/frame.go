package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

var (
	insideMAC  = net.HardwareAddr{0x02, 0, 0, 0, 0, 1}
	outsideMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 2}
)

// A framer writes packets out as Ethernet frames, checksums and all.
type framer struct {
	buffer gopacket.SerializeBuffer
	ids    uint16
}

func newFramer() *framer { return &framer{buffer: gopacket.NewSerializeBuffer()} }

// frame gives the packet's bytes, valid until the next call.
func (f *framer) frame(p *packet) ([]byte, error) {
	src, dst, srcMAC, dstMAC := p.flow.client, p.flow.server, insideMAC, outsideMAC
	if !p.toServer {
		src, dst, srcMAC, dstMAC = dst, src, outsideMAC, insideMAC
	}
	stack := make([]gopacket.SerializableLayer, 0, 5)

	ethernet := &layers.Ethernet{SrcMAC: srcMAC, DstMAC: dstMAC, EthernetType: layers.EthernetTypeIPv4}
	if src.Addr().Is6() {
		ethernet.EthernetType = layers.EthernetTypeIPv6
	}
	stack = append(stack, ethernet)
	if p.flow.vlan != 0 {
		stack = append(stack, &layers.Dot1Q{VLANIdentifier: p.flow.vlan, Type: ethernet.EthernetType})
		ethernet.EthernetType = layers.EthernetTypeDot1Q
	}

	protocol := layers.IPProtocolTCP
	if p.flow.udp {
		protocol = layers.IPProtocolUDP
	}
	network := f.network(src.Addr(), dst.Addr(), protocol)
	stack = append(stack, network.(gopacket.SerializableLayer))
	if p.flow.udp {
		udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
		if err := udp.SetNetworkLayerForChecksum(network); err != nil {
			return nil, err
		}
		stack = append(stack, udp)
	} else {
		tcp := p.tcp(src.Port(), dst.Port())
		if err := tcp.SetNetworkLayerForChecksum(network); err != nil {
			return nil, err
		}
		stack = append(stack, tcp)
	}
	stack = append(stack, gopacket.Payload(p.payload))
	err := gopacket.SerializeLayers(f.buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...)
	return f.buffer.Bytes(), err
}

func (f *framer) network(src, dst netip.Addr, protocol layers.IPProtocol) gopacket.NetworkLayer {
	if src.Is6() {
		return &layers.IPv6{Version: 6, HopLimit: 60, NextHeader: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	f.ids++
	return &layers.IPv4{
		Version: 4, TTL: 60, Id: f.ids, Flags: layers.IPv4DontFragment,
		Protocol: protocol, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
	}
}

func (p *packet) tcp(src, dst uint16) *layers.TCP {
	t := &layers.TCP{
		SrcPort: layers.TCPPort(src), DstPort: layers.TCPPort(dst),
		Seq: p.seq, Ack: p.ack, Window: 64240,
		FIN: p.flags&fin != 0, SYN: p.flags&syn != 0, RST: p.flags&rst != 0,
		PSH: p.flags&psh != 0, ACK: p.flags&ack != 0,
	}
	if t.SYN {
		t.Options = append(t.Options,
			layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, uint16(p.flow.mss()))},
			layers.TCPOption{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
			layers.TCPOption{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}})
	}
	if p.flow.timestamps && !t.RST {
		ms := uint32(p.at / time.Millisecond)
		stamp := binary.BigEndian.AppendUint32(nil, 1_000_000+ms)
		stamp = binary.BigEndian.AppendUint32(stamp, 2_000_000+ms)
		t.Options = append(t.Options,
			layers.TCPOption{OptionType: layers.TCPOptionKindNop},
			layers.TCPOption{OptionType: layers.TCPOptionKindNop},
			layers.TCPOption{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: stamp})
	}
	return t
}

// mss is what a segment may hold where the link's packets hold 1500 bytes,
// TCP options not counted.
func (f *flow) mss() int {
	if f.client.Addr().Is6() {
		return 1440
	}
	return 1460
}

// room is the payload of a full segment.
func (f *flow) room() int {
	if f.timestamps {
		return f.mss() - 12
	}
	return f.mss()
}
