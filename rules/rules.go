// Package rules reads the detection rules: what speaks for SSTP, and how
// strongly, as data. The set that is built in is [Default]; files add to it
// or replace it ([Load]).
//
// The package checks what it reads and says where a file is wrong. What a
// rule means is package inspect's matter.
package rules

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"sstpwarden/inspect"
)

//go:embed sstp.yaml
var builtin []byte

// BuiltinName is what error messages call the set that is built in.
const BuiltinName = "built-in rules"

// formatVersion is the version of the file format.
const formatVersion = 1

// maxFile bounds a rules file, in bytes.
const maxFile = 4 << 20

// file is a rules file as written.
type file struct {
	Version  int               `yaml:"version"`
	Extends  string            `yaml:"extends,omitempty"`
	Disable  []string          `yaml:"disable,omitempty"`
	Settings *inspect.Settings `yaml:"settings,omitempty"`
	Rules    []inspect.Rule    `yaml:"rules"`
}

// Default gives the set that is built in.
func Default() *inspect.Ruleset {
	rs, err := Parse(builtin, BuiltinName)
	if err != nil {
		panic(err) // the tests read the set
	}
	return rs
}

// Builtin gives the text of the set that is built in.
func Builtin() []byte { return builtin }

// Load reads a rules file. Errors are *Error where the text is wrong.
func Load(path string) (*inspect.Ruleset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading rules: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("loading rules: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("loading rules %s: a rules file has at most %d bytes: is this one?", path, maxFile)
	}
	return Parse(text, path)
}

// Parse reads the text of a rules file; name is what errors call it.
func Parse(text []byte, name string) (*inspect.Ruleset, error) {
	f, err := decode(text, name)
	if err != nil {
		return nil, err
	}
	merged := f
	if f.Extends != "" {
		if merged, err = extend(f, text, name); err != nil {
			return nil, err
		}
	}
	if merged.Settings == nil {
		return nil, newError(name, text, "", errors.New("settings are missing: give them, or begin with extends: default"))
	}
	sum := sha256.Sum256(append([]byte(f.Extends+"\x00"+buildOf(f)), text...))
	rs, err := inspect.NewRuleset(*merged.Settings, merged.Rules, hex.EncodeToString(sum[:6]))
	if err != nil {
		return nil, locate(name, text, f, merged, err)
	}
	return rs, nil
}

// buildOf names the set that a file builds on, so that a revision changes
// with it.
func buildOf(f *file) string {
	if f.Extends == "" {
		return ""
	}
	return string(builtin)
}

func decode(text []byte, name string) (*file, error) {
	f := &file{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	switch err := dec.Decode(f); {
	case errors.Is(err, io.EOF):
		return nil, &Error{File: name, Err: errors.New("nothing is in it: begin with version: 1")}
	case err != nil:
		return nil, syntaxError(name, text, err)
	}
	if !errors.Is(dec.Decode(new(yaml.Node)), io.EOF) {
		return nil, &Error{File: name, Err: errors.New("a rules file is one document: take out what follows the ---")}
	}
	switch {
	case f.Version != formatVersion:
		return nil, newError(name, text, "version", fmt.Errorf("version %d is not known: this program reads version %d", f.Version, formatVersion))
	case f.Extends != "" && f.Extends != "default":
		return nil, newError(name, text, "extends", fmt.Errorf("%q cannot be extended: only default can", f.Extends))
	case f.Extends == "" && len(f.Disable) > 0:
		return nil, newError(name, text, "disable", errors.New("nothing to disable: only rules of an extended set can be"))
	}
	return f, nil
}

// extend puts a file's rules over those that are built in.
func extend(f *file, text []byte, name string) (*file, error) {
	base, err := decode(builtin, BuiltinName)
	if err != nil {
		return nil, err
	}
	if f.Settings != nil { // the text could be read, so it can again: over the base's numbers
		_ = yaml.Unmarshal(text, &file{Settings: base.Settings})
	}
	at := make(map[string]int, len(base.Rules))
	for i, r := range base.Rules {
		at[r.ID] = i
	}
	disabled := make(map[string]bool, len(f.Disable))
	for i, id := range f.Disable {
		if _, ok := at[id]; !ok {
			return nil, newError(name, text, fmt.Sprintf("disable[%d]", i), fmt.Errorf("there is no rule %q in the default set", id))
		}
		disabled[id] = true
	}
	own := make(map[string]bool, len(f.Rules))
	for _, r := range f.Rules {
		own[r.ID] = true
		if i, ok := at[r.ID]; ok {
			base.Rules[i] = r
			delete(disabled, r.ID)
			delete(at, r.ID) // a second rule with this id is an error
			continue
		}
		base.Rules = append(base.Rules, r)
	}
	disableDependents(base.Rules, own, disabled)
	kept := base.Rules[:0]
	for _, r := range base.Rules {
		if !disabled[r.ID] {
			kept = append(kept, without(r, disabled))
		}
	}
	base.Rules = kept
	return base, nil
}

// disableDependents switches off what can never hold, or count, without the rules
// that are switched off, but for the file's own rules: of those it is a mistake.
func disableDependents(rules []inspect.Rule, own, disabled map[string]bool) {
	for again := true; again; {
		again = false
		for _, r := range rules {
			if own[r.ID] || disabled[r.ID] || !emptied(r.Requires, disabled) && (r.Weight != 0 || !emptied(r.TakesBack, disabled)) {
				continue
			}
			disabled[r.ID], again = true, true
		}
	}
}

// without removes references to rules that are switched off.
func without(r inspect.Rule, disabled map[string]bool) inspect.Rule {
	if len(disabled) == 0 {
		return r
	}
	r.Unless = remaining(r.Unless, disabled)
	r.TakesBack = remaining(r.TakesBack, disabled)
	if left := remaining(r.Requires, disabled); len(left) > 0 {
		r.Requires = left
	}
	return r
}

// emptied says that of what a rule names nothing is left.
func emptied(ids []string, disabled map[string]bool) bool {
	return len(ids) > 0 && len(remaining(ids, disabled)) == 0
}

func remaining(ids []string, disabled map[string]bool) []string {
	var out []string
	for _, id := range ids {
		if !disabled[id] {
			out = append(out, id)
		}
	}
	return out
}
