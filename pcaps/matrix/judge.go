package matrix

import (
	"context"
	"fmt"

	"sstpwarden/inspect"
	"sstpwarden/inspect/tlskeys"
	"sstpwarden/pcaps"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/rules"
)

// The judges that are sstpwarden's own.
const (
	Passive = "passive" // a capture without keys
	Opened  = "opened"  // the same with the secrets of TLS
)

// A Finding is what one judge says of one capture.
type Finding struct {
	Judge string `json:"judge"`
	// Found says that it takes the capture for SSTP.
	Found bool `json:"found"`
	// Detail is what it goes by, for people.
	Detail string `json:"detail,omitempty"`
	// Error says why it could not judge. Found is then false.
	Error string `json:"error,omitempty"`

	// What follows is said by sstpwarden alone, of the connection that looks most
	// like SSTP.
	Verdict  string             `json:"verdict,omitempty"`
	Kind     string             `json:"kind,omitempty"`
	Score    int                `json:"score,omitempty"`
	Client   string             `json:"client,omitempty"`
	Server   string             `json:"server,omitempty"`
	Evidence []inspect.Evidence `json:"evidence,omitempty"`
}

// allow is a policy for those who want a verdict and no decision.
type allow struct{}

func (allow) Decide(context.Context, policies.Input) (policies.Decision, error) {
	return policies.Decision{Action: policies.ActionAllow, Reason: "A lab decides nothing.", Rule: "matrix.allow", Revision: "matrix"}, nil
}

// judge audits a capture as users do.
func judge(ctx context.Context, name, path string, keys *tlskeys.Keys) Finding {
	f := Finding{Judge: name}
	best := -1
	summary, err := pcaps.Run(ctx, []pcaps.Input{{Path: path, Name: path}}, pcaps.Config{
		Rules: rules.Default(), Keys: keys, All: true, Workers: 1,
		Gate: &policies.Gate{Decider: allow{}, Point: policies.PointAudit},
		Emit: func(e *event.Event) error {
			d := &e.Detection
			if rank := d.Verdict.Strength()*10_000 + d.Score; rank > best || best < 0 {
				best = rank
				f.Verdict, f.Kind, f.Score, f.Client, f.Server, f.Evidence = d.Verdict.String(), d.Kind.String(), d.Score, d.Client, d.Server, d.Evidence
				f.Found = d.Verdict.Strength() >= inspect.VerdictSuspected.Strength()
				f.Detail = fmt.Sprintf("%s, score %d", f.Verdict, f.Score)
			}
			return nil
		},
	})
	switch {
	case err != nil:
		f.Error = err.Error()
	case len(summary.Errors) > 0:
		f.Error = summary.Errors[0].Error
	case summary.Flows == 0:
		f.Detail = "no connection"
	}
	return f
}
