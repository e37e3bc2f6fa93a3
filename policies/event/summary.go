package event

import "sstpwarden/inspect"

// A Summary ends an audit.
type Summary struct {
	EventType string `json:"event_type"` // TypeSummary
	Version   int    `json:"version"`
	// What was read. Skipped are files found in folders that are no captures.
	Files   uint64 `json:"files"`
	Skipped uint64 `json:"skipped,omitempty"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Flows   uint64 `json:"flows"`
	// Carved are the files that connections were written to.
	Carved uint64 `json:"carved,omitempty"`
	// What was found, and what the policy said to it, in flows.
	Verdicts Verdicts `json:"verdicts"`
	Actions  Actions  `json:"actions"`
	// Dropped counts, by cause, what fell out because a limit was reached.
	Dropped map[string]uint64 `json:"dropped,omitempty"`
	// Destinations are the servers to which something spoke for SSTP, the
	// strongest case first; at most MaxDestinations.
	Destinations []Destination `json:"destinations,omitempty"`
	// Changes count flows by what another policy would do instead, where one
	// was compared.
	Changes []Change `json:"changes,omitempty"`
	// Errors are what could not be read or decided.
	Errors []Error `json:"errors,omitempty"`
	// Seconds is how long the audit took.
	Seconds float64 `json:"seconds"`
}

// Verdicts counts flows by verdict.
type Verdicts struct {
	Undetermined uint64 `json:"undetermined"`
	Suspected    uint64 `json:"suspected"`
	Confirmed    uint64 `json:"confirmed"`
	Cleared      uint64 `json:"cleared"`
}

// Actions counts flows by the policy's action.
type Actions struct {
	Allow uint64 `json:"allow"`
	Log   uint64 `json:"log"`
	Drop  uint64 `json:"drop"`
}

// MaxDestinations bounds the destinations of a Summary.
const MaxDestinations = 256

// A Destination is a server, and what was seen of SSTP to it.
type Destination struct {
	Server Server `json:"server"`
	// Tunnels, Attempts and Probes are flows that are suspected or confirmed,
	// or that ask for SSTP in clear, by kind. Weak are others that something
	// speaks for.
	Tunnels  uint64 `json:"tunnels"`
	Attempts uint64 `json:"attempts"`
	Probes   uint64 `json:"probes"`
	Weak     uint64 `json:"weak"`
	// Verdict is the strongest of its flows', Score the highest.
	Verdict inspect.Verdict `json:"verdict"`
	Score   int             `json:"score"`
	// Dropped counts flows that the policy drops.
	Dropped uint64 `json:"dropped"`
	// Clients is how many different addresses its flows come from.
	Clients uint64 `json:"clients"`
	Bytes   uint64 `json:"bytes"`
	First   Time   `json:"first"`
	Last    Time   `json:"last"`
}

// A Change is from one policy's action to another's, "error" where there is
// none. They may be equal; Details then says that a ban, reset, interception,
// probe or dry run differs.
type Change struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Details bool   `json:"details,omitempty"`
	Flows   uint64 `json:"flows"`
}

// An Error says what went wrong with a source.
type Error struct {
	Source string `json:"source"`
	Error  string `json:"error"`
}

// NewSummary makes a Summary of nothing.
func NewSummary() Summary { return Summary{EventType: TypeSummary, Version: Version} }

// Count adds a flow by its Detection and, where it has one, its Decision.
func (s *Summary) Count(e *Event) {
	s.Flows++
	switch e.Detection.Verdict {
	case inspect.VerdictUndetermined:
		s.Verdicts.Undetermined++
	case inspect.VerdictSuspected:
		s.Verdicts.Suspected++
	case inspect.VerdictConfirmed:
		s.Verdicts.Confirmed++
	case inspect.VerdictCleared:
		s.Verdicts.Cleared++
	}
	if e.Decision == nil {
		return
	}
	switch e.Decision.Action {
	case "allow":
		s.Actions.Allow++
	case "log":
		s.Actions.Log++
	case "drop":
		s.Actions.Drop++
	}
}
