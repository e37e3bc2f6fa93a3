package pppauth

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

// handshakeError says in a person's words why a handshake failed; other is the other end: "server" or "client".
func handshakeError(err error, other string) *Error {
	e := &Error{Method: EAPTLS, Reason: BadMessage, Text: "the TLS handshake with the " + other + " failed", Err: err}
	var cert *tls.CertificateVerificationError
	var remote *net.OpError // what crypto/tls makes of an alert
	switch {
	case errors.As(err, &cert):
		e.Reason, e.Err = Certificate, cert.Err
		e.Text = fmt.Sprintf("the %s's certificate is not accepted", other)
		if len(cert.UnverifiedCertificates) > 0 {
			e.Text = fmt.Sprintf("the %s's certificate, of %q, is not accepted", other, cut(certificateName(cert.UnverifiedCertificates[0], "")))
		}
	case errors.As(err, &remote) && remote.Op == "remote error":
		e.Reason, e.Text = Refused, fmt.Sprintf("the %s ended the TLS handshake", other)
		if text := err.Error(); strings.Contains(text, "certificate") || strings.Contains(text, "unknown certificate authority") {
			e.Reason, e.Text = CertificateRefused, fmt.Sprintf("the %s does not accept the certificate shown to it", other)
		}
	case errors.Is(err, errNoCertificate):
		e.Reason, e.Text, e.Err = Certificate, fmt.Sprintf("the %s showed no certificate", other), nil
	case errors.Is(err, errNoKey):
		e.Text = "no key can be had from TLS"
	}
	return e
}

// A tlsClient is the peer's part of EAP with TLS (RFC 5216, Section 2.1; RFC 9190, Section 2.1).
type tlsClient struct {
	engine *tlsEngine
	frames tlsFrames
	begun  bool
}

func newTLSClient(c *Credentials) *tlsClient {
	return &tlsClient{engine: newTLSEngine(clientConfig(c), false), frames: tlsFrames{size: c.EAPMTU}}
}

func (c *tlsClient) close() { c.engine.close() }

func (c *tlsClient) receive(d ppp.EAPData) eapReply {
	m, ok := d.(ppp.EAPTLS)
	switch {
	case !ok:
		return eapReply{}
	case !c.begun:
		if m.Flags&ppp.EAPTLSStart == 0 {
			return eapReply{}
		}
		c.begun = true
		return c.step(nil)
	case m.Flags&ppp.EAPTLSStart != 0:
		return eapReply{}
	case c.frames.sending():
		if len(m.Fragment) > 0 || m.Flags != 0 {
			return eapReply{} // not the acknowledgement that is due
		}
		return eapReply{data: c.frames.next()}
	}
	data, whole, err := c.frames.take(m)
	switch {
	case err != nil:
		return eapReply{err: err}
	case !whole:
		return eapReply{data: ppp.EAPTLS{Type: ppp.EAPTypeTLS}}
	}
	return c.step(data)
}

// step lets TLS go on. Where it has nothing to say the response is empty, which acknowledges.
func (c *tlsClient) step(data []byte) eapReply {
	r := c.engine.step(data)
	c.frames.queue(r.out)
	reply := eapReply{data: c.frames.next()}
	switch {
	case r.err != nil:
		reply.err = handshakeError(r.err, "server")
	case r.done:
		reply.done, reply.protected, reply.hlak = true, r.state.Version >= tls.VersionTLS13, sstp.NewHLAK(r.key)
	}
	return reply
}

// A tlsServer is the authenticator's part of EAP with TLS.
type tlsServer struct {
	k        *keeper
	identity string
	engine   *tlsEngine
	frames   tlsFrames
	finished *tlsResult // once TLS is done: what remains is to send its last words
}

func newTLSServer(k *keeper, identity string) *tlsServer {
	return &tlsServer{
		k: k, identity: identity, engine: newTLSEngine(serverConfig(k.Authenticator), true), frames: tlsFrames{size: k.EAPMTU},
	}
}

func (s *tlsServer) close() { s.engine.close() }

func (s *tlsServer) start() eapStep {
	if s.identity != "" { // it may be withheld: RFC 9190, Section 2.1.8
		if err := s.k.allow(EAPTLS, s.identity); err != nil {
			return eapStep{err: err}
		}
	}
	return eapStep{data: ppp.EAPTLS{Type: ppp.EAPTypeTLS, Flags: ppp.EAPTLSStart}}
}

func (s *tlsServer) receive(d ppp.EAPData) eapStep {
	m, ok := d.(ppp.EAPTLS)
	if !ok || m.Flags&ppp.EAPTLSStart != 0 {
		return eapStep{}
	}
	acknowledgement := len(m.Fragment) == 0 && m.Flags == 0
	switch {
	case s.frames.sending():
		if !acknowledgement {
			return eapStep{}
		}
		return eapStep{data: s.frames.next()}
	case s.finished != nil:
		if !acknowledgement {
			// An alert, in TLS 1.3: the client takes its last message only now.
			return eapStep{err: &Error{Method: EAPTLS, Reason: Refused, Text: "the client did not take the end of the TLS handshake"}}
		}
		return s.succeed()
	case acknowledgement:
		return eapStep{err: &Error{Method: EAPTLS, Reason: BadMessage, Text: "the client gave up in the middle of the TLS handshake"}}
	}
	data, whole, err := s.frames.take(m)
	switch {
	case err != nil:
		return eapStep{err: err}
	case !whole:
		return eapStep{data: ppp.EAPTLS{Type: ppp.EAPTypeTLS}}
	}
	return s.step(data)
}

func (s *tlsServer) step(data []byte) eapStep {
	r := s.engine.step(data)
	var failed *Error
	if r.err != nil {
		failed = handshakeError(r.err, "client")
	} else if r.done {
		s.finished = &r
		if name := s.name(); name != s.identity {
			failed = s.k.allow(EAPTLS, name)
		}
		if failed != nil {
			return eapStep{err: failed}
		}
	}
	switch {
	case len(r.out) > 0:
		s.frames.queue(r.out)
		return eapStep{data: s.frames.next(), err: failed}
	case failed != nil:
		return eapStep{err: failed}
	case r.done:
		return s.succeed()
	default:
		return eapStep{data: ppp.EAPTLS{Type: ppp.EAPTypeTLS}} // part of a flight, with no flag to say that there is more
	}
}

func (s *tlsServer) succeed() eapStep {
	return eapStep{done: true, name: s.name(), hlak: sstp.NewHLAK(s.finished.key)}
}

// name returns the claimed name if the certificate has it, else the certificate's first.
func (s *tlsServer) name() string {
	return certificateName(s.finished.state.PeerCertificates[0], s.identity)
}
