package record

import (
	"encoding/binary"
	"net"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// The link addresses of the sides, locally administered ones.
var macs = [2]net.HardwareAddr{{0x02, 0, 0, 0, 0, 1}, {0x02, 0, 0, 0, 0, 2}}

const (
	hopLimit = 64
	window   = 64240 // more than is ever on its way unacknowledged
)

// A framer writes packets as Ethernet frames.
type framer struct {
	buffer   gopacket.SerializeBuffer
	ids      uint16 // of IPv4
	ethernet layers.Ethernet
	ip4      layers.IPv4
	ip6      layers.IPv6
	tcp      layers.TCP
	payload  gopacket.Payload
	stack    [4]gopacket.SerializableLayer
}

func newFramer() *framer {
	f := &framer{buffer: gopacket.NewSerializeBuffer()}
	f.stack = [4]gopacket.SerializableLayer{&f.ethernet, nil, &f.tcp, &f.payload}
	return f
}

// frame gives the packet's bytes, valid until the next call.
func (f *framer) frame(p *packet) ([]byte, error) {
	src, dst := p.ends[p.src], p.ends[p.dst]
	f.ethernet = layers.Ethernet{SrcMAC: macs[p.src], DstMAC: macs[p.dst], EthernetType: layers.EthernetTypeIPv4}
	var network gopacket.NetworkLayer = &f.ip4
	if src.Addr().Is6() {
		f.ethernet.EthernetType = layers.EthernetTypeIPv6
		f.ip6 = layers.IPv6{
			Version: 6, HopLimit: hopLimit, NextHeader: layers.IPProtocolTCP,
			SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice(),
		}
		f.stack[1], network = &f.ip6, &f.ip6
	} else {
		f.ids++
		f.ip4 = layers.IPv4{
			Version: 4, TTL: hopLimit, Id: f.ids, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolTCP,
			SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice(),
		}
		f.stack[1] = &f.ip4
	}
	f.tcp = layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: p.seq, Ack: p.ack, Window: window,
		FIN: p.flags&fin != 0, SYN: p.flags&syn != 0, RST: p.flags&rst != 0, PSH: p.flags&psh != 0, ACK: p.flags&ack != 0,
	}
	if p.flags&syn != 0 {
		f.tcp.Options = []layers.TCPOption{{
			OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: binary.BigEndian.AppendUint16(nil, uint16(p.mss)),
		}}
	}
	if err := f.tcp.SetNetworkLayerForChecksum(network); err != nil {
		return nil, err
	}
	f.payload = p.payload
	err := gopacket.SerializeLayers(f.buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, f.stack[:]...)
	return f.buffer.Bytes(), err
}
