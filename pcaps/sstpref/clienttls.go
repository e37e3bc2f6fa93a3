package sstpref

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	utls "github.com/refraction-networking/utls"

	"sstpwarden/pcaps/sstpref/hello"
)

// secure does the TLS handshake, and checks the certificate after it, so that a
// certificate that is not trusted is told apart from TLS that does not work.
func (d *dialer) secure(ctx context.Context, c net.Conn) (net.Conn, *TLSInfo, error) {
	if n := d.Faults.FragmentHello; n > 0 {
		c = &helloCutter{Conn: c, size: n, records: d.Faults.FragmentRecords}
	}
	ctx, cancel := context.WithTimeout(ctx, d.HandshakeTimeout)
	defer cancel()
	shake := d.plainTLS
	switch {
	case d.TLS != nil:
		shake = d.TLS
	case d.Profile.Hello != "":
		shake = d.mimicTLS
	}
	out, info, err := shake(ctx, c)
	if err != nil {
		return nil, nil, failed(StepTLS, err, lookTLS(err))
	}
	if err := d.verify(info.Certificates); err != nil {
		_ = out.Close() // its error is nothing beside err
		return nil, info, err
	}
	return out, info, nil
}

// TLSInfo is what was agreed on.
type TLSInfo struct {
	Version, Cipher string
	SNI             string // "" for none
	Certificates    []*x509.Certificate
}

func (d *dialer) plainTLS(ctx context.Context, c net.Conn) (net.Conn, *TLSInfo, error) {
	config := &tls.Config{
		ServerName: d.sni(), InsecureSkipVerify: true, // verify does it
		MinVersion: d.minTLS(), MaxVersion: d.MaxTLS, KeyLogWriter: d.keyLog(),
		NextProtos: d.ALPN,
	}
	if config.MinVersion < tls.VersionTLS12 {
		config.CipherSuites = oldSuites()
	}
	t := tls.Client(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	s := t.ConnectionState()
	return t, &TLSInfo{tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), config.ServerName, s.PeerCertificates}, nil
}

// mimicTLS says hello as the profile's client does.
func (d *dialer) mimicTLS(ctx context.Context, c net.Conn) (net.Conn, *TLSInfo, error) {
	config := &utls.Config{InsecureSkipVerify: true, KeyLogWriter: d.keyLog()} // verify does it
	t, err := hello.Client(c, config, d.Profile.Hello, d.sni(), hello.Options{MinVersion: d.MinTLS, MaxVersion: d.MaxTLS, ALPN: d.ALPN})
	if err != nil {
		return nil, nil, err
	}
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	s := t.ConnectionState()
	return t, &TLSInfo{tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite), d.sni(), s.PeerCertificates}, nil
}

func (d *dialer) keyLog() io.Writer {
	if d.KeyLog == nil {
		return nil
	}
	return d.KeyLog
}

func (d *dialer) minTLS() uint16 {
	if d.MinTLS != 0 {
		return d.MinTLS
	}
	if d.MaxTLS != 0 {
		return min(d.MaxTLS, tls.VersionTLS12)
	}
	return tls.VersionTLS12
}

// sni is the name that the ClientHello tells, "" for none: addresses are not told
// (RFC 6066, Section 3).
func (d *dialer) sni() string {
	switch {
	case d.NoSNI:
		return ""
	case d.SNI != "":
		return d.SNI
	case !d.Profile.SNI || net.ParseIP(d.Host) != nil:
		return ""
	}
	return d.Host
}

// verify checks the server's certificates for the name that was dialled.
func (d *dialer) verify(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return failed(StepCertificate, errors.New("the server shows no certificate"), "")
	}
	if d.Insecure {
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: d.Host, Roots: d.Roots, Intermediates: between})
	if err == nil {
		return nil
	}
	leaf := chain[0]
	look := fmt.Sprintf("the certificate is of %q, from %q, SHA-256 %x", leaf.Subject.CommonName, leaf.Issuer.CommonName, sha256.Sum256(leaf.Raw))
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		look += "; trust its issuer with --ca FILE, or whatever it is with --insecure"
	} else if now := time.Now(); now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		look += "; is the clock right?"
	}
	return failed(StepCertificate, err, look)
}

// lookTLS says what to look at when a handshake fails.
func lookTLS(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return "what listens there does not speak TLS"
	case strings.Contains(text, "protocol version"), strings.Contains(text, "unsupported protocol"), strings.Contains(text, "unsupported versions"):
		return "the server wants another version of TLS: see --tls-min, --tls-max and what --profile can do"
	case strings.Contains(text, "bad record MAC"):
		return "the server may have chosen CBC with encrypt-then-MAC, which this profile offers and cannot do: --tls-min 1.3, or another --profile"
	case strings.Contains(text, "handshake failure"), strings.Contains(text, "no cipher suite"):
		return "the server and the client have no cipher suite in common"
	case errors.Is(err, io.EOF), strings.Contains(text, "connection reset"), errors.Is(err, syscall.EPIPE):
		return "something on the way may cut TLS: is the server's name (SNI) or port blocked?"
	case errors.Is(err, context.DeadlineExceeded):
		return "the server, or something on the way, does not answer"
	}
	return ""
}
