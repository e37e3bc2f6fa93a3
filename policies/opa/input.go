package opa

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
)

// inputValue gives in as Rego has it: what encoding/json and OPA's own
// conversion would make of it, at a fraction of the cost.
func inputValue(in *policies.Input) ast.Value {
	var b builder
	return b.object(reflect.ValueOf(in).Elem()).Value
}

// A plan says how a struct type is turned into an object. It follows the JSON
// tags, so an Input and its JSON cannot differ.
type plan []field

type field struct {
	key   *ast.Term
	index []int // through embedded structs
	omit  bool  // when empty
	zero  bool  // when zero, by its own opinion if it has one
}

var plans sync.Map // reflect.Type -> plan

func planOf(t reflect.Type) plan {
	if p, ok := plans.Load(t); ok {
		return p.(plan)
	}
	var p plan
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("json")
		if !tagged || !f.IsExported() {
			continue // the embedded structs themselves: their fields follow
		}
		name, options, _ := strings.Cut(tag, ",")
		p = append(p, field{
			key:   ast.StringTerm(name),
			index: f.Index,
			omit:  options == "omitempty",
			zero:  options == "omitzero",
		})
	}
	stored, _ := plans.LoadOrStore(t, p)
	return stored.(plan)
}

// A builder makes the terms of one input.
type builder struct{ terms []ast.Term }

// term returns a new term. Terms are allocated many at a time.
func (b *builder) term(v ast.Value) *ast.Term {
	if len(b.terms) == cap(b.terms) {
		b.terms = make([]ast.Term, 0, 64)
	}
	b.terms = append(b.terms, ast.Term{Value: v})
	return &b.terms[len(b.terms)-1]
}

func (b *builder) object(v reflect.Value) *ast.Term {
	p := planOf(v.Type())
	items := make([][2]*ast.Term, 0, len(p))
	for i := range p {
		f := &p[i]
		fv := v.FieldByIndex(f.index)
		if f.omit && isEmpty(fv) || f.zero && isZero(fv) {
			continue
		}
		items = append(items, [2]*ast.Term{f.key, b.value(fv)})
	}
	return b.term(ast.NewObject(items...))
}

func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
		return z.IsZero()
	}
	return v.IsZero()
}

func (b *builder) value(v reflect.Value) *ast.Term {
	if v.Kind() != reflect.String && v.Type().Implements(textMarshaler) {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			panic(fmt.Sprintf("opa: %v of an event has no text: %v", v.Type(), err))
		}
		return b.term(ast.String(text))
	}
	switch v.Kind() {
	case reflect.String:
		return b.term(ast.String(v.String()))
	case reflect.Bool:
		return ast.InternedTerm(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return ast.InternedTerm(int(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return b.term(ast.Number(strconv.FormatUint(v.Uint(), 10)))
	case reflect.Float64:
		return b.term(ast.Number(strconv.FormatFloat(v.Float(), 'f', -1, 64)))
	case reflect.Slice:
		list := make([]*ast.Term, v.Len())
		for i := range list {
			list[i] = b.value(v.Index(i))
		}
		return b.term(ast.NewArray(list...))
	case reflect.Pointer:
		return b.value(v.Elem())
	case reflect.Struct:
		return b.object(v)
	}
	panic(fmt.Sprintf("opa: an event has a %v", v.Type()))
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
