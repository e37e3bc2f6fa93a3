package ppp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// eapDataOffset is where the data of a type begins in an EAP packet.
const eapDataOffset = packetHeaderLen + 1

// EAPData is the type of an EAP Request or Response and its data. Its types are [EAPIdentity], [EAPNotification],
// [EAPNak], [EAPMD5Challenge], [EAPTLS], [EAPMSCHAPv2] and, for all others, [EAPOpaque].
type EAPData interface {
	// EAPType is the "Type" field.
	EAPType() EAPType

	// appendData appends the "Type-Data" field to b.
	appendData(b []byte) ([]byte, error)
}

// EAPIdentity is the Identity (RFC 3748, Section 5.1): the user in a response, a prompt in a request.
type EAPIdentity string

// EAPNotification is a message for the user (RFC 3748, Section 5.2).
type EAPNotification string

// EAPNak holds the types that the peer would rather use (RFC 3748, Section 5.3.1); 0 stands for none.
type EAPNak []EAPType

// EAPMD5Challenge is CHAP with MD5 (RFC 3748, Section 5.4): the challenge in a request, the response in a response.
type EAPMD5Challenge struct {
	Value Secret // 1 to 255 octets
	Name  string
}

// EAPTLS is a fragment of a TLS conversation in the frame that EAP-TLS, PEAP and EAP-TTLS share.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |     Flags     |      TLS Message Length (if L)
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	                                |  TLS Data ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type EAPTLS struct {
	Type     EAPType // EAPTypeTLS, EAPTypePEAP or EAPTypeTTLS
	Flags    EAPTLSFlags
	Length   uint32 // of the whole TLS message, in octets; valid iff Flags has EAPTLSLengthIncluded
	Fragment []byte // "TLS Data" field
}

// EAPTLSFlags is the "Flags" field of EAP-TLS (RFC 5216, Section 3.1). PEAP and EAP-TTLS have a version in the low three
// bits (RFC 5281, Section 9.1).
type EAPTLSFlags uint8

// Flags of EAP-TLS.
const (
	EAPTLSLengthIncluded EAPTLSFlags = 0x80 // L
	EAPTLSMoreFragments  EAPTLSFlags = 0x40 // M
	EAPTLSStart          EAPTLSFlags = 0x20 // S
)

// EAPMSCHAPv2 is MS-CHAP-V2 within EAP (draft-kamath-pppext-eap-mschapv2-02, Section 2).
type EAPMSCHAPv2 struct {
	OpCode EAPMSCHAPv2OpCode
	// Message is the CHAP message of that OpCode: a CHAPChallenge, CHAPResponse, CHAPSuccess or CHAPFailure. It is nil
	// where a peer acknowledges a Success or a Failure, which takes the OpCode alone.
	Message Message
}

// EAPMSCHAPv2OpCode is the "OpCode" field of EAP's MSCHAPv2.
type EAPMSCHAPv2OpCode uint8

// OpCodes, the codes of CHAP.
const (
	EAPMSCHAPv2Challenge EAPMSCHAPv2OpCode = chapChallenge
	EAPMSCHAPv2Response  EAPMSCHAPv2OpCode = chapResponse
	EAPMSCHAPv2Success   EAPMSCHAPv2OpCode = chapSuccess
	EAPMSCHAPv2Failure   EAPMSCHAPv2OpCode = chapFailure
)

// EAPOpaque is the data of a type that this package does not read. It is secret because for some types, such as GTC, it
// is a password.
type EAPOpaque struct {
	Type EAPType
	Data Secret
}

// EAPType implements [EAPData].
func (EAPIdentity) EAPType() EAPType { return EAPTypeIdentity }

// EAPType implements [EAPData].
func (EAPNotification) EAPType() EAPType { return EAPTypeNotification }

// EAPType implements [EAPData].
func (EAPNak) EAPType() EAPType { return EAPTypeNak }

// EAPType implements [EAPData].
func (EAPMD5Challenge) EAPType() EAPType { return EAPTypeMD5Challenge }

// EAPType implements [EAPData].
func (d EAPTLS) EAPType() EAPType { return d.Type }

// EAPType implements [EAPData].
func (EAPMSCHAPv2) EAPType() EAPType { return EAPTypeMSCHAPv2 }

// EAPType implements [EAPData].
func (d EAPOpaque) EAPType() EAPType { return d.Type }

func (d EAPIdentity) appendData(b []byte) ([]byte, error) { return append(b, d...), nil }

func (d EAPNotification) appendData(b []byte) ([]byte, error) { return append(b, d...), nil }

func (d EAPNak) appendData(b []byte) ([]byte, error) {
	for _, t := range d {
		b = append(b, byte(t))
	}
	return b, nil
}

func (d EAPMD5Challenge) appendData(b []byte) ([]byte, error) {
	value := d.Value.Reveal()
	if len(value) == 0 {
		return b, unencodable("Value of 0 octets")
	}
	p, err := appendCounted(b, "Value", value)
	if err != nil {
		return b, err
	}
	return append(p, d.Name...), nil
}

func (d EAPTLS) appendData(b []byte) ([]byte, error) {
	b = append(b, byte(d.Flags))
	if d.Flags&EAPTLSLengthIncluded != 0 {
		b = binary.BigEndian.AppendUint32(b, d.Length)
	}
	return append(b, d.Fragment...), nil
}

func (d EAPMSCHAPv2) appendData(b []byte) ([]byte, error) {
	var op EAPMSCHAPv2OpCode
	switch d.Message.(type) {
	case CHAPChallenge:
		op = EAPMSCHAPv2Challenge
	case CHAPResponse:
		op = EAPMSCHAPv2Response
	case CHAPSuccess:
		op = EAPMSCHAPv2Success
	case CHAPFailure:
		op = EAPMSCHAPv2Failure
	case nil:
		if d.OpCode == EAPMSCHAPv2Success || d.OpCode == EAPMSCHAPv2Failure {
			return append(b, byte(d.OpCode)), nil
		}
	}
	if d.OpCode == 0 || op != d.OpCode {
		return b, unencodable("EAP MSCHAPv2 %v with %T", d.OpCode, d.Message)
	}
	return d.Message.Append(b)
}

func (d EAPOpaque) appendData(b []byte) ([]byte, error) { return append(b, d.Data.Reveal()...), nil }

func parseEAPData(t EAPType, d []byte) (EAPData, error) {
	switch t {
	case EAPTypeIdentity:
		return EAPIdentity(d), nil
	case EAPTypeNotification:
		return EAPNotification(d), nil
	case EAPTypeNak:
		types := make(EAPNak, len(d))
		for i, v := range d {
			types[i] = EAPType(v)
		}
		return types, nil
	case EAPTypeMD5Challenge:
		return parseEAPMD5Challenge(d)
	case EAPTypeTLS, EAPTypePEAP, EAPTypeTTLS:
		return parseEAPTLS(t, d)
	case EAPTypeMSCHAPv2:
		return parseEAPMSCHAPv2(d)
	default:
		return EAPOpaque{t, NewSecret(d)}, nil
	}
}

func parseEAPMD5Challenge(d []byte) (EAPData, error) {
	const section = "RFC 3748, Section 5.4"
	if len(d) == 0 {
		return nil, &SyntaxError{section, "Length", 2, eapDataOffset}
	}
	value, name, ok := cutValue(d)
	if !ok {
		return nil, &SyntaxError{section, "Value-Size", eapDataOffset, d[0]}
	}
	return EAPMD5Challenge{NewSecret(value), string(name)}, nil
}

// parseEAPTLS takes an acknowledgement without flags (RFC 5216, Section 2.1.5: "no data") as one with none set.
func parseEAPTLS(t EAPType, d []byte) (EAPData, error) {
	m := EAPTLS{Type: t}
	if len(d) == 0 {
		return m, nil
	}
	m.Flags, m.Fragment = EAPTLSFlags(d[0]), d[1:]
	if m.Flags&EAPTLSLengthIncluded != 0 {
		if len(m.Fragment) < 4 {
			return nil, &SyntaxError{"RFC 5216, Section 3.1", "Length", 2, eapDataOffset + len(d)}
		}
		m.Length, m.Fragment = binary.BigEndian.Uint32(m.Fragment), m.Fragment[4:]
	}
	return m, nil
}

func parseEAPMSCHAPv2(d []byte) (EAPData, error) {
	const section = "draft-kamath-pppext-eap-mschapv2-02, Section 2"
	if len(d) == 0 {
		return nil, &SyntaxError{section, "Length", 2, eapDataOffset}
	}
	op := EAPMSCHAPv2OpCode(d[0])
	switch op {
	case EAPMSCHAPv2Success, EAPMSCHAPv2Failure:
		if len(d) == 1 {
			return EAPMSCHAPv2{OpCode: op}, nil
		}
	case EAPMSCHAPv2Challenge, EAPMSCHAPv2Response:
	default: // a change of the password
		return EAPOpaque{EAPTypeMSCHAPv2, NewSecret(d)}, nil
	}
	if len(d) < packetHeaderLen {
		return nil, &SyntaxError{section, "Length", 2, eapDataOffset + len(d)}
	}
	// MS-Length says again what EAP's Length has said. Some authenticators set it wrong and peers pass over that, so it
	// is heeded only where it can be right.
	if n := int(binary.BigEndian.Uint16(d[2:])); n >= packetHeaderLen && n < len(d) {
		d = d[:n]
	}
	m, err := parseCHAP(Packet{d[0], d[1], d[packetHeaderLen:]})
	if err != nil {
		if e := (*SyntaxError)(nil); errors.As(err, &e) {
			e.Offset += eapDataOffset
		}
		return nil, err
	}
	return EAPMSCHAPv2{op, m}, nil
}

// String returns the specification's name, or the number for a code that has none here.
func (c EAPMSCHAPv2OpCode) String() string {
	switch c {
	case EAPMSCHAPv2Challenge:
		return "Challenge"
	case EAPMSCHAPv2Response:
		return "Response"
	case EAPMSCHAPv2Success:
		return "Success"
	case EAPMSCHAPv2Failure:
		return "Failure"
	default:
		return fmt.Sprintf("OpCode %d", uint8(c))
	}
}
