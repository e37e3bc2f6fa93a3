package probe

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"sstpwarden/inspect/tlswire"
	"sstpwarden/policies/event"
)

// clientConfig takes any server: old ones too, and any certificate.
func clientConfig(name string) *tls.Config {
	c := &tls.Config{
		ServerName: name,
		// Suspected servers have whatever certificate they like, and nothing is
		// entrusted to them.
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS10, // RRAS of Windows Server 2008 R2 has nothing newer
		// Without post-quantum shares, so that the hello fits one packet and old
		// servers take it.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, s.ID)
	}
	return c
}

const (
	maxText  = 256 // bytes of a text from the server
	maxNames = 16  // of a certificate, and of header fields
)

func tlsFacts(state tls.ConnectionState, at time.Time) *TLS {
	t := &TLS{
		Version:     tlswire.Version(state.Version).String(),
		Cipher:      tlswire.CipherSuite(state.CipherSuite).String(),
		ChainLength: len(state.PeerCertificates),
	}
	if t.ChainLength == 0 {
		return t
	}
	leaf := state.PeerCertificates[0]
	sum := sha256.Sum256(leaf.Raw)
	t.Certificate = hex.EncodeToString(sum[:])
	t.Subject, t.Issuer = cut(leaf.Subject.String(), maxText), cut(leaf.Issuer.String(), maxText)
	t.SelfSigned = bytes.Equal(leaf.RawSubject, leaf.RawIssuer)
	t.NotBefore, t.NotAfter = event.NewTime(leaf.NotBefore), event.NewTime(leaf.NotAfter)
	t.Expired = at.After(leaf.NotAfter)
	for _, name := range leaf.DNSNames[:min(maxNames, len(leaf.DNSNames))] {
		t.Names = append(t.Names, cut(name, maxText))
	}
	return t
}

// handshakeFailed words the end of a handshake.
func (a *attempt) handshakeFailed(err error) {
	const step = StepTLS
	first := a.conn.first
	alert, alerted := readAlert(first)
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &header) && !alerted:
		a.result.fail(step, fmt.Errorf("the server answered TLS with %s", excerpt(first)), "the port speaks no TLS, and SSTP needs it")
		a.result.SSTP = No
	case alerted:
		a.fail(step, fmt.Errorf("the server refuses the handshake: %w", err), alert)
	case errors.Is(err, io.EOF) && len(first) == 0:
		a.fail(step, errors.New("the server closed the connection instead of a handshake"), "no handshake")
	default:
		a.fail(step, err, "no handshake")
	}
}

// What the alerts of servers mean here (RFC 8446, Section 6.2).
var alerts = map[byte]string{
	40:  "no handshake: the server takes none of the cipher suites; a MikroTik router without a certificate is like that",
	70:  "no handshake: the server takes none of TLS 1.0 to 1.3",
	71:  "no handshake: the server takes none of the cipher suites",
	80:  "no handshake: the server has an error of its own, as some have without a name",
	112: "no handshake: the server wants another name",
	116: "no handshake: the server wants a certificate of the client",
}

// readAlert reads an alert that came first of all, in clear (RFC 8446, Section 6).
//
//	1 type, 2 version, 2 length, 1 level, 1 description
func readAlert(first []byte) (reason string, ok bool) {
	const recordAlert = 21
	if len(first) < 7 || first[0] != recordAlert || first[1] != 3 || first[3] != 0 || first[4] != 2 {
		return "", false
	}
	if reason, ok = alerts[first[6]]; !ok {
		reason = "no handshake"
	}
	return reason, true
}

// excerpt gives the first line of b for people.
func excerpt(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return fmt.Sprintf("%q", strings.TrimRight(line, "\r"))
}

// cut shortens s to n bytes, between characters, and makes it valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
