package opa

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"

	"sstpwarden/policies"
)

// A module is one file of Rego.
type module struct {
	name string // as people can open it
	id   string // that it has in revisions, "" for its name
	text string
}

func isRego(name string) bool   { return path.Ext(name) == ".rego" }
func isPolicy(name string) bool { return isRego(name) && !strings.HasSuffix(name, "_test.rego") }

// readModules reads the files of fsys whose names take accepts, in the order of
// their names.
func readModules(fsys fs.FS, take func(name string) bool) ([]module, error) {
	var modules []module
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err == nil && name != "." && isHidden(name) && entry.IsDir():
			return fs.SkipDir
		case err != nil || entry.IsDir() || !take(name):
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		modules = append(modules, module{name: name, text: string(b)})
		return nil
	})
	if err == nil && len(modules) == 0 {
		err = errors.New("no file ends in .rego")
	}
	return modules, err
}

// compile checks modules as strictly as OPA can: unused and shadowing names,
// built-in functions that policies have not, paths that no input has, and rules
// where store has data. The modules stay as they are.
func compile(ctx context.Context, parsed map[string]*ast.Module, store storage.Store) (*ast.Compiler, error) {
	c, err := newCompiler()
	if err != nil {
		return nil, err
	}
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer store.Abort(ctx, txn)
	c.WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn))
	if c.Compile(parsed); c.Failed() {
		return nil, c.Errors
	}
	return c, nil
}

// parse parses modules by their names. The error tells of all of them.
func parse(modules []module) (map[string]*ast.Module, error) {
	options := ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities(), ProcessAnnotation: true}
	parsed := make(map[string]*ast.Module, len(modules))
	var errs []error
	for _, m := range modules {
		p, err := ast.ParseModuleWithOpts(m.name, m.text, options)
		if err != nil {
			errs = append(errs, err)
		}
		parsed[m.name] = p
	}
	return parsed, errors.Join(errs...)
}

// maxErrors bounds how many errors are looked for.
const maxErrors = 200

func newCompiler() (*ast.Compiler, error) {
	schemas, err := inputSchema()
	if err != nil {
		return nil, err
	}
	return ast.NewCompiler().
		SetErrorLimit(maxErrors).
		WithCapabilities(capabilities()).
		WithStrict(true).
		WithSchemas(schemas).
		WithUseTypeCheckAnnotations(true), nil
}

func inputSchema() (*ast.SchemaSet, error) {
	var schema any
	if err := json.Unmarshal(policies.InputSchema, &schema); err != nil {
		return nil, err
	}
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, schema)
	return schemas, nil
}

// copyData returns data as JSON gives it back, and that JSON, in which keys are
// sorted.
func copyData(data map[string]any) (map[string]any, []byte, error) {
	if data == nil {
		data = map[string]any{}
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return nil, nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(encoded))
	dec.UseNumber() // numbers stay as they were written
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil, nil, err
	}
	return out, encoded, nil
}

// revision hashes names, texts and data, each with its length in front.
func revision(modules []module, data []byte) string {
	h := sha256.New()
	add := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, m := range modules {
		add([]byte(cmp.Or(m.id, m.name)))
		add([]byte(m.text))
	}
	add(data)
	return hex.EncodeToString(h.Sum(nil)[:6])
}
