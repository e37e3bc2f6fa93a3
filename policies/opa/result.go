package opa

import (
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"sstpwarden/policies"
)

// What can be wrong with a decision, beside the errors of its evaluation.
var (
	ErrNoDecision = errors.New("no policy defines " + EntryPoint)
	ErrUndefined  = errors.New("policy result is undefined: no rule for " + EntryPoint + " applies")
	ErrConflict   = errors.New("policy has more than one result for " + EntryPoint)
)

// A ResultError says that a policy's result is not a decision.
type ResultError struct {
	Key  string // "" for the result as a whole
	Want string
	Got  string // as Rego writes it, shortened; "" for nothing
}

func (e *ResultError) Error() string {
	what, got := "policy result", "nothing"
	if e.Key != "" {
		what = fmt.Sprintf("policy result: %s", e.Key)
	}
	if e.Got != "" {
		got = e.Got
	}
	return fmt.Sprintf("%s: want %s, got %s", what, e.Want, got)
}

func wrong(key, want string, got ast.Value) error {
	const enough = 80
	s := []rune(got.String())
	if len(s) > enough {
		s = append(s[:enough], '…')
	}
	return &ResultError{Key: key, Want: want, Got: string(s)}
}

// decode reads a result. Every key that it knows is checked, and there are no
// others; action, reason and rule must be there.
func decode(v ast.Value, revision string) (policies.Decision, error) {
	d := policies.Decision{Revision: revision}
	object, ok := v.(ast.Object)
	if !ok {
		return d, wrong("", "an object", v)
	}
	err := object.Iter(func(k, v *ast.Term) error {
		key, ok := k.Value.(ast.String)
		if !ok {
			return wrong("key", "a string", k.Value)
		}
		return set(&d, string(key), v.Value)
	})
	if err == nil {
		err = complete(&d)
	}
	if err != nil {
		return policies.Decision{Revision: revision}, err
	}
	return d, nil
}

func set(d *policies.Decision, key string, v ast.Value) error {
	switch key {
	case "action":
		s, ok := v.(ast.String)
		if d.Action = policies.Action(s); !ok || !d.Action.Valid() {
			return wrong(key, `"allow", "log" or "drop"`, v)
		}
		return nil
	case "reason":
		return setText(&d.Reason, key, v)
	case "rule":
		return setText(&d.Rule, key, v)
	case "reset":
		return setFlag(&d.Reset, key, v)
	case "intercept":
		return setFlag(&d.Intercept, key, v)
	case "probe":
		return setFlag(&d.Probe, key, v)
	case "dry_run":
		return setFlag(&d.DryRun, key, v)
	case "ban":
		return setBan(&d.Ban, v)
	}
	return wrong("key", "action, reason, rule, reset, ban, intercept, probe or dry_run", ast.String(key))
}

func setText(to *string, key string, v ast.Value) error {
	s, ok := v.(ast.String)
	if !ok || s == "" {
		return wrong(key, "a text", v)
	}
	*to = string(s)
	return nil
}

func setFlag(to *bool, key string, v ast.Value) error {
	b, ok := v.(ast.Boolean)
	if !ok {
		return wrong(key, "true or false", v)
	}
	*to = bool(b)
	return nil
}

func setBan(to *time.Duration, v ast.Value) error {
	s, ok := v.(ast.String)
	d, err := time.ParseDuration(string(s))
	if !ok || err != nil || d <= 0 {
		return wrong("ban", `a duration such as "10m"`, v)
	}
	*to = d
	return nil
}

// complete finds what is missing, and what contradicts the action.
func complete(d *policies.Decision) error {
	switch {
	case d.Action == "":
		return &ResultError{Key: "action", Want: `"allow", "log" or "drop"`}
	case d.Reason == "":
		return &ResultError{Key: "reason", Want: "a text"}
	case d.Rule == "":
		return &ResultError{Key: "rule", Want: "a text"}
	case d.Action != policies.ActionDrop && d.Reset:
		return &ResultError{Key: "reset", Want: `action "drop" with it`, Got: fmt.Sprintf("%q", string(d.Action))}
	case d.Action != policies.ActionDrop && d.Ban != 0:
		return &ResultError{Key: "ban", Want: `action "drop" with it`, Got: fmt.Sprintf("%q", string(d.Action))}
	}
	return nil
}
