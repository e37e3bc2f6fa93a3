package opa

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// An Explanation tells how the policies came to an answer. Texts from the wire
// are in it as they are in Rego, quoted; other text is as it was written. Values
// and source text are shortened, and what goes on for long is cut.
type Explanation struct {
	// Decision is the answer, unless Err says why there is none: what
	// [Decider.Decide] returns.
	Decision policies.Decision `json:"-"`
	Err      error             `json:"-"`
	// EntryPoint is what was asked for, Description what the policies say of it.
	EntryPoint  string `json:"entry_point"`
	Description string `json:"description,omitempty"`
	// Definitions of the entry point, in the order of their files and lines.
	Definitions []Definition `json:"definitions"`
	// Helpers are the other rules and functions that were evaluated, in order.
	Helpers []Helper `json:"helpers,omitempty"`
	// Input and Data are what was looked at, in order of their names.
	Input []Fact `json:"input,omitempty"`
	Data  []Fact `json:"data,omitempty"`
	// Omitted counts what there was no room for, of Helpers, Input and Data.
	Omitted int `json:"omitted,omitempty"`
}

// A Definition is one rule for the entry point.
type Definition struct {
	Location    string  `json:"location"` // "sstp/decision.rego:12"
	Description string  `json:"description,omitempty"`
	Outcome     Outcome `json:"outcome"`
	// Value of a definition that held, as Rego writes it.
	Value string `json:"value,omitempty"`
	// Stop is where one that did not hold ended.
	Stop *Stop `json:"stop,omitempty"`
}

// An Outcome is what became of a definition.
type Outcome string

// The outcomes.
const (
	OutcomeHeld    Outcome = "held"
	OutcomeFailed  Outcome = "failed"  // an expression did not hold
	OutcomeError   Outcome = "error"   // the evaluation ended in it
	OutcomeSkipped Outcome = "skipped" // there was no need for it: a default, an else, or after an error
)

// A Stop is the expression that a rule did not get past. Where it was tried with
// several values, the first are given.
type Stop struct {
	Location string    `json:"location"`
	Text     string    `json:"text"`
	Values   []Binding `json:"values,omitempty"`
}

// A Binding is a local variable or a fact that an expression used.
type Binding struct {
	Name  string `json:"name"`
	Value string `json:"value"` // as Rego writes it; "" where it is absent
}

func (b Binding) String() string { return equation(b.Name, b.Value) }

// equation says what name is, where "" is nothing.
func equation(name, value string) string {
	if value == "" {
		return name + ": absent"
	}
	return name + " = " + value
}

// A Helper is a rule, or a function with its arguments.
type Helper struct {
	Name string `json:"name"` // `data.sstp.holds("10.0.0.0/8", "10.1.2.3")`
	// Values that it gave: one, or the elements of a set. None is undefined.
	Values []string `json:"values,omitempty"`
	// Stops are where its definitions ended, if it gave no value.
	Stops []Stop `json:"stops,omitempty"`
}

// A Fact is a part of the Input or of the data that was looked at.
type Fact struct {
	Path  string `json:"path"`            // "input.server.name"
	Value string `json:"value,omitempty"` // as Rego writes it; "" where it is absent
}

// MarshalJSON adds decision, as it stands in events but for enforced, or error.
func (e Explanation) MarshalJSON() ([]byte, error) {
	type plain Explanation
	out := struct {
		Decision *event.Decision `json:"decision,omitempty"`
		Error    string          `json:"error,omitempty"`
		plain
	}{plain: plain(e)}
	if e.Err != nil {
		out.Error = e.Err.Error()
	} else {
		out.Decision = e.Decision.Event(policies.PointAudit)
	}
	return json.Marshal(out)
}

// Explain evaluates the policies as [Decider.Decide] does, but anew and with an
// eye on how they proceed, which takes many times as long. It also goes through
// definitions of which OPA's index knows beforehand that they cannot hold. The
// error is that of a ctx that is done; what the policies fail with is in the
// Explanation.
func (d *Decider) Explain(ctx context.Context, in policies.Input) (Explanation, error) {
	out := Explanation{EntryPoint: EntryPoint}
	value, err := d.result(ctx, &in, inputValue(&in))
	if err == nil {
		out.Decision, out.Err = decode(value, d.revision)
	} else {
		out.Decision, out.Err = policies.Decision{Revision: d.revision}, err
	}
	t := newTracer(d)
	_, traced := d.result(ctx, &in, inputValue(&in),
		rego.EvalQueryTracer(t), rego.EvalEarlyExit(false), rego.EvalRuleIndexing(false))
	if fmt.Sprint(traced) != fmt.Sprint(err) {
		// The index keeps policies from a failure.
		t = newTracer(d)
		_, _ = d.result(ctx, &in, inputValue(&in), rego.EvalQueryTracer(t))
	}
	if ctx.Err() != nil {
		return Explanation{}, fmt.Errorf("explaining %s: %w", EntryPoint, ctx.Err())
	}
	failure := ""
	if e := (*topdown.Error)(nil); errors.As(err, &e) {
		failure = position(e.Location)
	}
	for _, rule := range d.definitions() {
		for _, a := range rule.Annotations {
			if a.Scope == "document" {
				out.Description = describe(a)
			}
		}
		out.Definitions = append(out.Definitions, t.definition(rule, failure))
	}
	t.report(&out)
	return out, nil
}

// definitions lists the rules of the entry point, in the order of the source.
func (d *Decider) definitions() []*ast.Rule {
	var out []*ast.Rule
	for _, rule := range d.compiler.GetRules(ast.MustParseRef(EntryPoint)) {
		for ; rule != nil; rule = rule.Else {
			out = append(out, rule)
		}
	}
	slices.SortFunc(out, func(a, b *ast.Rule) int {
		return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row))
	})
	return out
}

// dataAt gives what lies at path in the data, "" for nothing.
func (d *Decider) dataAt(path ast.Ref) string {
	p, err := storage.NewPathForRef(path)
	if err != nil {
		return ""
	}
	ctx := context.Background()
	v, err := storage.ReadOne(ctx, d.store, p)
	if err != nil {
		return ""
	}
	return shorten(ast.MustInterfaceToValue(v).String())
}

func describe(a *ast.Annotations) string {
	return strings.Join(strings.Fields(cmp.Or(a.Description, a.Title)), " ")
}
