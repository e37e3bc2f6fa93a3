package opa

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// links are symbolic links by their paths, and what each held when it was first
// read. Names that are resolved with the same links agree on them: a link that is
// exchanged meanwhile leads all of them to the one place, or to the other.
type links map[string]string

// maxLinks bounds the links on the way to one file, as kernels do.
const maxLinks = 40

// resolve returns where name leads, as an absolute path without links. Each is
// told of every step on the way: the folder, the name in it, what is there (nil if
// nothing) and whether name ends with it.
func (l links) resolve(name string, each func(dir, step string, info fs.FileInfo, last bool)) (string, error) {
	if !filepath.IsAbs(name) {
		wd, err := os.Getwd()
		if err != nil {
			return "", err
		}
		name = wd + string(filepath.Separator) + name
	}
	top := filepath.VolumeName(name) + string(filepath.Separator)
	at, rest := top, steps(name[len(filepath.VolumeName(name)):])
	for followed := 0; len(rest) > 0; {
		step := rest[0]
		rest = rest[1:]
		if step == ".." {
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, step)
		info, err := os.Lstat(next)
		each(at, step, info, len(rest) == 0)
		switch {
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink == 0:
			at = next
			continue
		}
		target, known := l[next]
		if !known {
			if target, err = os.Readlink(next); err != nil {
				return "", err
			}
			l[next] = target
		}
		if followed++; followed > maxLinks {
			return "", &fs.PathError{Op: "open", Path: next, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			at = top
		}
		rest = slices.Concat(steps(target), rest)
	}
	return at, nil
}

func steps(name string) []string {
	return slices.DeleteFunc(strings.Split(filepath.ToSlash(name), "/"), func(s string) bool { return s == "" || s == "." })
}
