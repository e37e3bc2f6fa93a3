package ppp

import "fmt"

// EAPCode is the kind of an EAP packet (RFC 3748, Section 4).
type EAPCode uint8

// Codes of EAP.
const (
	EAPRequest  EAPCode = 1
	EAPResponse EAPCode = 2
	EAPSuccess  EAPCode = 3
	EAPFailure  EAPCode = 4
)

// String returns the specification's name, or the number for a code that has none here.
func (c EAPCode) String() string {
	switch c {
	case EAPRequest:
		return "Request"
	case EAPResponse:
		return "Response"
	case EAPSuccess:
		return "Success"
	case EAPFailure:
		return "Failure"
	default:
		return fmt.Sprintf("code %d", uint8(c))
	}
}

// EAPType is the "Type" field of a Request or Response (RFC 3748, Section 5; IANA, EAP Method Types).
type EAPType uint8

// Types of EAP.
const (
	EAPTypeIdentity     EAPType = 1  // RFC 3748, Section 5.1
	EAPTypeNotification EAPType = 2  // RFC 3748, Section 5.2
	EAPTypeNak          EAPType = 3  // RFC 3748, Section 5.3.1
	EAPTypeMD5Challenge EAPType = 4  // RFC 3748, Section 5.4
	EAPTypeOTP          EAPType = 5  // RFC 3748, Section 5.5
	EAPTypeGTC          EAPType = 6  // RFC 3748, Section 5.6
	EAPTypeTLS          EAPType = 13 // RFC 5216
	EAPTypeSIM          EAPType = 18 // RFC 4186
	EAPTypeTTLS         EAPType = 21 // RFC 5281
	EAPTypeAKA          EAPType = 23 // RFC 4187
	EAPTypePEAP         EAPType = 25 // MS-PEAP
	EAPTypeMSCHAPv2     EAPType = 26 // draft-kamath-pppext-eap-mschapv2-02
	EAPTypeFAST         EAPType = 43 // RFC 4851
	EAPTypeAKAPrime     EAPType = 50 // RFC 9048
	EAPTypePWD          EAPType = 52 // RFC 5931
	EAPTypeTEAP         EAPType = 55 // RFC 7170
	EAPTypeExpanded     EAPType = 254
)

// String returns the method's usual name, or the number for a type that has none here.
func (t EAPType) String() string {
	switch t {
	case EAPTypeIdentity:
		return "Identity"
	case EAPTypeNotification:
		return "Notification"
	case EAPTypeNak:
		return "Nak"
	case EAPTypeMD5Challenge:
		return "MD5-Challenge"
	case EAPTypeOTP:
		return "OTP"
	case EAPTypeGTC:
		return "GTC"
	case EAPTypeTLS:
		return "TLS"
	case EAPTypeSIM:
		return "SIM"
	case EAPTypeTTLS:
		return "TTLS"
	case EAPTypeAKA:
		return "AKA"
	case EAPTypePEAP:
		return "PEAP"
	case EAPTypeMSCHAPv2:
		return "MSCHAPv2"
	case EAPTypeFAST:
		return "FAST"
	case EAPTypeAKAPrime:
		return "AKA'"
	case EAPTypePWD:
		return "PWD"
	case EAPTypeTEAP:
		return "TEAP"
	case EAPTypeExpanded:
		return "expanded"
	default:
		return fmt.Sprintf("type %d", uint8(t))
	}
}

// EAP is an EAP packet (RFC 3748, Section 4). Requests and responses have a type and its data after the header:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Code      |  Identifier   |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |  Type-Data ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
type EAP struct {
	Code       EAPCode
	Identifier uint8
	Data       EAPData // nil in a Success or Failure, never in a Request or Response
}

// Append implements [Message].
func (m EAP) Append(b []byte) ([]byte, error) {
	p := beginPacket(b, uint8(m.Code), m.Identifier)
	switch m.Code {
	case EAPRequest, EAPResponse:
		if m.Data == nil {
			return b, unencodable("EAP %v without data", m.Code)
		}
		var err error
		if p, err = m.Data.appendData(append(p, byte(m.Data.EAPType()))); err != nil {
			return b, err
		}
	case EAPSuccess, EAPFailure:
		if m.Data != nil {
			return b, unencodable("EAP %v with data", m.Code)
		}
	default:
		return b, unencodable("EAP with %v", m.Code)
	}
	return finishPacket(p, len(b))
}

// parseEAP passes over what follows the header of a Success or Failure, as pppd does; some authenticators add text.
func parseEAP(pkt Packet) (Message, error) {
	m := EAP{Code: EAPCode(pkt.Code), Identifier: pkt.Identifier}
	switch m.Code {
	case EAPRequest, EAPResponse:
		if len(pkt.Data) == 0 {
			return nil, tooShort(pkt, "RFC 3748, Section 4.1")
		}
		var err error
		m.Data, err = parseEAPData(EAPType(pkt.Data[0]), pkt.Data[1:])
		if err != nil {
			return nil, err
		}
	case EAPSuccess, EAPFailure:
	default:
		return pkt, nil
	}
	return m, nil
}
