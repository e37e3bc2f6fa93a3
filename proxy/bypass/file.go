package bypass

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// saveDelay gathers changes: what a crash forgets of the last seconds is
	// learned again.
	saveDelay = 2 * time.Second
	// maxFile is far more than DefaultMax entries take.
	maxFile     = 64 << 20
	fileVersion = 1
)

// A file is where a List is kept. Its fields are under the List's lock, but for
// writing.
type file struct {
	dirty   bool        // there is something to write
	timer   *time.Timer // that will have it written, nil for none
	closed  bool
	broken  bool // not to be written to
	writing sync.Mutex
}

// stored is the form of the file.
type stored struct {
	Version int     `json:"version"`
	Entries []Entry `json:"entries"`
}

// changed sees to it that the file is written.
func (l *List) changed() {
	l.file.dirty = true
	if l.o.File == "" || l.file.timer != nil || l.file.closed || l.file.broken {
		return
	}
	l.file.timer = time.AfterFunc(saveDelay, func() {
		if err := l.save(); err != nil {
			l.o.OnError(err)
		}
	})
}

// Close writes what is not written yet. The List can be used on, but is not kept.
func (l *List) Close() error {
	l.mu.Lock()
	l.file.closed = true
	if l.file.timer != nil {
		l.file.timer.Stop()
	}
	l.mu.Unlock()
	return l.save()
}

// save writes the file if there is something to write.
func (l *List) save() error {
	l.file.writing.Lock()
	defer l.file.writing.Unlock()
	l.mu.Lock()
	l.file.timer = nil
	if !l.file.dirty || l.o.File == "" || l.file.broken {
		l.mu.Unlock()
		return nil
	}
	l.file.dirty = false
	s := stored{fileVersion, l.kept()}
	l.mu.Unlock()
	if err := write(l.o.File, s); err != nil {
		l.mu.Lock()
		l.file.dirty = true // the next change tries again
		l.mu.Unlock()
		return fmt.Errorf("saving the bypass list: %w", err)
	}
	return nil
}

// write has the file appear when it is complete. Its owner alone may read it, as
// os.CreateTemp has it: it names people and what they use.
func write(path string, s stored) (err error) {
	text, err := encode(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what failed before is told
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func encode(s stored) ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "\t")
	return append(text, '\n'), err
}

// load takes what the file has. What cannot be read is set aside, so that it can be
// looked at, and the List begins empty.
func (l *List) load() {
	if l.o.File == "" {
		return
	}
	info, err := os.Stat(l.o.File)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil && !info.Mode().IsRegular() {
		l.file.broken = true
		l.o.OnError(fmt.Errorf("loading the bypass list: %s is no file, so nothing is kept: name one", l.o.File))
		return
	}
	var list []Entry
	if err == nil {
		list, err = read(l.o.File)
	}
	if err != nil {
		l.setAside(err)
		return
	}
	now := l.o.Now()
	for _, e := range list {
		switch k := e.key(); {
		case e.expired(now):
		case e.Kind == Added && len(l.added) < l.o.Max:
			l.added[k] = &e
		case e.Kind != Added && len(l.added) < l.o.Max:
			l.learned.put(k, &e, l.o.Max-len(l.added))
		}
	}
	l.learned.trim(l.o.Max - len(l.added))
}

func (l *List) setAside(cause error) {
	aside := l.o.File + ".damaged"
	err := fmt.Errorf("loading the bypass list: %s: %w; it was set aside as %s, and the list begins empty", l.o.File, cause, aside)
	if e := os.Rename(l.o.File, aside); e != nil {
		l.file.broken = true
		err = fmt.Errorf("loading the bypass list: %s: %w; nothing is kept, because it cannot be set aside either: %w", l.o.File, cause, e)
	}
	l.o.OnError(err)
}

// read reads a file.
func read(path string) ([]Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("it has more than %d MiB", maxFile>>20)
	}
	return decode(text)
}

// decode gives the entries of a file's text, the least recently used first.
func decode(text []byte) ([]Entry, error) {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, err
	}
	if s.Version != fileVersion {
		return nil, fmt.Errorf("it has version %d, not %d", s.Version, fileVersion)
	}
	for i, e := range s.Entries {
		e, err := e.complete()
		if err == nil && e.Kind == Configured {
			err = errors.New("configured ones are not kept there")
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		s.Entries[i] = e
	}
	slices.SortStableFunc(s.Entries, func(a, b Entry) int { return a.last().Compare(b.last()) })
	return s.Entries, nil
}

// last is when an entry was used last, or made.
func (e *Entry) last() time.Time {
	if e.Used.After(e.Created) {
		return e.Used
	}
	return e.Created
}
