package opa

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pack makes a bundle of tr, in which names begin with prefix.
func pack(t testing.TB, tr tree, prefix string) []byte {
	t.Helper()
	var headers []tar.Header
	for _, name := range slices.Sorted(maps.Keys(tr)) {
		headers = append(headers, tar.Header{Typeflag: tar.TypeReg, Name: prefix + name, Mode: 0o600, Size: int64(len(tr[name]))})
	}
	return packed(t, headers, func(i int) string { return tr[strings.TrimPrefix(headers[i].Name, prefix)] })
}

func packed(t testing.TB, headers []tar.Header, text func(i int) string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range headers {
		if err := w.WriteHeader(&headers[i]); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped(t, b.Bytes())
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBundle(t *testing.T) {
	t.Chdir(t.TempDir())
	text := says(`"from a bundle"`)
	headers := []tar.Header{
		{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "git archive"}},
		{Typeflag: tar.TypeDir, Name: "./"},
		{Typeflag: tar.TypeDir, Name: "./sstp/"},
		{Typeflag: tar.TypeReg, Name: "./sstp/._policy.rego"}, // as macOS adds
		{Typeflag: tar.TypeSymlink, Name: "./README", Linkname: "../README"},
		{Typeflag: tar.TypeReg, Name: "./sstp/policy.rego", Size: int64(len(text))},
	}
	b := packed(t, headers, func(i int) string { return text[:headers[i].Size] })
	tree{"b.tgz": string(b)}.write(t, "")
	if got, _ := reason(t, Source{Path: "b.tgz"}); got != "from a bundle" {
		t.Errorf("reason %q", got)
	}
}

func TestBundleErrors(t *testing.T) {
	good := tree{"a.rego": says(`"r"`)}
	whole := pack(t, good, "")
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-8] ^= 1 // the checksum
	one := func(h tar.Header) []byte {
		return packed(t, []tar.Header{h}, func(int) string { return strings.Repeat("x", int(h.Size)) })
	}
	two := tar.Header{Typeflag: tar.TypeReg, Name: "a.rego"}
	for _, tt := range []struct {
		name   string
		bundle []byte
		want   string
	}{
		{"nothing", nil, "b.tgz: is neither a folder nor a bundle; want a folder of .rego files, or a .tar.gz as opa build makes it"},
		{"no tar", zipped(t, []byte(strings.Repeat("no tar", 1000))), "b.tgz: is no bundle: archive/tar: invalid tar header; want a .tar.gz as opa build makes it"},
		{"empty", zipped(t, nil), "b.tgz: holds no policies: no file ends in .rego, but for tests; name files that are data as such, and no path for the policies that are built in"},
		{"half", whole[:len(whole)/2], "b.tgz: is cut short; write it to another name and rename it when it is whole"},
		{"nearly whole", whole[:len(whole)-1], "b.tgz: is cut short; write it to another name and rename it when it is whole"},
		{"checksum", damaged, "b.tgz: is damaged: gzip: invalid checksum; build it again"},
		{"more after it", append(bytes.Clone(whole), "more"...), "b.tgz: is cut short; write it to another name and rename it when it is whole"},
		{"much more after it", append(bytes.Clone(whole), "more than a header"...), "b.tgz: is damaged: gzip: invalid header; build it again"},
		{"damaged", append(bytes.Clone(whole[:10]), 0xff, 0xff, 0xff), "b.tgz: is damaged: flate: corrupt input before offset 1; build it again"},
		{"way out", one(tar.Header{Typeflag: tar.TypeReg, Name: "a/../../etc/passwd"}), `b.tgz:"a/../../etc/passwd": is no name for a file in a bundle`},
		{"way out at once", one(tar.Header{Typeflag: tar.TypeReg, Name: "../a.rego"}), `b.tgz:"../a.rego": is no name for a file in a bundle`},
		{"control characters", one(tar.Header{Typeflag: tar.TypeReg, Name: "a\x1b[2J.rego"}), `b.tgz:"a\x1b[2J.rego": is no name for a file in a bundle`},
		{"link", one(tar.Header{Typeflag: tar.TypeSymlink, Name: "a.rego", Linkname: "/etc/passwd"}), "b.tgz:a.rego: is no regular file; links are not followed in a bundle"},
		{"hard link", one(tar.Header{Typeflag: tar.TypeLink, Name: "data.json", Linkname: "a"}), "b.tgz:data.json: is no regular file; links are not followed in a bundle"},
		{"twice", packed(t, []tar.Header{two, two}, func(int) string { return "" }), "b.tgz:a.rego: is in the bundle twice"},
		{"compiled", pack(t, tree{"policy.wasm": "x"}, "/"), "b.tgz:policy.wasm: is a compiled policy, which is not run; build the bundle with opa build --target rego"},
		{"delta", pack(t, tree{"patch.json": "x"}, "/"), "b.tgz:patch.json: makes this a delta bundle, which is not read; build a whole one"},
		{
			"packed with its folder", pack(t, tree{"set/.manifest": "{}"}, ""),
			"b.tgz:set/.manifest: is not at the top of the set; make set the top, of a bundle with tar -C set -czf BUNDLE.tar.gz .",
		},
		{"syntax", pack(t, tree{"in/a.rego": "package"}, ""), "b.tgz:in/a.rego:1:7: unexpected eof token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tree{"b.tgz": string(tt.bundle)}.write(t, "")
			_, err := Load(context.Background(), Source{Path: "b.tgz"})
			if err == nil {
				t.Fatal("no error")
			}
			got, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "loading policies: "), "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Every part of a bundle that is not the whole is an error.
func TestBundleCut(t *testing.T) {
	whole := pack(t, tree{"a.rego": says(`"r"`), "b/data.json": "{}"}, "")
	for n := range whole {
		if files, err := readBundle(whole[:n], "b"); err == nil {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), files)
		}
	}
}

// Bombs are told, and take no memory to speak of.
func TestBundleBombs(t *testing.T) {
	t.Chdir(t.TempDir())
	mib := zipped(t, make([]byte, 1<<20))
	zeros := bytes.Repeat(mib, 2*maxSetBytes>>20) // parts of gzip files are one
	header := func(name string, size int64) []byte {
		var b bytes.Buffer
		if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	empty := header("a.txt", 0)
	noise := make([]byte, maxSetBytes+1)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for name, b := range map[string][]byte{
		"one large file":       append(zipped(t, header("a.rego", 2*maxSetBytes)), zeros...),
		"one that is ignored":  append(zipped(t, header("a.txt", 2*maxSetBytes)), zeros...),
		"many files":           zipped(t, bytes.Repeat(empty, 2*maxSetBytes/len(empty))),
		"a sparse file":        zipped(t, sparse()),
		"large when packed":    append(zipped(t, nil), noise...),
		"long after the files": append(pack(t, tree{"a.rego": says(`"r"`)}, ""), zeros...),
	} {
		t.Run(name, func(t *testing.T) {
			tree{"b.tgz": string(b)}.write(t, "")
			defer func() {
				if err := os.Remove("b.tgz"); err != nil {
					t.Error(err)
				}
			}()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Load(context.Background(), Source{Path: "b.tgz"})
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), "than 16 MiB") {
				t.Errorf("got %v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 8*maxSetBytes {
				t.Errorf("took %d MiB", took>>20)
			}
		})
	}
}

// sparse gives a tar of one file in GNU's sparse format 1.0: 1 GiB of which
// nothing is in the archive.
func sparse() []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	record := func(k, v string) string {
		n := len(k) + len(v) + 5
		return string(rune('0'+n/10)) + string(rune('0'+n%10)) + " " + k + "=" + v + "\n"
	}
	pax := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") +
		record("GNU.sparse.name", "a.rego") + record("GNU.sparse.realsize", "1073741824")
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "pax", Size: int64(len(pax))})
	w.Write([]byte(pax))
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "a.rego", Size: 512})
	block := make([]byte, 512)
	copy(block, "1\n1073741824\n0\n") // one piece, of nothing, at the end
	w.Write(block)
	w.Close()
	out := b.Bytes()
	out[156] = 'x' // the first is an extended header for the second
	sum := 0
	copy(out[148:156], "        ")
	for _, c := range out[:512] {
		sum += int(c)
	}
	copy(out[148:156], []byte{byte('0' + sum>>15&7), byte('0' + sum>>12&7), byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0, ' '})
	return out
}

func TestManifest(t *testing.T) {
	for _, tt := range []struct{ name, manifest, want string }{
		{"empty object", "{}", ""},
		{"as opa build writes it", `{"revision": "", "roots": [""], "rego_version": 1, "file_rego_versions": {"/a.rego": 1}, "metadata": {"a": 1}}`, ""},
		{"roots", `{"roots": ["/sstp/", "own", "words/first", "x/y"]}`, ""},
		{"root of more", `{"roots": ["sstp", "own", "words"]}`, ""},
		{
			"policy outside", `{"roots": ["sstp/in", "own", "words"]}`,
			`b.tgz:a.rego:1:1: package sstp is outside the manifest's roots ["sstp/in" "own" "words"]; add it to the roots, or leave it out`,
		},
		{
			"data outside", `{"roots": ["sstp", "own", "words/second"]}`,
			`b.tgz:words/data.json: data.words.first is outside the manifest's roots ["sstp" "own" "words/second"]; add it to the roots, or leave it out`,
		},
		{"no roots", `{"roots": []}`, `b.tgz:.manifest: has no roots, so it permits nothing; leave "roots" out, or name what the set holds`},
		{"roots that overlap", `{"roots": ["sstp", "sstp/in"]}`, `b.tgz:.manifest: has roots that overlap: "sstp" and "sstp/in"; leave one out`},
		{"no JSON", "{\n\"revision\" 1}", "b.tgz:.manifest:2: is no manifest: invalid character '1' after object key; want JSON such as {\"revision\": \"2026-11-20\"}"},
		{"empty file", "", "b.tgz:.manifest:1: is no manifest: unexpected end of JSON input; want JSON such as {\"revision\": \"2026-11-20\"}"},
		{"kind of revision", `{"revision": 7}`, "b.tgz:.manifest:1: is no manifest: json: cannot unmarshal number into Go struct field Manifest.revision of type string; want JSON such as {\"revision\": \"2026-11-20\"}"},
		{
			"compiled", `{"wasm": [{"entrypoint": "sstp/decision", "module": "/policy.wasm"}]}`,
			"b.tgz:.manifest: names compiled policies, which are not run; build the bundle with opa build --target rego",
		},
		{"Rego v0", `{"rego_version": 0}`, "b.tgz:.manifest: says rego_version 0; write Rego v1"},
		{"Rego v0 in a file", `{"file_rego_versions": {"/a.rego": 0}}`, `b.tgz:.manifest: says rego_version 0 for "/a.rego"; write Rego v1`},
		{"revision with a line break", `{"revision": "1\n2"}`, "b.tgz:.manifest: has a revision that cannot stand in events; use at most 64 printing characters"},
		{"long revision", `{"revision": "` + strings.Repeat("1", 65) + `"}`, "b.tgz:.manifest: has a revision that cannot stand in events; use at most 64 printing characters"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			tree{"b.tgz": string(pack(t, tree{
				"a.rego": says("data.words.first"), "b.rego": "package own\n\nx := 1\n",
				"words/data.json": `{"first": "one"}`, ".manifest": tt.manifest,
			}, ""))}.write(t, "")
			_, err := Load(context.Background(), Source{Path: "b.tgz"})
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "loading policies: ")
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Chdir(t.TempDir())
	tree{"a.rego": "package", ".manifest": `{"roots": ["sstp"]}`}.write(t, "set")
	if _, err := Load(context.Background(), Source{Path: "set"}); err == nil || !strings.Contains(err.Error(), "set/a.rego:1:7: ") {
		t.Errorf("got %v", err)
	}
}
