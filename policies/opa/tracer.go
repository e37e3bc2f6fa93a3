package opa

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// What a tracer has room for.
const (
	maxFacts    = 200 // of the input and of the data each
	maxHelpers  = 200
	maxValues   = 20    // of a helper, or of an expression
	maxText     = 160   // characters of a value or an expression
	maxAttempts = 2_000 // rules that are entered
)

// A tracer notes how rules are evaluated. It implements [topdown.QueryTracer].
type tracer struct {
	d        *Decider
	input    *ast.Term // the Input, not what "with" puts in its place
	attempts map[uint64]*attempt
	rules    map[*ast.Rule]*attempt // the first attempt at each that held, or else got farthest
	helpers  map[string]*Helper
	order    []string          // of helpers
	facts    map[string]string // by path, of input and data
	texts    map[*ast.Expr]any
	names    map[ast.Var]ast.Ref // that stand for parts of the input
	omitted  int
}

// An attempt is one evaluation of one rule's body.
type attempt struct {
	rule  *ast.Rule
	name  string // of a helper, once its arguments are known
	begun bool
	held  bool
	value string
	at    *ast.Expr // the farthest expression that was tried
	stop  *Stop     // the farthest expression that did not hold
	index int       // of stop
}

func newTracer(d *Decider) *tracer {
	return &tracer{
		d: d, attempts: map[uint64]*attempt{}, rules: map[*ast.Rule]*attempt{},
		helpers: map[string]*Helper{}, facts: map[string]string{}, texts: map[*ast.Expr]any{}, names: map[ast.Var]ast.Ref{},
	}
}

// Enabled implements [topdown.QueryTracer].
func (t *tracer) Enabled() bool { return true }

// Config implements [topdown.QueryTracer].
func (t *tracer) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

// TraceEvent implements [topdown.QueryTracer].
func (t *tracer) TraceEvent(e topdown.Event) {
	if t.input == nil {
		t.input = e.Input()
	}
	switch node := e.Node.(type) {
	case *ast.Rule:
		t.traceRule(&e, node)
	case *ast.Expr:
		t.traceExpr(&e, node)
	}
}

func (t *tracer) traceRule(e *topdown.Event, rule *ast.Rule) {
	if e.Op == topdown.EnterOp {
		if len(t.attempts) >= maxAttempts {
			t.omitted++
			return
		}
		t.attempts[e.QueryID] = &attempt{rule: rule, index: -1}
	}
	a := t.attempts[e.QueryID]
	if e.Op != topdown.ExitOp || a == nil || a.rule != rule {
		return
	}
	a.held = true
	a.value = result(e, rule)
	t.keep(a)
	if h := t.helper(a); h != nil && len(h.Values) < maxValues && !slices.Contains(h.Values, a.value) {
		h.Values = append(h.Values, a.value)
	}
}

func (t *tracer) traceExpr(e *topdown.Event, expr *ast.Expr) {
	a := t.attempts[e.QueryID]
	if e.Op == topdown.EvalOp {
		t.look(e, expr)
	}
	if a == nil {
		return
	}
	if e.Op == topdown.EvalOp {
		if !a.begun {
			a.begun = true
			a.name = callName(e, a.rule)
			t.helper(a)
		}
		if a.at == nil || expr.Index >= a.at.Index {
			a.at = expr
		}
		t.keep(a)
	}
	if e.Op == topdown.FailOp && expr.Index > a.index {
		a.index, a.stop = expr.Index, t.stopAt(e, expr)
		t.keep(a)
		if h := t.helper(a); h != nil {
			h.stop(a.stop)
		}
	}
}

// stop notes where a definition ended, once.
func (h *Helper) stop(s *Stop) {
	known := slices.ContainsFunc(h.Stops, func(other Stop) bool { return other.Location == s.Location && other.Text == s.Text })
	if !known && len(h.Stops) < maxValues {
		h.Stops = append(h.Stops, *s)
	}
}

// keep notes a as the attempt at its rule that tells most.
func (t *tracer) keep(a *attempt) {
	was := t.rules[a.rule]
	if was == nil || !was.held && (a.held || a.index > was.index) {
		t.rules[a.rule] = a
	}
}

// helper returns what is told of the rule that a attempts, nil for the entry
// point and where there is no more room.
func (t *tracer) helper(a *attempt) *Helper {
	if a.name == "" || a.name == EntryPoint {
		return nil
	}
	h := t.helpers[a.name]
	if h == nil {
		if len(t.order) >= maxHelpers {
			t.omitted++
			return nil
		}
		h = &Helper{Name: a.name}
		t.helpers[a.name] = h
		t.order = append(t.order, a.name)
	}
	return h
}

// callName names the rule, and of a function the arguments it has got.
func callName(e *topdown.Event, rule *ast.Rule) string {
	name := ruleName(rule)
	if len(rule.Head.Args) == 0 {
		return name
	}
	args := make([]string, len(rule.Head.Args))
	for i, arg := range rule.Head.Args {
		args[i] = shorten(e.Plug(arg).String())
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func ruleName(rule *ast.Rule) string { return rule.Ref().GroundPrefix().String() }

// result gives the value that a rule got, the element of a set, or the key and
// value of an object.
func result(e *topdown.Event, rule *ast.Rule) string {
	if rule.Head.RuleKind() == ast.MultiValue {
		return shorten(e.Plug(rule.Head.Key).String())
	}
	ref := rule.Ref()
	keys := ref[len(ref.GroundPrefix()):]
	value := e.Plug(rule.Head.Value)
	for _, key := range slices.Backward(keys) {
		value = ast.ObjectTerm([2]*ast.Term{e.Plug(key), value})
	}
	return shorten(value.String())
}

// stopAt describes expr, with the values of what its text mentions.
func (t *tracer) stopAt(e *topdown.Event, expr *ast.Expr) *Stop {
	s := &Stop{Location: position(expr.Location), Text: source(expr.Location)}
	locals := map[ast.Var]ast.Value{}
	for v, meta := range e.LocalMetadata {
		if value := e.Locals.Get(v); value != nil && value.IsGround() {
			locals[meta.Name] = value
		}
	}
	values := map[string]string{}
	ast.WalkTerms(t.text(expr), func(term *ast.Term) bool {
		switch v := term.Value.(type) {
		case ast.Var:
			if value, ok := locals[v]; ok {
				values[string(v)] = shorten(value.String())
			}
		case ast.Ref:
			if t.sees(e) && isRooted(v, ast.InputRootDocument) {
				path := v.StringPrefix()
				values[path.String()] = valueAt(t.input, path)
			}
		}
		return false
	})
	ast.WalkTerms(expr, func(term *ast.Term) bool { // what the compiler has made local
		v, ok := term.Value.(ast.Var)
		if value := e.Locals.Get(v); ok && v.IsGenerated() && value != nil && value.IsGround() {
			if name := source(term.Location); name != "" && name != s.Text {
				values[name] = shorten(value.String())
			}
		}
		return false
	})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(s.Values) < maxValues {
			s.Values = append(s.Values, Binding{Name: name, Value: values[name]})
		}
	}
	return s
}

// text gives expr as it was written: the compiler moves its parts into
// expressions of their own.
func (t *tracer) text(expr *ast.Expr) any {
	if _, ok := t.texts[expr]; !ok {
		t.texts[expr] = expr
		if expr.Location != nil {
			if body, err := ast.ParseBody(string(expr.Location.Text)); err == nil {
				t.texts[expr] = body
			}
		}
	}
	return t.texts[expr]
}

// definition tells what became of a rule of the entry point, where evaluations
// may have ended in an error at failure.
func (t *tracer) definition(rule *ast.Rule, failure string) Definition {
	d := Definition{Location: position(rule.Location), Outcome: OutcomeSkipped}
	for _, a := range rule.Annotations {
		if a.Scope == "rule" {
			d.Description = describe(a)
		}
	}
	a := t.rules[rule]
	switch {
	case a == nil:
	case a.held:
		d.Outcome, d.Value = OutcomeHeld, a.value
	case a.stop != nil:
		d.Outcome, d.Stop = OutcomeFailed, a.stop
		if a.stop.Location == failure {
			d.Outcome = OutcomeError
		}
	case a.at != nil: // what it did not come back from
		d.Outcome = OutcomeError
		d.Stop = &Stop{Location: position(a.at.Location), Text: source(a.at.Location)}
	}
	return d
}

// report adds what was noted to x.
func (t *tracer) report(x *Explanation) {
	for _, name := range t.order {
		h := *t.helpers[name]
		if len(h.Values) > 0 {
			h.Stops = nil
		}
		x.Helpers = append(x.Helpers, h)
	}
	for _, name := range slices.SortedFunc(maps.Keys(t.facts), cmp.Compare[string]) {
		f := Fact{Path: name, Value: t.facts[name]}
		if strings.HasPrefix(name, "data") {
			x.Data = append(x.Data, f)
		} else {
			x.Input = append(x.Input, f)
		}
	}
	x.Omitted = t.omitted
}

// position names a line of the source.
func position(l *ast.Location) string {
	if l == nil || l.File == "" {
		return "?"
	}
	return fmt.Sprintf("%s:%d", l.File, l.Row)
}

// source is the text at l, on one line.
func source(l *ast.Location) string {
	if l == nil {
		return ""
	}
	return shorten(strings.Join(strings.Fields(string(l.Text)), " "))
}

// shorten cuts s to what people read.
func shorten(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxText {
			return s[:i] + "…"
		}
	}
	return s
}
