package pppauth

import (
	"slices"

	"sstpwarden/inspect/ppp"
	"sstpwarden/inspect/sstp"
)

const (
	// maxTries is how often a message is sent: the default of RFC 1661, Section 4.6, for Max-Configure.
	maxTries = 10
	// promptTries is how many restart times a user has to think of another password: RFC 2759, Section 6 wants no short
	// timeout then. At 3 seconds each it is a minute more.
	promptTries = 20
	// maxMessages is how many messages an undecided authentication takes: enough for maxTLSTotal in fragments of minEAPMTU,
	// and an end to one that would go on for ever.
	maxMessages = 8192
)

// An end is what both ends of every method share: where it stands, and what a Timeout sends again.
type end struct {
	outcome  Outcome
	again    []ppp.Message
	waits    int // Timeouts since the last message that got on
	messages int // received while undecided
	closed   bool
}

// Outcome implements Party.
func (e *end) Outcome() Outcome { return e.outcome }

// Close implements Party.
func (e *end) Close() { e.closed = true }

// open reports whether a message is to be looked at, and counts it.
func (e *end) open(m Method) bool {
	if e.closed {
		return false
	}
	if e.outcome.State == Pending {
		if e.messages++; e.messages > maxMessages {
			e.fail(&Error{Method: m, Reason: BadMessage, Text: "the other end sent more and more without coming to an end"})
			return false
		}
	}
	return true
}

// send returns m, which Timeout sends again from now on.
func (e *end) send(m ppp.Message) []ppp.Message {
	e.again, e.waits = []ppp.Message{m}, 0
	return slices.Clone(e.again)
}

// prompted has Timeout wait longer.
func (e *end) prompted() { e.waits = -promptTries }

func (e *end) succeed(name string, hlak sstp.HLAK) {
	if e.outcome.State == Pending {
		e.outcome = Outcome{State: Succeeded, Name: name, HLAK: hlak}
		e.again = nil
	}
}

func (e *end) fail(err *Error) {
	if e.outcome.State == Pending {
		e.outcome.State, e.outcome.Err = Failed, err
		e.again = nil
	}
}

// timeout does what Timeout does. What is not answered the last time fails with err.
func (e *end) timeout(err *Error) []ppp.Message {
	if e.closed || e.outcome.State != Pending {
		return nil
	}
	if e.waits++; e.waits >= maxTries {
		e.fail(err)
		return nil
	}
	return slices.Clone(e.again)
}
