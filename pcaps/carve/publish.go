package carve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// publish gives the files their names. It goes on where one of them is taken.
func (o *output) publish() ([]File, error) {
	files := make([]File, len(o.files))
	var first error
	more := 0
	for i := range o.files {
		to := o.path(i)
		existed, err := o.publishOne(o.partialPath(i), to)
		switch {
		case err == nil:
			files[i] = File{Path: to, Packets: o.files[i].packets, Existed: existed}
		case first == nil:
			first = fmt.Errorf("writing %s: %w", to, err)
		default:
			more++
		}
	}
	if more > 0 {
		first = fmt.Errorf("%w (and %d more files)", first, more)
	}
	return files, first
}

// publishOne gives a file its name, unless the same stands there. A link fails
// where there is anything of that name; not every file system has links.
func (o *output) publishOne(from, to string) (existed bool, err error) {
	err = o.link(from, to)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		if _, err = os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return false, os.Rename(from, to)
		}
		err = fs.ErrExist
	}
	if err == nil {
		return false, nil
	}
	same, err := sameContent(from, to)
	switch {
	case err != nil:
		return false, reason(err)
	case !same:
		return false, fmt.Errorf("it %w (made by another version, or with other keys or rules?): move it away, or carve into another folder", ErrExists)
	}
	return true, nil
}

// sameContent compares two files. What is no regular file is another.
func sameContent(a, b string) (bool, error) {
	infoA, err := os.Lstat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Lstat(b)
	if err != nil || !infoB.Mode().IsRegular() || infoA.Size() != infoB.Size() {
		return false, err
	}
	fa, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer func() { _ = fa.Close() }() // it was only read
	fb, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer func() { _ = fb.Close() }() // it was only read
	return sameBytes(fa, fb)
}

func sameBytes(a, b io.Reader) (bool, error) {
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if n != m || !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		for _, err := range []error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return false, err
			}
		}
		if errA != nil {
			return true, nil
		}
	}
}
