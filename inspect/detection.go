package inspect

import "fmt"

// Verdict is what is known of a connection. The zero value is invalid; the
// others are in no order of strength.
type Verdict uint8

// The verdicts. Encrypted evidence alone reaches at most VerdictSuspected;
// VerdictConfirmed needs SSTP read in clear, or a probe's answer.
const (
	_                   Verdict = iota
	VerdictUndetermined         // not enough is known
	VerdictSuspected            // the score justifies a drop
	VerdictConfirmed            // SSTP was read
	VerdictCleared              // something else
)

var verdictNames = [...]string{"", "undetermined", "suspected", "confirmed", "cleared"}

func (v Verdict) String() string {
	if v == 0 || int(v) >= len(verdictNames) {
		return fmt.Sprintf("Verdict(%d)", uint8(v))
	}
	return verdictNames[v]
}

// MarshalText gives the lower-case word that events and policies use.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the lower-case word.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if i > 0 && name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no verdict: use cleared, undetermined, suspected or confirmed", text)
}

// Strength orders verdicts: cleared < undetermined < suspected < confirmed.
func (v Verdict) Strength() int {
	switch v {
	case VerdictCleared:
		return 1
	case VerdictUndetermined:
		return 2
	case VerdictSuspected:
		return 3
	case VerdictConfirmed:
		return 4
	}
	return 0
}

// Kind is how far an SSTP connection went. The zero value stands for
// connections that are neither suspected nor confirmed.
type Kind uint8

// The kinds, the farther the greater.
const (
	KindNone    Kind = iota
	KindProbe        // somebody asked whether SSTP is spoken here
	KindAttempt      // a client began, no tunnel has followed yet
	KindTunnel       // PPP runs
)

var kindNames = [...]string{"", "probe", "attempt", "tunnel"}

func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// MarshalText gives the lower-case word that events and policies use.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Evidence is what one rule made of the facts.
type Evidence struct {
	// Rule is the rule's id, "http.sstp_duplex_post" for example.
	Rule string `json:"rule"`
	// Weight is in decibans: 10*log10 of the likelihood ratio between SSTP
	// and anything else. Negative speaks against SSTP.
	Weight int `json:"weight"`
	// Proof says that SSTP was read in clear: it settles the verdict alone.
	Proof bool `json:"proof"`
	// Detail is for people. It may hold text from the wire, unescaped.
	Detail string `json:"detail"`
}

// Detection is the judgement of one connection.
type Detection struct {
	Verdict Verdict
	Kind    Kind
	// Score is the sum of the evidence's weights, in decibans, without the
	// prior odds.
	Score int
	// Probability of SSTP given the score and the ruleset's prior odds, 0 to
	// 1; 1 where there is proof.
	Probability float64
	// Client and Server name the implementations, "" where unknown.
	Client, Server string
	// Evidence in the order it was found.
	Evidence []Evidence
}

// UnmarshalText reads the lower-case word.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no kind: use probe, attempt or tunnel", text)
}
