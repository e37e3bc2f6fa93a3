package profile

import (
	"time"

	"sstpwarden/inspect/httphead"
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// A Client is how a client behaves.
type Client struct {
	Name string

	// Request returns the head of the request that opens SSTP. Host is a name or
	// an address without brackets; correlation is a GUID in the order of its
	// digits; path is [sstp.URIPath] unless another is wanted.
	Request func(host string, port uint16, correlation [16]byte, path string) httphead.Request
	// Connect returns a whole CONNECT for an HTTP proxy, byte for byte, with Basic
	// credentials unless user is empty. It is never nil.
	Connect func(host string, port uint16, user, password string) []byte
	// Proxy says that the client can use an HTTP proxy, and ProxyAuth that it can
	// authenticate to it. Where it cannot, Connect still gives what would be sent
	// on its behalf.
	Proxy, ProxyAuth bool

	// Hello names the ClientHello in package hello, "" for that of crypto/tls.
	Hello string
	// SNI says that it sends the server's name where that is no address.
	SNI bool
	// Hash is the hash protocol that it chooses where the server offers it; 0 for
	// the strongest that is offered, as MS-SSTP 2.2.6 wants.
	Hash sstp.HashProtocol

	PPP
	Messages

	// Identification returns the texts of the LCP Identifications that it sends
	// once LCP has opened, given its computer's name and the GUID of Request. Nil
	// if it sends none.
	Identification func(computer string, correlation [16]byte) []string
	// Early: the request, the Call Connect Request and LCP's first
	// Configure-Request go out in one write, before the server has said anything.
	Early bool
	// NoCallConnected: authentication is not followed by a Call Connected.
	NoCallConnected bool
	// IgnoreControl: control packets stay unread after the Call Connect Ack.
	IgnoreControl bool
	// ResendOnTimeout: the Call Connect Request goes out again if no answer comes.
	ResendOnTimeout bool
	// DisconnectOnNak: a Call Connect Nak is answered with Call Disconnect.
	DisconnectOnNak bool
}

// A Server is how a server behaves.
type Server struct {
	Name string

	// Response returns the head that accepts a request.
	Response func(now time.Time) httphead.Response
	// Refusal returns the whole answer to a request that does not open SSTP, after
	// which the connection is closed. Status is what is wrong with the request: 400,
	// 404, 405 or 503; the answer's own may be another.
	Refusal func(request httphead.Request, status int, now time.Time) []byte

	// HashProtocols are offered in the Call Connect Ack.
	HashProtocols sstp.HashProtocol
	// VerifyBinding says that nonce, certificate hash and Compound MAC of the Call
	// Connected are checked. If not, a Call Connected with anything in it will do.
	VerifyBinding bool
	// NakShort: the length of a Status Info in a Call Connect Nak leaves out the
	// AttribValue that follows.
	NakShort bool

	// AuthName is its name in CHAP.
	AuthName string
	// SuccessText is what it tells people with a success: the Message of PAP and CHAP,
	// and what follows M= in MS-CHAP-V2.
	SuccessText string
	// Failure is what its MS-CHAP-V2 Failure says. A Challenge that is not nil stands
	// for one to be made up. Its Message is also that of PAP and CHAP.
	Failure ppp.MSCHAPFailure

	PPP
	Messages

	// Idle is after how long without a packet from the client it gives up. 0
	// leaves that to Hello.
	Idle time.Duration

	TLS TLS
}

// TLS is what a server's TLS takes, as far as crypto/tls can do so. It narrows what
// the caller allows and never widens it. Zero fields are the caller's choice.
type TLS struct {
	MaxVersion uint16
	// CipherSuites up to TLS 1.2. Which of them is taken is up to crypto/tls, not
	// to their order.
	CipherSuites []uint16
}

// Messages is how an end writes SSTP packets and keeps up a call.
type Messages struct {
	// LengthReserved is R in LengthPacket of every packet (MS-SSTP 2.2.1), not of
	// attributes.
	LengthReserved uint8
	// AbortStatus stands in each Call Abort whatever the reason, 0 for the reason.
	AbortStatus sstp.Status
	// NoStatusInfo: Call Abort and Call Disconnect come bare, 8 bytes long.
	NoStatusInfo bool
	// NoEchoResponse: Echo Requests stay unanswered.
	NoEchoResponse bool
	// Hello is when Echo Requests go out (MS-SSTP 3.1.2).
	Hello EchoTimer
	// Coalesce is up to how many bytes packets that wait to be sent are joined
	// into one write, control packets too; 0 is one write per packet.
	Coalesce int
	// End is how the end closes a call when it is told to.
	End Ending
}

// An EchoTimer is when an end asks for echoes. The zero value is never.
type EchoTimer struct {
	// Min and Max bound the interval; each time a new one is drawn.
	Min, Max time.Duration
	// Always: at each interval, whatever has come meanwhile. If not, what comes
	// starts the interval anew.
	Always bool
	// AtOnce: the first goes out as soon as one may.
	AtOnce bool
	// Misses is how many requests in a row may stay unanswered: the interval after
	// so many is the last. 0 leaves it to what else tells that a peer is gone.
	Misses int
}

// Ending is how an end closes a call.
type Ending uint8

// The ways to close a call.
const (
	EndSSTP Ending = iota // Call Disconnect (MS-SSTP 3.1.4.2)
	EndBoth               // LCP Terminate-Request; after the answer, Call Disconnect
	EndLCP                // LCP Terminate-Request; after the answer, the end of the connection
	EndTLS                // the end of the connection, without a word in SSTP
)
