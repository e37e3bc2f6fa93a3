package pppauth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
)

var (
	errNoCertificate = errors.New("no certificate")
	errNoKey         = errors.New("the other end's TLS 1.2 is without the extended master secret (RFC 7627)")
)

// curves leaves out the post-quantum hybrids: with them a ClientHello is larger than one EAP packet may be, and the
// conversation is inside SSTP's TLS already.
var curves = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}

// clientConfig returns what a peer's TLS goes by. It shows its certificate whatever authorities the server names, so that
// the server says what is wrong with it.
func clientConfig(c *Credentials) *tls.Config {
	config := &tls.Config{
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.Certificate, nil },
		RootCAs:              c.Roots,
		ServerName:           c.ServerName,
		MinVersion:           tls.VersionTLS12,
		MaxVersion:           c.MaxTLS,
		CurvePreferences:     curves,
		Time:                 c.Time,
	}
	switch {
	case c.Insecure:
		config.InsecureSkipVerify = true
	case c.ServerName == "":
		config.InsecureSkipVerify = true // of the name only: the next line checks all else
		config.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s.PeerCertificates, c) }
	}
	return config
}

// verifyChain checks what crypto/tls checks when it is given a name, but for the name.
func verifyChain(certs []*x509.Certificate, c *Credentials) error {
	options := x509.VerifyOptions{
		Roots: c.Roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if c.Time != nil {
		options.CurrentTime = c.Time()
	}
	for _, cert := range certs[1:] {
		options.Intermediates.AddCert(cert)
	}
	if _, err := certs[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
	}
	return nil
}

func serverConfig(a *Authenticator) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.Certificate},
		ClientCAs:    a.ClientCAs,
		// Where a certificate is given it is verified; VerifyConnection wants one to be given, in words of its own.
		ClientAuth:       tls.VerifyClientCertIfGiven,
		VerifyConnection: wantCertificate,
		MinVersion:       tls.VersionTLS12,
		MaxVersion:       a.MaxTLS,
		CurvePreferences: curves,
		// pppd takes a ticket of TLS 1.3 for the end of the handshake. None is good for anything: the certificate is looked
		// at each time.
		UnwrapSession: func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil },
		Time:          a.Time,
	}
}

func wantCertificate(s tls.ConnectionState) error {
	if len(s.VerifiedChains) == 0 {
		return errNoCertificate
	}
	return nil
}

// certificateName returns the one of a certificate's names that is wished for, and the first if that is not among them:
// the alternative ones, then the common name (RFC 5216, Section 5.2).
func certificateName(cert *x509.Certificate, wish string) string {
	names := slices.Concat(cert.EmailAddresses, cert.DNSNames, []string{cert.Subject.CommonName})
	for _, name := range names {
		if wish != "" && strings.EqualFold(name, wish) {
			return name
		}
	}
	for _, name := range names {
		if name != "" {
			return name
		}
	}
	return cert.Subject.String()
}

// firstName returns the first name of a certificate, "" if it cannot be read.
func firstName(c tls.Certificate) string {
	leaf := c.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return ""
		}
	}
	return certificateName(leaf, "")
}
