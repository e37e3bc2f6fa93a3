package probe

import (
	_ "embed"
	"fmt"
	"net/netip"

	"sstpwarden/inspect"
	"sstpwarden/policies/event"
)

// Schema is the JSON Schema (draft 2020-12) of a [Result]. It is strict: a field
// that it does not name is an error.
//
//go:embed result.schema.json
var Schema []byte

// Answer says whether a server speaks SSTP. The zero value is invalid.
type Answer uint8

// The answers; the package's documentation says what they mean.
const (
	_ Answer = iota
	Yes
	No
	Unclear
)

var answerNames = [...]string{"", "yes", "no", "unclear"}

func (a Answer) String() string {
	if a == 0 || int(a) >= len(answerNames) {
		return fmt.Sprintf("Answer(%d)", uint8(a))
	}
	return answerNames[a]
}

// MarshalText gives the lower-case word.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the lower-case word.
func (a *Answer) UnmarshalText(text []byte) error {
	for i, name := range answerNames {
		if i > 0 && name == string(text) {
			*a = Answer(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no answer: use yes, no or unclear", text)
}

// A Step is a part of asking.
type Step string

// The steps, in order.
const (
	StepResolve Step = "resolve" // the name to addresses
	StepConnect Step = "connect"
	StepTLS     Step = "tls"
	StepAnswer  Step = "answer" // the request, and the head of the answer
)

// Result is what asking a server gave. What is not known is left out of its JSON.
// Text from the server is bounded and otherwise as it came.
type Result struct {
	Time event.Time `json:"timestamp"`
	// Target is what was to be asked, as host:port.
	Target string `json:"target"`
	// Server is the address that was asked, invalid where there was none.
	Server netip.AddrPort `json:"server,omitzero"`
	// Name that the server was asked by, in TLS and in Host; "" for its address.
	Name string `json:"name,omitempty"`

	SSTP Answer `json:"sstp"`
	// Implementation of the server in the words of a detection, "" if unknown.
	// With an answer other than yes it rests on the certificate alone.
	Implementation string `json:"implementation,omitempty"`
	// Reason of the answer, for people.
	Reason string `json:"reason"`
	// Evidence begins with the answer itself unless that is unclear; then follows
	// what names the implementation.
	Evidence []inspect.Evidence `json:"evidence,omitempty"`

	// Step at which asking failed, and the error; empty where it was answered.
	Step Step   `json:"step,omitempty"`
	Err  string `json:"error,omitempty"`

	TLS    *TLS   `json:"tls,omitempty"`
	HTTP   *HTTP  `json:"http,omitempty"`
	Timing Timing `json:"timing,omitzero"`
}

// TLS is the session with the server, and its certificate, which was not verified.
type TLS struct {
	Version string `json:"version"` // "TLS 1.2"
	Cipher  string `json:"cipher"`  // IANA's name

	Subject     string     `json:"subject,omitempty"` // "CN=vpn.example.org,O=Example" (RFC 4514)
	Issuer      string     `json:"issuer,omitempty"`
	Names       []string   `json:"names,omitempty"` // of subjectAltName: the first ones
	NotBefore   event.Time `json:"not_before,omitzero"`
	NotAfter    event.Time `json:"not_after,omitzero"`
	Expired     bool       `json:"expired,omitempty"` // when it was asked
	SelfSigned  bool       `json:"self_signed,omitempty"`
	Certificate string     `json:"certificate_sha256,omitempty"` // of the leaf's DER, in hexadecimal
	ChainLength int        `json:"chain_length,omitempty"`       // certificates sent, the leaf included
}

// HTTP is the head of the answer.
type HTTP struct {
	Status int    `json:"status"`
	Reason string `json:"reason"` // of the status line; RRAS has none
	Server string `json:"server,omitempty"`
	// ContentLength as a number, nil where there is none, or none that can be read.
	ContentLength *uint64 `json:"content_length,omitempty"`
	// Headers are the names of the fields, in order and as spelled: the first ones.
	Headers []string `json:"headers,omitempty"`
	// Bytes of the head, the empty line included.
	Bytes int `json:"head_bytes"`
}

// Timing is how long the steps took, in milliseconds; 0 where they were not
// reached.
type Timing struct {
	Connect float64 `json:"connect_ms,omitempty"`
	TLS     float64 `json:"tls_ms,omitempty"`
	Answer  float64 `json:"answer_ms,omitempty"` // from the request to the end of the head
}

// RuleAnswer is the rule that a probe's answer goes by in evidence.
const RuleAnswer = "probe.answer"

const (
	// weightYes is that of SSTP's own messages, read in clear.
	weightYes = 60
	// weightNo halves the odds and no more. A server that hides, behind a path, a
	// name or the clients' addresses, says no as readily as one without SSTP, and
	// hiding costs it nothing: a greater weight would let a tunnel clear itself.
	weightNo = -3
)

// Learned is the answer as evidence for a flow to that server. There is none in an
// unclear one.
func (r *Result) Learned() (inspect.Evidence, bool) {
	switch r.SSTP {
	case Yes:
		detail := "the server answered a probe as SSTP does: " + r.Reason
		if r.Implementation != "" {
			detail += " (" + r.Implementation + ")"
		}
		return inspect.Evidence{Rule: RuleAnswer, Weight: weightYes, Proof: true, Detail: detail}, true
	case No:
		return inspect.Evidence{Rule: RuleAnswer, Weight: weightNo, Detail: "the server answered a probe as others do: " + r.Reason}, true
	default:
		return inspect.Evidence{}, false
	}
}

// Unreached is the result for a target of which no address could be asked.
func Unreached(target, name string, step Step, err error) Result {
	r := Result{Time: now(), Target: target, Name: name}
	r.fail(step, err, map[Step]string{StepResolve: "the name leads to no address", StepConnect: "no connection"}[step])
	return r
}

// fail notes that asking ended at step, which leaves the answer unclear.
func (r *Result) fail(step Step, err error, reason string) {
	r.SSTP, r.Reason = Unclear, reason
	r.Step, r.Err = step, cut(err.Error(), maxText)
}
