package call

import (
	"errors"
	"sync/atomic"
	"time"

	"sstpwarden/inspect/sstp"
)

// A Call is one end of a call. It is for one goroutine at a time, but for
// [Call.State] and [Call.MaySend], which any may call at any time.
type Call struct {
	cfg       Config
	durations [timers]time.Duration
	certHash  func(sstp.HashProtocol) ([]byte, error)

	state   atomic.Uint32 // a State
	timer   timer
	timerAt time.Time
	// While connected: when the peer has been silent for too long, and when the
	// next Echo Request of EchoInterval is due, zero for none.
	idleAt, echoAt time.Time
	unanswered     int // Echo Requests of the Hello timer since the last packet
	retries        int // Naks sent, or requests sent again

	nonce         [sstp.NonceLen]byte // the client's from the Call Connect Ack
	hash          sstp.HashProtocol   // ClientHashProtocolChosen
	hlak          sstp.HLAK           // ServerHLAKKey, valid while authenticated
	authenticated bool
	held          *binding // the server's: a Call Connected that waits for hlak

	err      *Error
	isClosed bool
	flushing bool
	out      []output
}

// State returns CurrentState.
func (c *Call) State() State { return State(c.state.Load()) }

// Err returns why the call ended or is about to end, nil while it is not: an
// [*Error].
func (c *Call) Err() error {
	if c.err == nil {
		return nil
	}
	return c.err
}

// Open says that the HTTP exchange is done. A client sends its Call Connect
// Request, a server waits for one (MS-SSTP 3.2.4.1, 3.3.7.2). It does nothing on a
// call that was opened before.
func (c *Call) Open(now time.Time) {
	if c.State().Disconnected() && !c.isClosed {
		if c.cfg.Role == Client {
			c.request(now)
			c.enter(ClientConnectRequestSent, "opened")
			if c.cfg.Quirks.EarlyPPP {
				c.emit(Event{Kind: EventStartPPP})
			}
		} else {
			c.start(now, negotiationTimer)
			c.enter(ServerConnectRequestPending, "opened")
		}
	}
	c.flush()
}

// Data says that a data packet came, and tells whether its PPP frame may go to
// PPP; else it is to be dropped. It does not allocate.
//
// PPP control frames are those of LCP, authentication and the network control
// protocols, PPP data frames all others (MS-SSTP 3.1.7.1, 3.2.7.2, 3.3.7.2).
//
// Reports of data may be gathered: it is enough to say before Expire when the last
// packet came, and time that has passed before does no harm.
func (c *Call) Data(now time.Time, isPPPControl bool) (accept bool) {
	switch state := c.State(); {
	case state.Connected():
		c.heard(now)
		return true
	case !state.negotiated():
		return false
	case isPPPControl:
		return true
	case c.cfg.Role == Server && c.cfg.Quirks.AcceptUnbound && c.authenticated:
		c.connected(now, "received PPP data")
		c.flush()
		return true
	}
	return false
}

// MaySend tells whether a PPP frame may be sent now; else it is to be dropped
// (MS-SSTP 3.2.7.1, 3.3.7.1).
func (c *Call) MaySend(isPPPControl bool) bool {
	state := c.State()
	if state == ClientConnectRequestSent {
		return isPPPControl && c.cfg.Quirks.EarlyPPP
	}
	return state.Connected() || isPPPControl && state.negotiated()
}

// Authenticated says that PPP authentication is done or was not asked for, and
// what key it has left (MS-SSTP 3.2.7.1, 3.3.7.1). A client sends its Call
// Connected; a server checks one that came before, or will check the one to come.
// Only the first time counts, and only once [EventStartPPP] has come.
//
// An authentication that fails ends in [Call.Disconnect].
func (c *Call) Authenticated(now time.Time, hlak sstp.HLAK) {
	state := c.State()
	if !c.authenticated && (state == ClientConnectAckReceived || state == ServerCallConnectedPending) {
		c.authenticated = true
		if c.cfg.Role == Client {
			c.confirm(now, hlak)
		} else {
			c.hlak = hlak
			c.judge(now, "PPP authenticated")
		}
	}
	c.flush()
}

// connected starts what a call does once it is up.
func (c *Call) connected(now time.Time, cause string) {
	c.start(now, helloTimer)
	c.idleAt = now.Add(c.cfg.Quirks.Idle)
	c.scheduleEcho(now)
	c.hlak, c.held = sstp.HLAK{}, nil
	c.enter(c.cfg.Role.connected(), cause)
	c.emit(Event{Kind: EventConnected})
}

// Disconnect ends the call in good order: Call Disconnect, then
// [EventClosed] when the peer has acknowledged it or Disconnect timer 1 has
// expired (MS-SSTP 3.2.4.2, 3.3.4). It does nothing on a call that is not open or
// is ending already.
func (c *Call) Disconnect(now time.Time) {
	if c.isUp() {
		c.disconnect(now, "asked to disconnect")
	}
	c.flush()
}

// Abort ends the call because of an error, which status names: one of those that
// a Call Abort may have (MS-SSTP 2.2.13). [EventClosed] comes when the peer has
// answered and Abort timer 2 has expired, or Abort timer 1 has. It does nothing on
// a call that is not open or is ending already.
func (c *Call) Abort(now time.Time, status sstp.Status) {
	if c.isUp() {
		c.abort(now, statusInfo(status), nil, "asked to abort")
	}
	c.flush()
}

// TransportClosed says that the connection is gone: the call ends at once, with
// EventClosed and without a message (MS-SSTP 3.1.7.2). Err may be nil.
//
// It also takes the *sstp.SyntaxError of a stream that cannot be cut into packets,
// upon which the connection is to be closed (MS-SSTP 3.1.5.1).
func (c *Call) TransportClosed(_ time.Time, err error) {
	if !c.isClosed {
		end := &Error{Op: OpTransport, Err: err}
		cause := "connection gone"
		if _, ok := errors.AsType[*sstp.SyntaxError](err); ok {
			end.Op, cause = OpClose, "received bytes that are no packet"
		}
		c.ending(end)
		c.closed(cause)
	}
	c.flush()
}

// isUp says whether the call is open and does not end yet.
func (c *Call) isUp() bool { return !c.State().Disconnected() && !c.State().Ending() }
