package opa

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How long Watch waits for more after a change: writing a file is several.
const (
	quiet     = 200 * time.Millisecond // without another change
	mostQuiet = 2 * time.Second        // in all
)

// Watch reloads whenever the files of the Source may have changed, until ctx is
// done: then it returns nil. It watches folders, so that it sees files that are
// renamed into place, links that are exchanged (as Kubernetes does), folders that
// come, go and come again, and the files of data and the key wherever they lie.
// Changes are waited for to end for 200 ms, for 2 s at most.
//
// Report is called after every Reload with what it returned, also if nothing
// changed, and not at the same time as itself. A set that did not load is loaded
// again when its files change further, so that half a file does no harm but one:
// half of a YAML file may be good YAML. Write files to another name, then rename.
//
// An error says that the files cannot be watched, or no more, and what to do.
// Watching sees no changes that other machines make on a network file system.
func (l *Live) Watch(ctx context.Context, report func(changed bool, err error)) error {
	return l.watch(ctx, report, quiet, mostQuiet)
}

func (l *Live) watch(ctx context.Context, report func(changed bool, err error), quiet, most time.Duration) error {
	w := watcher{source: l.source}
	defer w.close()
	for first := true; ; first = false {
		if err := w.arm(); err != nil {
			return err
		}
		changed, err := l.Reload(ctx) // what changed while it was not watched
		if ctx.Err() != nil {
			return nil
		}
		if !first || changed || err != nil {
			report(changed, err)
		}
		if !settle(ctx, w.fs.Events, w.fs.Errors, w.armed.concern, quiet, most) {
			return nil
		}
	}
}

// settle waits for a change that counts, and for the changes after it to end. It
// returns false if ctx is done first.
func settle(ctx context.Context, events <-chan fsnotify.Event, errs <-chan error, counts func(string) bool, quiet, most time.Duration) bool {
	var calm, end <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-calm:
			return true
		case <-end:
			return true
		case e := <-events:
			if !counts(e.Name) {
				continue
			}
		case err := <-errs: // some changes were lost
			if err == nil {
				errs = nil // closed
				continue
			}
		}
		calm = time.After(quiet)
		if end == nil {
			end = time.After(most)
		}
	}
}

// A watcher watches the places of a Source.
type watcher struct {
	source Source
	fs     *fsnotify.Watcher
	armed  places
}

func (w *watcher) close() {
	if w.fs != nil {
		_ = w.fs.Close() // never fails in a way that matters: it was only read
	}
}

// arm watches the places of the source as they are now, with a new watcher: the
// kernel forgets folders that go, also where others of the same name come.
func (w *watcher) arm() error {
	const tries = 10
	for range tries {
		w.close()
		var err error
		if w.fs, err = fsnotify.NewWatcher(); err != nil {
			return watchError(err)
		}
		w.armed = w.source.places()
		for dir, at := range w.armed {
			err := w.fs.Add(dir)
			gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
			if err != nil && !gone && (at.must || !errors.Is(err, fs.ErrPermission)) {
				return watchError(fmt.Errorf("%s: %w", dir, err))
			}
		}
		if w.armed.equal(w.source.places()) {
			return nil
		}
	}
	return nil // they change all the time: the next change is not far
}

// watchError says what to do about an error of watching.
func watchError(err error) error {
	remedy := "reload by hand after a change"
	switch {
	case errors.Is(err, fs.ErrPermission):
		remedy = "let the user that runs this read the folder, or " + remedy
	case runtime.GOOS != "linux":
	case errors.Is(err, syscall.ENOSPC):
		remedy = "raise the limit with sysctl fs.inotify.max_user_watches=524288, or " + remedy
	case errors.Is(err, syscall.EMFILE):
		remedy = "raise the limit with sysctl fs.inotify.max_user_instances=512 (and that of open files), or " + remedy
	}
	return fmt.Errorf("watching the policies' files: %w; %s", err, remedy)
}
