package pppref

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A Step is a part of a link's life, named where it fails.
type Step uint8

// The steps, in the order of a link's life.
const (
	StepLCP            Step = iota + 1 // the ends do not agree on how to talk, or one is silent
	StepLoop                           // this end hears itself
	StepAuthentication                 // no common method, a wrong name or password, a peer that is not proved
	StepCallback                       // the peer insists on calling back, or on being called
	StepAddresses                      // Config.Assign has no addresses
	StepIPCP
	StepIPV6CP
	StepCCP
	StepEcho       // the peer answers no LCP echo any more
	StepTerminated // the peer ended the link
	StepLowerLayer // what carries the link came to its end
)

// String returns the step's name in lower case: "lcp", "authentication", ...
func (s Step) String() string {
	names := [...]string{
		StepLCP: "lcp", StepLoop: "loop", StepAuthentication: "authentication", StepCallback: "callback",
		StepAddresses: "addresses", StepIPCP: "ipcp", StepIPV6CP: "ipv6cp", StepCCP: "ccp", StepEcho: "echo",
		StepTerminated: "terminated by peer", StepLowerLayer: "lower layer",
	}
	if s == 0 || int(s) >= len(names) {
		return fmt.Sprintf("step %d", uint8(s))
	}
	return names[s]
}

// An Error says why a link, or one of its network protocols, failed or ended.
type Error struct {
	Step   Step
	Reason string // one line for people: what happened, and where that helps, what to look at
	Err    error  // what it follows from: the authentication's error or Assign's; else nil
}

// Error returns one line of text.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("ppp: %v: %s", e.Step, e.Reason)
	}
	return fmt.Sprintf("ppp: %v: %s: %v", e.Step, e.Reason, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func failure(s Step, format string, args ...any) *Error {
	return &Error{Step: s, Reason: fmt.Sprintf(format, args...)}
}

// maxQuoted is how many octets of a peer's own text errors show.
const maxQuoted = 120

// saying quotes data that a peer gave as its reason, as text if it is.
func saying(data []byte) string {
	text := strings.TrimRight(string(data), "\x00")
	if text == "" {
		return ""
	}
	text = text[:min(len(text), maxQuoted)]
	if strings.IndexFunc(text, func(r rune) bool { return !strconv.IsPrint(r) || r == '\ufffd' }) < 0 {
		return fmt.Sprintf(", saying %q", text)
	}
	return ", with the data " + hex.EncodeToString(data[:min(len(data), maxQuoted/2)])
}
