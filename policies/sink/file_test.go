package sink

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := mustOpen(t, path, quick(t))
	write(t, s, "one\n", "two", "", "\n", "three\r\n")
	drain(t, s)
	wantFile(t, path, "one\ntwo\nthree\n")
	wantCounts(t, s, 3, 0)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	s = mustOpen(t, path, quick(t))
	write(t, s, "four")
	drain(t, s)
	wantFile(t, path, "one\ntwo\nthree\nfour\n")
}

// A record is a line, whatever stands in it.
func TestFileLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := mustOpen(t, path, quick(t))
	write(t, s, "a\nb\r\x00\x1b[31m\x7f\tc é\n")
	drain(t, s)
	wantFile(t, path, "a b   [31m\x7f c é\n")
}

// A file ends in the middle of a line after a crash.
func TestFileEndsLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("one\n{\"half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path, quick(t))
	write(t, s, "two")
	drain(t, s)
	wantFile(t, path, "one\n{\"half\ntwo\n")
}

func TestFileReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := mustOpen(t, path, quick(t))
	write(t, s, "one")
	eventually(t, "one", func() bool { return s.Written() == 1 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, s, "two")
	eventually(t, "two", func() bool { return s.Written() == 2 })
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, s, "three")
	eventually(t, "three", func() bool { return s.Written() == 3 })
	// Where nothing can be opened, the old file stays.
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("Reopen: %v", err)
	}
	write(t, s, "four")
	drain(t, s)
	wantFile(t, path+".1", "one\ntwo\n")
	wantFile(t, path+".2", "three\nfour\n")
	wantCounts(t, s, 4, 0)
}

// A full disk loses records, and only those.
func TestFileDiskFull(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "log"), filepath.Join(dir, "real")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path, quick(t))
	write(t, s, "one")
	eventually(t, "a loss", func() bool { return s.Lost() == 1 })
	write(t, s, "two")
	eventually(t, "a loss", func() bool { return s.Lost() == 2 })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	write(t, s, "three")
	drain(t, s)
	wantFile(t, target, "three\n")
	wantCounts(t, s, 1, 2)
}

func TestCutBack(t *testing.T) {
	for name, tt := range map[string]struct{ written, behind, want string }{
		"whole":           {"one\ntwo\n", "", "old\none\ntwo\n"},
		"half":            {"one\ntw", "", "old\none\n"},
		"only a half":     {"on", "", "old\n"},
		"nothing":         {"", "", "old\n"},
		"another's after": {"one\ntw", "x\n", "old\none\ntwx\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := openAppend(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.WriteString(tt.written)
			if tt.behind != "" {
				other, err := openOther(path)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
				other.WriteString(tt.behind)
			}
			if err := cutBack(f, []byte(tt.written)); err != nil {
				t.Error(err)
			}
			wantFile(t, path, tt.want)
		})
	}
}

func openOther(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
}

// Nobody reads from a named pipe: neither Open nor Close waits for that.
func TestNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, path, quick(t))
	write(t, s, strings.Repeat("x", 10<<20)) // more than pipes hold
	eventually(t, "it is taken", s.queue.isEmpty)
	write(t, s, "two")
	if err := s.Reopen(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "2 records") {
		t.Errorf("Close: %v", err)
	}
	wantCounts(t, s, 0, 2)
}

// isEmpty says that all records are being delivered, or were.
func (q *queue) isEmpty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.batches) == 0
}
