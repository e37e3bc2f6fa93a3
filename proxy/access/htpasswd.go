package access

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/crypto/bcrypt"
)

// What a file of users may hold: 100,000 of them in lines that are longer than any
// should be.
const (
	maxFile = 32 << 20
	maxLine = 4096
	maxUser = 255 // as htpasswd has it
	// maxCost takes some 4 seconds a login, and each one more twice as long.
	maxCost = 16
)

// An entry is a user of an htpasswd file.
type entry struct {
	name string
	hash []byte // bcrypt's, "$2y$05$..."
	line int
}

// readUsers reads an htpasswd file.
func readUsers(path string) ([]entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("loading users: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("loading users: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("loading users: %s has more than %d MiB: is it an htpasswd file?", path, maxFile>>20)
	}
	return parseUsers(path, text)
}

// parseUsers reads the lines of an htpasswd file: empty ones, comments that begin
// with #, and NAME:HASH.
func parseUsers(path string, text []byte) ([]entry, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // Windows' editors put it there
	var list []entry
	lines := map[string]int{}
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(nil, maxLine)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimRight(sc.Text(), " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseUser(path, line)
		if err == nil && lines[e.name] != 0 {
			err = fmt.Errorf("%q is on line %d already: take one of the two out", e.name, lines[e.name])
		}
		if err != nil {
			return nil, fmt.Errorf("loading users: %s:%d: %w", path, n, err)
		}
		e.line = n
		lines[e.name] = n
		list = append(list, e)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("loading users: %s: a line has more than %d characters: is it an htpasswd file?", path, maxLine)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("loading users: %s names nobody, so that nobody could log in: add a user with `htpasswd -B %s NAME`", path, path)
	}
	return list, nil
}

func parseUser(path, line string) (entry, error) {
	name, hash, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return entry{}, errors.New("there is no colon: want NAME:HASH, as `htpasswd -B` writes it")
	case name == "":
		return entry{}, errors.New("there is no name before the colon")
	case len(name) > maxUser:
		return entry{}, fmt.Errorf("a name of %d bytes: want %d at most", len(name), maxUser)
	case strings.ContainsFunc(name, unicode.IsControl):
		return entry{}, fmt.Errorf("the name %q has control characters", name)
	}
	if problem := checkHash(hash); problem != "" {
		return entry{}, fmt.Errorf("the password of %q is %s, and only bcrypt is accepted: make it anew with `htpasswd -B %s %s`",
			name, problem, path, shellWord(name))
	}
	if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost > maxCost {
		return entry{}, fmt.Errorf("the hash of %q has cost %s: want %d to %d, of which %d takes seconds a login; make it anew with `htpasswd -B -C 10 %s %s`",
			name, hash[4:6], bcrypt.MinCost, maxCost, maxCost, path, shellWord(name))
	}
	return entry{name: name, hash: []byte(hash)}, nil
}

// checkHash says what a hash is that is not bcrypt's. It shows nothing of it: it
// may be a password.
func checkHash(hash string) (problem string) {
	switch {
	case isBcrypt(hash):
		return ""
	case hash == "":
		return "missing"
	case strings.HasPrefix(hash, "$2"):
		return "a damaged hash"
	case strings.HasPrefix(hash, "$apr1$"), strings.HasPrefix(hash, "$1$"):
		return "an MD5 hash"
	case strings.HasPrefix(hash, "{SHA}"), strings.HasPrefix(hash, "{SSHA}"):
		return "a SHA-1 hash"
	case strings.HasPrefix(hash, "$5$"), strings.HasPrefix(hash, "$6$"):
		return "a SHA-2 hash of crypt"
	}
	return "plain text or a hash of crypt"
}

// isBcrypt says whether a hash has the form of bcrypt's:
//
//	$2y$05$ 22 characters of salt, 31 of hash
//
// Prefixes a, b and y mean the same for passwords of at most 72 bytes; 2x marks the
// hashes of a faulty implementation.
func isBcrypt(hash string) bool {
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return len(hash) == 60 && hash[:2] == "$2" && strings.ContainsRune("aby", rune(hash[2])) &&
		hash[3] == '$' && isDigit(hash[4]) && isDigit(hash[5]) && hash[6] == '$' &&
		strings.Trim(hash[7:], alphabet) == ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// shellWord puts a name as a shell takes it, roughly: it is shown, not run.
func shellWord(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._@-", r)
	}) {
		return strconv.Quote(name)
	}
	return name
}
