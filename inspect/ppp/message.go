package ppp

// A Message is what a control packet says. Its types are the value types of this package that have these methods:
//
//   - [Configure], [Terminate], [CodeReject] of LCP and of every network control protocol
//   - [ProtocolReject], [Echo], [Identification], [TimeRemaining] of LCP
//   - [PAPRequest], [PAPAck], [PAPNak]
//   - [CHAPChallenge], [CHAPResponse], [CHAPSuccess], [CHAPFailure]
//   - [EAP]
//   - [CBCP]
//   - [Packet], for any other code
type Message interface {
	// Append appends the message to b as a whole packet: the payload of a frame of its protocol. Its error wraps
	// [ErrUnencodable], and b is returned as it was.
	Append(b []byte) ([]byte, error)

	message()
}

func (Configure) message()      {}
func (Terminate) message()      {}
func (CodeReject) message()     {}
func (ProtocolReject) message() {}
func (Echo) message()           {}
func (Identification) message() {}
func (TimeRemaining) message()  {}
func (PAPRequest) message()     {}
func (PAPAck) message()         {}
func (PAPNak) message()         {}
func (CHAPChallenge) message()  {}
func (CHAPResponse) message()   {}
func (CHAPSuccess) message()    {}
func (CHAPFailure) message()    {}
func (EAP) message()            {}
func (CBCP) message()           {}
func (Packet) message()         {}

// ParseMessage parses the message at the start of b, the payload of a frame of protocol p, and returns the octets that
// it takes; what follows is padding. It reads LCP, PAP, CHAP, EAP, CBCP and the network control protocols (0x8000 to
// 0xbfff). Any other protocol is a [*SyntaxError] on the field Protocol.
func ParseMessage(p Protocol, b []byte) (Message, int, error) {
	var parse func(Packet) (Message, error)
	switch {
	case p == ProtocolLCP:
		parse = parseLCP
	case p == ProtocolPAP:
		parse = parsePAP
	case p == ProtocolCHAP:
		parse = parseCHAP
	case p == ProtocolEAP:
		parse = parseEAP
	case p == ProtocolCBCP:
		parse = parseCBCP
	case p.isNCP():
		parse = func(pkt Packet) (Message, error) { return parseNCP(p, pkt) }
	default:
		return nil, 0, &SyntaxError{"RFC 1661, Section 2", "Protocol", 0, p}
	}
	pkt, n, err := ParsePacket(b)
	if err != nil {
		return nil, 0, err
	}
	m, err := parse(pkt)
	if err != nil {
		return nil, 0, err
	}
	return m, n, nil
}
