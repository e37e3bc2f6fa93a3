package call

import (
	"fmt"
	"time"

	"sstpwarden/inspect/sstp"
)

// request sends a Call Connect Request.
func (c *Call) request(now time.Time) {
	c.send(sstp.CallConnectRequest{EncapsulatedProtocolID: sstp.EncapsulatedProtocolPPP})
	c.start(now, negotiationTimer)
}

// retry tells whether the retry count allows one more, and takes it.
func (c *Call) retry() bool {
	if c.retries >= c.cfg.RetryLimit {
		return false
	}
	c.retries++
	return true
}

// receiveAck takes a Call Connect Ack (MS-SSTP 3.2.5.3.2).
func (c *Call) receiveAck(now time.Time, m sstp.ControlMessage) {
	if faults := m.Validate(); len(faults) > 0 && faults[0].AttribID != sstp.AttributeCryptoBindingReq {
		c.invalid(now, m.Type, faults[0])
		return
	}
	msg, _ := m.Message() // what is valid but for the hash protocols can be read
	ack, _ := msg.(sstp.CallConnectAck)
	offered := ack.CryptoBindingRequest.HashProtocolBitmask
	common := offered & c.cfg.HashProtocols
	c.hash = common.Strongest()
	if preferred := common & c.cfg.Quirks.PreferHash; preferred.Size() > 0 {
		c.hash = preferred
	}
	if c.hash == 0 {
		info := sstp.StatusInfo{AttribID: sstp.AttributeCryptoBindingReq, Status: sstp.StatusValueNotSupported}
		err := fmt.Errorf("%w: %v is offered, %v can be done", ErrHashProtocol, offered, c.cfg.HashProtocols)
		c.abort(now, info, err, "received call_connect_ack")
		return
	}
	c.nonce = ack.CryptoBindingRequest.Nonce
	c.start(now, negotiationTimer)
	c.enter(ClientConnectAckReceived, "received call_connect_ack")
	if !c.cfg.Quirks.EarlyPPP {
		c.emit(Event{Kind: EventStartPPP})
	}
}

// receiveNak takes a Call Connect Nak (MS-SSTP 3.2.5.3.3).
func (c *Call) receiveNak(now time.Time, m sstp.ControlMessage) {
	if !c.valid(now, m) {
		return
	}
	msg, _ := m.Message() // what is valid can be read
	nak, _ := msg.(sstp.CallConnectNak)
	refused := clone(nak.StatusInfo)
	c.emit(Event{Kind: EventRefused, StatusInfo: refused})
	switch {
	case c.cfg.Quirks.DisconnectOnNak:
		c.disconnect(now, "received call_connect_nak")
	case c.retry():
		c.request(now)
	default:
		c.abort(now, statusInfo(sstp.StatusRetryCountExceeded), refusal(refused), "received call_connect_nak")
	}
}

// confirm sends the Call Connected, once PPP is authenticated (MS-SSTP 3.2.7.1).
func (c *Call) confirm(now time.Time, hlak sstp.HLAK) {
	if c.cfg.Faults.NeverConnected {
		return
	}
	if !c.cfg.Quirks.NoCallConnected {
		c.sendPacket(sstp.MessageCallConnected, c.callConnected(hlak))
	}
	c.connected(now, "PPP authenticated")
}
