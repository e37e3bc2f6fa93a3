package nfq

import "fmt"

// An Action is what becomes of a packet, and by it of its connection. The zero Action is
// none.
type Action uint8

// The actions.
const (
	_      Action = iota
	Accept        // it passes, and the connection goes on being looked at
	Settle        // it passes, and so does the rest of the connection, unseen
	Block         // it is stopped, and so is the rest of the connection
	Drop          // it is stopped; nothing is said of a connection
	numActions
)

var actionNames = [numActions]string{"", "accept", "settle", "block", "drop"}

// String is the word that metrics use.
func (a Action) String() string {
	if a == 0 || a >= numActions {
		return fmt.Sprintf("Action(%d)", uint8(a))
	}
	return actionNames[a]
}

// A Verdict is the judgement of a packet.
type Verdict struct {
	Action Action
	// Reset has both ends of a blocked connection told, instead of leaving them to
	// time out.
	Reset bool
	// Rule is what decided: the policy's rule, "nfq." and a cause, or "" of a packet
	// that merely passes.
	Rule string
}
