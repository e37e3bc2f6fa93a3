package rules_test

import (
	"testing"

	"sstpwarden/rules"
)

// TestAllMeasured wants every rule of the set to say what was counted of it, but
// those about other connections, which nothing was counted of, and every weight
// that says more to say why.
func TestAllMeasured(t *testing.T) {
	for _, r := range rules.Default().Rules() {
		switch {
		case r.Match.Destination != nil:
			if r.Measured != nil || r.Reasoned == "" {
				t.Errorf("%s: counted, or without a reason", r.ID)
			}
		case r.Measured == nil:
			t.Errorf("%s: nothing was counted", r.ID)
		case r.Measured.Exceeded(r.Weight) && r.Reasoned == "" && !r.Proof:
			t.Errorf("%s: %d is more than %d to %d", r.ID, r.Weight, r.Measured.Low, r.Measured.High)
		}
	}
}
