package pppref

import (
	"net/netip"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
	"sstpwarden/pcaps/pppref/pppauth"
)

// An Event is news of a [Link]: [LCPUp], [Authenticated], [AuthenticationFailed],
// [IPv4Up], [IPv6Up], [NetworkDown], [Identified], [Remaining], [Terminating] or
// [Down].
type Event interface{ event() }

// LCPUp says that LCP is open. It comes again after a renegotiation, and what follows
// it then too.
type LCPUp struct {
	Method    pppauth.Method // what was agreed on to authenticate with, in EAP the first of them; 0 for nothing
	Magic     uint32         // this end's Magic-Number, 0 for none
	PeerMRU   int            // octets of payload that the peer takes
	ACFC, PFC bool           // the peer takes frames without address and control, with one octet of protocol
}

// Authenticated says that authentication has succeeded. The client's SSTP sends its
// Call Connected on it: the network protocols begin only after Event has returned.
type Authenticated struct {
	Name   string         // the user's
	Method pppauth.Method // what NewParty was asked for, 0 if the link does without
	HLAK   sstp.HLAK      // zero where the method makes no keys
}

// AuthenticationFailed says that authentication has failed. Terminating follows.
type AuthenticationFailed struct {
	Name   string // as claimed, "" if it did not come to that
	Method pppauth.Method
	Err    error
}

// Addresses are those of both ends of a link.
type Addresses struct {
	// Local and Peer are this end's IPv4 address and the other end's. On a server an
	// invalid Peer says that this user gets no IPv4, an invalid Local that the server
	// does not tell its own; on a client, Peer is invalid where the server did not.
	Local, Peer netip.Addr
	// DNS and NBNS are the client's name servers, IPv4, two at most.
	DNS, NBNS []netip.Addr
	// LocalInterface and PeerInterface are interface identifiers. Zero ones that a
	// server assigns are made up, the peer's only if it does not bring one.
	LocalInterface, PeerInterface ppp.InterfaceIdentifier
}

// IPv4Up says that IPCP is open. Of the Addresses, those of IPv4 are valid.
type IPv4Up struct{ Addresses }

// IPv6Up says that IPV6CP is open. Of the Addresses, the identifiers are valid.
type IPv6Up struct{ Addresses }

// NetworkDown says that a network protocol is not open any more, or will not open.
// The link may live on with another one.
type NetworkDown struct {
	Protocol ppp.Protocol // IPCP or IPV6CP
	Err      error        // an *Error, or nil if LCP is being renegotiated or ended
}

// Identified is an LCP Identification of the peer.
type Identified struct {
	Message string // the peer's own, unchecked; Windows' third is not text but a GUID
}

// Remaining is an LCP Time-Remaining of the peer.
type Remaining struct {
	Seconds uint32 // 0xffffffff: for ever
	Message string // the peer's own, unchecked
}

// Terminating says that the link is being ended: no data may pass any more, and
// Down follows after the peer's Terminate-Ack, or after it has not come. If the peer
// ended the link, it has got its Terminate-Ack when the call returns that the event
// comes from: there is no need to wait for Down, which is for a peer to whom the
// Ack was lost.
type Terminating struct {
	Err error // an *Error; nil if Close was called
}

// Down is a link's last event. The link then does nothing more.
type Down struct {
	Err error // an *Error; nil if Close was called
}

func (LCPUp) event()                {}
func (Authenticated) event()        {}
func (AuthenticationFailed) event() {}
func (IPv4Up) event()               {}
func (IPv6Up) event()               {}
func (NetworkDown) event()          {}
func (Identified) event()           {}
func (Remaining) event()            {}
func (Terminating) event()          {}
func (Down) event()                 {}
