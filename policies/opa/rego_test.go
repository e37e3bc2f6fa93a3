package opa

import (
	"context"
	"maps"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"sstpwarden/policies"
)

// The default policies pass the tests beside them, which reach every line.
func TestRego(t *testing.T) {
	ctx := context.Background()
	sources, err := readModules(policies.Default, isRego)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := parse(sources)
	if err != nil {
		t.Fatal(err)
	}
	compiler, err := newCompiler() // so tests too are strict and know the input
	if err != nil {
		t.Fatal(err)
	}
	store := inmem.New()
	coverage := cover.New()
	results, err := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(store).
		SetModules(modules).
		SetCoverageQueryTracer(coverage).
		RaiseBuiltinErrors(true).
		RunTests(ctx, storage.NewTransactionOrDie(ctx, store))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r := range results {
		n++
		if !r.Pass() {
			t.Errorf("%s at %v: %v", r.Name, r.Location, r.Error)
		}
	}
	if n == 0 {
		t.Error("no tests were found")
	}
	maps.DeleteFunc(modules, func(name string, _ *ast.Module) bool { return !isPolicy(name) })
	report := coverage.Report(modules)
	for name := range modules {
		if len(report.Files[name].Covered) == 0 {
			t.Errorf("%s: not tested at all", name)
		}
		for _, lines := range report.Files[name].NotCovered {
			t.Errorf("%s: lines %d to %d are not tested", name, lines.Start.Row, lines.End.Row)
		}
	}
}
