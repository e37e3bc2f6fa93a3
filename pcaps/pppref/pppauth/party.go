package pppauth

import (
	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// A Party is one end of one authentication: the peer, which proves who it is, or
// the authenticator. It is for one goroutine, owns no clock and sends nothing
// itself: whoever holds it sends the messages that it returns, in order, in frames
// of the protocol that LCP agreed on.
//
// Whatever it is given, it does not panic, keeps at most some 600 KiB (100 KiB but
// for EAP with TLS) and returns at most one message a call.
type Party interface {
	// Start begins. An authenticator returns its first message (one of PAP nothing),
	// a PAP peer its request, other peers nothing.
	Start() []ppp.Message
	// Receive takes a message of the protocol, which has to be valid during the
	// call only. What does not fit is passed over.
	Receive(m ppp.Message) []ppp.Message
	// Timeout says that nothing came for a restart time. It returns what is to be
	// sent again; after the tenth in a row it fails. A peer of EAP, which never
	// sends on a timer, takes the first as the Success if it knows from the method
	// that it has succeeded (RFC 4137, Section 4.4).
	Timeout() []ppp.Message
	// Outcome says where it stands.
	Outcome() Outcome
	// Close ends it and gives back what it holds: in EAP with TLS, a goroutine.
	// It leaves Outcome as it is; all other calls then return nothing. Closing
	// twice does no harm.
	Close()
}

// A State is how far an authentication is.
type State uint8

// The states. An authentication that has succeeded or failed stays so, but still
// answers what a peer sends again because an answer was lost.
const (
	Pending State = iota
	Succeeded
	Failed
)

// String returns the state in lower case: "pending".
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Succeeded:
		return "succeeded"
	case Failed:
		return "failed"
	default:
		return number("state", uint8(s))
	}
}

// An Outcome is what an authentication has come to.
type Outcome struct {
	State State
	// Name is the user's, as claimed until State is Succeeded; "" until it is known.
	// An authenticator that has succeeded gives the name under which it knows the
	// user: without a domain, unless it knows one with that domain; in EAP with TLS
	// one of the certificate's.
	Name string
	// HLAK is the key for SSTP's crypto binding: zero unless State is Succeeded, and
	// where the method makes no keys.
	HLAK sstp.HLAK
	// Err says why it failed: an *Error. It is nil unless State is Failed.
	Err error
}
