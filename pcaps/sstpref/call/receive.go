package call

import (
	"fmt"
	"time"

	"sstpwarden/inspect/sstp"
)

// Receive takes a control packet (MS-SSTP 3.2.5.3, 3.3.5.2). At most one packet is
// sent in answer. P is not used after Receive has returned.
//
// A data packet counts as a sign of life and is otherwise for [Call.Data].
func (c *Call) Receive(now time.Time, p sstp.Packet) {
	c.heard(now)
	if p.Control && !c.State().Disconnected() && !c.deaf() {
		c.receive(now, p)
	}
	c.flush()
}

// deaf says whether control packets are left unread.
func (c *Call) deaf() bool {
	return c.cfg.Role == Client && c.cfg.Quirks.IgnoreControl && c.State().negotiated()
}

func (c *Call) receive(now time.Time, p sstp.Packet) {
	m, err := p.ControlMessage()
	if c.State().Ending() {
		c.receiveEnding(now, m) // of type 0 if it cannot be read
		return
	}
	if err != nil {
		c.abort(now, statusInfo(sstp.StatusInvalidFrameReceived), err, "received an invalid message")
		return
	}
	switch state := c.State(); {
	case m.Type == sstp.MessageCallAbort:
		c.abortedByPeer(now, m)
	case m.Type == sstp.MessageCallDisconnect:
		c.disconnectedByPeer(now)
	case state == ClientConnectRequestSent && m.Type == sstp.MessageCallConnectAck:
		c.receiveAck(now, m)
	case state == ClientConnectRequestSent && m.Type == sstp.MessageCallConnectNak:
		c.receiveNak(now, m)
	case state == ServerConnectRequestPending && m.Type == sstp.MessageCallConnectRequest:
		c.receiveRequest(now, m)
	case state == ServerCallConnectedPending && m.Type == sstp.MessageCallConnected:
		c.receiveConnected(now, p, m)
	case state.Connected() && (m.Type == sstp.MessageEchoRequest || m.Type == sstp.MessageEchoResponse):
		c.receiveEcho(now, m)
	default:
		c.unexpected(now, m)
	}
}

// receiveEnding takes a message while the call ends (MS-SSTP 3.1.1.1.1,
// 3.1.1.1.2).
func (c *Call) receiveEnding(now time.Time, m sstp.ControlMessage) {
	switch state := c.State(); {
	case state == CallAbortPending && m.Type == sstp.MessageCallAbort:
		c.start(now, abortTimer2)
		c.enter(CallAbortTimeoutPending, "received call_abort")
	case state == CallDisconnectAckPending && m.Type == sstp.MessageCallAbort:
		c.abortedByPeer(now, m)
	case state == CallDisconnectAckPending && m.Type == sstp.MessageCallDisconnect:
		c.disconnectedByPeer(now)
	case state == CallDisconnectAckPending && m.Type == sstp.MessageCallDisconnectAck:
		c.closed("received call_disconnect_ack")
	}
}

// unexpected takes a message that may not come now, or that nobody knows.
func (c *Call) unexpected(now time.Time, m sstp.ControlMessage) {
	status := sstp.StatusUnacceptedFrameReceived
	if m.Type < sstp.MessageCallConnectRequest || m.Type > sstp.MessageEchoResponse {
		status = sstp.StatusInvalidFrameReceived
	}
	c.abort(now, statusInfo(status), fmt.Errorf("%w: %v", ErrUnexpected, m.Type), "received "+m.Type.String())
}

// valid tells whether m conforms to MS-SSTP 2.2, and aborts the call if it does
// not (MS-SSTP 3.1.5.1).
func (c *Call) valid(now time.Time, m sstp.ControlMessage) bool {
	faults := m.Validate()
	if len(faults) == 0 {
		return true
	}
	c.invalid(now, m.Type, faults[0])
	return false
}

func (c *Call) invalid(now time.Time, t sstp.MessageType, fault sstp.StatusInfo) {
	c.abort(now, fault, fmt.Errorf("%w: %v", ErrInvalid, t), "received an invalid "+t.String())
}

// receiveEcho takes an Echo Request or Response while the call is up; that the
// peer lives is noted already (MS-SSTP 3.2.5.3.7, 3.2.5.3.8, 3.3.5.2.7, 3.3.5.2.8).
func (c *Call) receiveEcho(now time.Time, m sstp.ControlMessage) {
	if c.valid(now, m) && m.Type == sstp.MessageEchoRequest && !c.cfg.Quirks.NoEchoResponse {
		c.send(sstp.EchoResponse{})
	}
}
