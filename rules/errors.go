package rules

import (
	"encoding"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"sstpwarden/inspect"
)

// An Error says what is wrong in a rules file, and where.
type Error struct {
	File         string
	Line, Column int // from 1; 0 where unknown
	Err          error
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	case e.Column == 0:
		return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// newError places err at a path such as "rules[3].match.dialogue", or at the
// nearest thing above it that exists.
func newError(name string, text []byte, path string, err error) error {
	e := &Error{File: name, Err: err}
	if at := find(parse(text), path); at != nil {
		e.Line, e.Column = at.Line, at.Column
	}
	return e
}

// parse gives the document's root, nil where it has none.
func parse(text []byte) *yaml.Node {
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

var pathStep = regexp.MustCompile(`[a-z0-9_]+|\[\d+\]`)

// find follows a path as far as it goes. Of a mapping's entry it gives the
// value, for the column of what is wrong.
func find(n *yaml.Node, path string) *yaml.Node {
	for _, step := range pathStep.FindAllString(path, -1) {
		next := child(n, step)
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

func child(n *yaml.Node, step string) *yaml.Node {
	if n == nil {
		return nil
	}
	if index, ok := strings.CutPrefix(step, "["); ok {
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || n.Kind != yaml.SequenceNode || i >= len(n.Content) {
			return nil
		}
		return n.Content[i]
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == step {
			return n.Content[i+1]
		}
	}
	return nil
}

var lineOf = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// syntaxError turns an error of the YAML library into one with a place.
func syntaxError(name string, text []byte, err error) error {
	message := err.Error()
	var types *yaml.TypeError
	if errors.As(err, &types) && len(types.Errors) > 0 {
		message = types.Errors[0]
	}
	if m := lineOf.FindStringSubmatch(message); m != nil {
		line, _ := strconv.Atoi(m[1]) // digits
		return &Error{File: name, Line: line, Err: errors.New(plain(m[2]))}
	}
	e := &Error{File: name, Err: errors.New(plain(message))}
	if at := culprit(parse(text), message); at != nil {
		e.Line, e.Column = at.Line, at.Column
	}
	return e
}

var unknownField = regexp.MustCompile(`^field (\S+) not found in type .*$`)

var noDuration = regexp.MustCompile("^cannot unmarshal \\S+ `(.*)` into time.Duration$")

// plain words what the library says in terms of its Go types.
func plain(message string) string {
	if m := unknownField.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%q is not known here: see `sstpwarden rules explain` for how rules are written", m[1])
	}
	if m := noDuration.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("%q is not a length of time: write hours, minutes and seconds such as 6h or 1h30m", m[1])
	}
	return strings.TrimPrefix(message, "yaml: ")
}

// culprit finds the value whose own reading gives this message: the library
// passes the errors of such values on without their place.
func culprit(n *yaml.Node, message string) *yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		for _, v := range []encoding.TextUnmarshaler{new(inspect.Lengths), new(inspect.Kind), new(inspect.Votes)} {
			if err := v.UnmarshalText([]byte(n.Value)); err != nil && err.Error() == message {
				return n
			}
		}
	}
	for _, c := range n.Content {
		if at := culprit(c, message); at != nil {
			return at
		}
	}
	return nil
}

// locate places an error about a rule of the merged set in the file that was
// given, if the rule stands there.
func locate(name string, text []byte, f, merged *file, err error) error {
	var re *inspect.RuleError
	if !errors.As(err, &re) {
		return &Error{File: name, Err: err}
	}
	path := "settings." + re.Field
	if re.Field == "rules" {
		path = "rules"
	}
	if re.Index < 0 {
		return newError(name, text, path, err)
	}
	for _, at := range append([]int{re.Index}, re.Others...) {
		if i := f.position(merged, at); i >= 0 {
			wrong := *re
			wrong.Index, wrong.ID = at, merged.Rules[at].ID
			return newError(name, text, fmt.Sprintf("rules[%d].%s", i, re.Field), &wrong)
		}
	}
	return &Error{File: name, Err: err}
}

// position gives where a rule of the merged set stands in the file, -1 where it
// does not. Of rules with one id, the last is the one too many.
func (f *file) position(merged *file, at int) int {
	if f == merged {
		return at
	}
	i := len(f.Rules) - 1
	for i >= 0 && f.Rules[i].ID != merged.Rules[at].ID {
		i--
	}
	return i
}
