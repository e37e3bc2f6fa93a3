package ppp

import "fmt"

// optionHeaderLen is the size in octets of the fields before an option's data.
const optionHeaderLen = 2

// An Option is a Configuration Option (RFC 1661, Section 6), of a [Configure] message or of a [CBCP] one.
//
//	 0                   1
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |    Length     |  Data ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// Its types are the value types of this package that have these methods:
//
//   - LCP: [MRU], [ACCM], [AuthenticationProtocol], [MagicNumber], [ProtocolFieldCompression],
//     [AddressAndControlFieldCompression], [Callback], [MRRU], [EndpointDiscriminator]
//   - IPCP: [IPCompressionProtocol], [IPCPAddress]
//   - IPV6CP: [InterfaceIdentifier]
//   - CCP: [MPPE]
//   - CBCP: [CallbackOption]
//   - anywhere: [RawOption], for another type, or for one of the above whose data has not the form of its type, which a
//     peer may answer but not drop
type Option interface {
	// OptionType is the "Type" field. Each protocol counts its own; see [OptionName].
	OptionType() uint8

	// appendData appends the "Data" field to b.
	appendData(b []byte) ([]byte, error)
}

// RawOption is an option as it stands in the packet.
type RawOption struct {
	Type uint8
	Data []byte
}

// OptionType implements [Option].
func (o RawOption) OptionType() uint8 { return o.Type }

func (o RawOption) appendData(b []byte) ([]byte, error) { return append(b, o.Data...), nil }

// parseOptions parses all of b, the data of a packet of protocol p.
func parseOptions(p Protocol, b []byte) ([]Option, error) {
	var options []Option
	parse := optionParsers[p]
	for offset := packetHeaderLen; len(b) > 0; {
		if len(b) < optionHeaderLen {
			return nil, &SyntaxError{"RFC 1661, Section 6", "Type", offset, b[0]}
		}
		n := int(b[1])
		if n < optionHeaderLen || n > len(b) {
			return nil, &SyntaxError{"RFC 1661, Section 6", "Length", offset + 1, n}
		}
		var o Option
		if parse != nil {
			o = parse(b[0], b[optionHeaderLen:n:n])
		}
		if o == nil {
			o = RawOption{b[0], b[optionHeaderLen:n:n]}
		}
		options = append(options, o)
		b = b[n:]
		offset += n
	}
	return options, nil
}

// optionParsers return nil for what they cannot read.
var optionParsers = map[Protocol]func(t uint8, data []byte) Option{
	ProtocolLCP:    parseLCPOption,
	ProtocolIPCP:   parseIPCPOption,
	ProtocolIPV6CP: parseIPV6CPOption,
	ProtocolCCP:    parseCCPOption,
	ProtocolCBCP:   parseCBCPOption,
}

// appendOptionsPacket appends a packet whose data is a list of options.
func appendOptionsPacket(b []byte, code, identifier uint8, options []Option) ([]byte, error) {
	p := beginPacket(b, code, identifier)
	for _, o := range options {
		start := len(p)
		var err error
		if p, err = o.appendData(append(p, o.OptionType(), 0)); err != nil {
			return b, err
		}
		n := len(p) - start
		if n > 0xff {
			return b, unencodable("option %d of %d octets", o.OptionType(), n)
		}
		p[start+1] = byte(n)
	}
	return finishPacket(p, len(b))
}

// optionNames follows IANA's registries of option types.
var optionNames = map[Protocol]map[uint8]string{
	ProtocolLCP:    lcpOptionNames,
	ProtocolIPCP:   ipcpOptionNames,
	ProtocolIPV6CP: ipv6cpOptionNames,
	ProtocolCCP:    ccpOptionNames,
	ProtocolCBCP:   cbcpOptionNames,
}

// OptionName returns the specification's name of option t of protocol p, or the number for one that has none here.
func OptionName(p Protocol, t uint8) string {
	name := optionNames[p][t]
	if name == "" {
		return fmt.Sprintf("option %d", t)
	}
	return name
}
