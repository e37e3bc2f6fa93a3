package login

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
)

const (
	// maxFile bounds a users file: some hundred thousand users.
	maxFile = 16 << 20
	// maxMistakes is how many mistakes in a file are told.
	maxMistakes = 10
)

// ReadFile adds the users of a file: NAME:PASSWORD a line, which ends with LF or
// CRLF. Blank lines count for nothing, nor do comments: lines that begin with #,
// perhaps behind spaces.
//
// The warning is for the log and "" where there is nothing to warn of: it says that
// others than the file's owner may read or write it. The error tells the first
// mistakes, each with its line and what to do; nothing of the file is added then.
func (u *Users) ReadFile(path string) (warning string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading users: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if warning, err = exposed(f, path); err != nil {
		return "", fmt.Errorf("reading users: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("reading users: %w", err)
	}
	return warning, u.read(path, text)
}

// exposed warns of a file that others may read. Pipes have no owner's rights.
func exposed(f *os.File, path string) (warning string, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&0o066 != 0 {
		return fmt.Sprintf("%s may be read or changed by others than its owner (mode %04o), and holds passwords: chmod 600 %[1]s", path, mode.Perm()), nil
	}
	return "", nil
}

// read adds the users of a file's text.
func (u *Users) read(path string, text []byte) error {
	switch {
	case len(text) > maxFile:
		return fmt.Errorf("%s has more than %d bytes: is it a users file?", path, maxFile)
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return fmt.Errorf("%s is UTF-16: save it as UTF-8", path)
	}
	text = bytes.TrimPrefix(text, []byte("\uFEFF")) // a byte order mark, as some editors set it
	all := Users{known: maps.Clone(u.known)}
	var mistakes []error
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if rest := bytes.TrimSpace(line); len(rest) == 0 || rest[0] == '#' {
			continue
		}
		name, password, err := parse(line)
		if err == nil {
			err = all.add(name, password, fmt.Sprintf("in %s:%d", path, number))
		}
		if err == nil {
			continue
		}
		if mistakes = append(mistakes, fmt.Errorf("%s:%d: %w", path, number, err)); len(mistakes) == maxMistakes {
			break
		}
	}
	if len(mistakes) == 0 {
		u.known = all.known
	}
	return errors.Join(mistakes...)
}
