package sstpref

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"sstpwarden/inspect/httphead"
)

// A Proxy is an HTTP proxy on the way to the server (MS-SSTP 4.5).
type Proxy struct {
	Addr           string // host:port
	User, Password string // for Basic authentication, once the proxy asks for it
}

// ParseProxy reads http://[USER[:PASSWORD]@]HOST:PORT.
func ParseProxy(s string) (*Proxy, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("the proxy is no URL: write http://[USER:PASSWORD@]HOST:PORT") // err would show the password
	}
	if u.Scheme != "http" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("proxy %s: write http://[USER:PASSWORD@]HOST:PORT", u.Redacted())
	}
	port := u.Port()
	if port == "" {
		port = "8080"
	}
	password, _ := u.User.Password()
	return &Proxy{net.JoinHostPort(u.Hostname(), port), u.User.Username(), password}, nil
}

// errAuthenticate is that the proxy wants to know who asks.
var errAuthenticate = errors.New("the proxy wants authentication")

// throughProxy opens a connection through the proxy, anew with credentials if it
// asks for them.
func (d *dialer) throughProxy(ctx context.Context) (net.Conn, []byte, error) {
	c, rest, err := d.connect(ctx, "", "")
	if errors.Is(err, errAuthenticate) && d.Proxy.User != "" {
		c, rest, err = d.connect(ctx, d.Proxy.User, d.Proxy.Password)
		if errors.Is(err, errAuthenticate) {
			err = failed(StepProxy, fmt.Errorf("the proxy %s refuses user %q and the password", d.Proxy.Addr, d.Proxy.User), "")
		}
	}
	if errors.Is(err, errAuthenticate) {
		look := "give it in the proxy's URL: http://USER:PASSWORD@HOST:PORT"
		err = failed(StepProxy, err, look)
	}
	return c, rest, err
}

func (d *dialer) connect(ctx context.Context, user, password string) (net.Conn, []byte, error) {
	c, err := d.tcp(ctx, d.Proxy.Addr)
	if err != nil {
		return nil, nil, failed(StepProxy, err, "is the proxy there?")
	}
	stop := closeOn(ctx, c)
	r := &headReader{from: c}
	if err = c.SetDeadline(time.Now().Add(d.HandshakeTimeout)); err == nil {
		err = d.ask(c, r, user, password)
	}
	switch {
	case !stop():
		err = failed(StepProxy, ctx.Err(), "the proxy does not answer")
	case isTimeout(err):
		err = failed(StepProxy, fmt.Errorf("no answer from %s within %v", d.Proxy.Addr, d.HandshakeTimeout), "is it an HTTP proxy?")
	case err == nil:
		err = c.SetDeadline(time.Time{})
	case !errors.Is(err, errAuthenticate):
		err = failed(StepProxy, err, "is it an HTTP proxy?")
	}
	if err != nil {
		_ = c.Close() // it is of no use
		return nil, nil, err
	}
	return c, r.buf, nil
}

// ask sends CONNECT and reads the answer.
func (d *dialer) ask(c net.Conn, r *headReader, user, password string) error {
	if _, err := c.Write(d.Profile.Connect(d.Host, d.Port, user, password)); err != nil {
		return err
	}
	var s httphead.Scanner
	h, err := read(r, s.Response)
	if err != nil {
		return fmt.Errorf("the answer to CONNECT: %w", err)
	}
	scheme, _, _ := strings.Cut(h.Fields.Get("Proxy-Authenticate"), " ")
	switch {
	case h.Status >= 200 && h.Status < 300:
		return nil
	case h.Status == 407 && len(h.Fields.Values("Proxy-Authenticate")) > 0 && !offersBasic(h.Fields):
		return failed(StepProxy, fmt.Errorf("the proxy wants %s authentication, and SSTP clients can do Basic alone", printable(scheme)), "")
	case h.Status == 407:
		return errAuthenticate
	}
	return failed(StepProxy, fmt.Errorf("the proxy answered %d %s to CONNECT %s", h.Status, printable(h.Reason), d.authority()),
		"does it let tunnels through to this host and port, and the header SSTPVERSION?")
}

var quoted = regexp.MustCompile(`"(\\.|[^"\\])*"`)

// offersBasic looks for Basic among the challenges, of which a field may list several
// (RFC 9110, Section 11.6.1).
func offersBasic(f httphead.Fields) bool {
	for _, v := range f.Values("Proxy-Authenticate") {
		for part := range strings.SplitSeq(quoted.ReplaceAllString(v, ""), ",") {
			if scheme, _, _ := strings.Cut(strings.TrimSpace(part), " "); strings.EqualFold(scheme, "Basic") {
				return true
			}
		}
	}
	return false
}

// closeOn closes c when ctx is done, until stop is called, which says that it was
// not closed.
func closeOn(ctx context.Context, c net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = c.Close() }) // whoever uses it sees that
}
