package opa

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The bounds of a set of policies.
const (
	maxSetBytes   = 16 << 20 // of all its files, and of its archive
	maxSetEntries = 10_000   // files and folders, also those that do not count
	maxSetDepth   = 32       // folders in folders
)

// A file is one that counts in a set of policies.
type file struct {
	name  string // below the top of the set, with slashes
	shown string // for errors: as the user would name it
	text  []byte
}

// A role is what a file is for.
type role uint8

const (
	roleNone       role = iota // nothing: tests, documentation, what is hidden
	rolePolicy                 // .rego, but for tests
	roleData                   // data.json, data.yaml, data.yml
	roleManifest               // .manifest at the top
	roleSignatures             // .signatures.json at the top
)

const (
	manifestName   = ".manifest"
	signaturesName = ".signatures.json"
)

// roleOf says what the file of that name is for in a set. Refused says why it
// cannot be had: files that change what a set means are not passed over.
func roleOf(name string) (r role, refused string) {
	dir, base := path.Split(name)
	switch base {
	case manifestName, signaturesName:
		switch {
		case isHidden(dir):
			return roleNone, ""
		case dir != "":
			dir = strings.TrimSuffix(dir, "/")
			return roleNone, "is not at the top of the set; make " + dir + " the top, of a bundle with tar -C " + dir + " -czf BUNDLE.tar.gz ."
		case base == manifestName:
			return roleManifest, ""
		}
		return roleSignatures, ""
	case ".manifest.pb":
		return roleNone, "is a manifest in protobuf, which is not read; write " + manifestName + " in JSON"
	}
	switch {
	case isHidden(name):
		return roleNone, ""
	case path.Ext(base) == ".wasm", base == "plan.json", base == "plan.pb":
		return roleNone, "is a compiled policy, which is not run; build the bundle with opa build --target rego"
	case name == "patch.json":
		return roleNone, "makes this a delta bundle, which is not read; build a whole one"
	case base == "data.json", base == "data.yaml", base == "data.yml":
		return roleData, ""
	case isPolicy(base):
		return rolePolicy, ""
	}
	return roleNone, ""
}

// isHidden says that the name of a file or of a folder on the way begins with a
// dot.
func isHidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
}

// A found is a file that counts, not read yet, or a folder.
type found struct {
	name  string // below the top of the set, with slashes
	shown string // for errors: as the user would name it
	path  string // without links
	info  fs.FileInfo
}

var errChanging = errors.New("changes while it is read")

// readDir reads the files of a set in a folder. Links are followed, each as it was
// when it was first met, so that a set of links through one that is exchanged (as
// Kubernetes mounts them) is never part old, part new. Another set that changes is
// read again, and given up after a few times.
func readDir(root string) ([]file, error) {
	const tries = 4
	for range tries {
		before, err := find(root)
		if err != nil {
			return nil, err
		}
		files, err := readFound(before)
		if errors.Is(err, errChanging) {
			continue
		}
		if err != nil {
			return nil, err
		}
		after, err := find(root)
		if err != nil {
			return nil, err
		}
		if slices.EqualFunc(before, after, func(a, b found) bool { return a.name == b.name && unchanged(a.info, b.info) }) {
			return files, nil
		}
	}
	return nil, failed(errChanging, fileProblem(root, errChanging))
}

func unchanged(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func readFound(list []found) ([]file, error) {
	files := make([]file, 0, len(list))
	left := int64(maxSetBytes)
	for _, f := range list {
		text, err := readAtMost(f.path, f.info, left)
		if err != nil {
			return nil, failed(err, fileProblem(f.shown, err))
		}
		left -= int64(len(text))
		files = append(files, file{name: f.name, shown: f.shown, text: text})
	}
	return files, nil
}

var errTooLarge = fmt.Errorf("makes the set larger than %d MiB", maxSetBytes>>20)

// readAtMost reads a file, which must be the one that info is of, and at rest.
func readAtMost(name string, info fs.FileInfo, left int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, left+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > left {
		return nil, errTooLarge
	}
	after, err := f.Stat()
	if err == nil && (!unchanged(info, after) || after.Size() != int64(len(text))) {
		err = errChanging
	}
	return text, err
}

// readOne reads a file that is not part of a set: data, a key, or a bundle.
func readOne(name string) ([]byte, error) {
	before, err := os.Stat(name)
	switch {
	case err != nil:
	case before.IsDir():
		err = errors.New("is a folder; name a file")
	case !before.Mode().IsRegular():
		err = errors.New("is no regular file, so it cannot be read again when it changes; write it to a file")
	}
	if err != nil {
		return nil, failed(err, fileProblem(name, err))
	}
	text, err := readAtMost(name, before, maxSetBytes)
	if errors.Is(err, errTooLarge) {
		err = fmt.Errorf("is larger than %d MiB", maxSetBytes>>20)
	}
	if err != nil {
		return nil, failed(err, fileProblem(name, err))
	}
	return text, nil
}

// fileProblem tells of a file that cannot be read. The name that errors of os
// begin with is taken off.
func fileProblem(shown string, err error) Problem {
	p := Problem{File: shown, Text: err.Error()}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		p.Text = "cannot be read: " + e.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.Text, p.Remedy = "does not exist", "correct the path"
	case errors.Is(err, fs.ErrPermission):
		p.Remedy = "let the user that runs this read it"
	case errors.Is(err, syscall.ELOOP):
		p.Text = "is a link to itself"
	case errors.Is(err, errChanging):
		p.Remedy = "load it again when it is written"
	}
	return p
}

// A finder goes through a folder.
type finder struct {
	links   links
	files   []found
	entries int
	way     []fs.FileInfo // the folders from the top to here
	refused []Problem
}

// find lists the files below root that count, by name.
func find(root string) ([]found, error) {
	f := finder{links: links{}}
	top, err := f.stat(found{shown: root, path: root})
	if err == nil {
		err = f.folder(top)
	}
	if err != nil {
		return nil, err
	}
	if err := failed(nil, f.refused...); err != nil {
		return nil, err
	}
	slices.SortFunc(f.files, func(a, b found) int { return strings.Compare(a.name, b.name) })
	return f.files, nil
}

// stat resolves the path of at, and says what is there.
func (f *finder) stat(at found) (found, error) {
	var err error
	if at.path, err = f.links.resolve(at.path, func(string, string, fs.FileInfo, bool) {}); err == nil {
		at.info, err = os.Lstat(at.path)
	}
	if err != nil {
		return at, failed(err, fileProblem(at.shown, err))
	}
	return at, nil
}

func (f *finder) folder(at found) error {
	if slices.ContainsFunc(f.way, func(up fs.FileInfo) bool { return os.SameFile(up, at.info) }) || len(f.way) == maxSetDepth {
		return failed(nil, Problem{
			File: at.shown, Text: fmt.Sprintf("leads more than %d folders deep, or in a circle", maxSetDepth),
			Remedy: "is this the folder of the policies?",
		})
	}
	f.way = append(f.way, at.info)
	defer func() { f.way = f.way[:len(f.way)-1] }()
	entries, err := os.ReadDir(at.path)
	if err != nil {
		return failed(err, fileProblem(at.shown, err))
	}
	if f.entries += len(entries); f.entries > maxSetEntries {
		return failed(nil, Problem{
			File: at.shown, Text: fmt.Sprintf("brings the set to more than %d files and folders", maxSetEntries),
			Remedy: "is this the folder of the policies?",
		})
	}
	for _, e := range entries {
		below := found{
			name:  path.Join(at.name, e.Name()),
			shown: strings.TrimRight(at.shown, "/") + "/" + e.Name(), // as the user wrote it: not cleaned
			path:  filepath.Join(at.path, e.Name()),
		}
		if err := f.entry(below, e.Type()); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) entry(at found, kind fs.FileMode) error {
	r, refused := roleOf(at.name)
	isLink := kind&fs.ModeSymlink != 0
	if r == roleNone && refused == "" && (isHidden(at.name) || !kind.IsDir() && !isLink) {
		return nil
	}
	at, err := f.stat(at)
	switch {
	case err != nil && r == roleNone && refused == "":
		return nil // a link to nowhere, which nobody needs
	case err != nil:
		return err
	case at.info.IsDir() && !isHidden(at.name):
		return f.folder(at)
	case refused != "":
		f.refused = append(f.refused, Problem{File: at.shown, Text: refused})
	case r != roleNone && !at.info.Mode().IsRegular():
		f.refused = append(f.refused, Problem{File: at.shown, Text: "is no regular file"})
	case r != roleNone:
		f.files = append(f.files, at)
	}
	return nil
}
