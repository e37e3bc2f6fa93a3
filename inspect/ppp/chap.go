package ppp

import "fmt"

// CHAPAlgorithm is the "Algorithm" field of the Authentication-Protocol option for CHAP (RFC 1994, Section 3; IANA, PPP
// Authentication Algorithms).
type CHAPAlgorithm uint8

// Algorithms of CHAP.
const (
	CHAPMD5      CHAPAlgorithm = 0x05 // RFC 1994, Section 3
	CHAPMSCHAP   CHAPAlgorithm = 0x80 // RFC 2433, Section 4
	CHAPMSCHAPv2 CHAPAlgorithm = 0x81 // RFC 2759, Section 2
)

// String returns the registry's name, or the number for an algorithm that has none here.
func (a CHAPAlgorithm) String() string {
	switch a {
	case CHAPMD5:
		return "MD5"
	case CHAPMSCHAP:
		return "MS-CHAP"
	case CHAPMSCHAPv2:
		return "MS-CHAP-V2"
	default:
		return fmt.Sprintf("algorithm 0x%02x", uint8(a))
	}
}

// Codes of CHAP (RFC 1994, Section 4). EAP's method MSCHAPv2 calls them OpCode.
const (
	chapChallenge = 1
	chapResponse  = 2
	chapSuccess   = 3
	chapFailure   = 4
)

// CHAPChallenge is a Challenge (RFC 1994, Section 4.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Code      |  Identifier   |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Value-Size   |  Value ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|  Name ...
//	+-+-+-+-+-+-+
type CHAPChallenge struct {
	Identifier uint8
	Value      []byte // 1 to 255 octets: 16 for MS-CHAP-V2, 8 for MS-CHAP
	Name       string // the authenticator's
}

// Append implements [Message].
func (m CHAPChallenge) Append(b []byte) ([]byte, error) {
	return appendCHAPValue(b, chapChallenge, m.Identifier, m.Value, m.Name)
}

// CHAPResponse is a Response (RFC 1994, Section 4.1), laid out as a [CHAPChallenge] is.
type CHAPResponse struct {
	Identifier uint8
	Value      Secret // 1 to 255 octets; see ParseMSCHAPResponse and ParseMSCHAPv2Response
	Name       string // the user's
}

// Append implements [Message].
func (m CHAPResponse) Append(b []byte) ([]byte, error) {
	return appendCHAPValue(b, chapResponse, m.Identifier, m.Value.Reveal(), m.Name)
}

// CHAPSuccess is a Success (RFC 1994, Section 4.2).
type CHAPSuccess struct {
	Identifier uint8
	Message    string // for MS-CHAP-V2 see ParseMSCHAPv2Success
}

// Append implements [Message].
func (m CHAPSuccess) Append(b []byte) ([]byte, error) {
	return Packet{chapSuccess, m.Identifier, []byte(m.Message)}.Append(b)
}

// CHAPFailure is a Failure (RFC 1994, Section 4.2).
type CHAPFailure struct {
	Identifier uint8
	Message    string // for MS-CHAP and MS-CHAP-V2 see ParseMSCHAPFailure
}

// Append implements [Message].
func (m CHAPFailure) Append(b []byte) ([]byte, error) {
	return Packet{chapFailure, m.Identifier, []byte(m.Message)}.Append(b)
}

func appendCHAPValue(b []byte, code, identifier uint8, value []byte, name string) ([]byte, error) {
	if len(value) == 0 {
		return b, unencodable("Value of 0 octets")
	}
	p, err := appendCounted(beginPacket(b, code, identifier), "Value", value)
	if err != nil {
		return b, err
	}
	return finishPacket(append(p, name...), len(b))
}

func parseCHAP(pkt Packet) (Message, error) {
	switch pkt.Code {
	case chapChallenge, chapResponse:
		const section = "RFC 1994, Section 4.1"
		if len(pkt.Data) == 0 {
			return nil, tooShort(pkt, section)
		}
		value, name, ok := cutValue(pkt.Data)
		if !ok {
			return nil, &SyntaxError{section, "Value-Size", packetHeaderLen, pkt.Data[0]}
		}
		if pkt.Code == chapChallenge {
			return CHAPChallenge{pkt.Identifier, value, string(name)}, nil
		}
		return CHAPResponse{pkt.Identifier, NewSecret(value), string(name)}, nil
	case chapSuccess:
		return CHAPSuccess{pkt.Identifier, string(pkt.Data)}, nil
	case chapFailure:
		return CHAPFailure{pkt.Identifier, string(pkt.Data)}, nil
	default:
		return pkt, nil
	}
}

// cutValue cuts d, which is not empty, into the value whose size is its first octet, at least 1, and the name after it.
func cutValue(d []byte) (value, name []byte, ok bool) {
	n := int(d[0])
	if n == 0 || n > len(d)-1 {
		return nil, nil, false
	}
	return d[1 : 1+n : 1+n], d[1+n:], true
}
