package sink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// A file is the target that is a file or standard output.
type file struct {
	path string // "" for standard output

	mu     sync.Mutex // Reopen comes from elsewhere
	f      *os.File
	broken bool // to be opened anew before the next write
	pipe   bool // a named pipe
}

// mode of files that are made. What is recorded is about people.
const mode = 0o600

func openFile(path string) (*file, error) {
	f, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close() // the file is not used
		return nil, err
	}
	return &file{path: path, f: f, pipe: info.Mode()&fs.ModeNamedPipe != 0}, nil
}

// openAppend opens a file for appending and ends its last line, if a crash did
// not.
func openAppend(path string) (*os.File, error) {
	// Readable, to look at the last byte, and so that a named pipe nobody
	// reads from does not hold things up.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	if err := endLine(f); err != nil {
		_ = f.Close() // the file is not used
		return nil, fmt.Errorf("ending the last line of %s: %w", path, err)
	}
	return f, nil
}

// endLine writes a newline if the file does not end with one.
func endLine(f *os.File) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = f.WriteString("\n")
	return err
}

func (t *file) deliver(ctx context.Context, b *batch, s *Sink) {
	if t.pipe {
		// Nobody may read from it. Writes to other files end by themselves.
		f := t.f
		defer context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Unix(1, 0)) })()
	}
	if ctx.Err() != nil {
		s.settle(b, 0, b.len(), false)
		return
	}
	n, err := t.write(b.data)
	whole := b.within(n)
	s.settle(b, 0, whole, true)
	s.settle(b, whole, b.len(), false)
	if err != nil {
		s.fail(ctx, err)
	}
}

// within counts the records that lie wholly in the first n bytes.
func (b *batch) within(n int) int {
	whole, found := slices.BinarySearch(b.ends, n)
	if found {
		whole++
	}
	return whole
}

// write writes lines and returns how many bytes of them are in the file.
func (t *file) write(lines []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken {
		f, err := openAppend(t.path)
		if err != nil {
			return 0, err
		}
		_ = t.f.Close() // its last error was told
		t.f, t.broken = f, false
	}
	n, err := t.f.Write(lines)
	if err == nil {
		return n, nil
	}
	t.broken = t.path != "" && !t.pipe
	return n, errors.Join(err, cutBack(t.f, lines[:n]))
}

// cutBack takes the last line out of the file, of which only a part could be
// written. Written is what was.
func cutBack(f *os.File, written []byte) error {
	part := 0
	for part < len(written) && written[len(written)-1-part] != '\n' {
		part++
	}
	info, err := f.Stat()
	if err != nil || part == 0 || !info.Mode().IsRegular() {
		return err
	}
	end, err := f.Seek(0, 1)
	if err != nil || end != info.Size() {
		return err // somebody else has written behind it
	}
	return f.Truncate(end - int64(part))
}

func (t *file) reopen() error {
	if t.path == "" {
		return nil
	}
	if t.pipe {
		return nil // there is nothing to rotate, and a write may hold the lock
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f, err := openAppend(t.path)
	if err != nil {
		return fmt.Errorf("opening anew: %w", err)
	}
	old := t.f
	t.f, t.broken = f, false
	if err := old.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("closing the old file: %w", err)
	}
	return nil
}

func (t *file) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.path == "" {
		return nil // others may have something to say on standard output
	}
	return t.f.Close()
}
