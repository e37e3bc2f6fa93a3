package pcaps

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// An Input is one capture to audit.
type Input struct {
	Path string // "-" is standard input
	Name string // what events call it
	// Found says that a folder was given and the file found in it: it is
	// passed over if it is no capture.
	Found bool
	// Err says why it cannot be read, where that is known already.
	Err error
}

// Inputs finds the captures that paths name: files as given, folders with all
// files below them, in the order of their names.
func Inputs(paths []string) ([]Input, error) {
	var out []Input
	for _, p := range paths {
		if p == "-" {
			out = append(out, Input{Path: p, Name: "stdin"})
			continue
		}
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("finding captures: %w", err)
		}
		if !info.IsDir() {
			out = append(out, Input{Path: p, Name: p})
			continue
		}
		found := walk(p)
		if len(found) == 0 {
			return nil, fmt.Errorf("finding captures in %s: the folder has no files", p)
		}
		out = append(out, found...)
	}
	if n := countStdin(out); n > 1 {
		return nil, fmt.Errorf("finding captures: standard input (-) was given %d times, and can be read once", n)
	}
	return out, nil
}

// walk finds the files below a folder. What cannot be listed is an input too,
// one that fails when its turn comes.
func walk(dir string) []Input {
	var out []Input
	// The separator has a link to a folder followed.
	_ = filepath.WalkDir(dir+string(filepath.Separator), func(path string, _ fs.DirEntry, err error) error {
		switch {
		case err != nil:
			out = append(out, Input{Path: path, Name: path, Err: err})
			return fs.SkipDir
		case regular(path):
			out = append(out, Input{Path: path, Name: path, Found: true})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Input) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// regular says that path is a file, or a link to one.
func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func countStdin(in []Input) int {
	n := 0
	for _, i := range in {
		if i.Path == "-" {
			n++
		}
	}
	return n
}
