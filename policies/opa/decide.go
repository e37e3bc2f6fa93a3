package opa

import (
	"context"
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"sstpwarden/policies"
)

// Decide evaluates the policies. It implements [policies.Decider].
func (d *Decider) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	out := policies.Decision{Revision: d.revision}
	if err := ctx.Err(); err != nil {
		return out, fmt.Errorf("evaluating %s: %w", EntryPoint, err)
	}
	// OPA would start a goroutine for each evaluation to watch ctx.
	cancel := topdown.NewCancel()
	stop := context.AfterFunc(ctx, cancel.Cancel)
	defer stop()
	results, err := d.query.Eval(ctx,
		rego.EvalParsedInput(inputValue(&in)),
		rego.EvalTime(in.Time.Time),
		rego.EvalExternalCancel(cancel),
	)
	switch {
	case err != nil && topdown.IsCancel(err) && ctx.Err() != nil:
		return out, fmt.Errorf("evaluating %s: %w", EntryPoint, ctx.Err())
	case isConflict(err):
		return out, fmt.Errorf("%w: %w", ErrConflict, err)
	case err != nil:
		return out, fmt.Errorf("evaluating %s: %w", EntryPoint, err)
	case len(results) == 0:
		return out, ErrUndefined
	case len(results) > 1 || len(results[0].Expressions) != 1:
		return out, ErrConflict
	}
	value, ok := results[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return out, &ResultError{Want: "an object", Got: fmt.Sprintf("%T", results[0].Expressions[0].Value)}
	}
	return decode(value, d.revision)
}

func isConflict(err error) bool {
	var e *topdown.Error
	return errors.As(err, &e) && e.Code == topdown.ConflictErr
}
