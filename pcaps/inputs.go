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
		found, err := walk(p)
		if err != nil {
			return nil, fmt.Errorf("finding captures in %s: %w", p, err)
		}
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

func walk(dir string) ([]Input, error) {
	var out []Input
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			out = append(out, Input{Path: path, Name: path, Found: true})
		}
		return nil
	})
	slices.SortFunc(out, func(a, b Input) int { return cmp.Compare(a.Path, b.Path) })
	return out, err
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
