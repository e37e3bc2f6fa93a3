package opa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// TestOptions say how tests are run. The zero value runs all.
type TestOptions struct {
	// Run, if any, picks the tests whose full names match:
	// "data.sstp_test.test_cleared".
	Run *regexp.Regexp
	// Data is Rego's data document, as for [New].
	Data map[string]any
	// Root is the folder that fsys is, for the names of files.
	Root string
}

// A TestReport tells what became of tests, in the order of files and lines, and
// what of the policies they reach.
type TestReport struct {
	Tests []TestResult `json:"tests"`
	// Coverage is the share of lines with code that tests reached, in percent;
	// 100 where there is none. Tests themselves do not count.
	Coverage float64        `json:"coverage"`
	Files    []FileCoverage `json:"files"` // by name
}

// Passed says that no test failed or ended in an error.
func (r *TestReport) Passed() bool { return r.Count(TestFailed)+r.Count(TestError) == 0 }

// Count says how many tests came out so.
func (r *TestReport) Count(o TestOutcome) int {
	n := 0
	for i := range r.Tests {
		if r.Tests[i].Outcome == o {
			n++
		}
	}
	return n
}

// A TestOutcome is what became of a test.
type TestOutcome string

// The outcomes.
const (
	TestPassed  TestOutcome = "passed"
	TestFailed  TestOutcome = "failed"
	TestError   TestOutcome = "error"   // it failed in an unexpected way, or took too long
	TestSkipped TestOutcome = "skipped" // todo_test_...
)

// A TestResult is what became of one test.
type TestResult struct {
	Package  string        `json:"package"` // "data.sstp_test"
	Name     string        `json:"name"`    // "test_cleared"
	Location string        `json:"location"`
	Outcome  TestOutcome   `json:"outcome"`
	Duration time.Duration `json:"duration_ns"`
	// Stop is the expression that a failed test did not get past.
	Stop *Stop `json:"stop,omitempty"`
	// Output is for people, in lines: what print printed, the error, or where
	// the test stopped and with which values.
	Output string `json:"output,omitempty"`
}

// A FileCoverage tells which lines of a policy file tests reach.
type FileCoverage struct {
	Name       string      `json:"name"`
	Coverage   float64     `json:"coverage"` // in percent
	Lines      int         `json:"lines"`    // that have code
	NotCovered []LineRange `json:"not_covered,omitempty"`
}

// A LineRange is lines, counted from 1, both ends included.
type LineRange struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

const (
	testTimeout = 5 * time.Second // that one test may take
	maxOutput   = 16 << 10        // of one test
)

// RunTests runs the tests in fsys: the rules named test_..., most often in files
// named ..._test.rego, as opa test does. They are compiled as strictly as
// policies are, with the same built-in functions and print. A test that takes
// longer than five seconds is ended. The error is for what cannot be run at all:
// files with mistakes, each named with its line, no tests, or a ctx that is done.
func RunTests(ctx context.Context, fsys fs.FS, opts TestOptions) (TestReport, error) {
	run := &testRun{timeout: testTimeout}
	return run.report(ctx, fsys, opts)
}

// A testRun is what tests are run with.
type testRun struct {
	timeout  time.Duration // of one test
	compiler *ast.Compiler
	store    storage.Store
	covered  *cover.Cover
}

func (r *testRun) report(ctx context.Context, fsys fs.FS, opts TestOptions) (TestReport, error) {
	sources, err := readModules(fsys, isRego)
	if err != nil {
		return TestReport{}, fmt.Errorf("reading policies and tests: %w", err)
	}
	if opts.Root != "" {
		for i := range sources {
			sources[i].name = strings.TrimRight(opts.Root, "/") + "/" + sources[i].name
		}
	}
	modules, err := parse(sources)
	if err != nil {
		return TestReport{}, fmt.Errorf("nothing was run: %w", mistakes(err))
	}
	data, _, err := copyData(opts.Data)
	if err != nil {
		return TestReport{}, fmt.Errorf("reading data of tests: %w", err)
	}
	r.store = inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	r.covered = cover.New()
	results, err := r.all(ctx, modules, opts.Run)
	if err != nil {
		return TestReport{}, err
	}
	var out TestReport
	for _, t := range results {
		out.Tests = append(out.Tests, r.result(ctx, t))
	}
	if err := ctx.Err(); err != nil {
		return TestReport{}, fmt.Errorf("running tests: %w", err)
	}
	out.Coverage, out.Files = r.coverage(modules)
	return out, nil
}

// mistakes words what OPA finds wrong with policies, as Load does.
func mistakes(err error) error {
	if found := regoErrors(err); len(found) > 0 {
		return failed(err, regoProblems(found, nil)...)
	}
	return err
}

// all runs the tests, and sorts their results.
func (r *testRun) all(ctx context.Context, modules map[string]*ast.Module, pick *regexp.Regexp) ([]*tester.Result, error) {
	compiler, err := newCompiler()
	if err != nil {
		return nil, err
	}
	txn, err := r.store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer r.store.Abort(ctx, txn)
	r.compiler = compiler.
		WithEnablePrintStatements(true).
		WithRewriteTestRules(true).
		WithPathConflictsCheck(storage.NonEmpty(ctx, r.store, txn))
	runner := tester.NewRunner().
		SetCompiler(r.compiler).
		SetStore(r.store).
		SetModules(modules).
		SetTimeout(r.timeout).
		SetCoverageRuns(nil).
		SetCoverageQueryTracer(r.covered).
		RaiseBuiltinErrors(true)
	if pick != nil {
		runner.Filter(pick.String())
	}
	channel, err := runner.RunTests(ctx, txn)
	if err != nil {
		return nil, fmt.Errorf("nothing was run: %w", mistakes(err))
	}
	var results []*tester.Result
	for result := range channel {
		results = append(results, result)
	}
	switch {
	case len(results) > 0 || ctx.Err() != nil:
	case pick != nil && pick.String() != "":
		return nil, fmt.Errorf("no test has a name that matches %q: names look like data.sstp_test.test_cleared", pick)
	default:
		return nil, errors.New("there are no tests: name rules test_... in files named ..._test.rego")
	}
	slices.SortFunc(results, func(a, b *tester.Result) int {
		return cmp.Or(cmp.Compare(a.Location.File, b.Location.File), cmp.Compare(a.Location.Row, b.Location.Row), cmp.Compare(a.Name, b.Name))
	})
	return results, nil
}

func (r *testRun) result(ctx context.Context, t *tester.Result) TestResult {
	out := TestResult{
		Package: t.Package, Name: t.Name, Location: position(t.Location), Duration: t.Duration,
	}
	var b strings.Builder
	b.Write(t.Output)
	switch {
	case t.Skip:
		out.Outcome = TestSkipped
	case t.Error != nil && topdown.IsCancel(t.Error):
		out.Outcome = TestError
		fmt.Fprintf(&b, "it took longer than %v\n", r.timeout)
	case t.Error != nil:
		out.Outcome = TestError
		fmt.Fprintf(&b, "%v\n", t.Error)
	case t.Fail:
		out.Outcome = TestFailed
		for name, sub := range t.SubResults.Iter {
			if sub.Fail {
				fmt.Fprintf(&b, "case %s failed\n", strings.Join(name, ", "))
			}
		}
		if out.Stop = r.stop(ctx, t); out.Stop != nil {
			fmt.Fprintf(&b, "stopped at %s: %s\n", out.Stop.Location, out.Stop.Text)
			for _, v := range out.Stop.Values {
				fmt.Fprintf(&b, "  %s\n", v)
			}
		}
	default:
		out.Outcome = TestPassed
	}
	out.Output = b.String()
	if len(out.Output) > maxOutput {
		out.Output = strings.ToValidUTF8(out.Output[:maxOutput], "") + "…\n"
	}
	return out
}

// stop runs a test that failed again, to see where it ends.
func (r *testRun) stop(ctx context.Context, t *tester.Result) *Stop {
	var test *ast.Rule
	for _, m := range r.compiler.Modules {
		ast.WalkRules(m, func(rule *ast.Rule) bool {
			if rule.Loc() == t.Location {
				test = rule
			}
			return false
		})
	}
	if test == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	tracer := newTracer(&Decider{compiler: r.compiler, store: r.store})
	query, err := rego.New(
		rego.Compiler(r.compiler),
		rego.Store(r.store),
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(test.Ref().GroundPrefix())))),
	).PrepareForEval(ctx)
	if err != nil {
		return nil
	}
	// What comes of it is known.
	_, _ = query.Eval(ctx, rego.EvalQueryTracer(tracer), rego.EvalRuleIndexing(false))
	if a := tracer.rules[test]; a != nil {
		return a.stop
	}
	return nil
}

// coverage gives the share of lines that tests reached, in all and by file.
func (r *testRun) coverage(modules map[string]*ast.Module) (float64, []FileCoverage) {
	policies := map[string]*ast.Module{}
	for name, m := range modules {
		if isPolicy(name) {
			policies[name] = m
		}
	}
	report := r.covered.Report(policies)
	var files []FileCoverage
	lines, reached := 0, 0
	for name := range policies {
		missed := rows(report.Files[name].NotCovered)
		seen := rows(report.Files[name].Covered)
		for row := range missed {
			delete(seen, row)
		}
		f := FileCoverage{Name: name, Lines: len(seen) + len(missed), NotCovered: ranges(missed)}
		f.Coverage = share(len(seen), f.Lines)
		files = append(files, f)
		lines += f.Lines
		reached += len(seen)
	}
	slices.SortFunc(files, func(a, b FileCoverage) int { return cmp.Compare(a.Name, b.Name) })
	return share(reached, lines), files
}

func share(part, all int) float64 {
	if all == 0 {
		return 100
	}
	return 100 * float64(part) / float64(all)
}

func rows(ranges []cover.Range) map[int]bool {
	out := map[int]bool{}
	for _, r := range ranges {
		for row := r.Start.Row; row <= r.End.Row; row++ {
			out[row] = true
		}
	}
	return out
}

func ranges(rows map[int]bool) []LineRange {
	var out []LineRange
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		if n := len(out); n > 0 && out[n-1].Last == row-1 {
			out[n-1].Last = row
		} else {
			out = append(out, LineRange{First: row, Last: row})
		}
	}
	return out
}
