package ppp

import (
	"encoding/binary"
	"fmt"
)

// Code is the kind of an LCP packet (RFC 1661, Section 5). The network control protocols use 1 to 7 in the same sense.
type Code uint8

// Codes of LCP.
const (
	CodeConfigureRequest Code = 1  // RFC 1661, Section 5.1
	CodeConfigureAck     Code = 2  // RFC 1661, Section 5.2
	CodeConfigureNak     Code = 3  // RFC 1661, Section 5.3
	CodeConfigureReject  Code = 4  // RFC 1661, Section 5.4
	CodeTerminateRequest Code = 5  // RFC 1661, Section 5.5
	CodeTerminateAck     Code = 6  // RFC 1661, Section 5.5
	CodeCodeReject       Code = 7  // RFC 1661, Section 5.6
	CodeProtocolReject   Code = 8  // RFC 1661, Section 5.7; LCP only, like the ones below
	CodeEchoRequest      Code = 9  // RFC 1661, Section 5.8
	CodeEchoReply        Code = 10 // RFC 1661, Section 5.8
	CodeDiscardRequest   Code = 11 // RFC 1661, Section 5.9
	CodeIdentification   Code = 12 // RFC 1570, Section 1.1
	CodeTimeRemaining    Code = 13 // RFC 1570, Section 1.2
)

// String returns the specification's name, or the number for a code that has none here.
func (c Code) String() string {
	switch c {
	case CodeConfigureRequest:
		return "Configure-Request"
	case CodeConfigureAck:
		return "Configure-Ack"
	case CodeConfigureNak:
		return "Configure-Nak"
	case CodeConfigureReject:
		return "Configure-Reject"
	case CodeTerminateRequest:
		return "Terminate-Request"
	case CodeTerminateAck:
		return "Terminate-Ack"
	case CodeCodeReject:
		return "Code-Reject"
	case CodeProtocolReject:
		return "Protocol-Reject"
	case CodeEchoRequest:
		return "Echo-Request"
	case CodeEchoReply:
		return "Echo-Reply"
	case CodeDiscardRequest:
		return "Discard-Request"
	case CodeIdentification:
		return "Identification"
	case CodeTimeRemaining:
		return "Time-Remaining"
	default:
		return fmt.Sprintf("code %d", uint8(c))
	}
}

// Configure is a Configure-Request, -Ack, -Nak or -Reject (RFC 1661, Sections 5.1 to 5.4).
type Configure struct {
	Code       Code // CodeConfigureRequest to CodeConfigureReject
	Identifier uint8
	Options    []Option // in the order of the wire, which tells implementations apart
}

// Append implements [Message].
func (m Configure) Append(b []byte) ([]byte, error) {
	if m.Code < CodeConfigureRequest || m.Code > CodeConfigureReject {
		return b, unencodable("Configure with %v", m.Code)
	}
	return appendOptionsPacket(b, uint8(m.Code), m.Identifier, m.Options)
}

// Terminate is a Terminate-Request or -Ack (RFC 1661, Section 5.5).
type Terminate struct {
	Code       Code // CodeTerminateRequest or CodeTerminateAck
	Identifier uint8
	Data       []byte // the sender's own: a text from pppd, a magic number and an error code from Windows
}

// Append implements [Message].
func (m Terminate) Append(b []byte) ([]byte, error) {
	if m.Code != CodeTerminateRequest && m.Code != CodeTerminateAck {
		return b, unencodable("Terminate with %v", m.Code)
	}
	return Packet{uint8(m.Code), m.Identifier, m.Data}.Append(b)
}

// CodeReject says that a code was not understood (RFC 1661, Section 5.6).
type CodeReject struct {
	Identifier uint8
	Rejected   []byte // the packet with that code, perhaps cut
}

// Append implements [Message].
func (m CodeReject) Append(b []byte) ([]byte, error) {
	return Packet{uint8(CodeCodeReject), m.Identifier, m.Rejected}.Append(b)
}

// ProtocolReject says that a frame's protocol was not understood (RFC 1661, Section 5.7).
type ProtocolReject struct {
	Identifier uint8
	Protocol   Protocol
	Rejected   Secret // the frame's payload, perhaps cut: a rejected PAP request holds a password
}

// Append implements [Message].
func (m ProtocolReject) Append(b []byte) ([]byte, error) {
	p := beginPacket(b, uint8(CodeProtocolReject), m.Identifier)
	p = binary.BigEndian.AppendUint16(p, uint16(m.Protocol))
	return finishPacket(append(p, m.Rejected.Reveal()...), len(b))
}

// Echo is an Echo-Request, an Echo-Reply or a Discard-Request (RFC 1661, Sections 5.8 and 5.9).
type Echo struct {
	Code        Code // CodeEchoRequest, CodeEchoReply or CodeDiscardRequest
	Identifier  uint8
	MagicNumber uint32 // the sender's, 0 if it has none
	Data        []byte // the sender's own; some implementations are known by it
}

// Append implements [Message].
func (m Echo) Append(b []byte) ([]byte, error) {
	if m.Code < CodeEchoRequest || m.Code > CodeDiscardRequest {
		return b, unencodable("Echo with %v", m.Code)
	}
	p := binary.BigEndian.AppendUint32(beginPacket(b, uint8(m.Code), m.Identifier), m.MagicNumber)
	return finishPacket(append(p, m.Data...), len(b))
}

// Identification is what a peer says of itself (RFC 1570, Section 1.1). Windows sends three: "MSRASV5.20", "MSRAS-0-"
// and the host's name, and the 16 octets of a GUID, which is the one in SSTP's SSTPCORRELATIONID header.
type Identification struct {
	Identifier  uint8
	MagicNumber uint32 // the sender's, 0 if it has none
	Message     string // meant to be text
}

// Append implements [Message].
func (m Identification) Append(b []byte) ([]byte, error) {
	p := binary.BigEndian.AppendUint32(beginPacket(b, uint8(CodeIdentification), m.Identifier), m.MagicNumber)
	return finishPacket(append(p, m.Message...), len(b))
}

// TimeRemaining announces the end of the session (RFC 1570, Section 1.2).
type TimeRemaining struct {
	Identifier  uint8
	MagicNumber uint32 // the sender's, 0 if it has none
	Seconds     uint32 // "Seconds-Remaining" field; 0xffffffff means for ever
	Message     string // meant to be text
}

// Append implements [Message].
func (m TimeRemaining) Append(b []byte) ([]byte, error) {
	p := binary.BigEndian.AppendUint32(beginPacket(b, uint8(CodeTimeRemaining), m.Identifier), m.MagicNumber)
	p = binary.BigEndian.AppendUint32(p, m.Seconds)
	return finishPacket(append(p, m.Message...), len(b))
}

// parseNCP reads what LCP and the network control protocols have in common.
func parseNCP(p Protocol, pkt Packet) (Message, error) {
	switch c := Code(pkt.Code); c {
	case CodeConfigureRequest, CodeConfigureAck, CodeConfigureNak, CodeConfigureReject:
		options, err := parseOptions(p, pkt.Data)
		return Configure{c, pkt.Identifier, options}, err
	case CodeTerminateRequest, CodeTerminateAck:
		return Terminate{c, pkt.Identifier, pkt.Data}, nil
	case CodeCodeReject:
		return CodeReject{pkt.Identifier, pkt.Data}, nil
	default:
		return pkt, nil
	}
}

func parseLCP(pkt Packet) (Message, error) {
	d := pkt.Data
	switch c := Code(pkt.Code); c {
	case CodeProtocolReject:
		if len(d) < 2 {
			return nil, tooShort(pkt, "RFC 1661, Section 5.7")
		}
		return ProtocolReject{pkt.Identifier, Protocol(binary.BigEndian.Uint16(d)), NewSecret(d[2:])}, nil
	case CodeEchoRequest, CodeEchoReply, CodeDiscardRequest:
		if len(d) < 4 {
			return nil, tooShort(pkt, "RFC 1661, Section 5.8")
		}
		return Echo{c, pkt.Identifier, binary.BigEndian.Uint32(d), d[4:]}, nil
	case CodeIdentification:
		if len(d) < 4 {
			return nil, tooShort(pkt, "RFC 1570, Section 1.1")
		}
		return Identification{pkt.Identifier, binary.BigEndian.Uint32(d), string(d[4:])}, nil
	case CodeTimeRemaining:
		if len(d) < 8 {
			return nil, tooShort(pkt, "RFC 1570, Section 1.2")
		}
		return TimeRemaining{
			pkt.Identifier, binary.BigEndian.Uint32(d), binary.BigEndian.Uint32(d[4:]), string(d[8:]),
		}, nil
	default:
		return parseNCP(ProtocolLCP, pkt)
	}
}
