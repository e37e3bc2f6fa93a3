package mitm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

const (
	// untrustedName tells people who look at such a certificate why.
	untrustedName = "the server's certificate is not trusted (sstpwarden)"
	// maxLeaf is how long clients let a certificate be valid (CA/Browser Forum
	// Baseline Requirements 6.3.2).
	maxLeaf = 398 * 24 * time.Hour
)

// Leaf makes a certificate with the subject, names and dates of the upstream's,
// for a client that asked for serverName (up.ServerName if that is empty). It has
// a key of its own. [Cache.Leaf] is the same with a memory.
//
// The leaf is signed by the authority only where the client then sees what is
// wrong with the upstream, if anything is. The error is a *ConstraintError where
// the authority's constraints forbid the upstream's names.
func (a *Authority) Leaf(up Upstream, serverName string) (*tls.Certificate, error) {
	if len(up.Chain) == 0 {
		return nil, errNoCertificate
	}
	if serverName == "" {
		serverName = up.ServerName
	}
	leaf, err := a.mint(up.Chain[0], up.mirrored(serverName, a.clock()))
	if err != nil {
		return nil, fmt.Errorf("making a certificate for %s: %w", serverName, err)
	}
	return leaf, nil
}

var errNoCertificate = errors.New("making a certificate: the upstream showed none to mirror")

// mirrored says that a leaf that the authority signs verifies for serverName
// where the upstream's does, and fails where it fails.
func (up *Upstream) mirrored(serverName string, now time.Time) bool {
	if up.VerifyErr == nil {
		return true
	}
	e, ours := errors.AsType[*VerifyError](up.VerifyErr)
	switch {
	case ours && e.Trust != nil:
		return false
	case ours:
	default:
		if class := Classify(up.VerifyErr); class != ProblemExpired && class != ProblemName {
			return false
		}
	}
	// An intermediate that has expired is not in the leaf, nor is a name that
	// is wrong only for somebody else.
	leaf := up.Chain[0]
	return now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) || leaf.VerifyHostname(serverName) != nil
}

func (a *Authority) mint(up *x509.Certificate, trusted bool) (*tls.Certificate, error) {
	by, sent := &issuer{a.key, a.cert}, a.sent()
	if !trusted {
		by, sent = a.untrusted, nil
	} else if name := a.forbidden(up); name != "" {
		return nil, &ConstraintError{name}
	}
	// A key each: that is a seventh of what a leaf costs, and leaves nothing to
	// rotate and nothing that would open more than one server's connections.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := mirror(up, by.cert, a.clock())
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: append([][]byte{der}, sent...), PrivateKey: key}, nil
}

// sent is what clients need besides a leaf to find the way to their root.
func (a *Authority) sent() [][]byte {
	if selfIssued(a.cert) {
		return nil
	}
	return append([][]byte{a.cert.Raw}, a.above...)
}

// mirror takes over what a client verifies. The subject and the names are the
// upstream's to the letter, with whatever is wrong with them; the name that the
// client asked for is not added.
func mirror(up, ca *x509.Certificate, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		RawSubject:            up.RawSubject,
		DNSNames:              up.DNSNames,
		IPAddresses:           up.IPAddresses,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	t.NotBefore, t.NotAfter = validity(up, ca, now)
	return t, nil
}

// validity gives the upstream's dates, cut to what clients take. What has expired
// or is not valid yet stays so.
func validity(up, ca *x509.Certificate, now time.Time) (from, to time.Time) {
	from, to = up.NotBefore, up.NotAfter
	switch {
	case now.After(to): // expired: both ends lie before now
		if to.Sub(from) > maxLeaf {
			from = to.Add(-maxLeaf)
		}
		return from, to
	case now.Before(from):
		return from, earlier(to, from.Add(maxLeaf))
	}
	if from.Before(ca.NotBefore) {
		from = ca.NotBefore
	}
	to = earlier(to, ca.NotAfter)
	if to.Sub(from) > maxLeaf {
		if recent := now.Add(-backdate); from.Before(recent) {
			from = recent
		}
		to = earlier(to, from.Add(maxLeaf))
	}
	return from, to
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
