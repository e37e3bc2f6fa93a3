package opa

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A scan is one rule's reading.
type scan struct {
	*reading
	locals map[ast.Var]*local
}

// A local is a variable that may stand for a part of the input.
type local struct {
	stands [][]string // paths that it is said to equal
	below  [][]string // what is looked at below it
	whole  bool       // it is used otherwise
}

func (s *scan) local(v ast.Var) *local {
	if s.locals[v] == nil {
		s.locals[v] = &local{}
	}
	return s.locals[v]
}

func (s *scan) walk(x any) { ast.NewGenericVisitor(s.visit).Walk(x) }

// visit returns true where it saw to all that is below x.
func (s *scan) visit(x any) bool {
	switch x := x.(type) {
	case *ast.Head:
		for _, t := range x.Reference[min(1, len(x.Reference)):] {
			s.walk(t)
		}
	case *ast.Expr:
		return s.expr(x)
	case *ast.With:
		s.walk(x.Value)
		if !isRooted(x.Target.Value, ast.InputRootDocument) {
			s.walk(x.Target) // what replaces a part of the input reads nothing of it
		}
		return true
	case ast.Ref:
		s.ref(x)
		return true
	case ast.Var:
		if x.Equal(ast.InputRootDocument.Value) {
			s.read(nil)
		}
		s.local(x).whole = true
	}
	return false
}

// expr sees to what only names a part of the input, and to object.get, which
// looks at one key of it.
func (s *scan) expr(e *ast.Expr) bool {
	var rest []*ast.Term
	if v, path, ok := naming(e); ok {
		l := s.local(v)
		l.stands = append(l.stands, path)
	} else if v, path, ok := getting(e); ok {
		l := s.local(v)
		l.below = append(l.below, path)
		rest = e.Operands()[1:]
	} else {
		return false
	}
	for _, t := range rest {
		s.walk(t)
	}
	for _, w := range e.With {
		s.walk(w)
	}
	return true
}

func (s *scan) ref(ref ast.Ref) {
	path := names(ref[1:])
	switch {
	case isRooted(ref, ast.InputRootDocument):
		s.read(path)
	case isRooted(ref, ast.DefaultRootDocument):
		s.follow(ref)
	case isVar(ref[0].Value):
		l := s.local(ref[0].Value.(ast.Var))
		l.below = append(l.below, path)
	default:
		s.walk(ref[0])
	}
	for _, t := range ref[1:] {
		s.walk(t)
	}
}

// resolve adds what was read through local variables.
func (s *scan) resolve() {
	for _, l := range s.locals {
		if l.whole || len(l.stands) > 1 || len(l.below) == 0 {
			l.below = [][]string{nil}
		}
		for _, path := range l.stands {
			for _, below := range l.below {
				s.read(slices.Concat(path, below))
			}
		}
	}
}

// naming says that e makes a variable stand for the input's part at path.
func naming(e *ast.Expr) (v ast.Var, path []string, ok bool) {
	if !e.IsEquality() || e.Negated {
		return "", nil, false
	}
	a, b := e.Operand(0).Value, e.Operand(1).Value
	if !isVar(a) {
		a, b = b, a
	}
	ref, isRef := b.(ast.Ref)
	if !isVar(a) || !isRef || !isRooted(ref, ast.InputRootDocument) {
		return "", nil, false
	}
	path = names(ref[1:])
	return a.(ast.Var), path, len(path) == len(ref)-1
}

// getting says that e is object.get of a variable, and of a path that begins
// with constants.
func getting(e *ast.Expr) (v ast.Var, path []string, ok bool) {
	if !e.IsCall() || !e.Operator().Equal(ast.ObjectGet.Ref()) {
		return "", nil, false
	}
	v, ok = e.Operand(0).Value.(ast.Var)
	keys := []*ast.Term{e.Operand(1)}
	if array, isArray := keys[0].Value.(*ast.Array); isArray {
		keys = nil
		array.Foreach(func(t *ast.Term) { keys = append(keys, t) })
	}
	path = names(keys)
	return v, path, ok && len(path) > 0
}

// names returns the strings that terms begin with.
func names(terms []*ast.Term) []string {
	var out []string
	for _, t := range terms {
		name, ok := t.Value.(ast.String)
		if !ok {
			break
		}
		out = append(out, string(name))
	}
	return out
}

func isVar(v ast.Value) bool {
	_, ok := v.(ast.Var)
	return ok
}

func isRooted(v ast.Value, root *ast.Term) bool {
	ref, ok := v.(ast.Ref)
	return ok && len(ref) > 0 && ref[0].Equal(root)
}
