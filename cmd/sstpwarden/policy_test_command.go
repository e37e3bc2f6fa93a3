package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"sstpwarden/cmd/cli"
	"sstpwarden/policies"
	"sstpwarden/policies/event"
	"sstpwarden/policies/opa"
)

func newPolicyTest() *cobra.Command {
	var (
		run      string
		format   string
		verbose  bool
		coverage float64
		data     []string
	)
	cmd := &cobra.Command{
		Use:   "test [flags] [DIR]",
		Short: "Run the tests beside policies, with coverage",
		Long: `Test runs the rules named test_... of the files named ..._test.rego, as OPA
does, and tells how much of the policies they reach. Without a folder it tests
the policies that are built in.`,
		Example: `  sstpwarden policy test my-policies
  sstpwarden policy test --run sanctioned --verbose my-policies`,
		Args: takes(0, 1, "one folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return cli.Usagef("policy test: --format %s is not known: use text or json", format)
			}
			if coverage < 0 || coverage > 100 {
				return cli.Usagef("policy test: --coverage %v makes no sense: use 0 to 100", coverage)
			}
			only, err := regexp.Compile(run)
			if err != nil {
				return cli.Usagef("policy test: --run: %w", err)
			}
			set, src, err := testedSet(args)
			if err != nil {
				return err
			}
			src.Data = data
			o := opa.TestOptions{Run: only, Root: src.Path}
			if o.Data, err = src.ReadData(); err != nil {
				return &cli.ExitError{Status: cli.ExitFailed, Err: err}
			}
			report, err := opa.RunTests(cmd.Context(), set, o)
			if err != nil {
				return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("testing %s: %w", name(src.Path), err)}
			}
			if err := printTests(cmd.OutOrStdout(), &report, format, verbose); err != nil {
				return printed(err)
			}
			switch {
			case !report.Passed():
				return &cli.ExitError{Status: cli.ExitFailed}
			case report.Coverage < coverage:
				return &cli.ExitError{Status: cli.ExitFailed, Err: fmt.Errorf("testing %s: %.1f %% of the policies are covered, --coverage asks for %v", name(src.Path), report.Coverage, coverage)}
			}
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&run, "run", "", "run only tests whose name matches `REGEXP`")
	fl.StringVar(&format, "format", "text", "text or json")
	fl.BoolVar(&verbose, "verbose", false, "name the tests that pass and the lines that no test reaches")
	fl.StringArrayVar(&data, "data", nil, "data `FILE` beside that of the folder, JSON or YAML (repeatable)")
	fl.Float64Var(&coverage, "coverage", 0, "fail if less than `PERCENT` of the policies are covered")
	return cmd
}

// name names a set to people.
func name(path string) string { return cmp.Or(path, "the default policies") }

// testedSet is the folder that is named, or the default set.
func testedSet(args []string) (fs.FS, opa.Source, error) {
	if len(args) == 0 {
		return policies.Default, opa.Source{}, nil
	}
	src := opa.Source{Path: args[0]}
	info, err := os.Stat(src.Path)
	switch {
	case err != nil:
		return nil, src, &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("testing policies: %w", err)}
	case !info.IsDir():
		return nil, src, cli.Usagef("policy test: %s is no folder: tests are read from a folder, not from a bundle", src.Path)
	}
	return os.DirFS(src.Path), src, nil
}

func printTests(w io.Writer, r *opa.TestReport, format string, verbose bool) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	b := bufio.NewWriter(w)
	for _, t := range r.Tests {
		if t.Outcome == opa.TestPassed && !verbose {
			continue
		}
		fmt.Fprintf(b, "%-7s %s (%s)\n", t.Outcome, event.Printable(t.Name), event.Printable(t.Location))
		for line := range strings.Lines(t.Output) {
			fmt.Fprintf(b, "        %s\n", event.Printable(strings.TrimRight(line, "\n")))
		}
	}
	if verbose {
		for _, f := range r.Files {
			fmt.Fprintf(b, "%5.1f %% %s%s\n", f.Coverage, event.Printable(f.Name), missed(f.NotCovered))
		}
	}
	skipped := ""
	if n := r.Count(opa.TestSkipped); n > 0 {
		skipped = fmt.Sprintf(", %d skipped", n)
	}
	fmt.Fprintf(b, "%s, %d failed%s, %.1f %% of the policies covered\n", count(uint64(len(r.Tests)), "test"),
		r.Count(opa.TestFailed)+r.Count(opa.TestError), skipped, r.Coverage)
	return b.Flush()
}

func missed(ranges []opa.LineRange) string {
	var parts []string
	for _, r := range ranges {
		if r.First == r.Last {
			parts = append(parts, fmt.Sprint(r.First))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", r.First, r.Last))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ", not reached: lines " + strings.Join(parts, ", ")
}
