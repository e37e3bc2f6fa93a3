package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long watch waits for more after a change: writing a file is several.
const (
	quiet     = 200 * time.Millisecond // without another change
	mostQuiet = 2 * time.Second        // in all
)

// watch calls changed when something may have happened to the files, or to what
// is in the folders, of these names, until ctx is done. It watches folders, so
// that it sees files that are renamed into place and links that are exchanged,
// as Kubernetes does.
func watch(ctx context.Context, names []string, changed func()) error {
	for {
		at := placesOf(names)
		w, err := at.watcher()
		if err != nil {
			return err
		}
		changed() // what happened while nothing was watched
		more := settle(ctx, w, at)
		if err := w.Close(); err != nil || !more {
			return err
		}
	}
}

// settle waits for a change that counts, and for the changes after it to end.
// It returns false if ctx is done first.
func settle(ctx context.Context, w *fsnotify.Watcher, at places) bool {
	var calm, end <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-calm:
			return true
		case <-end:
			return true
		case e := <-w.Events:
			if !at.concern(e.Name) {
				continue
			}
		case _, open := <-w.Errors: // some changes were lost
			if !open {
				return false
			}
		}
		calm = time.After(quiet)
		if end == nil {
			end = time.After(mostQuiet)
		}
	}
}

// places are the folders to watch, and the names in them that count; all do
// where the set is nil.
type places map[string]map[string]bool

// placesOf finds what decides what names lead to, at this moment.
func placesOf(names []string) places {
	p := places{}
	for _, name := range names {
		if abs, err := filepath.Abs(name); err == nil {
			p.follow(abs)
		}
	}
	return p
}

// maxLinks bounds the links on the way to one file, as kernels do.
const maxLinks = 40

// follow adds the folders in which a name decides where name leads.
func (p places) follow(name string) {
	at, rest := "/", steps(name)
	for links := 0; len(rest) > 0; {
		step := rest[0]
		rest = rest[1:]
		if step == ".." {
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, step)
		info, err := os.Lstat(next)
		if err != nil { // it may come
			p.add(at, step)
			return
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if len(rest) == 0 {
				p.add(at, step)
			}
			at = next
			continue
		}
		p.add(at, step)
		target, err := os.Readlink(next)
		if links++; err != nil || links > maxLinks {
			return
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		rest = append(steps(target), rest...)
	}
	if info, err := os.Stat(at); err == nil && info.IsDir() {
		p[at] = nil
	}
}

func steps(name string) []string {
	var out []string
	for step := range strings.SplitSeq(name, "/") {
		if step != "" && step != "." {
			out = append(out, step)
		}
	}
	return out
}

func (p places) add(dir, name string) {
	names, known := p[dir]
	switch {
	case !known:
		p[dir] = map[string]bool{name: true}
	case names != nil:
		names[name] = true
	}
}

func (p places) concern(name string) bool {
	if _, ok := p[name]; ok {
		return true // the folder itself
	}
	names, ok := p[filepath.Dir(name)]
	return ok && (names == nil || names[filepath.Base(name)])
}

func (p places) watcher() (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, watchError(err)
	}
	for dir := range p {
		if err := w.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return nil, errors.Join(watchError(fmt.Errorf("%s: %w", dir, err)), w.Close())
		}
	}
	return w, nil
}

// watchError says what to do about an error of watching.
func watchError(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("watching files: %w; let the user that runs this read the folder", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("watching files: %w; raise the limit with sysctl fs.inotify.max_user_watches=524288", err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("watching files: %w; raise the limit with sysctl fs.inotify.max_user_instances=512 (and that of open files)", err)
	}
	return fmt.Errorf("watching files: %w", err)
}

// A fingerprint is the same for the same content.
type fingerprint [sha256.Size]byte

const (
	maxFingerprint = 16 << 20 // bytes of a file that count
	maxEntries     = 1000     // of a folder that count
)

// fingerprintOf reads files, and the files in folders.
func fingerprintOf(names []string) fingerprint {
	h := sha256.New()
	for _, name := range names {
		entries, err := os.ReadDir(name)
		if err != nil {
			printFile(h, name)
			continue
		}
		for _, e := range entries[:min(len(entries), maxEntries)] {
			printFile(h, filepath.Join(name, e.Name()))
		}
	}
	return fingerprint(h.Sum(nil))
}

func printFile(h hash.Hash, name string) {
	fmt.Fprintf(h, "%q ", name)
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		fmt.Fprintf(h, "%v\n", info.Mode()) // opening a pipe would wait
		return
	}
	f, err := os.Open(name)
	if err != nil {
		fmt.Fprintf(h, "%v\n", err)
		return
	}
	defer func() { _ = f.Close() }() // it was only read
	n, err := io.Copy(h, io.LimitReader(f, maxFingerprint))
	fmt.Fprintf(h, " %d %v\n", n, err)
}
