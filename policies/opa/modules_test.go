package opa

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/open-policy-agent/opa/v1/ast"
)

// What is wrong with a policy is found when it is loaded, not when a
// connection meets it.
func TestCompileErrors(t *testing.T) {
	const good = `decision := {"action": "allow", "reason": "r", "rule": "r"}`
	for _, tt := range []struct{ name, policy, want string }{
		{"misspelt path", good + ` if input.detecton.verdict == "cleared"`, "policy.rego:3: rego_type_error: undefined ref: input.detecton.verdict"},
		{"misspelt inner path", good + ` if input.tls.ja5 == "x"`, "undefined ref: input.tls.ja5"},
		{"misspelt path of a list", good + ` if { some e in input.detection.evidence; e.wieght > 3 }`, "wieght"},
		{"no decision in an input", good + ` if input.decision.action == "drop"`, "undefined ref: input.decision.action"},
		{"wrong type", good + ` if input.detection.verdict == 3`, "match error"},
		{"syntax", "decision := {", "rego_parse_error"},
		{"no if", good + " { true }", "rego_parse_error"},
		{"unused variable", good + " if x := 1", "assigned var x unused"},
		{"network", good + ` if http.send({"method": "get", "url": "http://x"}).status_code == 200`, "undefined function http.send"},
		{"name service", good + ` if count(net.lookup_ip_addr("x")) > 0`, "undefined function net.lookup_ip_addr"},
		{"environment", good + ` if opa.runtime().env.X`, "undefined function opa.runtime"},
		{"clock", good + ` if time.now_ns() > 0`, "undefined function time.now_ns"},
		{"random number", good + ` if rand.intn("x", 2) == 0`, "undefined function rand.intn"},
		{"random id", good + ` if uuid.rfc4122("x") == ""`, "undefined function uuid.rfc4122"},
		{"schema from the network", good + ` if json.match_schema({}, {})[0]`, "undefined function json.match_schema"},
		{"clock of certificates", good + ` if crypto.x509.parse_and_verify_certificates("x")[0]`, "undefined function crypto.x509"},
		{"deprecated", good + ` if any([true])`, "deprecated built-in function calls in expression: any"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(context.Background(), regoFS(tt.policy), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestCompileTellsAll(t *testing.T) {
	_, err := New(context.Background(), fstest.MapFS{
		"a.rego":   &fstest.MapFile{Data: []byte("package a {")},
		"b/c.rego": &fstest.MapFile{Data: []byte("package b {")},
	}, nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"compiling policies", "a.rego:1", "b/c.rego:1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestNoDecision(t *testing.T) {
	if _, err := New(context.Background(), regoFS(`x := 1`), nil); !errors.Is(err, ErrNoDecision) {
		t.Errorf("got %v", err)
	}
	onlyTests := fstest.MapFS{
		"policy_test.rego": &fstest.MapFile{Data: []byte("package sstp\n\ndecision := 1")},
		"README.md":        &fstest.MapFile{Data: []byte("# Policies")},
	}
	if _, err := New(context.Background(), onlyTests, nil); err == nil || !strings.Contains(err.Error(), "no file ends in .rego") {
		t.Errorf("got %v", err)
	}
	if _, err := New(context.Background(), broken{}, nil); err == nil || !strings.Contains(err.Error(), "reading policies") {
		t.Errorf("got %v", err)
	}
}

// A broken file system has one policy that cannot be read.
type broken struct{}

func (broken) Open(name string) (fs.File, error) {
	if name == "." {
		return regoFS("").Open(name)
	}
	return nil, fs.ErrPermission
}

// Nothing that this OPA, or a later one, counts as not deterministic is left.
func TestCapabilities(t *testing.T) {
	c := capabilities()
	for _, b := range c.Builtins {
		if b.Nondeterministic {
			t.Errorf("policies may call %s", b.Name)
		}
	}
	if c.AllowNet == nil || len(c.AllowNet) > 0 {
		t.Errorf("schemas may be fetched from %v", c.AllowNet)
	}
	known := map[string]bool{}
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		known[b.Name] = true
	}
	for _, name := range withheld {
		if !known[name] {
			t.Errorf("%s is withheld and does not exist", name)
		}
	}
}
