package opa

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// situation is what of an Input is known beforehand.
type situation struct {
	stage   policies.Stage
	point   policies.Point
	verdict inspect.Verdict
}

// maxForesight is how long it may take to foresee an answer. A policy that takes
// longer is asked each time, under the Gate's own limit.
const maxForesight = 50 * time.Millisecond

// foresight remembers the answers to situations. It has a compiler of its own,
// used by one goroutine at a time: partial evaluation writes to what was
// compiled, which Decide reads.
type foresight struct {
	known   sync.Map // situation -> foreseen
	mu      sync.Mutex
	partial func(situation) (policies.Decision, bool)
}

type foreseen struct {
	decision policies.Decision
	ok       bool
}

// Foresee implements [policies.Foreseer] by partial evaluation: with all of the
// Input unknown but these three, what is left of the policies must be a constant.
// The default policies answer so for what is cleared or undetermined.
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
	f.decision, f.ok = d.foresight.partial(s)
	d.foresight.known.Store(s, f)
	return f.decision, f.ok
}

// newForesight prepares to evaluate in part what d evaluates in full.
// The modules are known to compile, so that nothing is checked again.
func newForesight(d *Decider, modules map[string]*ast.Module, store storage.Store) *foresight {
	unknowns := unknownInput()
	compiled := sync.OnceValue(func() *ast.Compiler {
		c := ast.NewCompiler().WithCapabilities(capabilities())
		c.Compile(modules)
		return c
	})
	return &foresight{partial: func(s situation) (policies.Decision, bool) {
		compiler := compiled()
		if compiler.Failed() {
			return policies.Decision{}, false // Decide will tell
		}
		input := ast.NewObject(
			[2]*ast.Term{ast.StringTerm("stage"), ast.StringTerm(string(s.stage))},
			[2]*ast.Term{ast.StringTerm("point"), ast.StringTerm(string(s.point))},
			[2]*ast.Term{ast.StringTerm("detection"), ast.ObjectTerm(
				[2]*ast.Term{ast.StringTerm("verdict"), ast.StringTerm(s.verdict.String())})},
		)
		ctx, cancel := context.WithTimeout(context.Background(), maxForesight)
		defer cancel()
		answer, err := rego.New(
			rego.Compiler(compiler),
			rego.Store(store),
			rego.StrictBuiltinErrors(true),
			rego.Query("decision = "+EntryPoint),
			rego.ParsedInput(input),
			rego.Unknowns(unknowns),
		).Partial(ctx)
		if err != nil {
			return policies.Decision{}, false // Decide will tell
		}
		value, ok := constant(answer)
		if !ok {
			return policies.Decision{}, false
		}
		out, err := decode(value, d.revision)
		return out, err == nil
	}}
}

// constant returns the value of "decision" if nothing of it is left open.
func constant(p *rego.PartialQueries) (ast.Value, bool) {
	if len(p.Queries) != 1 || len(p.Support) != 0 || len(p.Queries[0]) != 1 {
		return nil, false
	}
	e := p.Queries[0][0]
	if !e.IsEquality() || e.Negated || len(e.With) != 0 {
		return nil, false
	}
	for _, o := range e.Operands() {
		if ast.IsConstant(o.Value) {
			return o.Value, true
		}
	}
	return nil, false
}

// unknownInput lists every part of an Input but what a situation knows.
func unknownInput() []string {
	var out []string
	for _, f := range planOf(reflect.TypeFor[policies.Input]()) {
		switch f.name {
		case "stage", "point":
		case "detection":
			detection := reflect.TypeFor[policies.Input]().FieldByIndex(f.index).Type
			for _, g := range planOf(detection) {
				if g.name != "verdict" {
					out = append(out, "input.detection."+g.name)
				}
			}
		default:
			out = append(out, "input."+f.name)
		}
	}
	return out
}
