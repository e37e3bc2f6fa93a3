package opa

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// EntryPoint is what policies must define.
const EntryPoint = "data.sstp.decision"

// A Decider is a compiled set of policies with its data. It is safe for
// concurrent use and does not change, but for the answers that it remembers.
type Decider struct {
	query     rego.PreparedEvalQuery
	revision  string
	foresight *foresight
	data      map[string]any
	compiler  *ast.Compiler
	store     storage.Store
	reads     *facts
	shape     shaper
	keyer     keyer
	cache     *cache
}

// New compiles the policies in fsys, with data as Rego's data document. It takes
// every file whose name ends in .rego, in all folders, but for tests
// (_test.rego). Data holds what JSON can say and may be nil.
//
// The error tells all that is wrong with the policies, each with its file and
// line. It is [ErrNoDecision] if they do not define [EntryPoint]. Data that lies
// where a policy has a rule is an error too: it could answer in the rule's place.
func New(ctx context.Context, fsys fs.FS, data map[string]any) (*Decider, error) {
	sources, err := readModules(fsys, isPolicy)
	if err != nil {
		return nil, fmt.Errorf("reading policies: %w", err)
	}
	return fromModules(ctx, sources, data)
}

// fromModules compiles modules, none of which is a test.
func fromModules(ctx context.Context, sources []module, data map[string]any) (*Decider, error) {
	data, encoded, err := copyData(data)
	if err != nil {
		return nil, fmt.Errorf("reading policy data: %w", err)
	}
	store := inmem.NewFromObjectWithOpts(data, inmem.OptReturnASTValuesOnRead(true))
	parsed, err := parse(sources)
	if err != nil {
		return nil, fmt.Errorf("compiling policies: %w", err)
	}
	compiler, err := compile(ctx, parsed, store)
	if err != nil {
		return nil, fmt.Errorf("compiling policies: %w", err)
	}
	if len(compiler.GetRules(ast.MustParseRef(EntryPoint))) == 0 {
		return nil, fmt.Errorf("compiling policies: %w", ErrNoDecision)
	}
	query, err := rego.New(
		rego.Query(EntryPoint),
		rego.Compiler(compiler),
		rego.Store(store),
		rego.StrictBuiltinErrors(true),
		rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t.Value, nil }),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("preparing policies: %w", err)
	}
	d := &Decider{query: query, revision: revision(sources, encoded), data: data, foresight: &foresight{}}
	d.readFrom(compiler, store, data)
	return d, nil
}

// Revision names the policies and the data: twelve hexadecimal digits, which are
// the same for the same files and data.
func (d *Decider) Revision() string { return d.revision }
