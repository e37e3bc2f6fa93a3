package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"sstpwarden/inspect"
)

// An Error says what is wrong in a rules file, and where.
type Error struct {
	File         string
	Line, Column int // from 1; 0 where unknown
	Err          error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// newError places err at a YAML path, or at the nearest that exists above it.
func newError(name string, text []byte, path string, err error) error {
	e := &Error{File: name, Err: err}
	f, perr := parser.ParseBytes(text, 0)
	if perr != nil {
		return e
	}
	for path != "" {
		if n := find(f, path); n != nil {
			if at := n.GetToken(); at != nil {
				e.Line, e.Column = at.Position.Line, at.Position.Column
				return e
			}
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return e
		}
		path = path[:cut]
	}
	return e
}

func find(f *ast.File, path string) ast.Node {
	p, err := yaml.PathString(path)
	if err != nil {
		return nil
	}
	n, err := p.FilterFile(f)
	if err != nil {
		return nil
	}
	return n
}

// syntaxError turns an error of the YAML library into one with a place.
func syntaxError(name string, err error) error {
	e := &Error{File: name, Err: err}
	var y yaml.Error
	if errors.As(err, &y) {
		e.Err = errors.New(y.GetMessage())
		if at := y.GetToken(); at != nil {
			e.Line, e.Column = at.Position.Line, at.Position.Column
		}
	}
	return e
}

// locate places an error about a rule of the merged set in the file that was
// given, if the rule stands there.
func locate(name string, text []byte, f, merged *file, err error) error {
	var re *inspect.RuleError
	if !errors.As(err, &re) {
		return &Error{File: name, Err: err}
	}
	path := "$.settings." + re.Field
	if re.Field == "rules" {
		path = "$.rules"
	}
	if re.Index >= 0 {
		i := re.Index
		if f != merged {
			i = len(f.Rules) - 1 // of rules with one id, the last is the one too many
			for i >= 0 && f.Rules[i].ID != merged.Rules[re.Index].ID {
				i--
			}
			if i < 0 {
				return &Error{File: name, Err: err}
			}
		}
		path = fmt.Sprintf("$.rules[%d].%s", i, re.Field)
	}
	return newError(name, text, path, err)
}
