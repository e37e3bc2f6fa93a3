package inspect

import (
	"time"

	"sstpwarden/inspect/tlskeys"
)

// Options make an Inspector.
type Options struct {
	// Rules to judge by; must not be nil.
	Rules *Ruleset
	// Keys that open recorded TLS; nil for none.
	Keys *tlskeys.Keys
	// Follow reads confirmed tunnels to their end, for their facts. Without,
	// a flow is settled when nothing more can change its Detection.
	Follow bool
	// Memory of what else went to the servers; nil for none. It may be shared
	// with other Inspectors.
	Memory *Memory
}

// An Inspector makes flows. It may be shared between goroutines.
type Inspector struct {
	rules  *Ruleset
	keys   *tlskeys.Keys
	follow bool
	memory *Memory
	chains chains
}

// NewInspector makes an Inspector.
func NewInspector(o Options) *Inspector {
	return &Inspector{rules: o.Rules, keys: o.Keys, follow: o.Follow, memory: o.Memory}
}

// Open begins a flow. Start is the time of the connection's first packet.
func (in *Inspector) Open(key FlowKey, start time.Time) *Flow {
	f := &Flow{in: in, key: key, start: start, now: start, rules: in.rules, open: in.rules.free}
	f.layer = &opening{depth: 0}
	f.detection.Verdict = VerdictUndetermined
	f.detection.Probability = in.rules.settings.probability(0)
	return f
}
