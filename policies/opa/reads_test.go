package opa

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
)

const allowed = `{"action": "allow", "rule": "r", "reason": "x"}`

func TestReads(t *testing.T) {
	yes := `decision := ` + allowed
	for _, tt := range []struct{ name, policy, want string }{
		{"nothing", yes, ""},
		{"one", yes + ` if input.src_port == 1`, "src_port"},
		{"sorted", yes + ` if { input.user == "x"; input.tls.sni == "y"; input.server.name; input.detection.score > 3 }`, "detection.score server.name tls.sni user"},
		{"head", `decision := {"action": "allow", "rule": input.stage, "reason": sprintf("%d", [input.dest_port])}`, "dest_port stage"},
		{"negation", yes + ` if not input.tls.ech`, "tls.ech"},
		{"else", `decision := ` + allowed + ` if { input.user } else := ` + allowed + ` if { input.midstream }`, "midstream user"},
		{"default", `default decision := ` + allowed + "\n" + yes + ` if input.user`, "user"},
		{"all below", yes + ` if "x" in object.keys(input.server)`, "server"},
		{"all below, and one of it", yes + ` if { input.server.name; count(input.server) > 1 }`, "server"},
		{"leaf", yes + ` if input.tls.alpn_offered[0] == "h2"`, "tls.alpn_offered"},
		{"below a leaf", yes + ` if input.detection.evidence[0].rule == "x"`, "detection.evidence"},
		{"iteration", yes + ` if { some e in input.detection.evidence; e.weight > 9 }`, "detection.evidence"},
		{"every", yes + ` if { every h in input.http.headers { h != input.user } }`, "http.headers user"},
		{"comprehension", yes + ` if count([e | some e in input.detection.evidence; e.rule == input.user]) > 0`, "detection.evidence user"},
		{"template", `decision := {"action": "allow", "rule": "r", "reason": $"{input.user} to {input.server.ip}"}`, "server.ip user"},
		{"variable key", yes + ` if { some k, v in input.detection; k == v }`, "detection"},
		{"computed key", yes + ` if input.tls[input.user] == "x"`, "tls user"},
		{"variable key at the top", yes + ` if input[_] == 1`, "*"},
		{"bare", yes + ` if count(input) > 1`, "*"},
		{"walk", yes + ` if walk(input, [["user"], "alice"])`, "*"},
		{"membership", yes + ` if "x" in input`, "*"},
		{"as an argument", `f(x) := x.user` + "\n" + yes + ` if f(input) == "a"`, "*"},
		{"part as an argument", `f(x) := x.sni` + "\n" + yes + ` if f(input.tls) == "a"`, "tls"},
		{"local", yes + ` if { d := input.detection; d.score > 1; d.kind == "x" }`, "detection.kind detection.score"},
		{"local used otherwise", yes + ` if { d := input.detection; d.score > 1; count(d) > 1 }`, "detection"},
		{"local not used", yes + ` if { d := input.tls; d }`, "tls"},
		{"local of two", yes + ` if { d = input.user; d = input.tls.sni }`, "tls.sni user"},
		{"local of all", yes + ` if { i := input; i.user == "a"; i.server.name }`, "server.name user"},
		{"local with a variable key", yes + ` if { d := input.detection; d[input.user] }`, "detection user"},
		{"local in a comprehension", yes + ` if { d := input.detection; count({x | x := d.evidence[_].rule}) > 1 }`, "detection.evidence"},
		{"argument that is compared", `f(x) if { x = input.tls; x.sni }` + "\n" + yes + ` if f(input.tls)`, "tls"},
		{"object.get", yes + ` if object.get(input.detection, "kind", input.user) == "x"`, "detection.kind user"},
		{"object.get of all", yes + ` if object.get(input, ["server", "name"], "") == "x"`, "server.name"},
		{"object.get of what is not there", yes + ` if object.get(input, "nothing", 1) == 1`, ""},
		{"object.get of what is not there below", yes + ` if object.get(input, ["tls", "nothing"], 1) == 1`, "tls"},
		{"object.get of a computed key", yes + ` if object.get(input.detection, input.user, 1) == 1`, "detection user"},
		{"object.get of a computed path", yes + ` if object.get(input, ["server", input.user], 1) == 1`, "server user"},
		{"object.get of no path", yes + ` if object.get(input, [], 1) == 1`, "*"},
		{"with input", `seen if input.user == "x"` + "\n" + yes + ` if seen with input as {"user": input.stage}`, "stage user"},
		{"with a part of it", `seen if input.user == "x"` + "\n" + yes + ` if seen with input.user as input.stage`, "stage user"},
		{"with all of it", `seen if input.user == "x"` + "\n" + yes + ` if seen with input as input`, "*"},
		{"with a function", "f(x) := x == input.user\ng(x) := x == input.stage\n" + yes + ` if f(1) with f as g`, "stage user"},
		{"not reachable", `other if input.user == "x"` + "\n" + yes, ""},
		{"through rules", `a if input.user` + "\n" + `b if { a; input.stage }` + "\n" + yes + ` if b`, "stage user"},
		{"through a set", `s contains "a" if input.user` + "\n" + `s contains input.stage` + "\n" + yes + ` if "a" in s`, "stage user"},
		{"through an object", `o[input.user] := input.stage` + "\n" + yes + ` if o.x`, "stage user"},
		{"through a reference head", `o.a[input.user].b := input.stage` + "\n" + yes + ` if o.a.x.b`, "stage user"},
		{"through a package", `o.p if input.user` + "\n" + yes + ` if data.sstp.o[_]`, "user"},
		{"through all packages", yes + ` if { some k; data.other[k].x }`, "user"},
		{"through all data", yes + ` if { k := object.get({}, "k", "other"); data[k].deep.x }`, "user"},
		{"metadata", "# METADATA\n# title: t\n" + yes + ` if rego.metadata.rule().title == "t"`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fsys := regoFS(tt.policy)
			fsys["other.rego"] = &fstest.MapFile{Data: []byte("package other.deep\n\nx if input.user")}
			d, err := New(context.Background(), fsys, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(d.Reads(), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Rules that begin with data that is not there read nothing, unless somebody
// could put it there, or something could fail before.
func TestReadsWithData(t *testing.T) {
	listed := `decision := ` + allowed + ` if { some x in data.list; x == input.user }`
	for _, tt := range []struct {
		name, policy string
		data         map[string]any
		want         string
	}{
		{"none", listed, nil, ""},
		{"empty", listed, map[string]any{"list": []any{}}, ""},
		{"empty object", listed, map[string]any{"list": map[string]any{}}, ""},
		{"there", listed, map[string]any{"list": []any{"x"}}, "user"},
		{"scalar", listed, map[string]any{"list": 1}, "user"},
		{"other", listed, map[string]any{"others": []any{"x"}}, ""},
		{"term", `decision := ` + allowed + ` if { data.on; input.user }`, nil, ""},
		{"term that is there", `decision := ` + allowed + ` if { data.on; input.user }`, map[string]any{"on": false}, "user"},
		{"below what is no object", `decision := ` + allowed + ` if { data.on.x; input.user }`, map[string]any{"on": false}, "user"},
		{"after a part of the input", `decision := ` + allowed + ` if { input.user in data.list }`, nil, ""},
		{"after a variable key", `decision := ` + allowed + ` if { x := input.tls[_]; x in data.list }`, nil, ""},
		{"after a call", `decision := ` + allowed + ` if { lower(input.stage) == "x"; some x in data.list; x == input.user }`, nil, "stage user"},
		{"after a rule", `a if input.stage
			decision := ` + allowed + ` if { a; some x in data.list; x == input.user }`, nil, "stage user"},
		{"beside a rule", `a := input.stage
			decision := ` + allowed + ` if { data.list[_] = a; input.user }`, nil, "stage user"},
		{"after a literal", `decision := ` + allowed + ` if { [x] = [input.stage]; x in data.list; input.user }`, nil, "stage user"},
		{"after not", `decision := ` + allowed + ` if { not data.list[0]; input.user }`, nil, "user"},
		{"else", `decision := ` + allowed + ` if { some x in data.list; x == input.user } else := ` + allowed + ` if input.stage`, nil, "stage"},
		{"where policies are", `decision := ` + allowed + ` if { some x in data.sstp.list; x == input.user }`, nil, "user"},
		{"mocked", listed + "\n" + `other if decision with data.list as ["x"]`, nil, "user"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := New(context.Background(), regoFS(tt.policy), tt.data)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(d.Reads(), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestReadsDefault(t *testing.T) {
	d, err := New(context.Background(), policies.Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"detection.kind", "detection.score", "detection.verdict", "server.ip", "server.name"}
	if diff := cmp.Diff(want, d.Reads()); diff != "" {
		t.Errorf("without sanctions (-want +got):\n%s", diff)
	}
	if d, err = New(context.Background(), policies.Default, sanctions); err != nil {
		t.Fatal(err)
	}
	want = []string{
		"detection.kind", "detection.score", "detection.verdict", "server.ip", "server.name",
		"src_ip", "time", "tls.certificate_sha256", "user",
	}
	if diff := cmp.Diff(want, d.Reads()); diff != "" {
		t.Errorf("with sanctions (-want +got):\n%s", diff)
	}
}

// sanctions has every list.
var sanctions = map[string]any{"sanctioned": map[string]any{
	"certificates": []any{strings.Repeat("ab", 32)},
	"networks":     []any{"10.64.0.0/16", "192.0.2.0/24", "2001:db8::/32"},
	"servers":      []any{map[string]any{"name": "ras.example.com", "addresses": []any{"203.0.113.0/24"}}},
	"users":        []any{"alice", "bob"},
	"windows":      []any{map[string]any{"from": "2026-11-22T05:00:00Z", "until": "2026-11-22T05:10:00Z"}},
}}

// The compiler's own graph knows of no rule that the reading misses.
func TestReadsReachAll(t *testing.T) {
	d, err := New(context.Background(), policies.Default, sanctions)
	if err != nil {
		t.Fatal(err)
	}
	r := newReading(d.compiler, sanctions)
	r.fixed = false
	r.run()
	graph := ast.NewGraphTraversal(d.compiler.Graph)
	open := []any{}
	for _, rule := range d.compiler.GetRules(ast.MustParseRef(EntryPoint)) {
		open = append(open, rule)
	}
	n := 0
	for ; len(open) > 0; n++ {
		rule := open[0].(*ast.Rule)
		open = open[1:]
		if graph.Visited(rule) {
			continue
		}
		for _, next := range graph.Edges(rule) {
			open = append(open, next)
		}
		if top := rule; !r.seen[top] && !isElse(d.compiler, top) {
			t.Errorf("%v of %v was not read", rule.Ref(), rule.Location)
		}
	}
	if n < 10 {
		t.Errorf("only %d rules", n)
	}
}

func isElse(c *ast.Compiler, rule *ast.Rule) bool {
	for _, other := range c.GetRules(rule.Ref()) {
		for e := other.Else; e != nil; e = e.Else {
			if e == rule {
				return true
			}
		}
	}
	return false
}
