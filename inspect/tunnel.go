package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"sstpwarden/inspect/sstp"
)

// tunnel reads SSTP packets of both directions (MS-SSTP 2.2.1).
type tunnel struct {
	sides [2]tunnelSide
	link  link
}

type tunnelSide struct {
	buf  []byte
	lost bool // bytes that are no packet came; waiting for one that is
}

// maxMessages is how many control messages are named in the facts.
const maxMessages = 16

func (t *tunnel) feed(f *Flow, s Segment) {
	side := &t.sides[s.Direction.index()]
	if s.Missing > 0 {
		side.buf, side.lost = nil, true
	}
	b := s.Data
	if len(side.buf) > 0 {
		side.buf = append(side.buf, s.Data...)
		b = side.buf
	}
	before := len(b)
	for len(b) > 0 && !f.closed {
		p, n, err := sstp.ParsePacket(b)
		if errors.Is(err, io.ErrUnexpectedEOF) && !side.lost {
			break
		}
		if side.lost && (err != nil || !plausible(p)) || err != nil {
			// Not a packet here: the next segment may begin with one.
			side.lost, side.buf = true, nil
			return
		}
		side.lost = false
		b = b[n:]
		t.packet(f, s, p)
	}
	switch {
	case len(b) == 0:
		side.buf = nil
	case len(b) < before || len(side.buf) == 0: // else the buffer holds it already
		side.buf = bytes.Clone(b)
	}
}

// plausible says that a packet found after a loss is one: no reserved bits,
// and a control message of a known type or a frame that begins like PPP.
func plausible(p sstp.Packet) bool {
	if p.Reserved != 0 || p.LengthReserved&^8 != 0 {
		return false
	}
	if p.Control {
		m, err := p.ControlMessage()
		return err == nil && m.Type >= sstp.MessageCallConnectRequest && m.Type <= sstp.MessageEchoResponse
	}
	return beginsFrame(p.Data)
}

func (t *tunnel) packet(f *Flow, s Segment, p sstp.Packet) {
	facts, i := f.sstpFacts(), s.Direction.index()
	if facts.First.IsZero() {
		facts.First = s.Time
	}
	facts.Last = s.Time
	facts.Reserved = facts.Reserved || p.LengthReserved != 0 || p.Reserved != 0
	if !p.Control {
		first := facts.Data[i] == 0
		facts.Data[i]++
		facts.DataBytes[i] += uint64(len(p.Data))
		if t.link.frame(f, s.Direction, p.Data) || first {
			f.note(onSSTP)
		}
		return
	}
	c, err := p.ControlMessage()
	if err != nil {
		return
	}
	facts.Control[i]++
	if len(facts.Messages) < maxMessages {
		facts.Messages = append(facts.Messages, c.Type.String())
	}
	f.call(c.Type)
	message(f, s.Direction, c)
	f.note(onSSTP)
}

// call notes the moment of a control message.
func (f *Flow) call(t sstp.MessageType) {
	switch t {
	case sstp.MessageCallConnectRequest, sstp.MessageCallConnectAck, sstp.MessageCallConnectNak, sstp.MessageCallConnected:
		f.moment(t.String())
	case sstp.MessageCallAbort, sstp.MessageCallDisconnect, sstp.MessageCallDisconnectAck:
		f.lastMoment(t.String())
	default: // of echoes the first is noted, of what is not known nothing
	}
}

// message takes the facts of a control message. What the codec cannot read in
// it is simply not known.
func message(f *Flow, d Direction, c sstp.ControlMessage) {
	facts := f.obs.SSTP
	m, _ := c.Message()
	switch m := m.(type) {
	case sstp.CallConnectRequest:
		facts.Encapsulated = uint16(m.EncapsulatedProtocolID)
	case sstp.CallConnectAck:
		facts.HashOffered = uint8(m.CryptoBindingRequest.HashProtocolBitmask)
	case sstp.CallConnectNak:
		if len(m.StatusInfo) > 0 {
			facts.NAK = m.StatusInfo[0].Status.String()
		}
	case sstp.CallConnected:
		facts.HashUsed = uint8(m.CryptoBinding.HashProtocol)
		binding(f, m.CryptoBinding)
	case sstp.CallAbort:
		ended(facts, "abort", d, m.StatusInfo)
	case sstp.CallDisconnect:
		ended(facts, "disconnect", d, m.StatusInfo)
	case sstp.EchoRequest:
		if facts.Echo == [2]int{} {
			f.moment("first_echo")
		}
		facts.Echo[d.index()]++
	}
}

func ended(facts *SSTPFacts, how string, by Direction, info *sstp.StatusInfo) {
	if facts.End != "" {
		return
	}
	facts.End, facts.EndBy = how, by
	if info != nil {
		facts.EndStatus = info.Status.String()
	}
}

// binding compares the hash of the certificate that the client saw with the
// certificate on the wire (MS-SSTP 3.2.5.2): they differ where the TLS was
// opened and closed again in between.
func binding(f *Flow, b sstp.CryptoBinding) {
	facts, tls := f.obs.SSTP, f.session
	switch {
	case tls == nil:
		facts.BindingUnknown = "no TLS on this side of the server"
		return
	case tls.Certificate == nil:
		facts.BindingUnknown = "the server's certificate was not seen"
		return
	}
	var want []byte
	switch b.HashProtocol {
	case sstp.HashProtocolSHA1:
		h := tls.Certificate.SHA1
		want = h[:]
	case sstp.HashProtocolSHA256:
		h := tls.Certificate.SHA256
		want = h[:]
	default:
		facts.BindingUnknown = fmt.Sprintf("hash protocol %d is unknown", b.HashProtocol)
		return
	}
	facts.Binding = BindingDiffers
	if string(want) == string(b.CertHash) {
		facts.Binding = BindingMatches
	}
}
