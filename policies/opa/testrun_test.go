package opa

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sstpwarden/policies"
)

// tested has a policy of which half is tested, and tests of every outcome.
var tested = fstest.MapFS{
	"p.rego": {Data: []byte(`package sstp

decision := {"action": "log", "rule": "r", "reason": word(input.user)}

word(x) := "one" if x == "y"

word(x) := data.word if {
	x == "z"
	count(x) > 1
}
`)},
	"p_test.rego": {Data: []byte(`package sstp_test

import data.sstp

test_passes if sstp.decision.reason == "one" with input as {"user": "y"}

test_fails if {
	print("trying", 1 + 1)
	sstp.decision.reason == "two" with input as {"user": "y"}
}

test_fails if {
	d := sstp.decision with input as {"user": "y"}
	d.rule == "s"
}

todo_test_later if false

test_errs if not time.parse_rfc3339_ns("x")

test_cases[name] if {
	some name, n in {"one": 1, "two": 2}
	n == 1
}

test_undefined if {
	user := input.user
	data.nothing
	user
}
`)},
}

func TestRunTests(t *testing.T) {
	got, err := RunTests(context.Background(), tested, TestOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := TestReport{
		Tests: []TestResult{
			{Name: "test_passes", Location: "p_test.rego:5", Outcome: TestPassed},
			{
				Name: "test_fails", Location: "p_test.rego:7", Outcome: TestFailed,
				Stop: &Stop{
					Location: "p_test.rego:9", Text: `sstp.decision.reason == "two" with input as {"user": "y"}`,
					Values: []Binding{{"input", `{"user": "y"}`}, {"sstp.decision.reason", `"one"`}},
				},
				Output: `trying 2
stopped at p_test.rego:9: sstp.decision.reason == "two" with input as {"user": "y"}
  input = {"user": "y"}
  sstp.decision.reason = "one"
`,
			},
			{
				Name: "test_fails#01", Location: "p_test.rego:12", Outcome: TestFailed,
				Stop: &Stop{
					Location: "p_test.rego:14", Text: `d.rule == "s"`,
					Values: []Binding{{"d", `{"action": "log", "reason": "one", "rule": "r"}`}, {"d.rule", `"r"`}},
				},
				Output: `stopped at p_test.rego:14: d.rule == "s"
  d = {"action": "log", "reason": "one", "rule": "r"}
  d.rule = "r"
`,
			},
			{Name: "todo_test_later", Location: "p_test.rego:17", Outcome: TestSkipped},
			{
				Name: "test_errs", Location: "p_test.rego:19", Outcome: TestError,
				Output: `p_test.rego:19: eval_builtin_error: time.parse_rfc3339_ns: parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"` + "\n",
			},
			{
				Name: "test_cases", Location: "p_test.rego:21", Outcome: TestFailed,
				Stop:   &Stop{Location: "p_test.rego:23", Text: "n == 1", Values: []Binding{{"n", "2"}}},
				Output: "case two failed\nstopped at p_test.rego:23: n == 1\n  n = 2\n",
			},
			{
				Name: "test_undefined", Location: "p_test.rego:26", Outcome: TestFailed,
				Stop:   &Stop{Location: "p_test.rego:27", Text: "input.user", Values: []Binding{{Name: "input.user"}}},
				Output: "stopped at p_test.rego:27: input.user\n  input.user: absent\n",
			},
		},
		Coverage: 100 * 2. / 5,
		Files:    []FileCoverage{{Name: "p.rego", Coverage: 100 * 2. / 5, Lines: 5, NotCovered: []LineRange{{7, 9}}}},
	}
	for i := range want.Tests {
		want.Tests[i].Package = "data.sstp_test"
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(TestResult{}, "Duration")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Passed() || got.Count(TestFailed) != 4 || got.Count(TestSkipped) != 1 {
		t.Errorf("passed %v, failed %d", got.Passed(), got.Count(TestFailed))
	}
}

func TestRunTestsPicked(t *testing.T) {
	got, err := RunTests(context.Background(), tested, TestOptions{Run: regexp.MustCompile(`sstp_test\.test_passes`)})
	if err != nil || !got.Passed() || len(got.Tests) != 1 || got.Tests[0].Name != "test_passes" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got.Tests[0].Duration <= 0 {
		t.Error("it took no time")
	}
}

// Tests see the data they are given.
func TestRunTestsData(t *testing.T) {
	fsys := fstest.MapFS{"a_test.rego": {Data: []byte("package a_test\n\ntest_data if data.word == \"x\"\n")}}
	got, err := RunTests(context.Background(), fsys, TestOptions{Data: map[string]any{"word": "x"}})
	if err != nil || !got.Passed() || got.Coverage != 100 || got.Files != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Tests of what no input has, or that use what policies may not, are mistakes.
func TestRunTestsErrors(t *testing.T) {
	file := func(text string) fstest.MapFS { return fstest.MapFS{"a_test.rego": {Data: []byte(text)}} }
	for name, tt := range map[string]struct {
		fsys fstest.MapFS
		opts TestOptions
		want []string
	}{
		"nothing":       {fstest.MapFS{}, TestOptions{}, []string{"reading policies and tests", "no file ends in .rego"}},
		"no tests":      {file("package a\n\nx := 1"), TestOptions{}, []string{"there are no tests: name rules test_..."}},
		"no such test":  {tested, TestOptions{Run: regexp.MustCompile("nope")}, []string{`no test has a name that matches "nope"`}},
		"syntax":        {file("package a\n\ntest_x if {"), TestOptions{}, []string{"a_test.rego:3:11: unexpected eof", "nothing was run"}},
		"unknown input": {file("package a\n\ntest_x if input.nothing"), TestOptions{}, []string{"a_test.rego:3", "undefined ref: input.nothing", "nothing was run"}},
		"network":       {file("package a\n\ntest_x if http.send({})"), TestOptions{}, []string{"a_test.rego:3", "undefined function http.send", "policies may not use it"}},
		"data":          {tested, TestOptions{Data: map[string]any{"x": func() {}}}, []string{"reading data of tests"}},
		"data for rules": {
			tested, TestOptions{Data: map[string]any{"sstp": map[string]any{"decision": 1}}}, []string{"conflict", "p.rego:3"},
		},
	} {
		_, err := RunTests(context.Background(), tt.fsys, tt.opts)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q in it", name, err, want)
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := RunTests(ctx, tested, TestOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A test that does not end is ended, and the others count.
func TestRunTestsTimeout(t *testing.T) {
	fsys := fstest.MapFS{"a_test.rego": {Data: []byte(`package a_test

test_fine if 1 == 1

test_endless if {
	some a in numbers.range(1, 5000)
	some b in numbers.range(1, 5000)
	a * b == -1
}
`)}}
	run := &testRun{timeout: 200 * time.Millisecond}
	got, err := run.report(context.Background(), fsys, TestOptions{})
	if err != nil || got.Count(TestPassed) != 1 || got.Count(TestError) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if out := got.Tests[1].Output; out != "it took longer than 200ms\n" {
		t.Errorf("%q", out)
	}
}

func TestRunTestsOutputIsBounded(t *testing.T) {
	fsys := fstest.MapFS{"a_test.rego": {Data: []byte("package a_test\n\ntest_x if { every n in numbers.range(1, 4000) { print(\"é\", n) } }\n")}}
	got, err := RunTests(context.Background(), fsys, TestOptions{})
	if err != nil || !got.Passed() {
		t.Fatalf("got %+v, %v", got, err)
	}
	if out := got.Tests[0].Output; len(out) > maxOutput+10 || !strings.HasSuffix(out, "…\n") {
		t.Errorf("%d bytes", len(out))
	}
}

func TestRunTestsDefault(t *testing.T) {
	got, err := RunTests(context.Background(), policies.Default, TestOptions{})
	if err != nil || !got.Passed() || len(got.Tests) < 20 {
		t.Errorf("%d tests, %v", len(got.Tests), err)
	}
	for _, f := range got.Files {
		if f.Lines == 0 {
			t.Errorf("%s: no line of code", f.Name)
		}
	}
}
