package opa

import (
	"context"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// BenchmarkDefaultSet is one decision of the default policies that nobody
// foresaw: without data, and with data that names other connections.
func BenchmarkDefaultSet(b *testing.B) {
	others := map[string]any{"sanctioned": map[string]any{
		"networks": []any{"10.64.0.0/16", "192.0.2.0/24", "2001:db8::/32"},
		"servers":  []any{map[string]any{"name": "ras.example.com", "addresses": []any{"203.0.113.0/24"}}},
		"users":    []any{"bob"},
	}}
	for _, tt := range []struct {
		name string
		data map[string]any
		of   []inspect.Verdict
	}{
		{"no data", nil, []inspect.Verdict{inspect.VerdictCleared, inspect.VerdictSuspected, inspect.VerdictConfirmed}},
		{"data", others, []inspect.Verdict{inspect.VerdictConfirmed}},
	} {
		d, err := New(context.Background(), policies.Default, tt.data)
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range tt.of {
			b.Run(tt.name+"/"+v.String(), func(b *testing.B) {
				in := input(v)
				in.User = "alice"
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Decide(context.Background(), in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
