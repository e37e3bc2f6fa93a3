package inspect

import (
	"slices"
	"strings"
	"unicode/utf8"

	"sstpwarden/inspect/ppp"
)

// link takes the facts of a PPP link from its frames.
type link struct {
	chap  ppp.CHAPAlgorithm // agreed on by LCP
	acked [3][2]bool        // whose options were acknowledged: of LCP, IPCP, IPV6CP
	ip    bool              // one of the latter two is up
}

const (
	maxProtocols       = 16
	maxIdentifications = 8
)

// beginsFrame says that b begins like a PPP frame: FF 03, or the number of a
// protocol that SSTP carries.
func beginsFrame(b []byte) bool {
	fr, err := ppp.ParseFrame(b)
	if err != nil {
		return false
	}
	return fr.Protocol == ppp.ProtocolIPv4 || fr.Protocol == ppp.ProtocolIPv6 || fr.Protocol.IsControl()
}

// frame takes one frame and says whether it was of a control protocol.
func (l *link) frame(f *Flow, d Direction, b []byte) bool {
	fr, err := ppp.ParseFrame(b)
	if err != nil {
		return false
	}
	facts, i := f.pppFacts(), d.index()
	if fr.Protocol == ppp.ProtocolIPv4 || fr.Protocol == ppp.ProtocolIPv6 {
		if facts.IPPackets == [2]uint64{} {
			f.moment("first_data")
		}
		facts.IPPackets[i]++
		facts.IPBytes[i] += uint64(len(fr.Payload))
		if facts.IPPackets[i] > 1 {
			return false
		}
	}
	name := strings.ToLower(fr.Protocol.String())
	if len(facts.Protocols) < maxProtocols && !slices.Contains(facts.Protocols, name) {
		facts.Protocols = append(facts.Protocols, name)
	}
	if !fr.Protocol.IsControl() {
		return false
	}
	m, _, err := ppp.ParseMessage(fr.Protocol, fr.Payload)
	if err != nil {
		return false
	}
	was := facts.Result
	l.message(facts, d, fr.Protocol, m)
	if facts.Result != was {
		f.moment("ppp_auth_" + facts.Result)
	}
	if c, ok := m.(ppp.Configure); ok && c.Code == ppp.CodeConfigureAck {
		l.ack(f, d, fr.Protocol)
	}
	return true
}

// ack notes when a layer first comes up: with the second of both sides'
// acknowledgements (RFC 1661, Section 4).
func (l *link) ack(f *Flow, d Direction, p ppp.Protocol) {
	layer := slices.Index([]ppp.Protocol{ppp.ProtocolLCP, ppp.ProtocolIPCP, ppp.ProtocolIPV6CP}, p)
	if layer < 0 || l.acked[layer][d.index()] {
		return
	}
	l.acked[layer][d.index()] = true
	switch {
	case !l.acked[layer][d.Reverse().index()]:
	case p == ppp.ProtocolLCP:
		f.moment("ppp_lcp_up")
	case !l.ip:
		l.ip = true
		f.moment("ip_up")
	}
}

func (l *link) message(facts *PPPFacts, d Direction, p ppp.Protocol, m ppp.Message) {
	switch m := m.(type) {
	case ppp.Configure:
		l.configure(facts, d, p, m)
	case ppp.Identification:
		if len(facts.Identification) < maxIdentifications && printable(m.Message) {
			facts.Identification = append(facts.Identification, m.Message)
		}
	case ppp.PAPRequest:
		facts.Auth = "pap"
		facts.User = m.PeerID
	case ppp.PAPAck:
		facts.conclude("success", m.Message)
	case ppp.PAPNak:
		facts.conclude("failure", m.Message)
	case ppp.CHAPChallenge, ppp.CHAPResponse, ppp.CHAPSuccess, ppp.CHAPFailure:
		facts.Auth = chapName(l.chap)
		facts.challenge(d, m, l.chap != ppp.CHAPMD5)
	case ppp.EAP:
		l.eap(facts, d, m)
	}
}

// configure follows what the sides agree on: an acknowledged request counts.
func (l *link) configure(facts *PPPFacts, d Direction, p ppp.Protocol, m ppp.Configure) {
	request := m.Code == ppp.CodeConfigureRequest
	owner := d // whose options these are
	if !request {
		owner = d.Reverse()
	}
	acked := m.Code == ppp.CodeConfigureAck
	if !request && !acked {
		return
	}
	if acked && owner == ClientToServer && p == ppp.ProtocolIPCP {
		facts.DNS = nil
	}
	for _, o := range m.Options {
		switch o := o.(type) {
		case ppp.MRU:
			facts.MRU[owner.index()] = uint16(o)
		case ppp.AuthenticationProtocol:
			if owner == ServerToClient && acked {
				l.chap = o.Algorithm
			}
		case ppp.IPCPAddress:
			if acked {
				facts.address(owner, o)
			}
		case ppp.InterfaceIdentifier:
			if acked && owner == ClientToServer {
				facts.ClientAddress6 = o.LinkLocal()
			}
		}
	}
}

func (p *PPPFacts) address(owner Direction, o ppp.IPCPAddress) {
	switch {
	case o.Type == ppp.IPAddress && owner == ClientToServer:
		p.ClientAddress = o.Addr
	case o.Type == ppp.IPAddress:
		p.ServerAddress = o.Addr
	case owner == ClientToServer && (o.Type == ppp.PrimaryDNS || o.Type == ppp.SecondaryDNS) &&
		!o.Addr.IsUnspecified() && !slices.Contains(p.DNS, o.Addr):
		p.DNS = append(p.DNS, o.Addr)
	}
}

func (p *PPPFacts) conclude(result, message string) {
	p.Result = result
	p.Message = ""
	if printable(message) {
		p.Message = message
	}
}

// challenge takes the facts of CHAP's messages. Of those of MS-CHAP only the
// text for people is kept: the rest are the authenticator's response and
// challenges, material for guessing passwords.
func (p *PPPFacts) challenge(d Direction, m ppp.Message, ms bool) {
	switch m := m.(type) {
	case ppp.CHAPChallenge:
		if d == ServerToClient {
			p.Authenticator = m.Name
		}
	case ppp.CHAPResponse:
		if d == ClientToServer {
			p.User = m.Name
		}
	case ppp.CHAPSuccess:
		text := m.Message
		if ms {
			s, _ := ppp.ParseMSCHAPv2Success(m.Message)
			text = s.Message
		}
		p.conclude("success", text)
	case ppp.CHAPFailure:
		text := m.Message
		if ms {
			s, err := ppp.ParseMSCHAPFailure(m.Message)
			text = s.Message
			if text == "" && err == nil {
				text = s.Error.String()
			}
		}
		p.conclude("failure", text)
	}
}

func (l *link) eap(facts *PPPFacts, d Direction, m ppp.EAP) {
	if facts.Auth == "" {
		facts.Auth = "eap"
	}
	switch m.Code {
	case ppp.EAPSuccess:
		facts.conclude("success", facts.Message)
		return
	case ppp.EAPFailure:
		facts.conclude("failure", facts.Message)
		return
	default: // requests and responses carry data
	}
	switch data := m.Data.(type) {
	case ppp.EAPIdentity:
		if m.Code == ppp.EAPResponse && d == ClientToServer {
			facts.User = string(data)
		}
		return
	case ppp.EAPNotification, ppp.EAPNak, nil:
		return
	case ppp.EAPMSCHAPv2:
		if data.Message != nil {
			facts.challenge(d, data.Message, true)
		}
	}
	facts.Auth = "eap-" + strings.ToLower(m.Data.EAPType().String())
}

func chapName(a ppp.CHAPAlgorithm) string {
	switch a {
	case ppp.CHAPMD5:
		return "chap-md5"
	case ppp.CHAPMSCHAP:
		return "ms-chap"
	case ppp.CHAPMSCHAPv2:
		return "ms-chapv2"
	}
	return "chap"
}

// printable says that a peer's text is text at all.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' })
}
