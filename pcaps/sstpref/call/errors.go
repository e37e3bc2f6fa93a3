package call

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"sstpwarden/inspect/sstp"
)

// Reasons for which this end gives up a call, for errors.Is with an [*Error].
var (
	// ErrNonce, ErrCertHash, ErrHashProtocol and ErrCompoundMAC are what a crypto
	// binding is refused for.
	ErrNonce        = errors.New("the crypto binding has a nonce that is not ours")
	ErrCertHash     = errors.New("the crypto binding has the hash of another certificate than ours")
	ErrHashProtocol = errors.New("no hash protocol that both ends do")
	ErrCompoundMAC  = errors.New("the crypto binding was made with another key than PPP authentication has left here")
	// ErrRefused is that there were too many Call Connect Naks.
	ErrRefused = errors.New("call connect request refused too many times")
	// ErrUnexpected and ErrInvalid are of messages that may not come now, or not
	// at all.
	ErrUnexpected = errors.New("unexpected message")
	ErrInvalid    = errors.New("invalid message")
	// ErrNegotiationTimeout and ErrSilent are of peers that say nothing.
	ErrNegotiationTimeout = errors.New("negotiation timer expired")
	ErrSilent             = errors.New("nothing has come for too long")
)

// An Op is how a call ends.
type Op uint8

// The ways to end.
const (
	OpDisconnect Op = iota + 1 // with a Call Disconnect, as wanted
	OpAbort                    // with a Call Abort
	OpClose                    // this end closes the connection without a message
	OpTransport                // the connection is gone
)

// An Error says why a call ended.
type Error struct {
	Op     Op
	Role   Role  // of this end
	State  State // in which the call was
	Remote bool  // the peer ended it
	// AttribID and Status are those of the Call Abort, from either end; both 0
	// where there is none, or where it has none.
	AttribID sstp.AttributeID
	Status   sstp.Status
	// Err is one of the errors above, that of the connection, or a
	// *sstp.SyntaxError; nil where the rest says all.
	Err error
}

// Wanted says whether one of the two ends wished the call to end, rather than had
// to.
func (e *Error) Wanted() bool { return e.Op == OpDisconnect }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Error says for people who ended the call, when and why, and what to look at.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.who())
	b.WriteString(when[e.State])
	if why := e.why(); why != "" {
		b.WriteString(": " + why)
	}
	if look := e.look(); look != "" {
		b.WriteString("; " + look)
	}
	return b.String()
}

func (e *Error) who() string {
	who := "we"
	if e.Remote {
		who = "the " + e.Role.far().String()
	}
	switch e.Op {
	case OpDisconnect:
		return who + " ended the call"
	case OpAbort:
		return who + " aborted the call"
	case OpClose:
		return who + " closed the connection"
	default:
		return "the connection to the " + e.Role.far().String() + " is gone"
	}
}

// when says how far the call had come, unless it was up.
var when = map[State]string{
	ClientCallDisconnected:      " before the call was open",
	ClientConnectRequestSent:    " before the Call Connect Request was accepted",
	ClientConnectAckReceived:    " before PPP authentication was done",
	ServerCallDisconnected:      " before the call was open",
	ServerConnectRequestPending: " before a good Call Connect Request had come",
	ServerCallConnectedPending:  " before a good Call Connected had come",
}

func (e *Error) why() string {
	switch {
	case e.Op == OpTransport && (e.Err == nil || errors.Is(e.Err, io.EOF)):
		return "closed by the other side without a message"
	case e.Err != nil:
		return e.Err.Error()
	case e.Op != OpAbort:
		return ""
	case e.Status == 0:
		return "no reason given"
	}
	return statusText(sstp.StatusInfo{AttribID: e.AttribID, Status: e.Status})
}

// look says what to look at.
func (e *Error) look() string {
	far := e.Role.far().String()
	switch {
	case errors.Is(e.Err, ErrCertHash):
		return "is TLS opened on the way, or is another certificate shown than the call was given?"
	case errors.Is(e.Err, ErrCompoundMAC):
		return "are the keys of PPP authentication handed over the right way round, or has someone passed on another client's authentication?"
	case errors.Is(e.Err, ErrSilent):
		return "is the " + far + " still there, and the path to it?"
	case errors.Is(e.Err, ErrNegotiationTimeout) && e.State == ServerConnectRequestPending:
		return "does the client speak SSTP?"
	case errors.Is(e.Err, ErrNegotiationTimeout) && e.State == ClientConnectRequestSent:
		return "does the server speak SSTP, and does something hold its answers back?"
	case errors.Is(e.Err, ErrNegotiationTimeout):
		return "look at LCP and PPP authentication"
	case e.Op == OpClose && e.Err != nil:
		return "is there something else than SSTP at the other end, or in between?"
	case e.Remote && e.Op == OpDisconnect && !e.State.Connected():
		return "look at LCP and PPP authentication"
	case e.Remote && e.Op == OpAbort:
		return e.lookRemote()
	}
	return ""
}

// lookRemote says what to look at when the peer has aborted.
func (e *Error) lookRemote() string {
	far := e.Role.far().String()
	switch e.Status {
	case sstp.StatusValueNotSupported:
		if e.AttribID == sstp.AttributeCryptoBinding {
			return "the certificate it shows and the one we saw differ, or the keys of PPP authentication do: is TLS opened on the way?"
		}
		return "it does not do what we ask for"
	case sstp.StatusNegotiationTimeout:
		return "it has waited too long for us: look at LCP and PPP authentication"
	case sstp.StatusUnacceptedFrameReceived:
		return "it did not expect our last message"
	case sstp.StatusInvalidFrameReceived:
		return "it could not read our last message: is the " + far + " strict, or are bytes changed on the way?"
	case sstp.StatusRetryCountExceeded:
		return "it keeps refusing: does it carry PPP?"
	case sstp.StatusAttribNotSupportedInMsg:
		return "it misses an attribute in our last message, or found one too many"
	default:
		return "its log may say more"
	}
}

// refusal says what Call Connect Requests were refused for.
func refusal(infos []sstp.StatusInfo) error {
	const most = 4 // a peer could name hundreds
	var texts []string
	for _, s := range infos[:min(len(infos), most)] {
		texts = append(texts, statusText(s))
	}
	if len(infos) > most {
		texts = append(texts, "...")
	}
	return fmt.Errorf("%w: %s", ErrRefused, strings.Join(texts, ", "))
}

// statusText is a Status Info in words: "value not supported (crypto binding)".
func statusText(s sstp.StatusInfo) string {
	words := strings.NewReplacer("_", " ")
	text := words.Replace(s.Status.String())
	if s.AttribID == sstp.AttributeNoError || s.AttribID == sstp.AttributeStatusInfo {
		return text // which says nothing of an attribute
	}
	return text + " (" + words.Replace(s.AttribID.String()) + ")"
}
