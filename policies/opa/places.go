package opa

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// places are the folders to watch, by their paths: those of the set, and every
// folder on the way to a file in which a name decides what is found. Paths hold
// no links, so that an exchange of a link is seen where the link lies.
type places map[string]*place

type place struct {
	info  fs.FileInfo
	all   bool            // everything in it counts
	names map[string]bool // otherwise what counts
	must  bool            // it must be watched; others are folders far up
}

// maxLinks bounds the links on the way to one file, as kernels do.
const maxLinks = 40

// places finds what decides what s leads to, at this moment.
func (s Source) places() places {
	p := places{}
	if s.Path != "" {
		p.set(p.follow(s.Path), 0)
	}
	for _, name := range s.Data {
		p.follow(name)
	}
	if s.KeyFile != "" {
		p.follow(s.KeyFile)
	}
	return p
}

// folder returns the place at dir, nil if there is no such folder.
func (p places) folder(dir string) *place {
	if at := p[dir]; at != nil {
		return at
	}
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return nil
	}
	p[dir] = &place{info: info, names: map[string]bool{}}
	return p[dir]
}

// follow adds the folders on the way to name, and returns where it leads: "" to
// nothing.
func (p places) follow(name string) string {
	if !filepath.IsAbs(name) {
		wd, err := os.Getwd()
		if err != nil {
			return ""
		}
		name = wd + string(filepath.Separator) + name
	}
	top := filepath.VolumeName(name) + string(filepath.Separator)
	at, rest := top, steps(name[len(filepath.VolumeName(name)):])
	for links := 0; len(rest) > 0; {
		step := rest[0]
		rest = rest[1:]
		if step == ".." {
			at = filepath.Dir(at)
			continue
		}
		here := p.folder(at)
		if here == nil {
			return ""
		}
		here.names[step] = true
		next := filepath.Join(at, step)
		info, err := os.Lstat(next)
		if err != nil {
			here.must = true // it may come
			return ""
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			here.must = here.must || len(rest) == 0
			at = next
			continue
		}
		here.must = true // it may be exchanged
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return ""
		}
		if filepath.IsAbs(target) {
			at = top
		}
		rest = slices.Concat(steps(target), rest)
	}
	return at
}

func steps(name string) []string {
	return slices.DeleteFunc(strings.Split(filepath.ToSlash(name), "/"), func(s string) bool { return s == "" || s == "." })
}

// set adds the folder dir and those below it, as find goes through them.
func (p places) set(dir string, depth int) {
	if dir == "" || depth > maxSetDepth || len(p) > maxSetEntries {
		return
	}
	here := p.folder(dir)
	if here == nil || here.all {
		return // a bundle, or seen before
	}
	here.all, here.must = true, true
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		switch {
		case isHidden(e.Name()):
		case e.IsDir():
			p.set(at, depth+1)
		case e.Type()&fs.ModeSymlink != 0:
			p.set(p.follow(at), depth+1)
		}
	}
}

// concern says that what happened to the file of that name counts.
func (p places) concern(name string) bool {
	if at := p[name]; at != nil {
		return true // the folder itself
	}
	at := p[filepath.Dir(name)]
	return at != nil && (at.all || at.names[filepath.Base(name)])
}

// equal says that p and q are the same folders, watched for the same.
func (p places) equal(q places) bool {
	if len(p) != len(q) {
		return false
	}
	for dir, a := range p {
		b := q[dir]
		if b == nil || !os.SameFile(a.info, b.info) || a.all != b.all || len(a.names) != len(b.names) {
			return false
		}
		for name := range a.names {
			if !b.names[name] {
				return false
			}
		}
	}
	return true
}
