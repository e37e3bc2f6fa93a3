package opa

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
)

// Reads lists the facts that the answer can depend on, sorted: "server.name" for
// input.server.name and all below it, and "*" alone for the whole Input. It is
// what the policies could look at with the data they have, found without
// evaluating them; whatever is not listed cannot change a Decision.
func (d *Decider) Reads() []string { return d.reads.paths() }

// facts are parts of an Input: everything here and below, or parts by name.
// There are no others.
type facts struct {
	all   bool
	parts map[string]*facts
}

var everything = &facts{all: true}

// part returns what of the part with that name is in f, nil for nothing.
func (f *facts) part(name string) *facts {
	if f.all {
		return f
	}
	return f.parts[name]
}

// add adds what lies at path, below a value of type t. Where the path leaves
// what an Input has structs for, all is added that it goes through last.
func (f *facts) add(t reflect.Type, path []string) {
	for !f.all {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if len(path) == 0 || t.Kind() != reflect.Struct || t.Implements(textMarshaler) {
			*f = facts{all: true}
			return
		}
		p := planOf(t)
		i := slices.IndexFunc(p, func(field field) bool { return field.name == path[0] })
		if i < 0 {
			if t != reflect.TypeFor[policies.Input]() {
				*f = facts{all: true}
			}
			return // no Input has it
		}
		next := f.parts[path[0]]
		if next == nil {
			next = &facts{}
			if f.parts == nil {
				f.parts = map[string]*facts{}
			}
			f.parts[path[0]] = next
		}
		f, t, path = next, t.FieldByIndex(p[i].index).Type, path[1:]
	}
}

func (f *facts) paths() []string {
	if f.all {
		return []string{"*"}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f.parts)) {
		if f.parts[name].all {
			out = append(out, name)
			continue
		}
		for _, below := range f.parts[name].paths() {
			out = append(out, name+"."+below)
		}
	}
	return out
}

// A reading goes through all rules that the entry point can reach.
type reading struct {
	compiler *ast.Compiler
	data     map[string]any
	fixed    bool                 // data is what the rules see of it
	known    map[string]ast.Value // facts by path; what contradicts them is not gone through
	facts    *facts
	seen     map[*ast.Rule]bool
	open     []*ast.Rule
}

// readsOf finds the facts that the entry point depends on, with that data, where
// some facts are known. It errs on the side of too many.
func readsOf(c *ast.Compiler, data map[string]any, known map[string]ast.Value) *facts {
	r := newReading(c, data)
	for _, m := range c.Modules {
		ast.WalkWiths(m, func(w *ast.With) bool {
			if isRooted(w.Target.Value, ast.InputRootDocument) {
				known = nil // rules may see another input
			}
			return false
		})
	}
	r.known = known
	r.run()
	return r.facts
}

func newReading(c *ast.Compiler, data map[string]any) *reading {
	r := &reading{compiler: c, data: data, fixed: true, facts: &facts{}, seen: map[*ast.Rule]bool{}}
	for _, m := range c.Modules {
		ast.WalkWiths(m, func(w *ast.With) bool {
			r.fixed = r.fixed && !isRooted(w.Target.Value, ast.DefaultRootDocument)
			return false
		})
	}
	return r
}

func (r *reading) run() {
	r.follow(ast.MustParseRef(EntryPoint))
	for len(r.open) > 0 {
		rule := r.open[len(r.open)-1]
		r.open = r.open[:len(r.open)-1]
		s := scan{reading: r, locals: map[ast.Var]*local{}}
		for ; rule != nil; rule = rule.Else {
			if !r.barren(rule.Body) {
				s.walk(rule.Head)
				s.walk(rule.Body)
			}
		}
		s.resolve()
	}
}

// follow opens every rule that a reference to data may reach: all below it, as
// far as it is constant.
func (r *reading) follow(ref ast.Ref) {
	for _, rule := range r.compiler.GetRulesDynamicWithOpts(ref.ConstantPrefix(), ast.RulesOptions{IncludeHiddenModules: true}) {
		if !r.seen[rule] {
			r.seen[rule] = true
			r.open = append(r.open, rule)
		}
	}
}

func (r *reading) read(path []string) { r.facts.add(reflect.TypeFor[policies.Input](), path) }

// barren says that body never holds and cannot fail either, because it begins
// with a look at data that is not there, or with what contradicts the facts that
// are known. A list of sanctions that nobody wrote is the common case, and rules
// for another verdict are.
func (r *reading) barren(body ast.Body) bool {
	named := map[ast.Var]ast.Value{} // variables that stand for known facts
	for _, e := range body {
		if r.contradicts(e, named) {
			return true
		}
		var operands []*ast.Term
		if t, ok := e.Terms.(*ast.Term); ok {
			operands = []*ast.Term{t}
		} else if e.IsEquality() {
			operands = e.Operands()
		}
		if !r.fixed || e.Negated || len(e.With) > 0 || len(operands) == 0 {
			return false
		}
		missing := false
		for _, o := range operands {
			switch {
			case !isPlain(o.Value):
				return false // may ask other rules, or call what fails
			case isRooted(o.Value, ast.DefaultRootDocument):
				if !r.missing(o.Value.(ast.Ref)) {
					return false
				}
				missing = true
			}
		}
		if missing {
			return true
		}
	}
	return false
}

// contradicts says that e cannot hold because it compares a fact that is known
// with a scalar, or with those in a set or an array, or because it asks a rule
// of which no body can hold for such a reason.
func (r *reading) contradicts(e *ast.Expr, named map[ast.Var]ast.Value) bool {
	if len(r.known) == 0 || e.Negated || len(e.With) > 0 {
		return false
	}
	if t, ok := e.Terms.(*ast.Term); ok {
		return r.fixed && r.never(t.Value)
	}
	if !e.IsCall() || len(e.Operands()) != 2 {
		return false
	}
	a, b := e.Operand(0).Value, e.Operand(1).Value
	switch {
	case e.IsEquality():
		if ast.IsScalar(a) {
			a, b = b, a
		}
		if v, path, ok := naming(e); ok && r.known[strings.Join(path, ".")] != nil {
			named[v] = r.known[strings.Join(path, ".")]
		}
		fact := r.fact(a, named)
		return fact != nil && ast.IsScalar(b) && !ast.ValueEqual(fact, b)
	case e.Operator().Equal(ast.Member.Ref()):
		fact := r.fact(a, named)
		if fact == nil || !ast.IsConstant(b) {
			return false
		}
		switch list := b.(type) {
		case ast.Set:
			return !list.Contains(ast.NewTerm(fact))
		case *ast.Array:
			return !list.Until(func(t *ast.Term) bool { return ast.ValueEqual(t.Value, fact) })
		}
	}
	return false
}

// never says that v refers to a rule that is undefined.
func (r *reading) never(v ast.Value) bool {
	if !isRooted(v, ast.DefaultRootDocument) || !v.IsGround() {
		return false
	}
	rules := r.compiler.GetRulesExact(v.(ast.Ref))
	for _, rule := range rules {
		if rule.Default || rule.Else != nil || rule.Head.RuleKind() != ast.SingleValue || !r.barren(rule.Body) {
			return false
		}
	}
	return len(rules) > 0
}

// fact is the known fact that v refers to or stands for, nil if it is none.
func (r *reading) fact(v ast.Value, named map[ast.Var]ast.Value) ast.Value {
	if isVar(v) {
		return named[v.(ast.Var)]
	}
	ref, ok := v.(ast.Ref)
	if !ok || !isRooted(ref, ast.InputRootDocument) {
		return nil
	}
	path := names(ref[1:])
	if len(path) != len(ref)-1 {
		return nil
	}
	return r.known[strings.Join(path, ".")]
}

// isPlain says that v is a scalar, a variable, or a reference through such.
func isPlain(v ast.Value) bool {
	ref, ok := v.(ast.Ref)
	if !ok {
		return ast.IsScalar(v) || isVar(v)
	}
	return !slices.ContainsFunc(ref, func(t *ast.Term) bool { return !ast.IsScalar(t.Value) && !isVar(t.Value) })
}

// missing says that ref, into data, is undefined whatever its variables are.
func (r *reading) missing(ref ast.Ref) bool {
	prefix := ref.ConstantPrefix()
	for _, m := range r.compiler.Modules {
		if m.Package.Path.HasPrefix(prefix) || prefix.HasPrefix(m.Package.Path) {
			return false
		}
	}
	var at any = r.data
	for _, term := range prefix[1:] {
		object, isObject := at.(map[string]any)
		key, isString := term.Value.(ast.String)
		if !isObject || !isString {
			return false
		}
		if at, isObject = object[string(key)]; !isObject {
			return true
		}
	}
	if len(prefix) == len(ref) {
		return false
	}
	switch at := at.(type) { // a variable follows
	case map[string]any:
		return len(at) == 0
	case []any:
		return len(at) == 0
	}
	return false
}
