package mitm

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Problem is the class of what is wrong with a certificate.
type Problem uint8

// Problems, in the order in which one hides the next, as in crypto/x509.
const (
	ProblemNone             Problem = iota
	ProblemExpired                  // or not valid yet
	ProblemName                     // it is for other names
	ProblemUnknownAuthority         // nothing leads to a root that is trusted
	ProblemOther
)

func (p Problem) String() string {
	switch p {
	case ProblemNone:
		return "none"
	case ProblemExpired:
		return "expired"
	case ProblemName:
		return "name mismatch"
	case ProblemUnknownAuthority:
		return "unknown authority"
	case ProblemOther:
		return "other"
	}
	return fmt.Sprintf("Problem(%d)", uint8(p))
}

// Classify gives the class of what verifying a certificate gave, wrapped or not.
func Classify(err error) Problem {
	if err == nil {
		return ProblemNone
	}
	if e, ok := errors.AsType[*VerifyError](err); ok {
		switch {
		case e.Time != nil:
			return ProblemExpired
		case e.Name != nil:
			return ProblemName
		}
		err = e.Trust
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return ProblemExpired
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return ProblemName
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return ProblemUnknownAuthority
	}
	return ProblemOther
}

// A VerifyError has all that is wrong with an upstream's certificate. At least
// one of Time, Name and Trust is not nil.
type VerifyError struct {
	ServerName string
	Time       error // the leaf has expired or is not valid yet
	Name       error // the leaf is not for ServerName
	Trust      error // whatever its dates and names, it is not to be trusted
}

func (e *VerifyError) Error() string {
	var all []string
	for _, err := range e.Unwrap() {
		all = append(all, strings.TrimPrefix(err.Error(), "x509: "))
	}
	return fmt.Sprintf("certificate of %s: %s", e.ServerName, strings.Join(all, "; "))
}

// Unwrap returns those of Time, Name and Trust that are not nil.
func (e *VerifyError) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Time, e.Name, e.Trust} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// problems looks for everything that is wrong with a chain. [x509.Certificate.Verify]
// stops at the first.
func (t *Trust) problems(chain []*x509.Certificate, serverName string, roots *x509.CertPool, now time.Time) error {
	leaf := chain[0]
	e := &VerifyError{ServerName: serverName}
	when := now
	switch {
	case now.After(leaf.NotAfter):
		when = leaf.NotAfter
	case now.Before(leaf.NotBefore):
		when = leaf.NotBefore
	}
	if !when.Equal(now) {
		e.Time = x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired, Detail: outside(leaf, now)}
	}
	e.Name = leaf.VerifyHostname(serverName)
	// At a time when the leaf is valid, so that its dates hide nothing.
	e.Trust = t.verify(chain, roots, when)
	if len(e.Unwrap()) == 0 {
		return nil
	}
	return e
}

func outside(leaf *x509.Certificate, now time.Time) string {
	if now.After(leaf.NotAfter) {
		return fmt.Sprintf("current time %s is after %s", now.Format(time.RFC3339), leaf.NotAfter.Format(time.RFC3339))
	}
	return fmt.Sprintf("current time %s is before %s", now.Format(time.RFC3339), leaf.NotBefore.Format(time.RFC3339))
}
