package opa

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
)

// inputValue gives in as Rego has it: what encoding/json and OPA's own
// conversion would make of it, but only as much of it as policies look at. The
// value is for one evaluation and one goroutine.
func inputValue(in *policies.Input) ast.Value {
	return ast.LazyObject(object(reflect.ValueOf(in).Elem()))
}

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

func object(v reflect.Value) map[string]any {
	p := planOf(v.Type())
	out := make(map[string]any, len(p))
	for i := range p {
		f := &p[i]
		fv := v.FieldByIndex(f.index)
		if f.empty && isEmpty(fv) || f.zero && isZero(fv) {
			continue
		}
		out[f.name] = native(fv)
	}
	return out
}

func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

func isZero(v reflect.Value) bool {
	if z, ok := reflect.TypeAssert[interface{ IsZero() bool }](v); ok {
		return z.IsZero()
	}
	return v.IsZero()
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// native gives v as one of the types that OPA converts without JSON.
func native(v reflect.Value) any {
	if v.Type().Implements(textMarshaler) {
		m, _ := reflect.TypeAssert[encoding.TextMarshaler](v)
		text, err := m.MarshalText()
		if err != nil {
			panic(fmt.Sprintf("opa: %v of an input has no text: %v", v.Type(), err))
		}
		return string(text)
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int:
		return v.Int()
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		if n := v.Uint(); n > math.MaxInt64 {
			return json.Number(strconv.FormatUint(n, 10)) // OPA takes a uint64 for an int
		}
		return int64(v.Uint())
	case reflect.Float64:
		return v.Float()
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = native(v.Index(i))
		}
		return list
	case reflect.Pointer:
		return native(v.Elem())
	case reflect.Struct:
		return object(v)
	default:
		panic(fmt.Sprintf("opa: an input has a %v", v.Type()))
	}
}
