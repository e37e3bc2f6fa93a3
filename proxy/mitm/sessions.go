package mitm

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// sessionEntries is how many servers each of the two generations has.
	sessionEntries = 256
	// sessionTickets is how many tickets there are for one of them, one for each
	// connection that is opened at a time.
	sessionTickets = 16
	// maxTicket and maxSessionChain are the longest that are remembered, in bytes.
	// Usual tickets have some 200 bytes, and usual chains some 4 KiB, of which there
	// is one for each server: all take a few MiB, and never more than 50 or so.
	maxTicket       = 2 << 10
	maxSessionChain = 16 << 10
)

// Sessions remember what servers gave to resume a session with (RFC 8446, Section
// 2.2), which spares them a signature and us verifying it. They are those of
// servers whose certificate verified and who did not ask for ours.
//
// A session is resumed with the same address only, under the same name, roots and
// protocols, once, and no later than a chain counts as verified ([Trust]). What it
// stands for is what the server showed when it began: that is verified for its name
// and dates, compared with a pin and mirrored as if it had been shown anew.
//
// They are bounded, and safe for concurrent use. The zero value is empty.
type Sessions struct {
	mu sync.Mutex
	// The older generation goes when the newer one is full.
	newer, older map[sessionKey][]session
}

// A sessionKey is what a session depends on.
type sessionKey struct {
	address, name      string
	roots              *x509.CertPool
	alpn               string
	unnamed, classical bool
	legacy             bool
}

type session struct {
	state *tls.ClientSessionState
	began time.Time // when the certificate was shown, however often resumed
}

// take gives a session, most recent first, and forgets it.
func (s *Sessions) take(key sessionKey, when time.Time) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, generation := range []map[sessionKey][]session{s.newer, s.older} {
		list := generation[key]
		for len(list) > 0 {
			last := list[len(list)-1]
			list[len(list)-1] = session{}
			list = list[:len(list)-1]
			if age := when.Sub(last.began); age >= 0 && age < trustLifetime {
				generation[key] = list
				return last, true
			}
		}
		delete(generation, key)
	}
	return session{}, false
}

// add remembers a session, in the place of the first of many.
func (s *Sessions) add(key sessionKey, added session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, known := s.newer[key]
	if !known && len(s.newer) >= sessionEntries {
		s.newer, s.older = nil, s.newer
	}
	if s.newer == nil {
		s.newer = make(map[sessionKey][]session)
	}
	if len(list) >= sessionTickets {
		list = append(list[:0], list[1:]...)
	}
	s.newer[key] = append(list, added)
}

// A resumption is the [tls.ClientSessionCache] of one handshake.
type resumption struct {
	sessions *Sessions
	key      sessionKey
	up       *Upstream
	began    time.Time // when the certificate was shown
}

// Get implements [tls.ClientSessionCache].
func (r *resumption) Get(string) (*tls.ClientSessionState, bool) {
	found, ok := r.sessions.take(r.key, r.up.clock())
	r.began = found.began
	return found.state, ok
}

// Put implements [tls.ClientSessionCache]. It is told of a session when the
// certificate was verified, in TLS 1.3 by whoever reads from the connection.
func (r *resumption) Put(_ string, state *tls.ClientSessionState) {
	if state == nil || r.up.VerifyErr != nil || len(r.up.Chain) == 0 || r.up.WantsClientCertificate {
		return
	}
	length := 0
	for _, cert := range r.up.Chain {
		length += len(cert.Raw)
	}
	if ticket, _, err := state.ResumptionState(); err != nil || len(ticket) > maxTicket || length > maxSessionChain {
		return
	}
	if !r.up.resumed { // else the server has shown nothing anew
		r.began = r.up.clock()
	}
	r.sessions.add(r.key, session{state, r.began})
}

// resume has the handshake over raw resume a session with the same server.
func (o *UpstreamOptions) resume(c *tls.Config, up *Upstream, raw net.Conn) {
	if o.Sessions == nil {
		return
	}
	c.SessionTicketsDisabled = false
	c.ClientSessionCache = &resumption{sessions: o.Sessions, up: up, key: sessionKey{
		address: raw.RemoteAddr().String(), name: o.ServerName, roots: o.Roots, alpn: strings.Join(o.ALPN, ","),
		unnamed: o.OmitServerName, classical: o.Classical, legacy: o.Legacy,
	}}
}
