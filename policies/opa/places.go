package opa

import (
	"io/fs"
	"os"
	"path/filepath"
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
	at, err := links{}.resolve(name, func(dir, step string, info fs.FileInfo, last bool) {
		here := p.folder(dir)
		if here == nil {
			return
		}
		here.names[step] = true
		// What is not there may come, and a link may be exchanged.
		here.must = here.must || last || info == nil || info.Mode()&fs.ModeSymlink != 0
	})
	if err != nil {
		return ""
	}
	return at
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
