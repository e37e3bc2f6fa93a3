package ppp

import "fmt"

// Protocol is the number that says what a frame carries (RFC 1661, Section 2; IANA, PPP DLL Protocol Numbers). The most
// significant octet is even and the least significant one odd.
type Protocol uint16

// Protocol numbers.
const (
	ProtocolIPv4           Protocol = 0x0021 // RFC 1332
	ProtocolVJCompressed   Protocol = 0x002d // Van Jacobson compressed TCP/IP: RFC 1332, Section 2.1
	ProtocolVJUncompressed Protocol = 0x002f // Van Jacobson uncompressed TCP/IP: RFC 1332, Section 2.1
	ProtocolMultilink      Protocol = 0x003d // RFC 1990
	ProtocolIPv6           Protocol = 0x0057 // RFC 5072
	ProtocolLinkCompressed Protocol = 0x00fb // compressed within one link of a bundle: RFC 1962, Section 2
	ProtocolCompressed     Protocol = 0x00fd // compressed, or encrypted by MPPE: RFC 1962, Section 2; RFC 3078, Section 3
	ProtocolIPCP           Protocol = 0x8021 // IP Control Protocol: RFC 1332
	ProtocolIPXCP          Protocol = 0x802b // IPX Control Protocol: RFC 1552
	ProtocolNBFCP          Protocol = 0x803f // NetBIOS Frames Control Protocol: RFC 2097
	ProtocolECP            Protocol = 0x8053 // Encryption Control Protocol: RFC 1968
	ProtocolIPV6CP         Protocol = 0x8057 // IPv6 Control Protocol: RFC 5072
	ProtocolCCP            Protocol = 0x80fd // Compression Control Protocol: RFC 1962
	ProtocolLCP            Protocol = 0xc021 // Link Control Protocol: RFC 1661
	ProtocolPAP            Protocol = 0xc023 // Password Authentication Protocol: RFC 1334
	ProtocolLQR            Protocol = 0xc025 // Link Quality Report: RFC 1989
	ProtocolSPAP           Protocol = 0xc027 // Shiva Password Authentication Protocol
	ProtocolCBCP           Protocol = 0xc029 // Callback Control Protocol: MS-CBCP
	ProtocolCHAP           Protocol = 0xc223 // Challenge Handshake Authentication Protocol: RFC 1994
	ProtocolEAP            Protocol = 0xc227 // Extensible Authentication Protocol: RFC 3748
)

// Borders within the numbers.
const (
	firstTwoOctet    = 0x0100 // below it the field can be compressed: RFC 1661, Section 6.5
	firstNCP         = 0x8000 // RFC 1661, Section 2
	firstLinkControl = 0xc000 // RFC 1661, Section 2
	reserved         = 0x00ff // would be taken for an address field: RFC 1661, Section 6.6
)

// String returns the usual name, or the number in hexadecimal for one that has none here.
func (p Protocol) String() string {
	switch p {
	case ProtocolIPv4:
		return "IPv4"
	case ProtocolVJCompressed:
		return "VJ compressed TCP/IP"
	case ProtocolVJUncompressed:
		return "VJ uncompressed TCP/IP"
	case ProtocolMultilink:
		return "multilink"
	case ProtocolIPv6:
		return "IPv6"
	case ProtocolLinkCompressed:
		return "link compressed"
	case ProtocolCompressed:
		return "compressed"
	case ProtocolIPCP:
		return "IPCP"
	case ProtocolIPXCP:
		return "IPXCP"
	case ProtocolNBFCP:
		return "NBFCP"
	case ProtocolECP:
		return "ECP"
	case ProtocolIPV6CP:
		return "IPV6CP"
	case ProtocolCCP:
		return "CCP"
	case ProtocolLCP:
		return "LCP"
	case ProtocolPAP:
		return "PAP"
	case ProtocolLQR:
		return "LQR"
	case ProtocolSPAP:
		return "SPAP"
	case ProtocolCBCP:
		return "CBCP"
	case ProtocolCHAP:
		return "CHAP"
	case ProtocolEAP:
		return "EAP"
	default:
		return fmt.Sprintf("0x%04x", uint16(p))
	}
}

// IsControl reports whether p controls the link or a network-layer protocol rather than carrying data (RFC 1661,
// Section 2). Between the opening of LCP and of a network control protocol nothing else may be sent.
func (p Protocol) IsControl() bool { return p >= firstNCP }

// isNCP reports whether p is a Network Control Protocol, all of which use LCP's packets.
func (p Protocol) isNCP() bool { return p >= firstNCP && p < firstLinkControl }
