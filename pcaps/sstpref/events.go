package sstpref

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/call"
)

// onCall follows what happens to the call. It and onLink are called under mu.
func (s *Session) onCall(e call.Event) {
	now := time.Now()
	switch e.Kind {
	case call.EventState:
		if e.To == call.ClientConnectAckReceived {
			s.at = StepLCP
		}
		s.log.Info("call", "state", e.To.String(), "cause", e.Cause)
	case call.EventStartPPP:
		if s.call.State() != call.ClientConnectRequestSent { // PPP that comes early waits for SSTP
			s.at = StepLCP
		}
		s.link.Open(now)
	case call.EventConnected:
		s.connected = true
		s.carryOn()
	case call.EventRefused:
		for _, i := range e.StatusInfo {
			s.log.Info("nak", "attribute", i.AttribID.String(), "status", i.Status.String())
		}
	case call.EventEnding:
		s.callEnds(now, e.Err)
	case call.EventClosed:
		s.callEnds(now, e.Err)
		s.link.LowerDown(now)
		s.end()
	}
}

// callEnds notes why the session ends, if that is not known yet.
func (s *Session) callEnds(now time.Time, e *call.Error) {
	if e.Op == call.OpDisconnect && e.Remote && !s.isUp() {
		s.link.LowerDown(now) // it may know why
	}
	switch {
	case s.wanted || s.err != nil:
	case e.Op == call.OpDisconnect && e.Remote && s.isUp():
		s.err = ErrDisconnected
	case e.Op == call.OpDisconnect && e.Remote:
		s.err = failed(s.at, e, "")
	case errors.Is(e, io.EOF):
		s.err = failed(s.at, errors.New("the other end closed the connection without a word"), "")
	case s.isUp() || e.Op == call.OpTransport:
		s.err = failed(s.at, e, "")
	default:
		s.err = failed(StepSSTP, e, "")
	}
}

func (s *Session) isUp() bool {
	select {
	case <-s.up:
		return true
	default:
		return false
	}
}

// onLink follows what happens to the link.
func (s *Session) onLink(e pppref.Event) {
	now := time.Now()
	switch e := e.(type) {
	case pppref.LCPUp:
		s.at = StepAuthentication
		s.log.Info("lcp", "authentication", e.Method.String(), "peer_mru", e.PeerMRU, "acfc", e.ACFC, "pfc", e.PFC)
	case pppref.Authenticated:
		s.user, s.at = e.Name, StepIPCP
		s.log.Info("authenticated", "user", e.Name, "method", e.Method.String())
		if s.loggedIn != nil {
			s.loggedIn(e.Name)
		}
		if s.authenticated != nil {
			s.authenticated()
		}
		s.call.Authenticated(now, e.HLAK)
	case pppref.AuthenticationFailed:
		s.claimed = e.Name
		s.log.Warn("refused", "user", e.Name, "method", e.Method.String(), "reason", e.Err.Error())
		s.loginFailed(e.Err)
	case pppref.IPv4Up:
		a := &s.addresses
		a.Local, a.Peer, a.DNS, a.NBNS = e.Local, e.Peer, e.DNS, e.NBNS
		s.log.Info("ip", "local", e.Local.String(), "peer", e.Peer.String(), "dns", e.DNS, "mtu", s.link.MTU())
		s.networkUp(ipv4)
	case pppref.IPv6Up:
		a := &s.addresses
		a.LocalInterface, a.PeerInterface = e.LocalInterface, e.PeerInterface
		s.log.Info("ip6", "local", e.LocalInterface.LinkLocal().String(), "peer", e.PeerInterface.LinkLocal().String())
		s.networkUp(ipv6)
	case pppref.NetworkDown:
		s.networkDown(e)
	case pppref.Identified:
		s.log.Debug("identification", "message", e.Message)
	case pppref.Terminating:
		s.linkEnds(e.Err)
		s.leaving = s.isClient && endedByPeer(e.Err)
	case pppref.Down:
		s.linkEnds(e.Err)
		s.call.Disconnect(now)
	}
}

// loginFailed counts a wrong name or password.
func (s *Session) loginFailed(err error) {
	e, ok := errors.AsType[*pppauth.Error](err)
	if ok && s.failedLogin != nil && (e.Reason == pppauth.WrongPassword || e.Reason == pppauth.UnknownUser) {
		s.failedLogin(e.User)
	}
}

// endedByPeer says that the peer has ended the link. It is a client that then
// disconnects; a server waits for that.
func endedByPeer(err error) bool {
	e, ok := errors.AsType[*pppref.Error](err)
	return ok && e.Step == pppref.StepTerminated
}

func (s *Session) networkUp(n networks) {
	s.networks |= n
	s.pending &^= n
	s.carryOn()
}

func (s *Session) networkDown(e pppref.NetworkDown) {
	n := ipv4
	if e.Protocol == ppp.ProtocolIPV6CP {
		n = ipv6
	}
	s.networks &^= n
	if e.Err == nil {
		s.pending |= n // LCP is negotiated anew
		return
	}
	s.pending &^= n
	s.log.Info("network_down", "protocol", e.Protocol.String(), "reason", e.Err.Error())
	s.carryOn() // the link ends itself where none is left
}

// carryOn hands the tunnel over once IP may pass: with IPv4, or without if there
// will be none.
func (s *Session) carryOn() {
	if !s.connected || s.isUp() || s.networks&ipv4 == 0 && (s.networks == 0 || s.pending&ipv4 != 0) {
		return
	}
	up := Up{User: s.user, Peer: s.peer, Addresses: s.addresses, MTU: s.link.MTU()}
	port, err := s.carry(up, s)
	if err != nil {
		s.err = failed(StepData, err, "")
		s.link.Close(time.Now(), "no way for packets")
		return
	}
	s.port.Store(&port)
	s.at = StepData
	s.log.Info("up", "user", s.user, "mtu", up.MTU)
	close(s.up)
}

// linkEnds notes why the session ends, if that is not known yet.
func (s *Session) linkEnds(err error) {
	e, ok := errors.AsType[*pppref.Error](err)
	if !ok || s.wanted || s.err != nil {
		return
	}
	switch {
	case e.Step == pppref.StepLowerLayer: // the call says why
	case e.Step == pppref.StepTerminated && s.isUp():
		s.err = ErrDisconnected
	default:
		reason := errors.New(e.Reason)
		if _, repeats := errors.AsType[*pppref.Error](e.Err); e.Err != nil && !repeats {
			reason = fmt.Errorf("%s: %w", e.Reason, e.Err)
		}
		s.err = failed(s.step(e.Step), reason, "")
	}
}

// step is that of the session in which the link failed.
func (s *Session) step(l pppref.Step) Step {
	switch l {
	case pppref.StepAuthentication:
		return StepAuthentication
	case pppref.StepAddresses, pppref.StepIPCP, pppref.StepIPV6CP, pppref.StepCCP:
		return StepIPCP
	case pppref.StepEcho, pppref.StepTerminated, pppref.StepLowerLayer:
		return s.at
	default:
		return StepLCP
	}
}

// farewell tells that the session is over.
func (s *Session) farewell() {
	c := s.Counts()
	attrs := []any{
		"user", cmp.Or(s.user, s.claimed), "seconds", time.Since(s.began).Seconds(),
		"packets_in", c.PacketsIn, "packets_out", c.PacketsOut, "bytes_in", c.BytesIn, "bytes_out", c.BytesOut, "dropped", c.Dropped,
	}
	switch {
	case s.err == nil:
		s.log.Info("disconnected", append(attrs, "by", "us")...)
	case errors.Is(s.err, ErrDisconnected):
		s.log.Info("disconnected", append(attrs, "by", "peer")...)
	default:
		s.log.Warn("failed", append(stepAttrs(s.err), attrs...)...)
	}
}
