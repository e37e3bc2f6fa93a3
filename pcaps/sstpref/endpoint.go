package sstpref

import (
	"cmp"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"sstpwarden/inspect/ppp"
	"sstpwarden/pcaps/pppref"
	"sstpwarden/pcaps/pppref/pppauth"
	"sstpwarden/pcaps/sstpref/call"
	"sstpwarden/pcaps/sstpref/profile"
)

// session makes a client's session on c.
func (d *dialer) session(c net.Conn, info *TLSInfo) (*Session, error) {
	p := &d.Profile
	s := newSession(c, &p.Messages, &d.Faults, d.Log)
	s.isClient, s.carry, s.peer = true, d.Carry, addrOf(c)
	methods := usable(d.Methods, len(d.Credentials.Certificate.Certificate) > 0)
	cc := callConfig(s, call.Client, d.Timers, &p.Messages, &d.Faults, info.Certificates[0].Raw)
	cc.Quirks.PreferHash = p.Hash
	cc.Quirks.EarlyPPP, cc.Quirks.IgnoreControl = p.Early, p.IgnoreControl
	cc.Quirks.NoCallConnected = p.NoCallConnected
	cc.Quirks.ResendOnTimeout, cc.Quirks.DisconnectOnNak = p.ResendOnTimeout, p.DisconnectOnNak
	lc := linkConfig(s, pppref.Client, &p.PPP, methods)
	lc.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
		c := d.Credentials
		c.Also = alternatives(m, methods)
		return pppauth.NewPeer(m, c)
	}
	if p.Identification != nil {
		lc.Identification = p.Identification("sstplab", d.correlation)
	}
	lc.MaxMTU = atMost(lc.MaxMTU, d.MTU)
	return s, s.make(cc, lc)
}

// session makes a server's session on c.
func (s *Server) session(c net.Conn, log *slog.Logger, authenticated func()) (*Session, error) {
	p := &s.Profile
	out := newSession(c, &p.Messages, &s.Faults, log)
	out.peer, out.authenticated = addrOf(c), authenticated
	auth := s.Authenticator
	auth.Name = cmp.Or(auth.Name, p.AuthName)
	auth.SuccessText, auth.FailureText = cmp.Or(auth.SuccessText, p.SuccessText), cmp.Or(auth.FailureText, p.Failure.Message)
	methods := usable(s.Methods, auth.ClientCAs != nil)
	if s.Limiter != nil {
		allow := auth.Allow
		auth.Allow = func(name string) error {
			if err := s.Limiter.Allow(time.Now(), out.peer.Addr(), name); err != nil || allow == nil {
				return err
			}
			return allow(name)
		}
		out.failedLogin = func(name string) { s.Limiter.Failed(time.Now(), out.peer.Addr(), name) }
		out.loggedIn = func(name string) { s.Limiter.Succeeded(time.Now(), out.peer.Addr(), name) }
	}
	cc := callConfig(out, call.Server, s.Timers, &p.Messages, &s.Faults, s.leaf)
	cc.HashProtocols = p.HashProtocols
	cc.Quirks.AcceptUnbound = !p.VerifyBinding
	cc.Quirks.NakShortLength = p.NakShort
	cc.Quirks.Idle = p.Idle
	lc := linkConfig(out, pppref.Server, &p.PPP, methods)
	lc.CCP = p.CCP
	lc.NewParty = func(m pppauth.Method) (pppauth.Party, error) {
		a := auth
		a.Also = alternatives(m, methods)
		return pppauth.NewAuthenticator(m, a)
	}
	lc.Assign = func(name string) (pppref.Addresses, error) {
		lease, err := s.Assign(name)
		if err == nil && lease.Carry == nil {
			err = errors.New("nothing to carry packets")
		}
		if err != nil {
			return pppref.Addresses{}, err
		}
		out.carry, out.release = lease.Carry, lease.Release
		return lease.Addresses, nil
	}
	lc.MaxMTU = atMost(lc.MaxMTU, s.MTU)
	return out, out.make(cc, lc)
}

// atMost is the smaller of two bounds, of which 0 is none.
func atMost(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// usable leaves out methods that need a certificate where there is none.
func usable(methods []pppauth.Method, certificates bool) []pppauth.Method {
	return slices.DeleteFunc(slices.Clone(methods), func(m pppauth.Method) bool { return m == pppauth.EAPTLS && !certificates })
}

// alternatives are the methods of EAP that may be used besides m, if it is one.
func alternatives(m pppauth.Method, methods []pppauth.Method) []pppauth.Method {
	isEAP := func(m pppauth.Method) bool { return m.Option().Protocol == ppp.ProtocolEAP }
	if !isEAP(m) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(methods), func(o pppauth.Method) bool { return o == m || !isEAP(o) })
}

func newSession(c net.Conn, m *profile.Messages, faults *Faults, log *slog.Logger) *Session {
	s := &Session{
		conn: c, faults: *faults, log: log, began: time.Now(),
		lengthReserved: m.LengthReserved, ending: m.End,
		at: StepHTTP, up: make(chan struct{}), done: make(chan struct{}),
	}
	if faults.Call.ReservedBits {
		s.lengthReserved = 0xf
	}
	s.out = newWriter(c, m.Coalesce, *faults)
	s.raw = c
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		s.raw = t.NetConn()
	}
	s.out.giveUp = func() { _ = s.raw.Close() } // the writer says why
	return s
}

func (s *Session) make(cc call.Config, lc pppref.Config) (err error) {
	if s.call, err = call.New(cc); err != nil {
		return err
	}
	if s.link, err = pppref.NewLink(lc); err != nil {
		return err
	}
	s.timer = time.AfterFunc(time.Hour, s.expire)
	s.timer.Stop()
	return nil
}

func callConfig(s *Session, role call.Role, t call.Timers, m *profile.Messages, faults *Faults, certificate []byte) call.Config {
	if t.Hello == 0 {
		t.Hello = interval(m.Hello)
	}
	c := call.Config{
		Role: role, Timers: t, Certificate: certificate, Faults: faults.Call,
		Send: s.sendControl, Event: s.onCall,
	}
	q := &c.Quirks
	q.NoStatusInfo, q.NoEchoResponse, q.LengthReserved, q.AbortStatus = m.NoStatusInfo, m.NoEchoResponse, m.LengthReserved, m.AbortStatus
	q.EchoFailures = m.Hello.Misses
	if m.Hello.Always {
		c.Timers.Hello = -1
		q.EchoInterval = func() time.Duration { return between(m.Hello.Min, m.Hello.Max) }
	}
	return c
}

// interval is the shortest of a timer, negative for a timer that never is.
func interval(e profile.EchoTimer) time.Duration {
	if e.Max == 0 {
		return -1
	}
	return e.Min
}

func between(lo, hi time.Duration) time.Duration { return lo + rand.N(hi-lo+1) }

func linkConfig(s *Session, role pppref.Role, p *profile.PPP, methods []pppauth.Method) pppref.Config {
	if p.IPCP != nil {
		s.pending |= ipv4
	}
	if p.IPV6CP != nil {
		s.pending |= ipv6
	}
	s.idleEcho = !p.LCPEcho.Always
	return pppref.Config{
		Role: role, LCP: p.LCP, IPCP: p.IPCP, IPV6CP: p.IPV6CP, Methods: methods,
		RestartTimer: p.RestartTimer,
		EchoInterval: p.LCPEcho.Min, EchoSpread: p.LCPEcho.Max - p.LCPEcho.Min, EchoFailures: p.LCPEcho.Misses,
		EchoAtOnce: p.LCPEcho.AtOnce, EchoRequestData: p.LCPEchoData, EchoReplyData: p.LCPEchoReplyData,
		FullHeaders: p.FullHeaders, MaxMTU: p.MTU,
		Quirks: pppref.Quirks{
			FirstIdentifier: identifier(p.FirstIdentifier), SharedIdentifiers: p.SharedIdentifiers, PassiveLCP: p.Passive,
			ShortLCP: p.ShortLCP, RejectLCP: p.RejectLCP, RejectIPCP: p.RejectIPCP, MaxPeerMRU: p.MaxMRU,
			Callback: p.CBCP, IPv6First: p.IPv6First, CopyTerminateData: p.CopyTerminateData,
			RejectProtocolOnly: p.RejectProtocolOnly, TerminateData: terminateData(p.TerminateData),
		},
		Send: s.sendFrame, Event: s.onLink,
	}
}

// identifier is a profile's first identifier; a negative one is made up.
func identifier(first int) uint8 {
	if first < 0 {
		return uint8(rand.Uint32())
	}
	return uint8(first)
}

func terminateData(f func(magic uint32) []byte) func(uint32, string) []byte {
	if f == nil {
		return nil
	}
	return func(magic uint32, _ string) []byte { return f(magic) }
}
