package ppp

import "golang.org/x/crypto/cryptobyte"

// Codes of PAP (RFC 1334, Section 2.2).
const (
	papAuthenticateRequest = 1
	papAuthenticateAck     = 2
	papAuthenticateNak     = 3
)

// PAPRequest is an Authenticate-Request (RFC 1334, Section 2.2.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Code      |  Identifier   |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Peer-ID Length|  Peer-Id ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Passwd-Length |  Password ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+
type PAPRequest struct {
	Identifier uint8
	PeerID     string // at most 255 octets
	Password   Secret // at most 255 octets
}

// Append implements [Message].
func (m PAPRequest) Append(b []byte) ([]byte, error) {
	p, err := appendCounted(beginPacket(b, papAuthenticateRequest, m.Identifier), "Peer-Id", m.PeerID)
	if err != nil {
		return b, err
	}
	if p, err = appendCounted(p, "Password", m.Password.Reveal()); err != nil {
		return b, err
	}
	return finishPacket(p, len(b))
}

// PAPAck is an Authenticate-Ack (RFC 1334, Section 2.2.2): the password is right.
type PAPAck struct {
	Identifier uint8
	Message    string // at most 255 octets; SoftEther leaves out even its length
}

// Append implements [Message].
func (m PAPAck) Append(b []byte) ([]byte, error) {
	return appendPAPReply(b, papAuthenticateAck, m.Identifier, m.Message)
}

// PAPNak is an Authenticate-Nak (RFC 1334, Section 2.2.2): the password is wrong.
type PAPNak struct {
	Identifier uint8
	Message    string // at most 255 octets
}

// Append implements [Message].
func (m PAPNak) Append(b []byte) ([]byte, error) {
	return appendPAPReply(b, papAuthenticateNak, m.Identifier, m.Message)
}

func appendPAPReply(b []byte, code, identifier uint8, message string) ([]byte, error) {
	p, err := appendCounted(beginPacket(b, code, identifier), "Message", message)
	if err != nil {
		return b, err
	}
	return finishPacket(p, len(b))
}

// parsePAP passes over octets after the last field, as pppd does: a peer that adds some is authenticated all the same.
func parsePAP(pkt Packet) (Message, error) {
	d := cryptobyte.String(pkt.Data)
	// counted reads a field after the octet that gives its length.
	counted := func(section, field string, out *cryptobyte.String) error {
		offset := packetHeaderLen + len(pkt.Data) - len(d)
		if len(d) == 0 {
			return tooShort(pkt, section)
		}
		n := d[0]
		if !d.ReadUint8LengthPrefixed(out) {
			return &SyntaxError{section, field, offset, n}
		}
		return nil
	}
	switch pkt.Code {
	case papAuthenticateRequest:
		const section = "RFC 1334, Section 2.2.1"
		var peerID, password cryptobyte.String
		if err := counted(section, "Peer-ID Length", &peerID); err != nil {
			return nil, err
		}
		if err := counted(section, "Passwd-Length", &password); err != nil {
			return nil, err
		}
		return PAPRequest{pkt.Identifier, string(peerID), NewSecret(password)}, nil
	case papAuthenticateAck, papAuthenticateNak:
		var message cryptobyte.String
		if len(d) > 0 {
			if err := counted("RFC 1334, Section 2.2.2", "Msg-Length", &message); err != nil {
				return nil, err
			}
		}
		if pkt.Code == papAuthenticateAck {
			return PAPAck{pkt.Identifier, string(message)}, nil
		}
		return PAPNak{pkt.Identifier, string(message)}, nil
	default:
		return pkt, nil
	}
}
