package opa

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"sstpwarden/inspect"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// A policy sees what the event's JSON says, for whatever an Input holds.
func TestInputIsItsJSON(t *testing.T) {
	for seed := range uint64(300) {
		var in policies.Input
		fill(rand.New(rand.NewPCG(seed, 1)), reflect.ValueOf(&in).Elem())
		got, want := inputValue(&in), viaJSON(t, in)
		if got.Compare(want) != 0 {
			t.Fatalf("seed %d: (-JSON +value):\n%s", seed, cmp.Diff(want.String(), got.String()))
		}
	}
	in := policies.Input{}
	if got, want := inputValue(&in), viaJSON(t, in); got.Compare(want) != 0 {
		t.Errorf("empty: (-JSON +value):\n%s", cmp.Diff(want.String(), got.String()))
	}
}

func viaJSON(t testing.TB, in policies.Input) ast.Value {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ast.ValueFromReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What policies are asked with is what their schema promises.
func TestInputSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(policies.InputSchema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("input.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("input.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for v := inspect.VerdictUndetermined; v <= inspect.VerdictCleared; v++ {
		b, err := json.Marshal(input(v))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// fill sets v and all that it holds, most often not to zero.
func fill(r *rand.Rand, v reflect.Value) {
	switch v.Interface().(type) {
	case event.Time:
		times := []time.Time{{}, time.Unix(0, 0), time.Unix(r.Int64N(1<<33), r.Int64N(1e9)), time.Unix(math.MaxInt32<<20, 0)}
		v.Set(reflect.ValueOf(event.NewTime(times[r.IntN(len(times))])))
		return
	case netip.Addr:
		addrs := []netip.Addr{{}, netip.IPv6Unspecified(), netip.AddrFrom4([4]byte{10, 0, 0, byte(r.Uint32())})}
		v.Set(reflect.ValueOf(addrs[r.IntN(len(addrs))]))
		return
	}
	switch v.Kind() {
	case reflect.String:
		texts := []string{"", "a", "\x00\"<>&\u2028\uFFFD", "1"}
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int:
		v.SetInt(r.Int64()>>r.IntN(64) - r.Int64N(100))
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64))
	case reflect.Float64:
		v.SetFloat(math.Round(r.Float64()*1e6) / 1e6)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Pointer:
		if r.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem())
		}
	case reflect.Struct:
		for _, f := range v.Fields() {
			fill(r, f)
		}
	default:
		panic("fill: " + v.Type().String())
	}
}

func BenchmarkInputValue(b *testing.B) {
	in := input(inspect.VerdictCleared)
	b.Run("direct", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			inputValue(&in)
		}
	})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			viaJSON(b, in)
		}
	})
}
