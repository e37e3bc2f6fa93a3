package login

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"sstpwarden/inspect/ppp"
)

// maxLen is how long a name or password may be, in bytes: PAP carries no more (RFC
// 1334, Section 2.2.1).
const maxLen = 255

// Users are the names and passwords of those who may log in. However a Users is
// printed, no password shows.
//
// A user is written NAME:PASSWORD. The name ends at the first colon; all that
// follows is the password, spaces and colons too. Both are UTF-8 without control
// characters, have 1 to 255 bytes, and the name neither begins nor ends with a
// space.
//
// The methods that look may be called concurrently, once all users are in.
type Users struct {
	known map[string]user
}

type user struct {
	password ppp.Secret
	from     string // where it was given
}

// NewUsers returns Users that nobody is in.
func NewUsers() *Users { return &Users{known: map[string]user{}} }

// Add takes a user NAME:PASSWORD, as given by an option --user. The error says what
// is wrong with it; it never shows what could be a password.
func (u *Users) Add(entry string) error {
	name, password, err := parse([]byte(entry))
	if err != nil {
		return err
	}
	return u.add(name, password, "with --user")
}

// Password returns a user's password, and whether there is such a user. Names are
// compared exactly; one with a domain before it, "DOMAIN\name", that is not there
// as it is stands for the part behind the last backslash.
func (u *Users) Password(name string) (string, bool) {
	found, ok := u.known[name]
	if !ok {
		if found, ok = u.known[withoutDomain(name)]; !ok {
			return "", false
		}
	}
	return string(found.password.Reveal()), true
}

// Len is how many users there are.
func (u *Users) Len() int { return len(u.known) }

// String says how many there are.
func (u *Users) String() string { return fmt.Sprintf("%d users", len(u.known)) }

func (u *Users) add(name string, password []byte, from string) error {
	if first, ok := u.known[name]; ok {
		return fmt.Errorf("user %q is given twice, the first time %s: leave one of them out", name, first.from)
	}
	u.known[name] = user{ppp.NewSecret(password), from}
	return nil
}

// parse reads NAME:PASSWORD. The password is a copy.
func parse(entry []byte) (name string, password []byte, err error) {
	n, p, ok := bytes.Cut(entry, []byte(":"))
	if !ok {
		return "", nil, errors.New("no colon between name and password: write NAME:PASSWORD")
	}
	if err := check(n); err != nil {
		return "", nil, fmt.Errorf("the name %w", err)
	}
	name = string(n)
	if strings.TrimFunc(name, unicode.IsSpace) != name {
		return "", nil, fmt.Errorf("the name %q begins or ends with a space: write NAME:PASSWORD without spaces around the name", name)
	}
	if err := check(p); err != nil {
		return "", nil, fmt.Errorf("the password of %q %w", name, err)
	}
	return name, bytes.Clone(p), nil
}

// check says what is wrong with a name or password, but not what stands in it.
func check(b []byte) error {
	switch {
	case len(b) == 0:
		return errors.New("is empty: write NAME:PASSWORD")
	case len(b) > maxLen:
		return fmt.Errorf("has %d bytes: PPP carries at most %d", len(b), maxLen)
	case !utf8.Valid(b):
		return errors.New("is not UTF-8: save it as UTF-8")
	case bytes.ContainsFunc(b, unicode.IsControl):
		return errors.New("has a control character, such as a tab: take it out")
	}
	return nil
}

func withoutDomain(name string) string { return name[strings.LastIndexByte(name, '\\')+1:] }
