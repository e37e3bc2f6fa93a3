package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	// decisionRounds is how often each kind of decision is measured.
	decisionRounds = 5
	// logRounds is how often the audit is measured with the decision log on
	// and off: a difference of some per cent shows only over many.
	logRounds = 15

	maxUncached = 1.5      // times a bare evaluation
	maxCached   = 1.0 / 20 // of a bare evaluation
	maxLog      = 10       // per cent of the audit's time
)

// decisions measures what the policy costs, in nanoseconds by name.
func decisions(ctx context.Context) (map[string]float64, error) {
	return goBench(ctx, "./policies/opa", "^BenchmarkDecide$", decisionRounds, "-cpu", "1")
}

// decisionTargets compares decisions with a bare evaluation of the same policy.
func decisionTargets(ns map[string]float64) []target {
	bare := ns["bare"]
	one := func(what, name string, limit float64) target {
		t := target{
			what: what, want: fmt.Sprintf("%.2fx", limit), aim: fmt.Sprintf("%.2fx", limit/2),
			got: "not measured",
		}
		if bare > 0 && ns[name] > 0 {
			times := ns[name] / bare
			t.got, t.met, t.out = fmt.Sprintf("%.3fx", times), times <= limit, times <= limit/2
			t.note = fmt.Sprintf(" (%.1f us, bare %.1f us)", ns[name]/1000, bare/1000)
		}
		return t
	}
	uncached := one("uncached decision, of a bare evaluation", "uncached", maxUncached)
	uncached.aim, uncached.out = "", false // less than an evaluation it cannot be
	return []target{uncached, one("cached decision, of a bare evaluation", "cached", maxCached)}
}

// logContenders are the audit without and with a decision log, of what the
// policy was asked and of everything.
func (o *options) logContenders(path string) []*contender {
	audit := func(name string, flags ...string) *contender {
		return &contender{
			name: name, command: slices.Concat([]string{o.program, "audit"}, flags, []string{path}),
			rounds: logRounds, warm: true, ours: true,
		}
	}
	return []*contender{
		audit("sstpwarden audit"),
		audit("... --decision-log", "--decision-log", "/dev/null"),
		audit("... --decision-log --decision-log-all", "--decision-log", "/dev/null", "--decision-log-all"),
	}
}

// logTarget is what the decision log may cost.
func logTarget(with, without *contender) target {
	cost := (with.times(without, wallOf).median - 1) * 100
	return target{
		what: "cost of " + strings.TrimPrefix(with.name, "... "),
		want: fmt.Sprintf("%d %%", maxLog), aim: fmt.Sprintf("%d %%", maxLog/2),
		got: fmt.Sprintf("%.1f %%", cost), met: cost <= maxLog, out: cost <= maxLog/2,
		note: fmt.Sprintf(" (%.1f %% by CPU time)", (with.times(without, cpuOf).median-1)*100),
	}
}
