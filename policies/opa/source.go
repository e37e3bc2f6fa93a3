package opa

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"sstpwarden/policies"
)

// A Source says where a set of policies and its data lie.
//
// A set is a folder, or a bundle as opa build makes it (.tar.gz). Of it count
// the policies (.rego, but not _test.rego), data (data.json, data.yaml and
// data.yml, each at the path in Rego's data document that its folder has in the
// set) and, at its top, .manifest and .signatures.json. What begins with a dot
// is left alone otherwise, and so is every other file. In a folder, links are
// followed. A set has at most 16 MiB.
type Source struct {
	// Path is the folder or the bundle; "" stands for [policies.Default].
	Path string
	// Data are further files of data, in JSON (.json) or YAML, for
	// [policies.ParseData]. They and the set's own data are merged, object by
	// object. Two that say different things of one key are an error.
	Data []string
	// KeyFile holds a public key in PEM (ECDSA, RSA or Ed25519). If it is set,
	// the set must be signed with its private key, whatever key id the signer
	// used; the files of Data need not be. If it is "", signatures are not
	// looked at.
	KeyFile string
	// Scope is what the signature must be for: its claim "scope".
	Scope string
}

// Load reads and compiles a set of policies, as strictly as [New].
//
// The Decider's revision is twelve hexadecimal digits that are the same for the
// same policies and data, wherever they lie. If the set's manifest has a
// revision, it goes in front: "2026-11-20-1a2b3c4d5e6f".
//
// The error is, or wraps, a [*LoadError] that tells all that is wrong, with file
// and line, and what to do. It is ctx's if ctx is done.
func Load(ctx context.Context, s Source) (*Decider, error) {
	d, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("loading policies: %w", err)
	}
	return d, nil
}

func (s Source) load(ctx context.Context) (*Decider, error) {
	set, err := s.read()
	if err != nil {
		return nil, err
	}
	if len(set.modules) == 0 {
		return nil, failed(nil, Problem{
			File: s.Path, Text: "holds no policies: no file ends in .rego, but for tests",
			Remedy: "name files that are data as such, and no path for the policies that are built in",
		})
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return set.decider(ctx)
}

// ReadData reads the data that the policies of s are given. There need not be
// policies. The error is that of [Load].
func (s Source) ReadData() (map[string]any, error) {
	set, err := s.read()
	if err == nil {
		var doc map[string]any
		if doc, err = mergeData(set.data); err == nil {
			return doc, nil
		}
	}
	return nil, fmt.Errorf("loading data of policies: %w", err)
}

// A policySet is what a Source leads to.
type policySet struct {
	label   string // the manifest's revision
	modules []module
	data    []dataFile
}

func (s Source) read() (*policySet, error) {
	files, isDir, err := s.files()
	if err != nil {
		return nil, err
	}
	if s.KeyFile != "" {
		if err := s.verify(files, isDir); err != nil {
			return nil, err
		}
	}
	out, err := newSet(files, s.KeyFile != "")
	if err != nil {
		return nil, err
	}
	if s.Path == "" {
		if out.modules, err = readModules(policies.Default, isPolicy); err != nil {
			return nil, err
		}
	}
	return out, s.addData(out)
}

// files reads the files of the set.
func (s Source) files() (files []file, isDir bool, err error) {
	if s.Path == "" {
		return nil, false, nil
	}
	info, err := os.Stat(s.Path)
	if err != nil {
		return nil, false, failed(err, fileProblem(s.Path, err))
	}
	if info.IsDir() {
		files, err = readDir(s.Path)
		return files, true, err
	}
	archive, err := readOne(s.Path)
	if err != nil {
		return nil, false, err
	}
	if strings.HasSuffix(s.Path, ".rego") {
		return nil, false, failed(nil, Problem{
			File: s.Path, Text: "is one policy, not a set of them", Remedy: "name the folder that it lies in",
		})
	}
	files, err = readBundle(archive, s.Path)
	return files, false, err
}

func (s Source) verify(files []file, isDir bool) error {
	key, err := readKey(s.KeyFile)
	if err != nil {
		return err
	}
	if s.Path == "" {
		return failed(nil, Problem{
			Text:   fmt.Sprintf("the policies that are built in are not signed, and must be by %s", s.KeyFile),
			Remedy: "name a set that is, or no key",
		})
	}
	return key.verify(files, s.Path, isDir, s.Scope)
}

// newSet sorts files out, and checks what is not Rego.
func newSet(files []file, isSigned bool) (*policySet, error) {
	var s policySet
	var m manifest
	var problems []Problem
	for _, f := range files {
		switch r, _ := roleOf(f.name); r {
		case rolePolicy:
			s.modules = append(s.modules, module{name: f.shown, id: f.name, text: string(f.text)})
		case roleData:
			d, doc, wrong := parseData(f, folderOf(f.name))
			problems = append(problems, wrong...)
			if wrong == nil && isSigned && !agrees(f.text, doc) {
				problems = append(problems, Problem{File: f.shown, Text: errDisagree.Error(), Remedy: "write it in JSON, as data.json, and sign again"})
			}
			if wrong == nil {
				s.data = append(s.data, d)
			}
		case roleManifest:
			var err error
			if m, err = readManifest(f); err != nil {
				return nil, err
			}
		case roleNone, roleSignatures:
		}
	}
	s.label = m.revision
	if err := failed(nil, problems...); err != nil {
		return nil, err
	}
	outside, err := m.outside(s.modules, s.data)
	if err != nil {
		return nil, s.explain(err)
	}
	return &s, failed(nil, outside...)
}

// addData reads the files of data that are not part of the set.
func (s Source) addData(to *policySet) error {
	var problems []Problem
	for _, name := range s.Data {
		text, err := readOne(name)
		if told, ok := errors.AsType[*LoadError](err); ok {
			problems = append(problems, told.Problems...)
			continue
		}
		d, _, wrong := parseData(file{shown: name, text: text}, nil)
		problems = append(problems, wrong...)
		if wrong == nil {
			to.data = append(to.data, d)
		}
	}
	return failed(nil, problems...)
}

// decider compiles a set.
func (s *policySet) decider(ctx context.Context) (d *Decider, err error) {
	doc, err := mergeData(s.data)
	if err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			d, err = nil, failed(nil, Problem{Text: fmt.Sprintf("OPA failed on these policies: %v", r), Remedy: "simplify what was changed last"})
		}
	}()
	d, err = fromModules(ctx, s.modules, doc)
	if err != nil {
		return nil, s.explain(err)
	}
	if s.label != "" {
		d.revision = s.label + "-" + d.revision // before anyone asks d
	}
	return d, nil
}

// explain turns an error of fromModules into one for people.
func (s *policySet) explain(err error) error {
	switch found := regoErrors(err); {
	case len(found) > 0:
		return failed(err, regoProblems(found, func(path []string) string { return whoSays(s.data, path) })...)
	case errors.Is(err, ErrNoDecision):
		p := Problem{
			Text:   ErrNoDecision.Error(),
			Remedy: `write one: package sstp, and in it decision := {"action": "allow", "reason": "...", "rule": "..."}`,
		}
		if names := s.packages(); len(names) > 0 {
			p.Text += " (there are " + strings.Join(names, ", ") + ")"
		}
		return failed(err, p)
	}
	return err
}

// packages lists the packages of the policies, a few of them.
func (s *policySet) packages() []string {
	const enough = 5
	parsed, err := parse(s.modules)
	if err != nil {
		return nil
	}
	var names []string
	for _, m := range parsed {
		names = append(names, m.Package.String())
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > enough {
		names = append(names[:enough], "...")
	}
	return names
}
