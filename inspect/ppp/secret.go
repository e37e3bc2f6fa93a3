package ppp

import (
	"crypto/subtle"
	"fmt"
	"io"
)

const redacted = "[redacted]"

// A Secret holds octets that must not reach a log: a password, or a response from which one can be guessed. Under every
// verb of package fmt and in every text encoding it appears as "[redacted]"; only [Secret.Reveal] gives the octets.
//
// The zero Secret is empty. Secrets compare with [Secret.Equal]; == does not compile.
type Secret struct {
	// A function, because package fmt prints what lies behind an unexported field of a caller's struct without asking
	// the methods of its type, pointers included.
	reveal func() []byte
}

// NewSecret returns a Secret that holds b without copying it.
func NewSecret(b []byte) Secret { return Secret{func() []byte { return b }} }

// Reveal returns the octets. They alias what the Secret was made from: for a parsed Secret, the input.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Equal reports whether both hold the same octets, in a time that depends on their lengths only.
func (s Secret) Equal(t Secret) bool { return subtle.ConstantTimeCompare(s.Reveal(), t.Reveal()) == 1 }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format writes "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]". Encoders of JSON and of most other text formats use it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
