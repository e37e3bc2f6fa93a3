package opa

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// sees says that e happened with the Input itself as input.
func (t *tracer) sees(e *topdown.Event) bool { return e.Input() == t.input }

// look notes what expr looks at. Where the compiler names a part of the input
// first, that is what is looked at below the name.
func (t *tracer) look(e *topdown.Event, expr *ast.Expr) {
	if len(expr.With) > 0 || t.input == nil {
		return // what comes of it has events of its own
	}
	if v, path, ok := naming(expr); ok {
		ref := ast.InputRootRef
		for _, name := range path {
			ref = ref.Append(ast.StringTerm(name))
		}
		t.names[v] = ref
		if v, err := t.input.Value.Find(ref[1:]); err != nil || ast.IsScalar(v) {
			t.lookInput(e, ref)
		}
		return
	}
	terms := expr.Terms
	if v, path, ok := getting(expr); ok && t.names[v] != nil {
		ref := t.names[v]
		for _, name := range path {
			ref = ref.Append(ast.StringTerm(name))
		}
		t.lookInput(e, ref)
		terms = expr.Operands()[1:]
	}
	t.lookTerms(e, terms)
}

func (t *tracer) lookTerms(e *topdown.Event, x any) {
	if terms, ok := x.([]*ast.Term); ok {
		for _, term := range terms {
			t.lookTerms(e, term)
		}
		return
	}
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			return true // inside of another, and evaluated on its own
		case ast.Var:
			if ref := t.names[x]; ref != nil {
				t.lookInput(e, ref)
			}
		case ast.Ref:
			path := e.Plug(ast.NewTerm(x)).Value.(ast.Ref).GroundPrefix()
			switch v, isVar := x[0].Value.(ast.Var); {
			case isRooted(path, ast.InputRootDocument):
				t.lookInput(e, path)
			case isRooted(path, ast.DefaultRootDocument):
				t.lookData(path)
			case isVar && t.names[v] != nil:
				t.lookInput(e, t.names[v].Concat(x[1:len(x.StringPrefix())]))
			}
			for _, term := range x[1:] {
				t.lookTerms(e, term)
			}
			return true
		}
		return false
	}).Walk(x)
}

// lookInput notes a part of the Input.
func (t *tracer) lookInput(e *topdown.Event, path ast.Ref) {
	if t.sees(e) {
		t.fact(path, func() string { return valueAt(t.input, path) })
	}
}

// lookData notes a part of the data, unless it is the policies'.
func (t *tracer) lookData(path ast.Ref) {
	if len(t.d.compiler.GetRulesDynamicWithOpts(path, ast.RulesOptions{IncludeHiddenModules: true})) == 0 {
		t.fact(path, func() string { return t.d.dataAt(path) })
	}
}

func (t *tracer) fact(path ast.Ref, value func() string) {
	name := path.String()
	if _, ok := t.facts[name]; ok {
		return
	}
	if len(t.facts) >= 2*maxFacts {
		t.omitted++
		return
	}
	t.facts[name] = value()
}

// valueAt gives what lies at path in the document, "" for nothing.
func valueAt(document *ast.Term, path ast.Ref) string {
	if document == nil {
		return ""
	}
	v, err := document.Value.Find(path[1:])
	if err != nil {
		return ""
	}
	return shorten(v.String())
}
