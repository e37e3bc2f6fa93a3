package call

import (
	"slices"
	"time"

	"sstpwarden/inspect/sstp"
)

// receiveRequest takes a Call Connect Request (MS-SSTP 3.3.5.2.2).
func (c *Call) receiveRequest(now time.Time, m sstp.ControlMessage) {
	faults := m.Validate()
	switch {
	case len(faults) > 0 && faults[0].Status == sstp.StatusInvalidFrameReceived:
		c.invalid(now, m.Type, faults[0]) // which a Nak cannot say
	case c.cfg.Faults.Nak:
		c.refuse(now, []sstp.StatusInfo{c.cfg.Faults.nak()})
	case len(faults) > 0:
		c.refuse(now, clone(faults))
	default:
		c.send(sstp.CallConnectAck{CryptoBindingRequest: sstp.CryptoBindingRequest{
			HashProtocolBitmask: c.cfg.HashProtocols,
			Nonce:               c.nonce,
		}})
		c.start(now, negotiationTimer)
		c.enter(ServerCallConnectedPending, "received call_connect_request")
		c.emit(Event{Kind: EventStartPPP})
	}
}

// refuse answers a request with Nak, up to the retry limit. The Negotiation timer
// goes on (MS-SSTP 3.3.2.1).
func (c *Call) refuse(now time.Time, faults []sstp.StatusInfo) {
	if !c.retry() {
		c.abort(now, statusInfo(sstp.StatusRetryCountExceeded), refusal(faults), "received call_connect_request")
		return
	}
	c.send(sstp.CallConnectNak{StatusInfo: faults})
	c.emit(Event{Kind: EventRefused, StatusInfo: faults})
}

// nak is what the fault refuses a request with.
func (f Faults) nak() sstp.StatusInfo {
	s := sstp.StatusInfo{AttribID: sstp.AttributeEncapsulatedProtocolID, Status: f.NakStatus}
	if s.Status == sstp.StatusNoError {
		s.Status = sstp.StatusValueNotSupported
	}
	if s.Status != sstp.StatusRequiredAttributeMissing && s.Status != sstp.StatusUnrecognizedAttribute {
		s.AttribValue = []byte{0, byte(sstp.EncapsulatedProtocolPPP)} // MS-SSTP 2.2.12
	}
	return s
}

// receiveConnected takes a Call Connected (MS-SSTP 3.3.5.2.3).
func (c *Call) receiveConnected(now time.Time, p sstp.Packet, m sstp.ControlMessage) {
	if c.held != nil {
		c.unexpected(now, m)
		return
	}
	c.held = &binding{}
	if !c.cfg.Quirks.AcceptUnbound {
		if fault, err := c.readBinding(p, m); err != nil {
			c.abort(now, fault, err, "received call_connected")
			return
		}
	}
	c.judge(now, "received call_connected")
}

// judge lets the call be up if a Call Connected is there, PPP authentication is
// done and the former is bound to the latter.
func (c *Call) judge(now time.Time, cause string) {
	if c.held == nil || !c.authenticated {
		return
	}
	if !c.cfg.Quirks.AcceptUnbound && !c.held.boundTo(c.hlak) {
		c.abort(now, notBound, ErrCompoundMAC, cause)
		return
	}
	c.connected(now, cause)
}

// clone copies Status Infos that alias a packet.
func clone(infos []sstp.StatusInfo) []sstp.StatusInfo {
	infos = slices.Clone(infos)
	for i := range infos {
		infos[i].AttribValue = slices.Clone(infos[i].AttribValue)
	}
	return infos
}
