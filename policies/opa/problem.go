package opa

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
)

// A Problem is one thing that is wrong with a set of policies.
type Problem struct {
	// File is as the Source names it, "set.tar.gz:dir/file.rego" inside a
	// bundle. It is "" where no one file is to blame.
	File         string
	Line, Column int    // from 1; 0 where unknown
	Text         string // what is wrong
	Remedy       string // what to do; "" where Text says it
	// Detail are lines that show the place as OPA draws it; there may be none.
	Detail []string
}

// String gives p as compilers do, so that editors can jump there:
// "file:line:column: text; remedy", and the lines of Detail, indented.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		for _, n := range []int{p.Line, p.Column} {
			if n <= 0 {
				break
			}
			fmt.Fprintf(&b, ":%d", n)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Text)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	for _, line := range p.Detail {
		b.WriteString("\n\t" + line)
	}
	return b.String()
}

// maxProblems bounds the Problems of a LoadError.
const maxProblems = 20

// A LoadError tells all that is wrong with a set of policies.
type LoadError struct {
	Problems []Problem // by file and line; at least one, at most 20
	More     int       // that are not told
	cause    error     // may be nil
}

// Error gives one Problem in one line, several below each other.
func (e *LoadError) Error() string {
	if len(e.Problems) == 1 && e.More == 0 {
		return e.Problems[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(e.Problems)+e.More)
	for _, p := range e.Problems {
		b.WriteString("\n" + p.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\nand %d more", e.More)
	}
	return b.String()
}

// Unwrap returns what led to the Problems, such as [ErrNoDecision] or an error of
// the file system.
func (e *LoadError) Unwrap() error { return e.cause }

// failed makes an error of problems, nil of none.
func failed(cause error, problems ...Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	e := &LoadError{Problems: problems, cause: cause}
	if n := len(problems); n > maxProblems {
		e.Problems, e.More = problems[:maxProblems:maxProblems], n-maxProblems
	}
	return e
}

// dataProblems takes an error of policies.ParseData or CheckData apart.
func dataProblems(shown string, err error) []Problem {
	var list policies.DataErrors
	if !errors.As(err, &list) {
		return []Problem{{File: shown, Text: err.Error()}}
	}
	var out []Problem
	for _, e := range list {
		text := e.Problem
		if e.Path != "" {
			text = e.Path + ": " + text
		}
		out = append(out, Problem{File: cmp.Or(e.File, shown), Line: e.Line, Text: text, Remedy: e.Remedy})
	}
	return out
}

// regoProblems takes what OPA found apart. Blame names the file that data at a
// path is from; it may be nil.
func regoProblems(list ast.Errors, blame func(path []string) string) []Problem {
	var out []Problem
	for _, e := range list {
		if e.Location == nil && e.Message == "error limit reached" {
			continue
		}
		p := Problem{Text: e.Message, Remedy: remedy(e)}
		if e.Location != nil {
			p.File, p.Line, p.Column = e.Location.File, e.Location.Row, e.Location.Col
		}
		if e.Details != nil {
			p.Detail = e.Details.Lines()
		}
		path, ok := strings.CutPrefix(strings.TrimSuffix(e.Message, " found"), "conflicting rule for data path ")
		if ok && blame != nil {
			keys := strings.Split(path, "/")
			p.Text = "data." + strings.Join(keys, ".") + " is a rule here, and data"
			if from := blame(keys); from != "" {
				p.Text += " in " + from
			}
		}
		out = append(out, p)
	}
	return out
}
