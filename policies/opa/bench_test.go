package opa

import (
	"context"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// BenchmarkDecide measures decisions of the default policies on a suspected
// tunnel. Bare is OPA alone: the same compiled policies and a parsed input,
// without conversion, limit or decoding. The first three know no sanctions; the
// others have every list, which makes them read the time.
func BenchmarkDecide(b *testing.B) {
	for _, tt := range []struct {
		prefix string
		data   map[string]any
	}{{"", nil}, {"sanctions-", sanctions}} {
		ctx := context.Background()
		d, err := New(ctx, policies.Default, tt.data)
		if err != nil {
			b.Fatal(err)
		}
		in := input(inspect.VerdictSuspected)
		value := viaJSON(b, in)
		plain := uncached(d)
		for _, bb := range []struct {
			name string
			ask  func() error
		}{
			{"bare", func() error { _, err := d.query.Eval(ctx, rego.EvalParsedInput(value)); return err }},
			{"uncached", func() error { _, err := plain.Decide(ctx, in); return err }},
			{"cached", func() error { _, err := d.Decide(ctx, in); return err }},
		} {
			b.Run(tt.prefix+bb.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := bb.ask(); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(tt.prefix+bb.name+"-parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := bb.ask(); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
