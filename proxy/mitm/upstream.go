package mitm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// DefaultTimeout is how long a handshake may take.
const DefaultTimeout = 10 * time.Second

// An Upstream is the server that a client wants, as its handshake showed it.
type Upstream struct {
	Chain      []*x509.Certificate // as it was sent, the server's own first
	VerifyErr  error               // what is wrong with it, a *VerifyError from Handshake; nil if nothing is
	ServerName string              // that it was verified for

	// WantsClientCertificate says that it asked for a certificate of the
	// client. We have none: such servers are better passed on unopened.
	WantsClientCertificate bool

	resumed bool // a session in which it showed the chain
	roots   *x509.CertPool
	trust   *Trust
	clock   func() time.Time
}

// UpstreamOptions say how to shake hands with an upstream. ServerName is needed.
type UpstreamOptions struct {
	// ServerName is the DNS name or address that the certificate is verified
	// for. A name is sent as well.
	ServerName string
	// OmitServerName sends no name, because the client sent none.
	OmitServerName bool
	// ALPN is what to offer ([MirrorALPN]); none where the client offered none.
	ALPN []string
	// Roots that are trusted ([LoadRoots]). Default the system's.
	Roots *x509.CertPool
	// Trust remembers chains that verified; nil has each verified anew.
	Trust *Trust
	// Sessions are resumed where there are any; nil has each connection begin
	// with a certificate.
	Sessions *Sessions
	// Classical offers no key exchange that withstands quantum computers, as a
	// client that offers none: the server's side is then as good as the client's
	// was to be, and costs less.
	Classical bool
	// Legacy allows TLS 1.0 and 1.1, and key exchange by RSA encryption.
	Legacy bool
	// Timeout of the handshake. Default DefaultTimeout.
	Timeout time.Duration
	// Verify is asked before the handshake ends, and ends it with an error. Nil
	// accepts: what is wrong is in Upstream.VerifyErr. [Pin] makes one.
	Verify func(tls.ConnectionState) error
	// Clock is the time that certificates are verified at. Default time.Now.
	Clock func() time.Time
}

// A HandshakeError says that a TLS handshake did not come about. Where the server
// refused ours the cause is an alert.
type HandshakeError struct {
	Server string
	Err    error
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("opening TLS to %s: %v", e.Server, e.Err)
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Handshake makes a TLS connection of raw, as a client. A certificate that does
// not verify is no error, but told in the Upstream. After an error, raw is of no
// more use and left to the caller to close.
func Handshake(ctx context.Context, raw net.Conn, o UpstreamOptions) (*Conn, Upstream, error) {
	up := Upstream{ServerName: o.ServerName, roots: o.Roots, trust: o.Trust, clock: clockOr(o.Clock)}
	if o.ServerName == "" {
		return nil, up, &HandshakeError{raw.RemoteAddr().String(), errors.New("no server name to verify its certificate for")}
	}
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	config := o.config(&up)
	o.resume(config, &up, raw)
	conn := newConn(raw, func(raw net.Conn) *tls.Conn { return tls.Client(raw, config) })
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, up, &HandshakeError{o.ServerName, err}
	}
	return conn, up, nil
}

// config verifies by itself, resumed sessions too. There are none unless resume
// adds them.
func (o *UpstreamOptions) config(up *Upstream) *tls.Config {
	c := &tls.Config{
		ServerName:             o.ServerName,
		NextProtos:             o.ALPN,
		MinVersion:             tls.VersionTLS12,
		Time:                   up.clock,
		SessionTicketsDisabled: true,
		InsecureSkipVerify:     true,
		// Servers of TLS 1.2 ask for it when they want a client's certificate for
		// some paths only, often content with none. Theirs must stay the same.
		Renegotiation: tls.RenegotiateFreelyAsClient,
		VerifyConnection: func(cs tls.ConnectionState) error {
			up.Chain, up.resumed = cs.PeerCertificates, cs.DidResume
			up.VerifyErr = up.trust.problems(up.Chain, up.ServerName, up.roots, up.clock())
			if o.Verify == nil {
				return nil
			}
			return o.Verify(cs)
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			up.WantsClientCertificate = true
			return new(tls.Certificate), nil
		},
	}
	if o.OmitServerName {
		c.ServerName = ""
	}
	if o.Classical {
		c.CurvePreferences = classical
	}
	if o.Legacy {
		c.MinVersion, c.CipherSuites = tls.VersionTLS10, legacySuites()
	}
	return c
}

var classical = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// legacySuites leaves RC4 out, which nobody has to have (RFC 7465).
func legacySuites() []uint16 {
	var ids []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		switch s.ID {
		case tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA:
		default:
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// MirrorALPN gives the protocols that a client offered, in its order. Those that
// cannot be offered anew are left out.
func MirrorALPN(offered []string) []string {
	var alpn []string
	for _, proto := range offered {
		if proto != "" && len(proto) <= maxProtocol && !slices.Contains(alpn, proto) {
			alpn = append(alpn, proto)
		}
	}
	return alpn
}

// maxProtocol is how long a protocol's name may be (RFC 7301, Section 3.1).
const maxProtocol = 255

// Pin returns what has later connections to the same server accept a certificate
// that verifies, or the one that the client was shown already, whatever is wrong
// with it: the client has decided on that one. It is for
// [UpstreamOptions].Verify, and for VerifyConnection of a [tls.Config] that
// skips verification.
func Pin(up Upstream) func(tls.ConnectionState) error {
	return func(cs tls.ConnectionState) error {
		if len(cs.PeerCertificates) == 0 {
			return errors.New("the server shows no certificate")
		}
		if len(up.Chain) > 0 && up.Chain[0].Equal(cs.PeerCertificates[0]) {
			return nil
		}
		if err := up.trust.problems(cs.PeerCertificates, up.ServerName, up.roots, clockOr(up.clock)()); err != nil {
			return fmt.Errorf("not the certificate that the client was shown: %w", err)
		}
		return nil
	}
}
