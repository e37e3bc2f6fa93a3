package mitm

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
)

// ServerConfig is for the handshake with a client ([Accept]): TLS 1.2 or 1.3, with a leaf
// and the protocol that the upstream chose (its NegotiatedProtocol, "" for none).
//
// There are no session tickets: a client that resumes a session verifies nothing,
// and would not see what has become of the upstream's certificate.
func ServerConfig(leaf *tls.Certificate, alpn string) *tls.Config {
	c := &tls.Config{
		Certificates:           []tls.Certificate{*leaf},
		MinVersion:             tls.VersionTLS12,
		SessionTicketsDisabled: true,
	}
	if alpn != "" {
		c.NextProtos = []string{alpn}
	}
	return c
}

// ReasonClosed is [Rejected]'s reason for a client that said none.
const ReasonClosed = "closed"

// rejections are the alerts by which a client says that it does not take a
// certificate (RFC 8446, Section 6.2; RFC 9849, Section 6.1.6).
var rejections = map[tls.AlertError]string{
	42:  "bad_certificate",
	43:  "unsupported_certificate",
	44:  "certificate_revoked",
	45:  "certificate_expired",
	46:  "certificate_unknown",
	48:  "unknown_ca",
	49:  "access_denied",
	51:  "decrypt_error",
	113: "bad_certificate_status_response",
	121: "ech_required", // it would not be opened by anyone but the server
}

// Rejected says whether a client would not take our certificate, and its reason:
// the alert's name, or ReasonClosed. The error is that of [Accept], or of the
// first Read behind it, before which some clients verify nothing.
//
// ReasonClosed is weaker than an alert. From Accept it may also be that the
// client's user went away. From a Read it may be a client that verifies late, as
// those of GnuTLS do, and as well a browser that opened a connection in advance
// and never used it. And where the upstream has a problem of its own, a client
// that rejects the leaf does what it should.
func Rejected(err error) (reason string, ok bool) {
	if err == nil {
		return "", false
	}
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" {
		reason, ok = alertReason(alert.Err)
		return reason, ok
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonClosed, true
	}
	return "", false
}

// alertReason knows an alert by its text, because its type has no name outside
// crypto/tls but in QUIC's errors.
func alertReason(err error) (string, bool) {
	for alert, reason := range rejections {
		if err.Error() == alert.Error() {
			return reason, true
		}
	}
	return "", false
}
