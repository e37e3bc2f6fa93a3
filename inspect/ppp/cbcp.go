package ppp

import (
	"bytes"
	"fmt"
	"strings"
)

// CBCPCode is the kind of a message of the Callback Control Protocol (MS-CBCP 2.2.4).
type CBCPCode uint8

// Codes of CBCP.
const (
	CBCPRequest  CBCPCode = 1
	CBCPResponse CBCPCode = 2
	CBCPAck      CBCPCode = 3
)

// String returns the specification's name, or the number for a code that has none.
func (c CBCPCode) String() string {
	switch c {
	case CBCPRequest:
		return "Callback-Request"
	case CBCPResponse:
		return "Callback-Response"
	case CBCPAck:
		return "Callback-Ack"
	default:
		return fmt.Sprintf("code %d", uint8(c))
	}
}

// CBCP is a message of the Callback Control Protocol. Over SSTP a Windows server offers no callback and its client takes
// that, which costs one round trip after authentication.
type CBCP struct {
	Code       CBCPCode
	Identifier uint8
	Options    []Option // CallbackOption or RawOption
}

// Append implements [Message].
func (m CBCP) Append(b []byte) ([]byte, error) {
	if m.Code < CBCPRequest || m.Code > CBCPAck {
		return b, unencodable("CBCP with %v", m.Code)
	}
	return appendOptionsPacket(b, uint8(m.Code), m.Identifier, m.Options)
}

func parseCBCP(pkt Packet) (Message, error) {
	c := CBCPCode(pkt.Code)
	if c < CBCPRequest || c > CBCPAck {
		return pkt, nil
	}
	options, err := parseOptions(ProtocolCBCP, pkt.Data)
	return CBCP{c, pkt.Identifier, options}, err
}

// CallbackType is the type of an option of CBCP.
type CallbackType uint8

// Types of callback.
const (
	NoCallback            CallbackType = 1
	CallbackToUserNumber  CallbackType = 2 // the user says which number
	CallbackToAdminNumber CallbackType = 3 // the server knows the number
	CallbackToListNumber  CallbackType = 4 // the user chooses from a list
)

var cbcpOptionNames = map[uint8]string{
	uint8(NoCallback):            "No callback",
	uint8(CallbackToUserNumber):  "Callback to a user-specified number",
	uint8(CallbackToAdminNumber): "Callback to an administrator-defined number",
	uint8(CallbackToListNumber):  "Callback to any of a list of numbers",
}

// String returns the specification's name, or the number for a type that has none.
func (t CallbackType) String() string { return OptionName(ProtocolCBCP, uint8(t)) }

// CallbackOption is an option of CBCP (MS-CBCP 2.2).
type CallbackOption struct {
	Type      CallbackType
	Delay     uint8 // seconds until the call; NoCallback need not have the field, which is then 0
	Addresses []CallbackAddress
}

// CallbackAddress is a "Callback Address" field.
type CallbackAddress struct {
	Type    uint8  // 1: PSTN or ISDN
	Address string // a number to dial, without the NUL that ends it on the wire
}

// OptionType implements [Option].
func (o CallbackOption) OptionType() uint8 { return uint8(o.Type) }

func (o CallbackOption) appendData(b []byte) ([]byte, error) {
	if o.Type == NoCallback && o.Delay == 0 && len(o.Addresses) == 0 {
		return b, nil
	}
	p := append(b, o.Delay)
	for _, a := range o.Addresses {
		if strings.IndexByte(a.Address, 0) >= 0 {
			return b, unencodable("Callback Address %q", a.Address)
		}
		p = append(append(append(p, a.Type), a.Address...), 0)
	}
	return p, nil
}

func parseCBCPOption(t uint8, d []byte) Option {
	o := CallbackOption{Type: CallbackType(t)}
	if o.Type < NoCallback || o.Type > CallbackToListNumber {
		return nil
	}
	if len(d) == 0 {
		if o.Type == NoCallback {
			return o
		}
		return nil
	}
	o.Delay = d[0]
	for d = d[1:]; len(d) > 0; {
		end := bytes.IndexByte(d[1:], 0)
		if end < 0 {
			return nil
		}
		o.Addresses = append(o.Addresses, CallbackAddress{d[0], string(d[1 : 1+end])})
		d = d[1+end+1:]
	}
	return o
}
