package pppauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"sstpwarden/inspect/ppp"
)

// A keeper looks up users for an authenticator.
type keeper struct {
	*Authenticator
	decoy string // stands for the password of users that there are not, so that looking takes the same time
}

// A claim is what one try has to be checked against. Where err says that the try fails anyway, the password is the decoy,
// and the check is made nevertheless.
type claim struct {
	claimed  string
	name     string // as Password knows it, or without its domain
	password string
	err      *Error
}

// claim looks up who claims to be name.
func (k *keeper) claim(m Method, name string) claim {
	c := claim{claimed: name, name: name, password: k.decoy}
	known := false
	candidates := []string{name}
	if base := withoutDomain(name); base != name {
		candidates = append(candidates, base)
		c.name = base
	}
	for _, n := range candidates {
		if password, ok := k.Password(n); ok && !known && len(name) <= maxNameLen {
			known, c.name, c.password = true, n, password
		}
	}
	switch err := k.allow(m, c.name); {
	case err != nil:
		c.err, c.password = err, k.decoy
	case !known:
		c.err = &Error{Method: m, Reason: UnknownUser, User: c.name, Text: fmt.Sprintf("no such user %q", cut(name))}
	}
	return c
}

// allow asks Allow.
func (k *keeper) allow(m Method, name string) *Error {
	if k.Allow == nil {
		return nil
	}
	if err := k.Allow(name); err != nil {
		return &Error{Method: m, Reason: NotAllowed, User: name, Text: fmt.Sprintf("%q may not log in", cut(name)), Err: err}
	}
	return nil
}

// verdict returns nil if the check came out well and nothing else speaks against the claim.
func (c claim) verdict(m Method, match bool) *Error {
	if c.err == nil && !match {
		return &Error{Method: m, Reason: WrongPassword, User: c.name, Text: fmt.Sprintf("wrong password for %q", cut(c.name))}
	}
	return c.err
}

// withoutDomain returns the name without the domain before it, "DOM\".
func withoutDomain(name string) string { return name[strings.LastIndexByte(name, '\\')+1:] }

// equal compares in a time that tells nothing of either, not even the length.
func equal(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func equalSecret(a ppp.Secret, b []byte) bool { return equal(a.Reveal(), b) }
