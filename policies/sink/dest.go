package sink

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"strings"
)

// forms is what to say to a destination that is none.
const forms = "use a file, - for standard output, syslog://HOST:PORT, syslog+tcp://HOST:PORT, syslog+tls://HOST:PORT, syslog:///dev/log, http://HOST/PATH or https://HOST/PATH"

// atOnce are the limits of what is delivered without waiting: about as much as
// is worth one system call.
var atOnce = limits{records: math.MaxInt, bytes: 256 << 10}

// open makes the target that dest names, and says for how long records should
// be collected for it.
func open(dest string, o *Options) (target, limits, error) {
	scheme, _, isURL := strings.Cut(dest, "://")
	switch {
	case dest == "":
		return nil, atOnce, fmt.Errorf("the destination is empty: %s", forms)
	case dest == "-":
		return &file{f: os.Stdout}, atOnce, nil
	case !isURL && looksLikeURL(dest):
		return nil, atOnce, fmt.Errorf("destination %s has no // behind its scheme: %s", dest, forms)
	case !isURL:
		f, err := openFile(dest)
		return f, atOnce, err
	}
	u, err := url.Parse(dest)
	if err != nil {
		return nil, atOnce, fmt.Errorf("reading destination %s: %w", redacted(dest), cause(err))
	}
	switch u.Scheme {
	case "syslog", "syslog+tcp", "syslog+tls":
		t, err := newSyslog(u, o)
		return t, atOnce, err
	case "http", "https":
		t, err := newPoster(u, o)
		h := &o.HTTP
		return t, limits{records: h.BatchRecords, bytes: h.BatchBytes, interval: h.Interval}, err
	}
	return nil, atOnce, fmt.Errorf("destination %s: the scheme %s is not known: %s", redacted(dest), scheme, forms)
}

// cause gives a URL's error without the URL, which may hold a password.
func cause(err error) error {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // url.Parse wraps nothing around it
		return e.Err
	}
	return err
}

// looksLikeURL finds URLs whose slashes were forgotten; files of such names can
// be written with ./ in front.
func looksLikeURL(dest string) bool {
	scheme, _, ok := strings.Cut(dest, ":")
	if !ok {
		return false
	}
	switch strings.ToLower(scheme) {
	case "syslog", "syslog+tcp", "syslog+tls", "http", "https":
		return true
	}
	return false
}

// redacted gives dest without the password that a URL may hold, right or wrong.
func redacted(dest string) string {
	scheme, rest, ok := strings.Cut(dest, "://")
	if !ok {
		return dest
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	if _, err := url.Parse(dest); err != nil {
		end = len(rest) // the password may hold such characters
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return dest
	}
	user, _, secret := strings.Cut(rest[:at], ":")
	if secret {
		user += ":xxxxx"
	}
	return scheme + "://" + user + rest[at:]
}

// hostPort gives the address in u, with a default port.
func hostPort(u *url.URL, port string) (string, error) {
	if p := u.Port(); p != "" {
		port = p
	}
	if u.Hostname() == "" {
		return "", fmt.Errorf("destination %s names no host: %s", redacted(u.String()), forms)
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
