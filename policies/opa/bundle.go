package opa

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/storage"
)

// readBundle reads the files of a set in a bundle, as opa build and tar make
// them. Nothing is unpacked to a disk, so that names only name; those that
// lead out of the bundle are refused all the same.
func readBundle(archive []byte, shown string) ([]file, error) {
	refuse := func(cause error, text, remedy string) ([]file, error) {
		return nil, failed(cause, Problem{File: shown, Text: text, Remedy: remedy})
	}
	zip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return refuse(err, "is neither a folder nor a bundle", "want a folder of .rego files, or a .tar.gz as opa build makes it")
	}
	b := unpacking{tar: tar.NewReader(&limited{r: zip, left: maxSetBytes}), shown: shown, left: maxSetBytes, seen: map[string]bool{}}
	if err = b.files(); err == nil {
		_, err = io.Copy(io.Discard, &limited{r: zip, left: maxSetBytes}) // to the checksum at its end
	}
	var told *LoadError
	var corrupt flate.CorruptInputError
	switch {
	case err == nil:
		return b.out, failed(nil, b.refused...)
	case errors.As(err, &told):
		return nil, err
	case errors.Is(err, errTooLarge):
		return refuse(err, fmt.Sprintf("unpacks to more than %d MiB", maxSetBytes>>20), "leave out what is no policy and no data")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(err, "is cut short", "write it to another name and rename it when it is whole")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return refuse(err, "is damaged: "+err.Error(), "build it again")
	}
	return refuse(err, "is no bundle: "+err.Error(), "want a .tar.gz as opa build makes it")
}

// limited is a reader that fails with errTooLarge after left bytes.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		l.left = 0
		return 0, errTooLarge
	}
	return n, err
}

// An unpacking is a bundle that is being read.
type unpacking struct {
	tar     *tar.Reader
	shown   string
	left    int64 // bytes that may still come; a sparse file takes fewer in the archive
	seen    map[string]bool
	out     []file
	refused []Problem
}

func (b *unpacking) files() error {
	for {
		h, err := b.tar.Next()
		if err == io.EOF {
			slices.SortFunc(b.out, func(x, y file) int { return strings.Compare(x.name, y.name) })
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.file(h); err != nil {
			return err
		}
	}
}

func (b *unpacking) file(h *tar.Header) error {
	if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name := strings.TrimLeft(strings.TrimPrefix(h.Name, "./"), "/")
	if !fs.ValidPath(name) || strings.ContainsFunc(name, unicode.IsControl) {
		b.refuse(fmt.Sprintf("%q", h.Name), "is no name for a file in a bundle")
		return nil
	}
	r, refused := roleOf(name)
	switch {
	case refused != "":
		b.refuse(name, refused)
	case r == roleNone:
	case b.seen[name]:
		b.refuse(name, "is in the bundle twice")
	case h.Typeflag != tar.TypeReg:
		b.refuse(name, "is no regular file; links are not followed in a bundle")
	default:
		return b.keep(name)
	}
	return nil
}

func (b *unpacking) keep(name string) error {
	text, err := io.ReadAll(io.LimitReader(b.tar, b.left+1))
	if err != nil {
		return err
	}
	if b.left -= int64(len(text)); b.left < 0 {
		return errTooLarge
	}
	b.seen[name] = true
	b.out = append(b.out, file{name: name, shown: b.shown + ":" + name, text: text})
	return nil
}

func (b *unpacking) refuse(name, text string) {
	if len(b.refused) <= maxProblems {
		b.refused = append(b.refused, Problem{File: b.shown + ":" + name, Text: text})
	}
}

// A manifest is what of a .manifest counts.
type manifest struct {
	revision string
	roots    []string // nil for no bounds
}

// maxRevision bounds the revision of a manifest, in bytes: it is in every event.
const maxRevision = 64

// readManifest reads a .manifest. It refuses what cannot be had.
func readManifest(f file) (manifest, error) {
	var m bundle.Manifest
	refuse := func(text, remedy string) (manifest, error) {
		return manifest{}, failed(nil, Problem{File: f.shown, Text: text, Remedy: remedy})
	}
	if err := json.Unmarshal(f.text, &m); err != nil {
		return manifest{}, failed(err, Problem{
			File: f.shown, Line: lineOf(f.text, err), Text: "is no manifest: " + err.Error(),
			Remedy: `want JSON such as {"revision": "2026-11-20"}`,
		})
	}
	switch {
	case len(m.WasmResolvers) > 0:
		return refuse("names compiled policies, which are not run", "build the bundle with opa build --target rego")
	case m.RegoVersion != nil && *m.RegoVersion != 1:
		return refuse(fmt.Sprintf("says rego_version %d", *m.RegoVersion), "write Rego v1")
	case len(m.Revision) > maxRevision || strings.ContainsFunc(m.Revision, isNoText):
		return refuse("has a revision that cannot stand in events", fmt.Sprintf("use at most %d printing characters", maxRevision))
	}
	for name, v := range m.FileRegoVersions {
		if v != 1 {
			return refuse(fmt.Sprintf("says rego_version %d for %q", v, name), "write Rego v1")
		}
	}
	out := manifest{revision: strings.TrimSpace(m.Revision)}
	if m.Roots == nil {
		return out, nil
	}
	for i, root := range *m.Roots {
		root = strings.Trim(root, "/")
		for _, other := range (*m.Roots)[:i] {
			if bundle.RootPathsOverlap(root, strings.Trim(other, "/")) {
				return refuse(fmt.Sprintf("has roots that overlap: %q and %q", other, root), "leave one out")
			}
		}
		out.roots = append(out.roots, root)
	}
	if slices.Contains(out.roots, "") {
		out.roots = nil
	} else if out.roots == nil {
		return refuse("has no roots, so it permits nothing", `leave "roots" out, or name what the set holds`)
	}
	return out, nil
}

func isNoText(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// lineOf gives the line of an error of encoding/json, 0 if it has none.
func lineOf(text []byte, err error) int {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var at int64
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	default:
		return 0
	}
	return 1 + bytes.Count(text[:min(max(at, 0), int64(len(text)))], []byte("\n"))
}

// outside lists the policies and the data that lie outside the manifest's roots.
func (m manifest) outside(modules []module, data []dataFile) ([]Problem, error) {
	if m.roots == nil {
		return nil, nil
	}
	const remedy = "add it to the roots, or leave it out"
	parsed, err := parse(modules)
	if err != nil {
		return nil, err
	}
	var out []Problem
	for _, source := range modules {
		p := parsed[source.name].Package
		at, err := storage.NewPathForRef(p.Path)
		if err == nil && bundle.RootPathsContain(m.roots, strings.Join(at, "/")) {
			continue
		}
		out = append(out, Problem{
			File: source.name, Line: p.Loc().Row, Column: p.Loc().Col,
			Text: fmt.Sprintf("%s is outside the manifest's roots %q", p, m.roots), Remedy: remedy,
		})
	}
	for _, d := range data {
		if path := m.outsideData(nil, d.doc); path != nil {
			out = append(out, Problem{
				File: d.shown, Text: fmt.Sprintf("data.%s is outside the manifest's roots %q", strings.Join(path, "."), m.roots), Remedy: remedy,
			})
		}
	}
	return out, nil
}

// outsideData returns the path of data that no root holds, nil if there is none.
func (m manifest) outsideData(path []string, node any) []string {
	at := strings.Join(path, "/")
	if len(path) > 0 && bundle.RootPathsContain(m.roots, at) {
		return nil
	}
	object, ok := node.(map[string]any)
	onTheWay := len(path) == 0 || slices.ContainsFunc(m.roots, func(root string) bool { return strings.HasPrefix(root, at+"/") })
	if !ok || !onTheWay {
		return path
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if p := m.outsideData(append(slices.Clone(path), key), object[key]); p != nil {
			return p
		}
	}
	return nil
}
