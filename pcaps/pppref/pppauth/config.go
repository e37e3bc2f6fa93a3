package pppauth

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// Credentials are what a peer has to show. Printing them gives the name alone.
type Credentials struct {
	// Name is the user's, at most 255 octets, perhaps with a domain before it: "DOM\user". In EAP with TLS it may be empty:
	// then it is the certificate's.
	Name string
	// Password is for every method but EAP with TLS: at most 255 octets, and UTF-8 in MS-CHAP-V2.
	Password string
	// Also holds further methods of EAP that may be used, besides the one that NewPeer is given and after it in preference.
	Also []Method
	// Again, if not nil, is asked for another password when the server refuses the first and offers another try.
	Again func(refused *Error) (password string, ok bool)

	// Certificate is the user's, with its private key: for EAP with TLS.
	Certificate tls.Certificate
	// Roots vouch for the server's certificate in EAP with TLS; nil stands for the system's.
	Roots *x509.CertPool
	// ServerName is the name that the server's certificate must be for; with "" any that Roots vouch for will do.
	ServerName string
	// Insecure takes any certificate of the server. The server then proves nothing.
	Insecure bool

	Tuning
}

// Format writes the name, whatever the verb: the password must not reach a log.
func (c Credentials) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "credentials of %q", c.Name) }

// An Authenticator is what the side that asks for an authentication knows.
type Authenticator struct {
	// Name is how it calls itself in CHAP and EAP's MSCHAPv2, at most 255 octets; it may be empty.
	Name string
	// Password returns a user's password, and whether there is such a user. It is for every method but EAP with TLS. A name
	// with a domain is asked for as it came and then without the domain.
	Password func(name string) (string, bool)
	// Allow, if not nil, says whether a user may try: nil, or why not, in words for people. It is asked before the password is
	// checked, at every try, with the name that Password knows; in EAP with TLS with the claimed name before the handshake,
	// and with the certificate's after it, if that is another.
	Allow func(name string) error
	// Also holds further methods of EAP that may be used, besides the one that NewAuthenticator is given and after it.
	Also []Method
	// Retries is how often MS-CHAP-V2 offers another try with R=1, at most 9. Windows asks its user then.
	Retries int
	// SuccessText and FailureText go out to the client: in PAP and CHAP as the message, in MS-CHAP-V2 after "M=". Both may be
	// empty and have at most 200 octets. accel-ppp says "Authentication succeeded" and "Authentication failure".
	SuccessText, FailureText string

	// Certificate is the server's, with its private key, and ClientCAs vouch for the clients': for EAP with TLS.
	Certificate tls.Certificate
	ClientCAs   *x509.CertPool

	Tuning
}

// Tuning is what both ends may be given and seldom need.
type Tuning struct {
	// Rand gives challenges and identifiers; nil stands for crypto/rand. TLS does not use it.
	Rand io.Reader
	// Time is the clock by which certificates are valid; nil stands for time.Now. Nothing else looks at a clock.
	Time func() time.Time
	// MaxTLS is the newest version that EAP with TLS may use: tls.VersionTLS12 or tls.VersionTLS13, which 0 stands for.
	MaxTLS uint16
	// EAPMTU is the size of the largest EAP packet with TLS in it that is sent, at least 64; what is larger is cut in
	// fragments. 0 stands for 1020, which every link has to carry (RFC 3748, Section 3.1).
	EAPMTU int
}

const (
	defaultEAPMTU = 1020
	minEAPMTU     = 64 // so that an alert is never cut
	maxNameLen    = 255
	maxTextLen    = 200
	maxRetries    = 9
)

// NewPeer returns the end that proves who it is by method m. The error says what the credentials lack.
func NewPeer(m Method, c Credentials) (Party, error) {
	offered, err := c.check(m)
	if err != nil {
		return nil, fmt.Errorf("preparing to log in by %s: %w", m, err)
	}
	switch m {
	case PAP:
		return newPAPPeer(&c), nil
	case CHAPMD5, MSCHAPv2:
		return newCHAPPeer(m, &c), nil
	default:
		return newEAPPeer(offered, &c), nil
	}
}

// NewAuthenticator returns the end that has the other prove who it is by method m. The error says what a lacks, or that
// there is no randomness to be had.
func NewAuthenticator(m Method, a Authenticator) (Party, error) {
	offered, err := a.check(m)
	if err != nil {
		return nil, fmt.Errorf("preparing to authenticate by %s: %w", m, err)
	}
	var seed struct {
		decoy     [16]byte
		id        [1]byte
		challenge [challengeLen]byte
	}
	for _, b := range [][]byte{seed.decoy[:], seed.id[:], seed.challenge[:]} {
		if _, err := io.ReadFull(a.Rand, b); err != nil {
			return nil, fmt.Errorf("preparing to authenticate by %s: reading randomness: %w", m, err)
		}
	}
	k := &keeper{Authenticator: &a, decoy: hex.EncodeToString(seed.decoy[:])}
	switch m {
	case PAP:
		return newPAPAuthenticator(k), nil
	case CHAPMD5, MSCHAPv2:
		return newCHAPAuthenticator(m, k, seed.id[0], seed.challenge), nil
	default:
		return newEAPAuthenticator(offered, k, seed.id[0], seed.challenge), nil
	}
}

// check returns the methods that may be used, m first, and fills in what is left out.
func (c *Credentials) check(m Method) ([]Method, error) {
	offered, err := offer(m, c.Also)
	if err != nil {
		return nil, err
	}
	if slices.Contains(offered, EAPTLS) {
		if len(c.Certificate.Certificate) == 0 || c.Certificate.PrivateKey == nil {
			return nil, errors.New("eap-tls needs a client certificate and its private key")
		}
		if c.Name == "" {
			c.Name = firstName(c.Certificate)
		}
	}
	if c.Name == "" {
		return nil, errors.New("there is no user name")
	}
	if len(c.Name) > maxNameLen {
		return nil, fmt.Errorf("the user name has %d octets: at most %d can be sent", len(c.Name), maxNameLen)
	}
	for _, n := range offered {
		if err := checkPassword(n, c.Password); err != nil {
			return nil, err
		}
	}
	return offered, c.fill()
}

func checkPassword(m Method, password string) error {
	if m.byPassword() && len(password) > maxNameLen {
		return fmt.Errorf("the password has %d octets: at most %d can be used", len(password), maxNameLen)
	}
	if (m == MSCHAPv2 || m == EAPMSCHAPv2) && !utf8.ValidString(password) {
		return errNotUTF8
	}
	return nil
}

func (a *Authenticator) check(m Method) ([]Method, error) {
	offered, err := offer(m, a.Also)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(offered, Method.byPassword) && a.Password == nil {
		return nil, errors.New("there are no passwords to check against")
	}
	if slices.Contains(offered, EAPTLS) {
		if len(a.Certificate.Certificate) == 0 || a.Certificate.PrivateKey == nil {
			return nil, errors.New("eap-tls needs a server certificate and its private key")
		}
		if a.ClientCAs == nil {
			return nil, errors.New("eap-tls needs the authorities that vouch for client certificates")
		}
	}
	if len(a.Name) > maxNameLen {
		return nil, fmt.Errorf("the server's name has %d octets: at most %d can be sent", len(a.Name), maxNameLen)
	}
	if n := max(len(a.SuccessText), len(a.FailureText)); n > maxTextLen {
		return nil, fmt.Errorf("a text for the client has %d octets: at most %d can be sent", n, maxTextLen)
	}
	if a.Retries < 0 || a.Retries > maxRetries {
		return nil, fmt.Errorf("%d retries: there can be 0 to %d", a.Retries, maxRetries)
	}
	return offered, a.fill()
}

// offer returns m and, where it is of EAP, those of also that are not m.
func offer(m Method, also []Method) ([]Method, error) {
	if !slices.Contains(methods, m) {
		return nil, fmt.Errorf("there is no such method: take one of %s", join(methods))
	}
	offered := []Method{m}
	for _, n := range also {
		switch {
		case m.eapType() == 0 || n.eapType() == 0:
			return nil, fmt.Errorf("%s and %s: only methods of EAP go together", m, n)
		case !slices.Contains(offered, n):
			offered = append(offered, n)
		}
	}
	return offered, nil
}

func (t *Tuning) fill() error {
	if t.Rand == nil {
		t.Rand = rand.Reader
	}
	if t.MaxTLS == 0 {
		t.MaxTLS = tls.VersionTLS13
	}
	if t.EAPMTU == 0 {
		t.EAPMTU = defaultEAPMTU
	}
	switch {
	case t.MaxTLS < tls.VersionTLS12:
		return fmt.Errorf("eap-tls cannot be limited to %s: it begins with TLS 1.2", tls.VersionName(t.MaxTLS))
	case t.EAPMTU < minEAPMTU || t.EAPMTU > 0xffff:
		return fmt.Errorf("EAP packets of %d octets: they can have %d to %d", t.EAPMTU, minEAPMTU, 0xffff)
	}
	return nil
}
