package ppp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

const (
	optionIPCompressionProtocol = 2  // IPCP
	optionInterfaceIdentifier   = 1  // IPV6CP
	optionMPPE                  = 18 // CCP
)

var ipcpOptionNames = map[uint8]string{
	1:                           "IP-Addresses", // deprecated by RFC 1332, Section 3.1
	optionIPCompressionProtocol: "IP-Compression-Protocol",
	uint8(IPAddress):            "IP-Address",
	4:                           "Mobile-IPv4",
	uint8(PrimaryDNS):           "Primary-DNS-Address",
	uint8(PrimaryNBNS):          "Primary-NBNS-Address",
	uint8(SecondaryDNS):         "Secondary-DNS-Address",
	uint8(SecondaryNBNS):        "Secondary-NBNS-Address",
}

var ipv6cpOptionNames = map[uint8]string{
	optionInterfaceIdentifier: "Interface-Identifier",
	2:                         "IPv6-Compression-Protocol",
}

var ccpOptionNames = map[uint8]string{
	0:          "OUI",
	1:          "Predictor type 1",
	2:          "Predictor type 2",
	17:         "Stac LZS",
	optionMPPE: "MPPC/MPPE",
	21:         "BSD Compress",
	26:         "Deflate",
}

// IPCompressionProtocol is the IP-Compression-Protocol option of IPCP for Van Jacobson compression (RFC 1332,
// Section 4.1).
type IPCompressionProtocol struct {
	MaxSlotID  uint8 // one less than the number of slots
	CompSlotID bool  // the slot identifier may be compressed
}

// OptionType implements [Option].
func (IPCompressionProtocol) OptionType() uint8 { return optionIPCompressionProtocol }

func (o IPCompressionProtocol) appendData(b []byte) ([]byte, error) {
	b = append(binary.BigEndian.AppendUint16(b, uint16(ProtocolVJCompressed)), o.MaxSlotID, 0)
	if o.CompSlotID {
		b[len(b)-1] = 1
	}
	return b, nil
}

// IPCPAddressType says what an address of IPCP is for. It is the option's type.
type IPCPAddressType uint8

// Types of addresses.
const (
	IPAddress     IPCPAddressType = 3   // the sender's own: RFC 1332, Section 3.3
	PrimaryDNS    IPCPAddressType = 129 // RFC 1877, Section 1.1
	PrimaryNBNS   IPCPAddressType = 130 // RFC 1877, Section 1.2
	SecondaryDNS  IPCPAddressType = 131 // RFC 1877, Section 1.3
	SecondaryNBNS IPCPAddressType = 132 // RFC 1877, Section 1.4
)

// String returns the option's name.
func (t IPCPAddressType) String() string { return OptionName(ProtocolIPCP, uint8(t)) }

// IPCPAddress is the IP-Address option of IPCP or one of the name server options. In a request 0.0.0.0 asks the peer
// for an address.
type IPCPAddress struct {
	Type IPCPAddressType
	Addr netip.Addr // IPv4
}

// OptionType implements [Option].
func (o IPCPAddress) OptionType() uint8 { return uint8(o.Type) }

func (o IPCPAddress) appendData(b []byte) ([]byte, error) {
	if !o.Addr.Is4() {
		return b, unencodable("%v %v", o.Type, o.Addr)
	}
	return append(b, o.Addr.AsSlice()...), nil
}

// InterfaceIdentifier is the Interface-Identifier option of IPV6CP (RFC 5072, Section 4.1). In a request zero asks the
// peer for an identifier.
type InterfaceIdentifier [8]byte

// OptionType implements [Option].
func (InterfaceIdentifier) OptionType() uint8 { return optionInterfaceIdentifier }

func (o InterfaceIdentifier) appendData(b []byte) ([]byte, error) { return append(b, o[:]...), nil }

// LinkLocal returns the link-local address that the identifier makes (RFC 5072, Section 5).
func (o InterfaceIdentifier) LinkLocal() netip.Addr {
	a := [16]byte{0xfe, 0x80}
	copy(a[8:], o[:])
	return netip.AddrFrom16(a)
}

// String returns four groups of hexadecimal digits: "028a:8d2e:ce1a:843f".
func (o InterfaceIdentifier) String() string {
	return fmt.Sprintf("%x:%x:%x:%x", o[:2], o[2:4], o[4:6], o[6:])
}

// MPPE is the option of CCP that negotiates Microsoft's compression and encryption: its "Supported Bits" (RFC 2118,
// Section 2; RFC 3078, Section 2).
type MPPE uint32

// Supported bits.
const (
	MPPEStateless MPPE = 0x01000000 // H: the key changes with every packet
	MPPE56Bit     MPPE = 0x00000080 // M
	MPPE128Bit    MPPE = 0x00000040 // S
	MPPE40Bit     MPPE = 0x00000020 // L
	MPPEObsolete  MPPE = 0x00000010 // D
	MPPC          MPPE = 0x00000001 // C: compression
)

// OptionType implements [Option].
func (MPPE) OptionType() uint8 { return optionMPPE }

func (o MPPE) appendData(b []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint32(b, uint32(o)), nil
}

// String lists the bits that are set, those without a name as one hexadecimal number: "stateless 128-bit".
func (o MPPE) String() string {
	var words []string
	for _, bit := range []struct {
		mask MPPE
		name string
	}{
		{MPPEStateless, "stateless"},
		{MPPE56Bit, "56-bit"},
		{MPPE128Bit, "128-bit"},
		{MPPE40Bit, "40-bit"},
		{MPPEObsolete, "obsolete"},
		{MPPC, "MPPC"},
	} {
		if o&bit.mask != 0 {
			words = append(words, bit.name)
			o &^= bit.mask
		}
	}
	if o != 0 || len(words) == 0 {
		words = append(words, fmt.Sprintf("0x%x", uint32(o)))
	}
	return strings.Join(words, " ")
}

func parseIPCPOption(t uint8, d []byte) Option {
	if len(d) != 4 {
		return nil
	}
	switch t {
	case optionIPCompressionProtocol:
		if Protocol(binary.BigEndian.Uint16(d)) == ProtocolVJCompressed && d[3] <= 1 {
			return IPCompressionProtocol{d[2], d[3] == 1}
		}
	case uint8(IPAddress), uint8(PrimaryDNS), uint8(PrimaryNBNS), uint8(SecondaryDNS), uint8(SecondaryNBNS):
		return IPCPAddress{IPCPAddressType(t), netip.AddrFrom4([4]byte(d))}
	}
	return nil
}

func parseIPV6CPOption(t uint8, d []byte) Option {
	if t == optionInterfaceIdentifier && len(d) == 8 {
		return InterfaceIdentifier(d)
	}
	return nil
}

func parseCCPOption(t uint8, d []byte) Option {
	if t == optionMPPE && len(d) == 4 {
		return MPPE(binary.BigEndian.Uint32(d))
	}
	return nil
}
