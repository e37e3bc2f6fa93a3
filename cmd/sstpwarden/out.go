package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// An output is where a result goes: standard output, or a file that appears
// under its name when it is complete, so that nobody reads half of one.
type output struct {
	io.Writer
	file *os.File // nil for standard output
	path string   // the file's name in the end, "" where it has it already
}

// createOutput opens what --out names. Devices and pipes are written to as
// they are. The inputs are not to be overwritten.
func createOutput(path string, stdout io.Writer, inputs []string) (*output, error) {
	if path == "" || path == "-" {
		return &output{Writer: stdout}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("creating the result: %w", err)
		}
		return &output{Writer: f, file: f}, nil
	case err == nil:
		for _, in := range inputs {
			if i, err := os.Stat(in); err == nil && os.SameFile(i, info) {
				return nil, fmt.Errorf("creating the result: %s is one of the inputs, and would be overwritten: name another file", path)
			}
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, fmt.Errorf("creating the result: %w", err)
		}
		// A file that may not be written may not be replaced either.
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("creating the result: %w", err)
		}
		_ = f.Close() // nothing was written
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("creating the result: %w", err)
	}
	// Only its owner may read it, as os.CreateTemp has it: it names people.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		if cause, ok := errors.AsType[*fs.PathError](err); ok {
			err = cause.Err // the name in it is not the user's
		}
		return nil, fmt.Errorf("creating the result %s: %w", path, err)
	}
	return &output{Writer: f, file: f, path: path}, nil
}

// finish puts a complete file in its place.
func (o *output) finish() error {
	if o.file == nil {
		return nil
	}
	if err := o.file.Close(); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if o.path == "" {
		return nil
	}
	if err := os.Rename(o.file.Name(), o.path); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// abandon leaves nothing of a file behind that was not finished.
func (o *output) abandon() {
	if o.path != "" {
		_ = os.Remove(o.file.Name()) // it is gone once it was finished
	}
}
