package ppp

import (
	"encoding/binary"
	"fmt"
)

// Option types of LCP.
const (
	optionMRU                               = 1
	optionACCM                              = 2
	optionAuthenticationProtocol            = 3
	optionMagicNumber                       = 5
	optionProtocolFieldCompression          = 7
	optionAddressAndControlFieldCompression = 8
	optionCallback                          = 13
	optionMRRU                              = 17
	optionEndpointDiscriminator             = 19
)

var lcpOptionNames = map[uint8]string{
	optionMRU:                               "Maximum-Receive-Unit",
	optionACCM:                              "Async-Control-Character-Map",
	optionAuthenticationProtocol:            "Authentication-Protocol",
	4:                                       "Quality-Protocol",
	optionMagicNumber:                       "Magic-Number",
	optionProtocolFieldCompression:          "Protocol-Field-Compression",
	optionAddressAndControlFieldCompression: "Address-and-Control-Field-Compression",
	9:                                       "FCS-Alternatives",
	10:                                      "Self-Describing-Pad",
	11:                                      "Numbered-Mode",
	optionCallback:                          "Callback",
	15:                                      "Compound-Frames",
	optionMRRU:                              "Multilink-MRRU",
	18:                                      "Multilink-Short-Sequence-Number-Header",
	optionEndpointDiscriminator:             "Multilink-Endpoint-Discriminator",
	23:                                      "Link-Discriminator",
}

// MRU is the Maximum-Receive-Unit option (RFC 1661, Section 6.1): the largest payload, in octets, that the sender takes.
// SSTP's own limit is 4091.
type MRU uint16

// ACCM is the Async-Control-Character-Map option (RFC 1662, Section 7.1). SSTP escapes nothing; pppd negotiates it
// nevertheless.
type ACCM uint32

// AuthenticationProtocol is the Authentication-Protocol option (RFC 1661, Section 6.2): how the sender wants its peer to
// authenticate itself.
type AuthenticationProtocol struct {
	Protocol  Protocol      // ProtocolPAP, ProtocolCHAP, ProtocolEAP or another
	Algorithm CHAPAlgorithm // for ProtocolCHAP only
}

// MagicNumber is the Magic-Number option (RFC 1661, Section 6.4).
type MagicNumber uint32

// ProtocolFieldCompression is the option of that name (RFC 1661, Section 6.5): the sender takes frames with [Frame.PFC].
type ProtocolFieldCompression struct{}

// AddressAndControlFieldCompression is the option of that name (RFC 1661, Section 6.6): the sender takes frames with
// [Frame.ACFC].
type AddressAndControlFieldCompression struct{}

// Callback is the Callback option (RFC 1570, Section 2.3).
type Callback struct {
	Operation CallbackOperation
	Message   string // its form depends on the operation
}

// MRRU is the Multilink Maximum Received Reconstructed Unit option (RFC 1990, Section 5.1.1), in octets.
type MRRU uint16

// EndpointDiscriminator is the option of that name (RFC 1990, Section 5.1.3). It tells the system that sends it from
// others.
type EndpointDiscriminator struct {
	Class   EndpointClass
	Address []byte // at most 20 octets by the specification, which is not checked
}

// OptionType implements [Option].
func (MRU) OptionType() uint8 { return optionMRU }

// OptionType implements [Option].
func (ACCM) OptionType() uint8 { return optionACCM }

// OptionType implements [Option].
func (AuthenticationProtocol) OptionType() uint8 { return optionAuthenticationProtocol }

// OptionType implements [Option].
func (MagicNumber) OptionType() uint8 { return optionMagicNumber }

// OptionType implements [Option].
func (ProtocolFieldCompression) OptionType() uint8 { return optionProtocolFieldCompression }

// OptionType implements [Option].
func (AddressAndControlFieldCompression) OptionType() uint8 {
	return optionAddressAndControlFieldCompression
}

// OptionType implements [Option].
func (Callback) OptionType() uint8 { return optionCallback }

// OptionType implements [Option].
func (MRRU) OptionType() uint8 { return optionMRRU }

// OptionType implements [Option].
func (EndpointDiscriminator) OptionType() uint8 { return optionEndpointDiscriminator }

func (o MRU) appendData(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint16(b, uint16(o)), nil
}

func (o ACCM) appendData(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(b, uint32(o)), nil
}

func (o AuthenticationProtocol) appendData(b []byte) ([]byte, error) {
	p := binary.BigEndian.AppendUint16(b, uint16(o.Protocol))
	if o.Protocol == ProtocolCHAP {
		return append(p, byte(o.Algorithm)), nil
	}
	if o.Algorithm != 0 {
		return b, unencodable("Authentication-Protocol %v with algorithm %v", o.Protocol, o.Algorithm)
	}
	return p, nil
}

func (o MagicNumber) appendData(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(b, uint32(o)), nil
}

func (ProtocolFieldCompression) appendData(b []byte) ([]byte, error) { return b, nil }

func (AddressAndControlFieldCompression) appendData(b []byte) ([]byte, error) { return b, nil }

func (o Callback) appendData(b []byte) ([]byte, error) {
	return append(append(b, byte(o.Operation)), o.Message...), nil
}

func (o MRRU) appendData(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint16(b, uint16(o)), nil
}

func (o EndpointDiscriminator) appendData(b []byte) ([]byte, error) {
	return append(append(b, byte(o.Class)), o.Address...), nil
}

func parseLCPOption(t uint8, d []byte) Option {
	switch {
	case t == optionMRU && len(d) == 2:
		return MRU(binary.BigEndian.Uint16(d))
	case t == optionACCM && len(d) == 4:
		return ACCM(binary.BigEndian.Uint32(d))
	case t == optionAuthenticationProtocol && len(d) >= 2:
		p := Protocol(binary.BigEndian.Uint16(d))
		if p == ProtocolCHAP && len(d) == 3 {
			return AuthenticationProtocol{p, CHAPAlgorithm(d[2])}
		}
		if p != ProtocolCHAP && len(d) == 2 {
			return AuthenticationProtocol{Protocol: p}
		}
	case t == optionMagicNumber && len(d) == 4:
		return MagicNumber(binary.BigEndian.Uint32(d))
	case t == optionProtocolFieldCompression && len(d) == 0:
		return ProtocolFieldCompression{}
	case t == optionAddressAndControlFieldCompression && len(d) == 0:
		return AddressAndControlFieldCompression{}
	case t == optionCallback && len(d) >= 1:
		return Callback{CallbackOperation(d[0]), string(d[1:])}
	case t == optionMRRU && len(d) == 2:
		return MRRU(binary.BigEndian.Uint16(d))
	case t == optionEndpointDiscriminator && len(d) >= 1:
		return EndpointDiscriminator{EndpointClass(d[0]), d[1:]}
	}
	return nil
}

// String returns the protocol's name and, for CHAP, the algorithm's: "PAP", "CHAP MS-CHAP-V2".
func (o AuthenticationProtocol) String() string {
	if o.Protocol == ProtocolCHAP {
		return fmt.Sprintf("%v %v", o.Protocol, o.Algorithm)
	}
	return o.Protocol.String()
}

// CallbackOperation is the "Operation" field of the Callback option (RFC 1570, Section 2.3).
type CallbackOperation uint8

// Callback operations.
const (
	CallbackByAuthentication CallbackOperation = 0 // the location follows from the user
	CallbackDialingString    CallbackOperation = 1
	CallbackLocation         CallbackOperation = 2
	CallbackE164             CallbackOperation = 3
	CallbackX500             CallbackOperation = 4
	CallbackCBCP             CallbackOperation = 6 // the location is negotiated with CBCP: MS-CBCP 2.2.1
)

// String returns a short name, or the number for an operation that has none here.
func (o CallbackOperation) String() string {
	switch o {
	case CallbackByAuthentication:
		return "user authentication"
	case CallbackDialingString:
		return "dialing string"
	case CallbackLocation:
		return "location identifier"
	case CallbackE164:
		return "E.164 number"
	case CallbackX500:
		return "X.500 distinguished name"
	case CallbackCBCP:
		return "CBCP"
	default:
		return fmt.Sprintf("operation %d", uint8(o))
	}
}

// EndpointClass is the "Class" field of the Endpoint-Discriminator option (RFC 1990, Section 5.1.3).
type EndpointClass uint8

// Classes of endpoint discriminators.
const (
	EndpointNull            EndpointClass = 0
	EndpointLocal           EndpointClass = 1 // locally assigned
	EndpointIP              EndpointClass = 2
	EndpointMAC             EndpointClass = 3 // globally assigned IEEE 802.1 address
	EndpointMagicNumbers    EndpointClass = 4 // PPP Magic-Number Block
	EndpointDirectoryNumber EndpointClass = 5 // Public Switched Network
)

// String returns a short name, or the number for a class that has none here.
func (c EndpointClass) String() string {
	switch c {
	case EndpointNull:
		return "null"
	case EndpointLocal:
		return "local"
	case EndpointIP:
		return "IP"
	case EndpointMAC:
		return "MAC"
	case EndpointMagicNumbers:
		return "magic numbers"
	case EndpointDirectoryNumber:
		return "directory number"
	default:
		return fmt.Sprintf("class %d", uint8(c))
	}
}
