package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"sstpwarden/cmd/cli"
)

// passwordVariable is the environment variable that passwords may come in.
const passwordVariable = "SSTPLAB_PASSWORD"

// A target is whom to dial.
type target struct {
	host           string
	port           uint16
	user, password string
}

// parseTarget reads sstp://NAME:PASSWORD@HOST:PORT. A password that is not in it
// comes from passwordFile, or from the environment.
func parseTarget(s, passwordFile string) (target, error) {
	const form = "write sstp://NAME:PASSWORD@HOST:PORT, with %%40 for @ and %%3A for : in a name or password"
	if !strings.Contains(s, "://") {
		s = "sstp://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return target{}, cli.Usagef("dial: the address cannot be read; " + form) // err would show the password
	}
	t := target{host: u.Hostname(), port: 443, user: u.User.Username()}
	switch {
	case u.Scheme != "sstp" && u.Scheme != "https":
		return target{}, cli.Usagef("dial: %s://... is not for SSTP; "+form, u.Scheme)
	case t.host == "":
		return target{}, cli.Usagef("dial: no host; " + form)
	case u.Path != "" && u.Path != "/":
		return target{}, cli.Usagef("dial: %s names a path; give it with --path", u.Redacted())
	}
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return target{}, cli.Usagef("dial: %s is no port", p)
		}
		t.port = uint16(n)
	}
	var has bool
	if t.password, has = u.User.Password(); has {
		return t, nil
	}
	t.password, err = password(passwordFile)
	return t, err
}

// password reads a password from the file's first line, or the environment.
func password(file string) (string, error) {
	if file == "" {
		return os.Getenv(passwordVariable), nil
	}
	const most = 4096
	f, err := os.Open(file)
	if err != nil {
		return "", &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("reading the password: %w", err)}
	}
	defer func() { _ = f.Close() }() // it was only read
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(b) > most {
		err = errors.New(file + ": this is no password: it is too long")
	}
	if err != nil {
		return "", &cli.ExitError{Status: cli.ExitUsage, Err: fmt.Errorf("reading the password: %w", err)}
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(bytes.TrimRight(line, "\r")), nil
}
