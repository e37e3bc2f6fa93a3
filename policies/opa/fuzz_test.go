package opa

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// FuzzLoadBundle loads any bytes as a bundle, and any tar file as the content of
// one. Nothing panics, and what was signed is loaded as it was signed or not at
// all.
func FuzzLoadBundle(f *testing.F) {
	dir := f.TempDir()
	signed := ecKey.signed(f, tree{
		"in/a.rego": says("data.own.reason"), "own/data.json": `{"reason": "signed"}`,
		"data.yaml": "a: [1, 2]\n", manifestName: `{"revision": "7", "roots": ["sstp", "own", "a"]}`,
	})
	whole := pack(f, signed, "")
	tree{"k.pem": ecKey.public}.write(f, dir)
	key := filepath.Join(dir, "k.pem")
	files, err := readBundle(whole, "b.tgz")
	if err != nil {
		f.Fatal(err)
	}
	original, err := newSet(files, true)
	if err != nil {
		f.Fatal(err)
	}
	signedData, err := mergeData(original.data)
	if err != nil {
		f.Fatal(err)
	}
	made, err := os.ReadFile("testdata/opa-build.tar.gz")
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{whole, made} {
		zip, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			f.Fatal(err)
		}
		plain, err := io.ReadAll(zip)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(plain)
	}
	f.Add(sparse())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			return // compiling is not linear
		}
		for _, archive := range [][]byte{b, zipped(t, b)} {
			files, err := readBundle(archive, "b.tgz")
			if err != nil {
				wantLoadError(t, err)
				continue
			}
			unsigned, err := decideWith(files, false)
			wantLoadError(t, err)
			k, err := readKey(key)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.verify(files, "b.tgz", false, ""); err != nil {
				wantLoadError(t, err)
				continue
			}
			set, err := newSet(files, true)
			if err != nil {
				wantLoadError(t, err)
				continue
			}
			data, err := mergeData(set.data)
			if err != nil || unsigned == nil || set.label != "7" || !slices.Equal(set.modules, original.modules) || !same(data, signedData) {
				t.Errorf("%v: signed %+v, loaded %+v", err, original, set)
			}
		}
	})
}

// FuzzDataFile loads any bytes as data of the default policies.
func FuzzDataFile(f *testing.F) {
	for _, s := range []string{
		"{}", `{"sanctioned": {"users": ["alice"], "networks": ["10.1.0.0/16", "2001:db8::/32"]}}`,
		"sanctioned:\n  servers:\n    - {name: vpn.example.org, addresses: [198.51.100.7], expires: 2026-12-31}\n",
		"sanctioned:\n  windows:\n    - {from: 2026-11-22T05:00:00Z, until: 2026-11-23T05:00:00Z}\n",
		"a: &a [1, 2.5, 0x10, ~, yes]\nb: *a\nc: {d: !!str 1}\n", "enforcement: {reset: true, ban: 10m}\ndry_run: [sstp.suspected]\n",
		"sstp: {decision: 1}", `{"a": 1e999, "b": [[[[]]]], "\u0000": "\ud800"}`, "a: {b: {c: 1}}\n", "- 1\n", "",
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	modules, err := readModules(policies.Default, isPolicy)
	if err != nil {
		f.Fatal(err)
	}
	beside := dataFile{shown: "beside", doc: map[string]any{"a": map[string]any{"b": "x"}}}
	in := input(inspect.VerdictConfirmed)
	f.Fuzz(func(t *testing.T, b []byte, asJSON bool) {
		if len(b) > 1<<16 {
			return
		}
		name := "d.yaml"
		if asJSON {
			name = "d.json"
		}
		d, doc, wrong := parseData(file{name: name, shown: name, text: b}, []string{"x", "y"})
		if wrong != nil {
			wantLoadError(t, failed(nil, wrong...))
			return
		}
		agrees(b, doc)
		for _, data := range [][]dataFile{{{name, doc}}, {beside, d}, {beside, {name, doc}}} {
			set := policySet{modules: modules, data: data}
			decider, err := set.decider(context.Background())
			if err != nil {
				wantLoadError(t, err)
				continue
			}
			again, err := set.decider(context.Background())
			if err != nil || again.Revision() != decider.Revision() {
				t.Errorf("the same again: %v, %v", again, err)
			}
			if _, err := decider.Decide(context.Background(), in); err != nil {
				t.Errorf("data that was checked makes deciding fail: %v", err)
			}
		}
	})
}

func decideWith(files []file, isSigned bool) (*Decider, error) {
	set, err := newSet(files, isSigned)
	if err != nil {
		return nil, err
	}
	return set.decider(context.Background())
}

// wantLoadError wants err to be nil, or to tell what is wrong.
func wantLoadError(t *testing.T, err error) {
	t.Helper()
	var e *LoadError
	if err == nil {
		return
	}
	if !errors.As(err, &e) || len(e.Problems) == 0 || e.Error() == "" {
		t.Errorf("%T: %v", err, err)
	}
	for _, p := range e.Problems {
		if p.Text == "" {
			t.Errorf("a problem without a text: %+v", p)
		}
	}
}
