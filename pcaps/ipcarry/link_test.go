package ipcarry

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// A hoarder is a stack that works on nothing.
type hoarder struct{ packets []*stack.PacketBuffer }

func (h *hoarder) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, p *stack.PacketBuffer) {
	h.packets = append(h.packets, p.IncRef())
}
func (h *hoarder) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// gVisor takes segments without data whatever is queued already, so that the link has to
// bound them. Those with data it bounds itself, by the receive buffer.
func TestLinkBoundsUnread(t *testing.T) {
	l := newLink(testMTU, newPipe(nil))
	defer func() { l.stop(); <-l.done }()
	h := &hoarder{}
	l.Attach(h)
	src, dst := addr("10.9.0.2"), addr("192.0.2.1")
	ack, _ := parsePacket(segment(src, dst, 0x10, nil, nil))
	data, _ := parsePacket(segment(src, dst, 0x10, nil, []byte("x")))
	for range linkUnread + 10 {
		l.inject(&ack)
		l.inject(&data)
	}
	if n := len(h.packets); n != 2*linkUnread+10 || l.dropIn.Load() != 10 {
		t.Errorf("%d packets were taken, %d dropped", n, l.dropIn.Load())
	}
	for _, p := range h.packets {
		p.DecRef()
	}
	if n := l.unread.Load(); n != 0 {
		t.Errorf("%d are still counted", n)
	}
	l.inject(&ack)
	if n := len(h.packets); n != 2*linkUnread+11 {
		t.Error("there is no room again")
	}
	h.packets[len(h.packets)-1].DecRef()
	l.Attach(nil)
	l.inject(&ack) // to nobody
	if l.IsAttached() {
		t.Error("the link is attached to nothing")
	}
}

func TestCarriesTCPData(t *testing.T) {
	src, dst := addr("10.9.0.2"), addr("192.0.2.1")
	for name, tt := range map[string]struct {
		p    []byte
		want bool
	}{
		"data":              {segment(src, dst, 0x10, nil, []byte("x")), true},
		"data, IPv6":        {segment(clientLocal, serverLocal, 0x10, nil, []byte("x")), true},
		"an ACK":            {segment(src, dst, 0x10, nil, nil), false},
		"an ACK with SACKs": {segment(src, dst, 0x10, make([]byte, 12), nil), false},
		"UDP":               {udpPacket(netip.AddrPortFrom(src, 1), netip.AddrPortFrom(dst, 2), make([]byte, 99)), false},
	} {
		p, ok := parsePacket(tt.p)
		if got := p.carriesTCPData(); !ok || got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
