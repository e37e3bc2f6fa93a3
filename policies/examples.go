package policies

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed examples
var examples embed.FS

// Examples names the worked examples, sorted.
func Examples() []string {
	entries, err := examples.ReadDir("examples")
	if err != nil {
		panic(err) // it is embedded
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// Example gives a worked example: policies, their tests and data.yaml. It is
// complete: where the example has no file of its own, it has that of [Default].
func Example(name string) (fs.FS, error) {
	if known := Examples(); !slices.Contains(known, name) {
		return nil, fmt.Errorf("no example policy is called %s; there are %s", shown(name), listing(known, "and"))
	}
	upper, err := fs.Sub(examples, path.Join("examples", name))
	if err != nil {
		return nil, err
	}
	return overlay{upper: upper, lower: Default}, nil
}

// An overlay has the files of both file systems; upper hides what lower has of
// the same name. A name is a folder in both, or in none.
type overlay struct{ upper, lower fs.FS }

func (o overlay) Open(name string) (fs.File, error) {
	f, err := o.upper.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.lower.Open(name)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.IsDir() {
		return f, err
	}
	entries, err := o.ReadDir(name)
	return &folder{File: f, rest: entries}, err
}

func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.upper, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	below, errBelow := fs.ReadDir(o.lower, name)
	if errBelow != nil && (err != nil || !errors.Is(errBelow, fs.ErrNotExist)) {
		return nil, errBelow
	}
	for _, e := range below {
		same := func(other fs.DirEntry) bool { return other.Name() == e.Name() }
		if !slices.ContainsFunc(entries, same) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// A folder is a folder of upper with what it has of both.
type folder struct {
	fs.File
	rest []fs.DirEntry
}

func (f *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(f.rest) {
		if n > 0 && len(f.rest) == 0 {
			return nil, io.EOF
		}
		n = len(f.rest)
	}
	out := slices.Clone(f.rest[:n])
	f.rest = f.rest[n:]
	return out, nil
}
