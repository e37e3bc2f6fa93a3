package opa

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"

	"sstpwarden/policies"
	"sstpwarden/policies/event"
)

// readFrom finds out what decides, and makes a cache for it.
func (d *Decider) readFrom(compiler *ast.Compiler, store storage.Store, data map[string]any) {
	d.compiler = compiler
	d.store = store
	d.reads = readsOf(compiler, data, nil)
	d.shape = newShaper(d.reads)
	d.keyer = newKeyer(d.reads)
	d.cache = newCache()
}

// Decide answers with what the policies say. It implements [policies.Decider].
//
// Inputs that agree in all that the policies read ([Decider.Reads]) are
// evaluated once, and the answer is remembered. Where they read input.time, an
// answer is remembered within its minute only, and only if it is the same at the
// end of that minute; of a policy that changes its mind twice within a minute,
// what is between may go unseen. Errors are not remembered.
func (d *Decider) Decide(ctx context.Context, in policies.Input) (policies.Decision, error) {
	if err := ctx.Err(); err != nil {
		return policies.Decision{Revision: d.revision}, fmt.Errorf("evaluating %s: %w", EntryPoint, err)
	}
	q := questions.Get().(*question)
	defer q.forget()
	q.in = in
	if d.cache == nil {
		return d.evaluate(ctx, &q.in)
	}
	if q.key = d.keyer.write(q.key[:0], q.value); len(q.key) > maxKey {
		return d.evaluate(ctx, &q.in)
	}
	var minute, micro int64
	if d.keyer.timed {
		var ok bool
		if minute, micro, ok = split(in.Time); !ok {
			return d.evaluate(ctx, &q.in)
		}
	}
	decision, state := d.cache.get(q.key, minute, micro)
	if state == stateHolds {
		return decision, nil
	}
	answer, err := d.evaluate(ctx, &q.in)
	if err != nil || state == stateVaries {
		return answer, err
	}
	e := entry{decision: answer, minute: minute, from: micro, state: stateHolds}
	if d.keyer.timed {
		e.state = stateOnce
		if state == stateOnce { // worth it
			e.state = d.prove(ctx, &q.in, answer)
		}
	}
	d.cache.put(q.key, e)
	return answer, nil
}

// prove asks whether answer, that to in, is still the same when the minute ends.
func (d *Decider) prove(ctx context.Context, in *policies.Input, answer policies.Decision) state {
	end := *in
	end.Time = event.Time{Time: in.Time.UTC().Truncate(time.Minute).Add(time.Minute - time.Microsecond)}
	later, err := d.evaluate(ctx, &end)
	switch {
	case ctx.Err() != nil:
		return stateOnce
	case err != nil || later != answer:
		return stateVaries
	default:
		return stateHolds
	}
}

// split gives the minute that t is in, and its microsecond. Times that no event
// has are not told apart so far.
func split(t event.Time) (minute, micro int64, ok bool) {
	const first, last = -62167219200, 253402300799 // the years 0 to 9999
	seconds := t.Unix()
	if seconds < first || seconds > last {
		return 0, 0, false
	}
	seconds -= first
	return seconds / 60, seconds%60*1e6 + int64(t.Nanosecond()/1000), true
}

// A question is what Decide works with: an Input where reflection can see it
// without an allocation for each, and room for its key.
type question struct {
	in    policies.Input
	value reflect.Value // in
	key   []byte
}

var questions = sync.Pool{New: func() any {
	q := &question{}
	q.value = reflect.ValueOf(&q.in).Elem()
	return q
}}

func (q *question) forget() {
	q.in = policies.Input{}
	if cap(q.key) <= 2*maxKey {
		questions.Put(q)
	}
}

// evaluate asks OPA.
func (d *Decider) evaluate(ctx context.Context, in *policies.Input) (policies.Decision, error) {
	value, err := d.result(ctx, in, d.shape(reflect.ValueOf(in).Elem()).Value)
	if err != nil {
		return policies.Decision{Revision: d.revision}, err
	}
	return decode(value, d.revision)
}

// result evaluates the entry point with input, of in.
func (d *Decider) result(ctx context.Context, in *policies.Input, input ast.Value, options ...rego.EvalOption) (ast.Value, error) {
	// OPA would start a goroutine for each evaluation to watch ctx.
	cancel := topdown.NewCancel()
	stop := context.AfterFunc(ctx, cancel.Cancel)
	defer stop()
	results, err := d.query.Eval(ctx, append(options,
		rego.EvalParsedInput(input),
		rego.EvalTime(in.Time.Time),
		rego.EvalExternalCancel(cancel),
	)...)
	switch {
	case err != nil && topdown.IsCancel(err) && ctx.Err() != nil:
		return nil, fmt.Errorf("evaluating %s: %w", EntryPoint, ctx.Err())
	case isConflict(err):
		return nil, fmt.Errorf("%w: %w", ErrConflict, err)
	case err != nil:
		return nil, fmt.Errorf("evaluating %s: %w", EntryPoint, err)
	case len(results) == 0:
		return nil, ErrUndefined
	case len(results) > 1 || len(results[0].Expressions) != 1:
		return nil, ErrConflict
	}
	value, ok := results[0].Expressions[0].Value.(ast.Value)
	if !ok {
		return nil, &ResultError{Want: "an object", Got: fmt.Sprintf("%T", results[0].Expressions[0].Value)}
	}
	return value, nil
}

func isConflict(err error) bool {
	var e *topdown.Error
	return errors.As(err, &e) && e.Code == topdown.ConflictErr
}
