package opa

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/inspect"
	"sstpwarden/policies"
)

// tree is a folder: texts by the names of files below it. A text that begins
// with "-> " is a link.
type tree map[string]string

// write writes tr below dir, which may be "".
func (tr tree) write(t testing.TB, dir string) {
	t.Helper()
	for name, text := range tr {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(target, name)
		} else {
			err = os.WriteFile(name, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// says is a policy that answers with that reason, an expression of Rego.
func says(reason string) string {
	return "package sstp\n\ndecision := {\"action\": \"allow\", \"rule\": \"own.rule\", \"reason\": " + reason + "}\n"
}

// reason loads s and returns the reason that it gives.
func reason(t testing.TB, s Source) (reason, revision string) {
	t.Helper()
	d, err := Load(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Decide(context.Background(), input(inspect.VerdictCleared))
	if err != nil {
		t.Fatal(err)
	}
	if got.Revision != d.Revision() {
		t.Errorf("decided by %s, want %s", got.Revision, d.Revision())
	}
	return got.Reason, got.Revision
}

// The same policies and data have the same revision, however they come.
func TestLoad(t *testing.T) {
	set := tree{
		"main.rego":         says(`concat(" ", [data.words.first, data.words.second, data.third])`),
		"deep/helper.rego":  "package helper\n\nvalue := 1\n",
		"main_test.rego":    "this is not Rego",
		"words/data.json":   `{"first": "one"}`,
		"words/data.yml":    "second: two\n",
		"data.yaml":         "third: three\nother: {a: [1]}\n",
		"other/data.json":   `{"b": 2.50}`,
		"notes/data.json5":  "{",
		".git/config.rego":  "not Rego either",
		"words/.data.json":  "{",
		".hidden/data.json": "{",
		"README.md":         "# Policies",
	}
	t.Chdir(t.TempDir())
	set.write(t, "set")
	linked := tree{ // as Kubernetes mounts a ConfigMap
		"mount/..data":          "-> ..2026_11_20",
		"mount/main.rego":       "-> ..data/main.rego",
		"mount/data.yaml":       "-> ..data/data.yaml",
		"mount/words":           "-> ..data/words",
		"mount/other":           "-> ..data/other",
		"mount/deep":            "-> ../set/deep",
		"mount/gone.txt":        "-> nowhere",
		"set.tar.gz":            string(pack(t, set, "")),
		"set-dot.tar.gz":        string(pack(t, set, "./")),
		"set-root.tar.gz":       string(pack(t, set, "/")),
		"bundle":                "-> set.tar.gz",
		"site.json":             `{"other": {"a": [1]}, "third": "three"}`,
		"revisions/.manifest":   `{"revision": " 2026-11-20 "}`,
		"revisions/policy.rego": says(`"labelled"`),
	}
	linked.write(t, "")
	set.write(t, "mount/..2026_11_20")
	want, revision := reason(t, Source{Path: "set"})
	if want != "one two three" {
		t.Errorf("reason %q", want)
	}
	for _, s := range []Source{
		{Path: "./set/"},
		{Path: "mount"},
		{Path: "mount/..data/"},
		{Path: "mount/../set"},
		{Path: "set.tar.gz"},
		{Path: "set-dot.tar.gz"},
		{Path: "set-root.tar.gz"},
		{Path: "bundle"},
		{Path: "set", Data: []string{"site.json"}}, // says what the set says
	} {
		if got, rev := reason(t, s); got != want || rev != revision {
			t.Errorf("%s: got %q of %s, want %q of %s", s.Path, got, rev, want, revision)
		}
	}
	tree{"site.json": `{"third": "three", "more": 1}`}.write(t, "")
	if _, rev := reason(t, Source{Path: "set", Data: []string{"site.json"}}); rev == revision {
		t.Error("other data, same revision")
	}
	if _, rev := reason(t, Source{Path: "revisions"}); !strings.HasPrefix(rev, "2026-11-20-") || len(rev) != len("2026-11-20-")+12 {
		t.Errorf("revision %q", rev)
	}
}

// Most admins use the policies that are built in, with data of their own.
func TestLoadDefault(t *testing.T) {
	t.Chdir(t.TempDir())
	tree{
		"users.yaml":    "# who may\nsanctioned:\n  users: [alice]\n",
		"networks.json": `{"sanctioned": {"networks": ["10.1.0.0/16"]}}`,
	}.write(t, "")
	d, err := Load(context.Background(), Source{})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := New(context.Background(), policies.Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Revision() != plain.Revision() {
		t.Errorf("revision %s, New's is %s", d.Revision(), plain.Revision())
	}
	d, err = Load(context.Background(), Source{Data: []string{"users.yaml", "networks.json"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Decide(context.Background(), input(inspect.VerdictConfirmed))
	if err != nil || got.Action != policies.ActionLog {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLoadErrors(t *testing.T) {
	good := says(`"r"`)
	for _, tt := range []struct {
		name   string
		files  tree
		source Source
		want   string // after "loading policies: "
	}{
		{"no such folder", nil, Source{Path: "set"}, "set: does not exist; correct the path"},
		{"link to nowhere", tree{"set": "-> gone"}, Source{Path: "set"}, "set: does not exist; correct the path"},
		{"link to itself", tree{"set": "-> set"}, Source{Path: "set"}, "set: is a link to itself"},
		{
			"device", nil,
			Source{Path: "/dev/null"},
			"/dev/null: is no regular file, so it cannot be read again when it changes; write it to a file",
		},
		{
			"empty folder",
			tree{"set/README.md": "x", "set/a_test.rego": "package a"},
			Source{Path: "set"},
			"set: holds no policies: no file ends in .rego, but for tests; name files that are data as such, and no path for the policies that are built in",
		},
		{"one policy", tree{"a.rego": good}, Source{Path: "a.rego"}, "a.rego: is one policy, not a set of them; name the folder that it lies in"},
		{
			"no bundle",
			tree{"a.yaml": "a: 1"},
			Source{Path: "a.yaml"},
			"a.yaml: is neither a folder nor a bundle; want a folder of .rego files, or a .tar.gz as opa build makes it",
		},
		{"policy that is a link to nowhere", tree{"set/a.rego": "-> gone.rego"}, Source{Path: "set"}, "set/a.rego: does not exist; correct the path"},
		{"policy that is no file", tree{"set/a.rego": "-> /dev/null"}, Source{Path: "set"}, "set/a.rego: is no regular file"},
		{
			"folders in a circle",
			tree{"set/a.rego": good, "set/b": "-> ../set"},
			Source{Path: "set"},
			"set/b: leads more than 32 folders deep, or in a circle; is this the folder of the policies?",
		},
		{
			"folders too deep",
			tree{"set/" + strings.Repeat("d/", 33) + "a.rego": good},
			Source{Path: "set"},
			"set" + strings.Repeat("/d", 32) + ": leads more than 32 folders deep, or in a circle; is this the folder of the policies?",
		},
		{"compiled", tree{"set/policy.wasm": "x", "set/x/plan.json": "{}"}, Source{Path: "set"}, `2 problems:
set/policy.wasm: is a compiled policy, which is not run; build the bundle with opa build --target rego
set/x/plan.json: is a compiled policy, which is not run; build the bundle with opa build --target rego`},
		{
			"delta",
			tree{"set/patch.json": "{}"},
			Source{Path: "set"},
			"set/patch.json: makes this a delta bundle, which is not read; build a whole one",
		},
		{
			"manifest in protobuf",
			tree{"set/.manifest.pb": "x"},
			Source{Path: "set"},
			"set/.manifest.pb: is a manifest in protobuf, which is not read; write .manifest in JSON",
		},
		{
			"manifest below",
			tree{"set/in/.manifest": "{}"},
			Source{Path: "set"},
			"set/in/.manifest: is not at the top of the set; make in the top, of a bundle with tar -C in -czf BUNDLE.tar.gz .",
		},
		{
			"syntax, all of it",
			tree{"set/a.rego": "package sstp\n\ndecision := {", "set/b.rego": "package sstp\n\nx[y] { y := 1 }\n", "set/c.rego": ""},
			Source{Path: "./set/"},
			`5 problems:
./set/a.rego:3:13: unexpected eof token
	decision := {
	            ^
./set/a.rego:3:13: unexpected eof token: expected rule value term (e.g., decision := <VALUE> { ... })
	decision := {
	            ^
./set/b.rego:3:1: ` + "`if` keyword is required before rule body; this is the Rego of before OPA 1.0: \"opa fmt --write --v0-v1\" rewrites it" + `
./set/b.rego:3:1: ` + "`contains` keyword is required for partial set rules; this is the Rego of before OPA 1.0: \"opa fmt --write --v0-v1\" rewrites it" + `
./set/c.rego: empty module; begin with "package sstp", or remove the file`,
		},
		{"unsafe", tree{"set/a.rego": "package sstp\n\ndecision := x if y == 1\n"}, Source{Path: "set"}, `set/a.rego:3:13: var x is unsafe; give it a value first, with := or "some ... in", or write input. or data. in front`},
		{"functions", tree{"set/a.rego": `package sstp

decision := 1 if {
	http.send({})
	time.now_ns() > 1
	opa.runtime().env
	rand.intn("x", 2) > 0
	nothing(1)
	io.jwt.decode_verify("x", {})
}
`}, Source{Path: "set"}, `6 problems:
set/a.rego:4:2: undefined function http.send; policies may not use it: they have no network; put what they need into data
set/a.rego:5:2: undefined function time.now_ns; policies may not use it: they have no clock; the present is time.parse_rfc3339_ns(input.time)
set/a.rego:6:2: undefined function opa.runtime; policies may not use it: they see no environment and no configuration; put what they need into data
set/a.rego:7:2: undefined function rand.intn; policies may not use it: the same input must give the same answer, and leave nothing behind
set/a.rego:8:2: undefined function nothing; define it, import its package, or look for its name in OPA's reference
set/a.rego:9:2: undefined function io.jwt.decode_verify; policies may not use it: it asks the clock, and the same input must give the same answer`},
		{"strictness", tree{"set/a.rego": "package sstp\n\nimport data.foo\n\ndecision := 1 if x := 2\n"}, Source{Path: "set"}, `2 problems:
set/a.rego:3:1: import data.foo unused; remove it, or write _ in its place
set/a.rego:5:18: assigned var x unused; remove it, or write _ in its place`},
		{
			"no decision",
			tree{"set/a.rego": "package sstp\n\ndecisoin := 1\n", "set/b.rego": "package other\n\ndecision := 1\n"},
			Source{Path: "set"},
			`no policy defines data.sstp.decision (there are package other, package sstp); write one: package sstp, and in it decision := {"action": "allow", "reason": "...", "rule": "..."}`,
		},
		{
			"data in the place of a rule",
			tree{"set/a.rego": good + "help := 1\n", "set/b.rego": "package own\n\nrule := 1\n", "own.yaml": "own: {rule: 2}"},
			Source{Path: "set", Data: []string{"own.yaml"}},
			"set/b.rego:3:1: data.own.rule is a rule here, and data in own.yaml; data lies where the policies have a rule: give the data another name",
		},
		{
			"data below the policies",
			tree{"set/a.rego": good, "set/sstp/data.json": `{"x": 1}`},
			Source{Path: "set"},
			"set/sstp/data.json: sstp: is where the policies themselves lie, so data cannot; give it another name",
		},
		{
			"data that disagree",
			tree{"set/a.rego": good, "set/data.json": `{"a": {"b": 1, "c": 2}}`, "set/a/data.yaml": "c: 3", "x.yaml": "a: {b: [1]}\n", "y.yaml": "a: 1"},
			Source{Path: "set", Data: []string{"x.yaml", "y.yaml"}},
			`3 problems:
set/data.json: says something else of a.c than set/a/data.yaml; keep it in one of them
x.yaml: says something else of a.b than set/data.json; keep it in one of them
y.yaml: says something else of a than x.yaml; keep it in one of them`,
		},
		{
			"data with errors",
			tree{"x.yaml": "a: 1\na: 2\n", "y.json": "{\n\"a\" 1}", "z.yaml": " \n"},
			Source{Data: []string{"x.yaml", "y.json", "z.yaml", "gone.yaml", "."}},
			`5 problems:
.: is a folder; name a file
gone.yaml: does not exist; correct the path
x.yaml:2: a: is there twice, first in line 1; take one of them out
y.json:2: `,
		},
		{
			"key without a set",
			tree{"k.pem": ecKey.public},
			Source{KeyFile: "k.pem"},
			"the policies that are built in are not signed, and must be by k.pem; name a set that is, or no key",
		},
		{"no key", tree{"set/a.rego": good}, Source{Path: "set", KeyFile: "k.pem"}, "k.pem: does not exist; correct the path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tt.files.write(t, "")
			_, err := Load(context.Background(), tt.source)
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.TrimPrefix(err.Error(), "loading policies: ")
			if strings.HasSuffix(tt.want, ": ") { // the rest is another package's
				got = got[:min(len(got), len(tt.want))]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadErrorIsTyped(t *testing.T) {
	t.Chdir(t.TempDir())
	var many strings.Builder
	many.WriteString("package sstp\n\ndecision := 1\n")
	for range 30 {
		many.WriteString("x := http.send({})\n")
	}
	tree{"set/a.rego": many.String(), "none/a.rego": "package sstp\n"}.write(t, "")
	_, err := Load(context.Background(), Source{Path: "set"})
	var e *LoadError
	if !errors.As(err, &e) || len(e.Problems) != maxProblems || e.More != 10 || !strings.HasSuffix(err.Error(), "\nand 10 more") {
		t.Errorf("got %v", err)
	}
	want := Problem{
		File: "set/a.rego", Line: 4, Column: 6, Text: "undefined function http.send",
		Remedy: "policies may not use it: they have no network; put what they need into data",
	}
	if diff := cmp.Diff(want, e.Problems[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Load(context.Background(), Source{Path: "none"}); !errors.Is(err, ErrNoDecision) {
		t.Errorf("got %v", err)
	}
	if _, err := Load(context.Background(), Source{Path: "gone"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, Source{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What root cannot be kept from reading, and other errors of the system.
func TestFileProblem(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{
			&fs.PathError{Op: "open", Path: "/x/a.rego", Err: fs.ErrPermission},
			"a.rego: cannot be read: permission denied; let the user that runs this read it",
		},
		{&fs.PathError{Op: "read", Path: "/x/a.rego", Err: errors.New("input/output error")}, "a.rego: cannot be read: input/output error"},
		{errChanging, "a.rego: changes while it is read; load it again when it is written"},
		{errTooLarge, "a.rego: makes the set larger than 16 MiB"},
	} {
		if got := fileProblem("a.rego", tt.err).String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestSizeLimits(t *testing.T) {
	t.Chdir(t.TempDir())
	half := "# " + strings.Repeat("x", maxSetBytes/2)
	set := tree{
		"set/a.rego": half, "set/b.rego": half,
		"large.yaml":   half + half,
		"small/a.rego": says(`"r"`), "small/b.txt": half + half, // which does not count
	}
	set.write(t, "")
	for _, tt := range []struct {
		source Source
		want   string
	}{
		{Source{Path: "set"}, "loading policies: set/b.rego: makes the set larger than 16 MiB"},
		{Source{Data: []string{"large.yaml"}}, "loading policies: large.yaml: is larger than 16 MiB"},
	} {
		if _, err := Load(context.Background(), tt.source); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	f := finder{entries: maxSetEntries - 1}
	const want = "small: brings the set to more than 10000 files and folders; is this the folder of the policies?"
	if err := f.folder(found{shown: "small", path: "small"}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got, _ := reason(t, Source{Path: "small"}); got != "r" {
		t.Errorf("reason %q", got)
	}
}

// A set is never part of one state and part of the next: links that are exchanged
// while files are read do not mix.
func TestReadDirIsAtomic(t *testing.T) {
	t.Chdir(t.TempDir())
	const rounds = 300
	names := []string{"a.rego", "b.rego", "c.rego", "d.rego", "e.rego"}
	for _, v := range []string{"one", "two"} {
		for _, name := range names {
			tree{name: "# " + v}.write(t, "mount/.."+v)
		}
	}
	tree{"..data": "-> ..one"}.write(t, "mount")
	for _, name := range names {
		tree{name: "-> ..data/" + name}.write(t, "mount")
	}
	exchange := func(to string) {
		if err := os.Symlink(to, "mount/..tmp"); err != nil {
			t.Error(err)
		}
		if err := os.Rename("mount/..tmp", "mount/..data"); err != nil {
			t.Error(err)
		}
	}

	// The exchange comes between any two of the files.
	for i := range names {
		links := links{}
		for j, name := range names {
			if j == i {
				exchange("..two")
			}
			at, err := links.resolve("mount/"+name, func(string, string, fs.FileInfo, bool) {})
			want := "..one"
			if i == 0 {
				want = "..two"
			}
			if err != nil || filepath.Base(filepath.Dir(at)) != want {
				t.Errorf("exchanged before %s: %s leads to %s, %v; want it in %s", names[i], name, at, err, want)
			}
		}
		exchange("..one")
	}

	var exchanges sync.WaitGroup
	stop := make(chan struct{})
	exchanges.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				exchange([]string{"..one", "..two"}[i%2])
			}
		}
	})
	stopped := sync.OnceFunc(func() {
		close(stop)
		exchanges.Wait()
	})
	defer stopped()
	read := 0
	for range rounds {
		files, err := readDir("mount")
		if errors.Is(err, errChanging) {
			continue
		}
		if err != nil {
			t.Error(err)
			break
		}
		read++
		if len(files) != len(names) || slices.ContainsFunc(files, func(f file) bool { return string(f.text) != string(files[0].text) }) {
			t.Fatalf("mixed: %q", files)
		}
	}
	stopped()
	if read == 0 {
		t.Log("never at rest") // not an error: it must not mix
	}
	if _, err := readDir("mount"); err != nil {
		t.Error(err)
	}
}

// Data in a folder is checked as what it is there, and not as if it lay at the
// top.
func TestLoadDataInFolders(t *testing.T) {
	t.Chdir(t.TempDir())
	tree{
		"set/p.rego":                 says("concat(\" \", [data.sites.berlin.enforcement, data.vpn.sanction, data.sanctioned.networks[0]])"),
		"set/sites/berlin/data.yaml": "enforcement: strict\n",
		"set/vpn/data.json":          `{"sanction": "own", "sstp": "own too"}`,
		"set/sanctioned/data.yaml":   "networks: [10.0.0.0/8]\n",
	}.write(t, "")
	if got, _ := reason(t, Source{Path: "set"}); got != "strict own 10.0.0.0/8" {
		t.Errorf("got %q", got)
	}
	tree{"bad/p.rego": says(`"x"`), "bad/sanctioned/data.yaml": "networks: [10.0.0.1/8]\n"}.write(t, "")
	_, err := Load(t.Context(), Source{Path: "bad"})
	const want = "bad/sanctioned/data.yaml: sanctioned.networks[0]: "
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}
