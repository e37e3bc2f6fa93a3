package call

import (
	"time"

	"sstpwarden/inspect/sstp"
)

// statusInfo is a Status Info that speaks of no attribute in particular: those
// cases that MS-SSTP spells out name Status Info itself (MS-SSTP 3.3.5.2.2,
// 3.3.5.2.3).
func statusInfo(s sstp.Status) sstp.StatusInfo {
	return sstp.StatusInfo{AttribID: sstp.AttributeStatusInfo, Status: s}
}

// ending notes why the call ends. The first reason is the one that counts.
func (c *Call) ending(e *Error) {
	if c.err != nil {
		return
	}
	e.Role, e.State = c.cfg.Role, c.State()
	c.err = e
	c.hlak, c.held = sstp.HLAK{}, nil
	c.emit(Event{Kind: EventEnding, Err: e})
}

// abort starts the abort procedure (MS-SSTP 3.1.5.1).
func (c *Call) abort(now time.Time, info sstp.StatusInfo, err error, cause string) {
	c.ending(&Error{Op: OpAbort, AttribID: info.AttribID, Status: info.Status, Err: err})
	c.enter(CallAbortInProgress1, cause)
	c.sendAbort(info)
	c.start(now, abortTimer1)
	c.enter(CallAbortPending, "sent call_abort")
}

// abortedByPeer answers a Call Abort (MS-SSTP 3.2.5.3.4, 3.3.5.2.4).
func (c *Call) abortedByPeer(now time.Time, m sstp.ControlMessage) {
	e := &Error{Op: OpAbort, Remote: true}
	answer := statusInfo(sstp.StatusUnacceptedFrameReceived)
	msg, _ := m.Message() // whatever it holds can be read
	received, _ := msg.(sstp.CallAbort)
	if info := received.StatusInfo; info != nil {
		e.AttribID, e.Status = info.AttribID, info.Status
		if abortMayHave(*info) {
			answer = sstp.StatusInfo{AttribID: info.AttribID, Status: info.Status}
		}
	}
	c.ending(e)
	c.enter(CallAbortInProgress2, "received call_abort")
	c.sendAbort(answer)
	c.start(now, abortTimer2)
	c.enter(CallAbortTimeoutPending, "sent call_abort")
}

// abortMayHave tells whether a Call Abort may have info (MS-SSTP 2.2.13).
func abortMayHave(info sstp.StatusInfo) bool {
	return info.AttribID >= sstp.AttributeEncapsulatedProtocolID && info.AttribID <= sstp.AttributeCryptoBindingReq &&
		info.Status >= sstp.StatusValueNotSupported && info.Status <= sstp.StatusAttribNotSupportedInMsg
}

func (c *Call) sendAbort(info sstp.StatusInfo) {
	switch q := c.cfg.Quirks; {
	case q.NoStatusInfo:
		c.send(sstp.CallAbort{})
		return
	case q.AbortStatus != 0:
		info = statusInfo(q.AbortStatus)
	}
	c.send(sstp.CallAbort{StatusInfo: &info})
}

// disconnect starts the disconnect procedure (MS-SSTP 3.2.4.2).
func (c *Call) disconnect(now time.Time, cause string) {
	c.ending(&Error{Op: OpDisconnect})
	c.enter(CallDisconnectInProgress1, cause)
	m := sstp.CallDisconnect{StatusInfo: &sstp.StatusInfo{}} // MS-SSTP 2.2.14: no error
	if c.cfg.Quirks.NoStatusInfo {
		m.StatusInfo = nil
	}
	c.send(m)
	c.start(now, disconnectTimer1)
	c.enter(CallDisconnectAckPending, "sent call_disconnect")
}

// disconnectedByPeer answers a Call Disconnect (MS-SSTP 3.2.5.3.5, 3.3.5.2.5).
func (c *Call) disconnectedByPeer(now time.Time) {
	c.ending(&Error{Op: OpDisconnect, Remote: true})
	c.enter(CallDisconnectInProgress2, "received call_disconnect")
	c.send(sstp.CallDisconnectAck{})
	c.start(now, disconnectTimer2)
	c.enter(CallDisconnectTimeoutPending, "sent call_disconnect_ack")
}

// fail ends the call at once and without a message.
func (c *Call) fail(err error, cause string) {
	c.ending(&Error{Op: OpClose, Err: err})
	c.closed(cause)
}

// closed is the end of the call: the connection has to go.
func (c *Call) closed(cause string) {
	c.timer = noTimer
	if to := c.cfg.Role.disconnected(); c.State() != to {
		c.enter(to, cause)
	}
	c.isClosed = true
	c.emit(Event{Kind: EventClosed, Err: c.err})
}
