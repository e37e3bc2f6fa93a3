package opa

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// situation is what of an Input is known beforehand.
type situation struct {
	stage   policies.Stage
	point   policies.Point
	verdict inspect.Verdict
}

// situated are the facts of a situation, by path.
var situated = []string{"detection.verdict", "point", "stage"}

func (s situation) facts() map[string]ast.Value {
	return map[string]ast.Value{
		"detection.verdict": ast.String(s.verdict.String()),
		"point":             ast.String(s.point),
		"stage":             ast.String(s.stage),
	}
}

// maxForesight bounds the one evaluation that foreseeing takes.
const maxForesight = time.Second

// foresight remembers the answers to situations.
type foresight struct {
	known sync.Map // situation -> foreseen
	mu    sync.Mutex
}

type foreseen struct {
	decision policies.Decision
	ok       bool
}

// Foresee implements [policies.Foreseer]: where the policies, in that situation,
// cannot look at anything else of an Input, the answer to one is the answer to
// all. The default policies answer so for what is cleared or undetermined. Of a
// policy's rules those count as out of the question that begin by comparing
// input.stage, input.point or input.detection.verdict with something else.
func (d *Decider) Foresee(stage policies.Stage, point policies.Point, v inspect.Verdict) (policies.Decision, bool) {
	s := situation{stage, point, v}
	if f, ok := d.foresight.known.Load(s); ok {
		f := f.(foreseen)
		return f.decision, f.ok
	}
	d.foresight.mu.Lock()
	defer d.foresight.mu.Unlock()
	if f, ok := d.foresight.known.Load(s); ok {
		f := f.(foreseen)
		return f.decision, f.ok
	}
	var f foreseen
	f.decision, f.ok = d.foresee(s)
	d.foresight.known.Store(s, f)
	return f.decision, f.ok
}

func (d *Decider) foresee(s situation) (policies.Decision, bool) {
	for _, path := range readsOf(d.compiler, d.data, s.facts()).paths() {
		if !slices.Contains(situated, path) {
			return policies.Decision{}, false
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxForesight)
	defer cancel()
	in := policies.Input{Stage: s.stage, Point: s.point}
	in.Detection.Verdict = s.verdict
	out, err := d.evaluate(ctx, &in)
	if err != nil {
		return policies.Decision{}, false // Decide will tell
	}
	return out, true
}
