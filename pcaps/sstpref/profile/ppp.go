package profile

import (
	"net/netip"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// PPP is how an end speaks PPP.
type PPP struct {
	// LCP, IPCP, IPV6CP and CCP are the options of the first Configure-Request, in
	// order; nil for a protocol that it does not speak. A MagicNumber of 0 and an
	// InterfaceIdentifier of 0 stand for ones to be made up; on a server, 0.0.0.0
	// stands for its own address and an AuthenticationProtocol for that of the
	// method which it asks for.
	LCP, IPCP, IPV6CP, CCP []ppp.Option
	// CBCP: callback by CBCP is agreed to where the client asks for it. After
	// authentication a server then offers none, and a client takes that (MS-CBCP).
	CBCP bool
	// RejectLCP and RejectIPCP are types of options that it answers with a
	// Configure-Reject, beside those that are not known at all and name servers
	// that a server has none of.
	RejectLCP, RejectIPCP []uint8
	// MaxMRU is the largest MRU that it lets its peer have: a larger one gets a
	// Configure-Nak with this. 0 is no limit.
	MaxMRU ppp.MRU
	// MTU is the largest IP packet that it sends, 0 for what the peer takes.
	MTU int
	// Methods are those that it does. A server asks for the first, and a client
	// proposes the first in place of one that it does not do.
	Methods []pppauth.Method

	// Passive: LCP waits for the peer's first Configure-Request.
	Passive bool
	// IPv6First: IPV6CP's first request goes out before IPCP's.
	IPv6First bool
	// FirstIdentifier is that of the first request of each protocol, -1 for one to be
	// made up. SharedIdentifiers: all protocols count on from one another.
	FirstIdentifier   int
	SharedIdentifiers bool
	// FullHeaders: the address and control fields and two octets of protocol stand
	// before each frame, whatever was agreed on.
	FullHeaders bool
	// ShortLCP: LCP's Identification and Protocol-Reject go without address and
	// control fields where that was agreed on, against RFC 1661, Section 6.6.
	ShortLCP bool
	// RejectProtocolOnly: an LCP Protocol-Reject names the protocol and holds
	// nothing of the packet.
	RejectProtocolOnly bool
	// RestartTimer is how long it waits for an answer (RFC 1661, Section 4.6).
	RestartTimer time.Duration

	// LCPEcho is when it sends Echo-Requests.
	LCPEcho EchoTimer
	// LCPEchoData follows the magic number in its Echo-Requests. Its Echo-Replies
	// have the request's data, or LCPEchoReplyData if that is not empty.
	LCPEchoData, LCPEchoReplyData string
	// TerminateData returns what its Terminate-Requests hold, given its magic
	// number. Nil is a text that says why, as from pppd.
	TerminateData func(magic uint32) []byte
	// CopyTerminateData: its Terminate-Acks repeat the request's data.
	CopyTerminateData bool
}

// defaultRestart is the default of the Restart timer (RFC 1661, Section 4.6).
const defaultRestart = 3 * time.Second

// authentication stands in a server's LCP options where the method is asked for.
var authentication = ppp.AuthenticationProtocol{Protocol: ppp.ProtocolCHAP, Algorithm: ppp.CHAPMSCHAPv2}

// every is an echo after each d without a packet.
func every(d time.Duration, misses int) EchoTimer { return EchoTimer{Min: d, Max: d, Misses: misses} }

// allMethods are the methods, the strongest first.
func allMethods() []pppauth.Method {
	return []pppauth.Method{pppauth.EAPTLS, pppauth.EAPMSCHAPv2, pppauth.MSCHAPv2, pppauth.CHAPMD5, pppauth.PAP}
}

// noTerminateData leaves Terminate-Requests empty.
func noTerminateData(uint32) []byte { return nil }

// passwordMethods are those of implementations without EAP.
func passwordMethods() []pppauth.Method {
	return []pppauth.Method{pppauth.MSCHAPv2, pppauth.CHAPMD5, pppauth.PAP}
}

// addresses are options of IPCP that ask for an address each.
func addresses(types ...ppp.IPCPAddressType) []ppp.Option {
	options := make([]ppp.Option, 0, len(types))
	for _, t := range types {
		options = append(options, ppp.IPCPAddress{Type: t, Addr: netip.IPv4Unspecified()})
	}
	return options
}

// Types of options that are often refused.
const (
	lcpACCM          = 2  // RFC 1662, Section 7.1
	lcpMagicNumber   = 5  // RFC 1661, Section 6.4
	lcpPFC           = 7  // RFC 1661, Section 6.5
	lcpACFC          = 8  // RFC 1661, Section 6.6
	lcpCallback      = 13 // RFC 1570, Section 2.3
	lcpMRRU          = 17 // RFC 1990, Section 5.1.1
	lcpEndpoint      = 19 // RFC 1990, Section 5.1.3
	ipcpCompression  = 2  // RFC 1332, Section 3.2
	ipcpPrimaryNBNS  = uint8(ppp.PrimaryNBNS)
	ipcpSecondaryDNS = uint8(ppp.SecondaryDNS)
	ipcpLastNBNS     = uint8(ppp.SecondaryNBNS)
)
