package carve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sstpwarden/inspect/tcpflow"
)

// What keeps a capture from being carved. Errors of this package wrap one of
// them or what the system says.
var (
	// ErrUnrepeatable means that the capture can be read only once.
	ErrUnrepeatable = errors.New("cannot be read twice")
	// ErrChanged means that the capture is not what was audited.
	ErrChanged = errors.New("changed since it was audited")
	// ErrExists means that another file has the name.
	ErrExists = errors.New("exists already, and is another file")
)

// Options adjusts Carve. The zero value will do for an audit with default
// limits.
type Options struct {
	// Source is what the audit calls the capture, its path where "". Names of
	// files have a digest of it, so that captures which share a connection
	// can be carved into one folder.
	Source string
	// Application is what carved files call the program that wrote them; ""
	// for none.
	Application string
	// Limits the audit had: those for fragments decide which of them belong
	// together.
	Limits tcpflow.Config
	// MaxBuffered bounds the packets that wait to be written, in bytes. Default
	// 16 MiB.
	MaxBuffered int
}

// A File is a capture that was carved.
type File struct {
	Path string
	// Packets it holds: those of the Tunnel, where none was fragmented.
	Packets uint64
	// Existed says that the file was there already, with the same content.
	Existed bool
}

// A Capture is a file as it was when Look saw it.
type Capture struct {
	path string
	info fs.FileInfo
}

// Look notes what file path is, before it is read for the first time. Standard
// input, "-", and what else is no regular file give an error that wraps
// [ErrUnrepeatable].
func Look(path string) (*Capture, error) {
	if path == "-" {
		return nil, fmt.Errorf("carving standard input: it %w: write the capture to a file, and name that", ErrUnrepeatable)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("carving %s: %w", path, reason(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("carving %s: it is no regular file and %w: write the capture to a file, and name that", path, ErrUnrepeatable)
	}
	return &Capture{path: path, info: info}, nil
}

// Carve writes each tunnel to a file in dir, which is made if it is missing,
// and returns what it wrote, in the order of tunnels. It may be called for
// several captures at once, with the same dir too.
//
// It stops where ctx is done, the capture is not what Look saw, does not hold
// what the tunnels say, or a file cannot be written: nothing of the capture is
// left then. A name that another file has keeps only that tunnel from being
// carved; its File is zero, and the error tells.
func (c *Capture) Carve(ctx context.Context, tunnels []Tunnel, dir string, o Options) (files []File, err error) {
	if len(tunnels) == 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, c.error(context.Cause(ctx))
	}
	if o.Source == "" {
		o.Source = c.path
	}
	f, err := os.Open(c.path)
	if err != nil {
		return nil, c.error(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := c.same(f); err != nil {
		return nil, c.error(err)
	}
	out, err := newOutput(dir, tunnels, &o)
	if err != nil {
		return nil, c.error(err)
	}
	defer func() {
		if bad := out.remove(); bad != nil {
			err = errors.Join(err, c.error(bad))
		}
	}()
	r := reading{ctx: ctx, file: f, size: c.info.Size(), path: c.path, limits: o.Limits}
	if err := r.write(tunnels, out); err != nil {
		return nil, c.error(err)
	}
	if err := out.flush(); err != nil {
		return nil, c.error(err)
	}
	if err := c.same(f); err != nil {
		return nil, c.error(err)
	}
	files, err = out.publish()
	return files, c.error(err)
}

// same says that f is the file that Look saw, and as it was.
func (c *Capture) same(f *os.File) error {
	now, err := f.Stat()
	if err != nil {
		return err
	}
	switch was := c.info; {
	case !os.SameFile(was, now):
		return fmt.Errorf("it %w: another file has its name. Audit it again", ErrChanged)
	case was.Size() != now.Size():
		return fmt.Errorf("it %w: it had %d bytes and has %d. Audit it again when it is written no more, or audit a copy", ErrChanged, was.Size(), now.Size())
	case !was.ModTime().Equal(now.ModTime()):
		return fmt.Errorf("it %w: it was written at %s. Audit it again when it is written no more, or audit a copy",
			ErrChanged, now.ModTime().UTC().Format("2006-01-02T15:04:05.999999999Z"))
	}
	return nil
}

// error says what was being done.
func (c *Capture) error(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("carving %s: %w", c.path, reason(err))
}

// reason is err without the path, where the message names it already.
func reason(err error) error {
	if path, ok := err.(*fs.PathError); ok { //nolint:errorlint // what wraps one may say something else of it
		return path.Err
	}
	return err
}
