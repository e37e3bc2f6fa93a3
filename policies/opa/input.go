package opa

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// inputValue gives in as Rego has it: what encoding/json and OPA's own
// conversion would make of it.
func inputValue(in *policies.Input) ast.Value { return wholeInput()(reflect.ValueOf(in).Elem()).Value }

var wholeInput = sync.OnceValue(func() shaper { return newShaper(everything) })

// A shaper gives a value as Rego has it, as much of it as the policies read.
type shaper func(reflect.Value) *ast.Term

// newShaper makes the shaper of an Input.
func newShaper(read *facts) shaper { return structShaper(reflect.TypeFor[policies.Input](), read) }

// A plan says how a struct type becomes an object. It follows the JSON tags, so
// an Input and its JSON cannot differ.
type plan []field

type field struct {
	name  string
	index []int // through embedded structs
	empty bool  // left out when empty
	zero  bool  // left out when zero, by its own opinion if it has one
}

var plans sync.Map // reflect.Type -> plan

func planOf(t reflect.Type) plan {
	if p, ok := plans.Load(t); ok {
		return p.(plan)
	}
	var p plan
	for _, f := range reflect.VisibleFields(t) {
		tag, ok := f.Tag.Lookup("json")
		if !ok {
			continue // an embedded struct, whose fields come by themselves
		}
		name, option, _ := strings.Cut(tag, ",")
		p = append(p, field{name: name, index: f.Index, empty: option == "omitempty", zero: option == "omitzero"})
	}
	stored, _ := plans.LoadOrStore(t, p)
	return stored.(plan)
}

// parts gives those fields of a struct type that are in read.
func (p plan) parts(t reflect.Type, read *facts) []part {
	var out []part
	for _, f := range p {
		if below := read.part(f.name); below != nil {
			out = append(out, part{field: f, t: t.FieldByIndex(f.index).Type, read: below})
		}
	}
	return out
}

// A part is a field that is read, and what of it.
type part struct {
	field
	t    reflect.Type
	read *facts
}

// of returns the part of v, and whether JSON has it.
func (p *part) of(v reflect.Value) (reflect.Value, bool) {
	v = v.Field(p.index[0])
	for _, i := range p.index[1:] {
		v = v.Field(i)
	}
	absent := p.empty && isEmpty(v) || p.zero && isZero(v)
	return v, !absent
}

func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if v.Type() == reflect.TypeFor[event.Time]() { // the only one with an opinion of its own
		t, _ := reflect.TypeAssert[event.Time](v)
		return t.IsZero()
	}
	return v.IsZero()
}

func structShaper(t reflect.Type, read *facts) shaper {
	type shaped struct {
		part
		key   *ast.Term
		shape shaper
	}
	var parts []shaped
	for _, p := range planOf(t).parts(t, read) {
		parts = append(parts, shaped{part: p, key: ast.InternedTerm(p.name), shape: valueShaper(p.t, p.read)})
	}
	return func(v reflect.Value) *ast.Term {
		object := ast.NewObjectWithCapacity(len(parts))
		for i := range parts {
			p := &parts[i]
			if field, ok := p.of(v); ok {
				object.Insert(p.key, p.shape(field))
			}
		}
		return ast.NewTerm(object)
	}
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

func valueShaper(t reflect.Type, read *facts) shaper {
	if t.Implements(textMarshaler) {
		return shapeText
	}
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value) *ast.Term { return ast.InternedTerm(v.String()) }
	case reflect.Bool:
		return func(v reflect.Value) *ast.Term { return ast.InternedTerm(v.Bool()) }
	case reflect.Int:
		return func(v reflect.Value) *ast.Term { return ast.InternedTerm(v.Int()) }
	case reflect.Uint8, reflect.Uint16, reflect.Uint64: // InternedTerm takes a uint64 for an int
		return func(v reflect.Value) *ast.Term { return ast.UIntNumberTerm(v.Uint()) }
	case reflect.Float64:
		return func(v reflect.Value) *ast.Term { return ast.FloatNumberTerm(v.Float()) }
	case reflect.Slice:
		element := valueShaper(t.Elem(), read)
		return func(v reflect.Value) *ast.Term {
			list := make([]*ast.Term, v.Len())
			for i := range list {
				list[i] = element(v.Index(i))
			}
			return ast.ArrayTerm(list...)
		}
	case reflect.Pointer:
		element := valueShaper(t.Elem(), read)
		return func(v reflect.Value) *ast.Term { return element(v.Elem()) }
	case reflect.Struct:
		return structShaper(t, read)
	default:
		panic(fmt.Sprintf("opa: an input has a %v", t))
	}
}

func shapeText(v reflect.Value) *ast.Term {
	m, _ := reflect.TypeAssert[encoding.TextMarshaler](v)
	text, err := m.MarshalText()
	if err != nil {
		panic(fmt.Sprintf("opa: %v of an input has no text: %v", v.Type(), err))
	}
	return ast.InternedTerm(string(text))
}
