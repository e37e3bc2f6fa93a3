package sstpref

import (
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

func (s *Session) header(p ppp.Protocol) uint64 {
	acfc, pfc := s.link.DataForm()
	b := ppp.Frame{Protocol: p, ACFC: acfc, PFC: pfc}.Append(make([]byte, 0, 4))
	packed := uint64(len(b))
	for i, c := range b {
		packed |= uint64(c) << (8 * (i + 1))
	}
	return packed
}

// data takes one PPP frame.
func (s *Session) data(b []byte) error {
	f, err := ppp.ParseFrame(b)
	if err != nil {
		s.counts.dropped.Add(1)
		return nil
	}
	if f.Protocol != ppp.ProtocolIPv4 && f.Protocol != ppp.ProtocolIPv6 {
		s.do(func(now time.Time) {
			if !s.ended && s.call.Data(now, f.Protocol.IsControl()) {
				s.link.Receive(now, f)
			}
		})
		return nil
	}
	family := 0
	if f.Protocol == ppp.ProtocolIPv6 {
		family = 1
	}
	if !s.passes[family].Load() {
		s.do(func(now time.Time) {
			if !s.ended {
				s.call.Data(now, false) // some servers take data for Call Connected
			}
		})
	}
	port := s.port.Load()
	if !s.passes[family].Load() || port == nil {
		s.counts.dropped.Add(1)
		return nil
	}
	s.counts.packetsIn.Add(1)
	s.counts.bytesIn.Add(uint64(len(f.Payload)))
	if err := (*port).Deliver(f.Payload); err != nil {
		return failed(StepData, err, "")
	}
	return nil
}

// WritePacket sends an IP packet to the other end. It waits while the connection
// takes no more, and the packet is the caller's again when it returns. A packet
// that may not pass now is dropped and counted; the error says that the session is
// over.
func (s *Session) WritePacket(p []byte) error {
	family := 0
	if len(p) > 0 && p[0]>>4 == 6 {
		family = 1
	}
	packed := s.headers[family].Load()
	head := int(packed & 0xff)
	if !s.passes[family].Load() || len(p) == 0 || head+len(p) > sstp.MaxDataLen {
		s.counts.dropped.Add(1)
		select {
		case <-s.done:
			return errClosed
		default:
			return nil
		}
	}
	var b [sstp.HeaderLen + 4]byte
	size := sstp.HeaderLen + head + len(p)
	b[0], b[2], b[3] = sstp.Version, s.lengthReserved<<4|byte(size>>8), byte(size)
	for i := range head {
		b[sstp.HeaderLen+i] = byte(packed >> (8 * (i + 1)))
	}
	s.counts.packetsOut.Add(1)
	s.counts.bytesOut.Add(uint64(len(p)))
	return s.out.data(b[:sstp.HeaderLen+head], p, s.faults.of(kindData))
}

// sendControl is the call's.
func (s *Session) sendControl(t sstp.MessageType, p sstp.Packet) {
	s.out.control(p, s.faults.of(t.String()))
}

// sendFrame is the link's.
func (s *Session) sendFrame(f ppp.Frame) {
	if !s.call.MaySend(true) {
		return
	}
	b := f.Append(make([]byte, 0, 4+len(f.Payload)))
	s.out.control(sstp.Packet{LengthReserved: s.lengthReserved, Data: b}, s.faults.of(kindPPP))
}
