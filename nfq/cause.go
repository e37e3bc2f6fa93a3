package nfq

import "fmt"

// A Cause is why a packet or a connection could not be judged. The zero Cause is none.
type Cause uint8

// The causes.
const (
	_ Cause = iota
	// CauseMidstream: the connection was running when its first packet came.
	CauseMidstream
	// CauseMemory: there are as many connections as there may be.
	CauseMemory
	// CauseUndecided: so much was seen of the connection without a judgement that it
	// costs more than it promises.
	CauseUndecided
	// CauseUnreadable: the packet's headers cannot be read, it is a fragment that does
	// not fit, or its checksum is wrong, which a Queue looks at.
	CauseUnreadable
	// CauseConflict: the packet has other bytes than one before it had in the same
	// place, which its receiver has not acknowledged, or bytes behind its sender's FIN.
	// No stack sends such. One of the two was made so that the receiver does not take
	// it, and nobody here can tell which.
	CauseConflict
	// CausePolicyError and CausePolicyTimeout: the policy gave no answer.
	CausePolicyError
	CausePolicyTimeout
	// CauseOverflow: the kernel had no room for the packet in the queue.
	CauseOverflow
	numCauses
)

var causeNames = [numCauses]string{
	"", "midstream", "memory", "undecided", "unreadable", "conflict", "policy_error", "policy_timeout", "overflow",
}

// String is the word that metrics and configurations use.
func (c Cause) String() string {
	if c == 0 || c >= numCauses {
		return fmt.Sprintf("Cause(%d)", uint8(c))
	}
	return causeNames[c]
}

// Causes lists all.
func Causes() []Cause {
	all := make([]Cause, 0, numCauses-1)
	for c := CauseMidstream; c < numCauses; c++ {
		all = append(all, c)
	}
	return all
}

// ParseCause reads the word.
func ParseCause(s string) (Cause, error) {
	for _, c := range Causes() {
		if causeNames[c] == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("%q is no cause: want one of %v", s, Causes())
}

// rule names the cause as what decided.
func (c Cause) rule() string { return "nfq." + causeNames[c] }

// A Choice is what is done about a cause. The zero Choice stands for the default.
type Choice uint8

// The choices.
const (
	_     Choice = iota
	Let          // it passes, and nobody looks
	Watch        // it passes, and is looked at as well as can be
	Cut          // it is stopped
)

var choiceNames = [...]string{"", "let", "watch", "cut"}

func (c Choice) String() string {
	if c == 0 || int(c) >= len(choiceNames) {
		return fmt.Sprintf("Choice(%d)", uint8(c))
	}
	return choiceNames[c]
}

// MarshalText gives the word that configurations use.
func (c Choice) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the word.
func (c *Choice) UnmarshalText(text []byte) error {
	for i, name := range choiceNames {
		if i > 0 && name == string(text) {
			*c = Choice(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no choice: want let, watch or cut", text)
}

// Exceptions say what is done for each cause that is a worker's own.
type Exceptions struct {
	// Midstream is for connections that ran before. Watched ones are never cleared,
	// because what was not seen may be what speaks for SSTP. Default Watch.
	Midstream Choice
	// Memory is for new connections where there are Config.Limits.MaxFlows of them. To
	// watch them, the one that was longest without a packet is given up, and taken for
	// midstream when it goes on. Default Watch.
	Memory Choice
	// Undecided is for connections of which Config.Budget was seen. Default Let.
	Undecided Choice
	// Unreadable is for packets. Default Let, which is what Watch means here too.
	Unreadable Choice
	// Conflict is for packets. Cut ones do not reach their receiver, so that it sees
	// what was seen here. Let has the first copy count. Default Cut.
	Conflict Choice
}

func (e Exceptions) withDefaults() Exceptions {
	or := func(c *Choice, other Choice) {
		if *c == 0 {
			*c = other
		}
	}
	or(&e.Midstream, Watch)
	or(&e.Memory, Watch)
	or(&e.Undecided, Let)
	or(&e.Unreadable, Let)
	or(&e.Conflict, Cut)
	return e
}
