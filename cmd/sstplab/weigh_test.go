package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"sstpwarden/cmd/cli"
	"sstpwarden/pcaps/weigh"
	"sstpwarden/rules"
)

// weighed runs sstplab weigh.
func weighed(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	root := newRoot()
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&b)
	status = cli.Run(t.Context(), root, append([]string{"weigh", "--endpoint=false"}, args...))
	return b.String(), status
}

const testCorpus = "some captures=../../pcaps/testdata"

func TestWeighTable(t *testing.T) {
	out, status := weighed(t, "--corpus", testCorpus)
	for _, want := range []string{"some captures: 85 captures, ", "votes: ", "RULE ", "tls.control_lengths ", "tls.control_lengths (coarse) "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if status != cli.ExitOK || strings.Contains(out, "testdata") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// TestWeighCheck says which weights are too bold.
func TestWeighCheck(t *testing.T) {
	bold := filepath.Join(t.TempDir(), "bold.yaml")
	const text = `version: 1
settings: {prior: -40, suspected: 45, cleared: -20, window: 96}
rules:
  - {id: my.bold, about: a test, source: this test, weight: 60, match: {hello: {offers: ["-"]}}}
  - {id: my.reason, about: a test, source: this test, weight: 60, reasoned: this test, match: {hello: {offers: ["-"]}}}
  - {id: my.good, about: a test, source: this test, weight: 1, match: {hello: {offers: ["-"]}}}
`
	if err := os.WriteFile(bold, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--corpus", testCorpus, "--endpoint", "--check", "--rules", bold}
	out, status := weighed(t, append(args, "--negative", "the same=../../pcaps/testdata/negative")...)
	for _, want := range []string{"my.bold ", "more than was counted\n", "my.reason ", "the rule says why", "were counted before", "votes: 41 of SSTP"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if status != cli.ExitFailed || strings.Contains(out, "my.good") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if err := os.WriteFile(bold, []byte(strings.Replace(text, "weight: 60", "weight: 1", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := weighed(t, args...); status != cli.ExitOK {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestWeighYAML(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weights.yaml")
	if out, status := weighed(t, "--corpus", testCorpus, "--format", "yaml", "--out", file); status != cli.ExitOK || out != "" {
		t.Fatalf("status %d: %s", status, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r weigh.Result
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&r); err != nil || len(r.Corpora) != 1 || r.Corpora[0].Name != "some captures" || len(r.Rules) != len(rules.Default().Rules())-1 {
		t.Errorf("%v: %+v", err, r)
	}
	for _, w := range r.Rules {
		if w.Measured == nil || w.Measured.Low > w.Measured.High {
			t.Errorf("%s: %+v", w.ID, w.Measured)
		}
	}
}

// TestWeighUpdate puts numbers into a rules file and leaves the rest.
func TestWeighUpdate(t *testing.T) {
	const before = `version: 1
extends: default # a remark
rules:
  - id: tls.no_alpn
    about: the client names no protocol
    weight: 1
    source: this test
    measured: {positives: 1/2, negatives: 0/3, low: 0, high: 1}
    match:
      hello: {offers: ["-"]}

  - id: my.rule # counted under its own name
    about: a request and an answer
    weight: 1
    source: this test
    match:
      dialogue:
        turns:
          - {from: client, bytes: 1-}
`
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := weighed(t, "--corpus", testCorpus, "--rules", file, "--update", file); status != cli.ExitOK {
		t.Fatalf("status %d: %s", status, out)
	}
	rs, err := rules.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs.Rules() {
		if r.ID == "tls.no_alpn" && (r.Measured == nil || r.Measured.Positives.Of < 5) || r.ID == "my.rule" && (r.Measured == nil || r.Measured.Coarse == nil) {
			t.Errorf("%s: %+v", r.ID, r.Measured)
		}
	}
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kept := func(text string) (out []string) {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "    measured: ") {
				out = append(out, line)
			}
		}
		return out
	}
	if a, b := strings.Join(kept(before), ""), strings.Join(kept(string(after)), ""); a != b || strings.Count(string(after), "measured:") != 2 {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
}

func TestWeighUsage(t *testing.T) {
	for _, test := range []struct {
		args   []string
		status int
	}{
		{nil, cli.ExitUsage},
		{[]string{"--corpus", "there-is-none"}, cli.ExitUsage},
		{[]string{"--corpus", testCorpus, "--format", "csv"}, cli.ExitUsage},
		{[]string{"--corpus", testCorpus, "--rules", "there-is-none"}, cli.ExitUsage},
		{[]string{"--corpus", "empty=" + t.TempDir()}, cli.ExitFailed},
	} {
		if out, status := weighed(t, test.args...); status != test.status {
			t.Errorf("%v: status %d: %s", test.args, status, out)
		}
	}
}
