package opa

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"strings"
	"testing"
	_ "time/tzdata" // windows name time zones

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// shipped gives every set of policies that we ship, by its name.
func shipped(t testing.TB) map[string]fs.FS {
	t.Helper()
	sets := map[string]fs.FS{"default": policies.Default}
	for _, name := range policies.Examples() {
		set, err := policies.Example(name)
		if err != nil {
			t.Fatal(err)
		}
		sets[name] = set
	}
	return sets
}

// dataOf reads the data beside policies.
func dataOf(t testing.TB, fsys fs.FS) map[string]any {
	t.Helper()
	data := map[string]any{}
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := policies.ParseData(name, text)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(data, doc)
	}
	return data
}

// TestRego runs the tests beside the policies of every set, with the set's data.
// They reach every line.
func TestRego(t *testing.T) {
	for name, set := range shipped(t) {
		t.Run(name, func(t *testing.T) { testRego(t, set) })
	}
}

func testRego(t *testing.T, set fs.FS) {
	ctx := context.Background()
	sources, err := readModules(set, isRego)
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
	store := inmem.NewFromObject(dataOf(t, set))
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
	covered, missed := 0, 0
	for name := range modules {
		file := report.Files[name]
		covered, missed = covered+file.CoveredLines, missed+file.NotCoveredLines
		if len(file.Covered) == 0 {
			t.Errorf("%s: not tested at all", name)
		}
		for _, lines := range file.NotCovered {
			t.Errorf("%s: lines %d to %d are not tested", name, lines.Start.Row, lines.End.Row)
		}
	}
	t.Logf("%d tests cover %d of %d lines", n, covered, covered+missed)
}

// Our policies are as `opa fmt` writes them.
func TestFormatted(t *testing.T) {
	for name, set := range shipped(t) {
		sources, err := readModules(set, isRego)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range sources {
			want, err := format.SourceWithOpts(m.name, []byte(m.text), format.Opts{RegoVersion: ast.RegoV1})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), m.text); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, m.name, diff)
			}
		}
	}
}

// What is shipped also loads as a user's would.
func TestShippedLoads(t *testing.T) {
	for name, set := range shipped(t) {
		if _, err := New(context.Background(), set, dataOf(t, set)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What nearly all connections get is foreseen whatever data there is.
func TestForeseeShipped(t *testing.T) {
	data := map[string]any{
		"sanctioned":  map[string]any{"windows": []any{map[string]any{"from": "08:00", "until": "18:00", "zone": "UTC"}}},
		"dry_run":     []any{"sstp.cleared", "sstp.suspected"},
		"enforcement": map[string]any{"reset": true, "ban": "10m"},
	}
	for name, set := range shipped(t) {
		switch name {
		case "lab":
			continue // its reasons differ from connection to connection
		case "intercept":
			continue // the score counts, because of the servers that are asked
		}
		all := dataOf(t, set)
		maps.Copy(all, data)
		for _, v := range []inspect.Verdict{inspect.VerdictCleared, inspect.VerdictUndetermined} {
			d, err := New(context.Background(), set, all)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := d.Foresee(policies.StageDetection, policies.PointNFQ, v)
			if want, err := d.Decide(context.Background(), input(v)); !ok || err != nil || got != want {
				t.Errorf("%s: foreseen %+v, %v, decided %+v, %v", name, got, ok, want, err)
			}
		}
	}
}

// Whatever form of data is accepted, the default policies understand: nothing
// that fails, and nothing that never sanctions.
func TestAcceptedData(t *testing.T) {
	in := input(inspect.VerdictSuspected) // from 10.1.2.3 on Sunday, 2026-11-22, at 05:00 UTC
	in.User = "Alice"
	const hash = "ab000000000000000000000000000000000000000000000000000000000000cd"
	colons := regexp.MustCompile("..").ReplaceAllString(strings.ToUpper(hash), "$0:")[:95]
	for _, entry := range []string{
		"servers: [{addresses: [198.51.100.7]}]",
		"servers: [{name: '*.EXAMPLE.org.', certificates: [" + colons + "]}]",
		"servers: [{name: .vpn.example.org, addresses: [198.51.96.0/20], expires: 2026-11-22}]",
		"networks: [10.1.2.3]",
		"networks: [{network: 10.0.0.0/8, expires: 2026-11-22T05:00:00.000001Z}]",
		"users: [ALICE]",
		"users: [{user: alice, expires: 2261-12-31}]",
		"certificates: [" + hash + "]",
		"certificates: [{certificate: " + colons + ", expires: 2261-12-31T23:59:59+14:00}]",
		"windows: [{from: 2026-11-22T05:00:00Z, until: 2026-11-22T06:00:00.1+01:00}]",
		"windows: [{from: 1678-01-01T00:00:00Z, until: 2261-12-31T23:59:59Z, networks: [10.1.2.3]}]",
		"windows: [{from: 06:00, until: 06:01, zone: Europe/Berlin, days: [sun]}]",
		"windows: [{from: '22:00', until: 06:01, zone: Europe/Berlin, days: [sat]}]",
		"windows: [{from: 00:00, until: '24:00', zone: UTC}]",
	} {
		doc, err := policies.ParseData("data.yaml", []byte("sanctioned: {"+entry+"}"))
		if err != nil {
			t.Error(err)
			continue
		}
		d, err := New(context.Background(), policies.Default, doc)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.Decide(context.Background(), in); err != nil || got.Rule != "sstp.sanctioned" {
			t.Errorf("%s: got %+v, %v", entry, got, err)
		}
	}
}

// Data as it is read makes of the same document what JSON makes of it.
func TestDataAsJSON(t *testing.T) {
	const yaml = "n: [1, -2.50, 0x10]\ns: [2026-12-31, yes, \"1\"]\nnothing: null\ntrue_: true\n"
	doc, err := policies.ParseData("data.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(doc)
	const want = `{"n":[1,-2.50,16],"nothing":null,"s":["2026-12-31","yes","1"],"true_":true}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := New(context.Background(), regoFS(`decision := {"action": "allow", "reason": data.s[0], "rule": "r"}`), doc); err != nil {
		t.Error(err)
	}
}

// The files of an example lie beside the default ones, or replace them.
func TestExamplesStandAlone(t *testing.T) {
	for name, set := range shipped(t) {
		for _, want := range []string{"decision.rego", "sanctioned.rego", "drop.rego", "window.rego", "connection.rego"} {
			if _, err := fs.Stat(set, path.Join("sstp", want)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
