package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
)

// patience is for what takes a moment, on a machine that is busy.
const patience = 30 * time.Second

// A lab is a client, a router and a server.
type lab struct {
	*netlab.Routed
	t   *testing.T
	dir string
}

// newLab makes a lab, for which these programs must be there.
func newLab(t *testing.T, programs ...string) *lab {
	t.Helper()
	need(t, programs...)
	routed, err := netlab.NewRouted()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{Routed: routed, t: t, dir: t.TempDir()}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// file writes a file into the lab's folder.
func (l *lab) file(name, text string) (path string) {
	l.t.Helper()
	path = filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// try runs a program to its end, and gives what it printed.
func (l *lab) try(h *netlab.Host, args ...string) (stdout, stderr string, err error) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 2*patience)
	defer cancel()
	cmd := h.Command(ctx, args[0], args[1:]...)
	var out, messages strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &messages
	err = cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return out.String(), messages.String(), err
}

// run is try for what must succeed.
func (l *lab) run(h *netlab.Host, args ...string) (stdout string) {
	l.t.Helper()
	stdout, stderr, err := l.try(h, args...)
	if err != nil {
		l.t.Fatalf("%s on %s: %v\n%s%s", strings.Join(args, " "), h.Name, err, tail(stdout), tail(stderr))
	}
	return stdout
}

// status is the exit status of a program that ran.
func status(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}

func tail(s string) string {
	const most = 25
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// dial connects from an address of the client.
func (l *lab) dial(from, to string, d net.Dialer) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	conn, err := l.Client.Dial(ctx, to, d)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// connect is dial for what must succeed. The connection's reads and writes end in time.
func (l *lab) connect(from, to string) *net.TCPConn {
	l.t.Helper()
	conn, err := l.dial(from, to, net.Dialer{})
	if err != nil {
		l.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	l.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// listen listens on the server until the test is over.
func (l *lab) listen(address string) net.Listener {
	l.t.Helper()
	ln, err := l.Server.Listen(l.t.Context(), address, net.ListenConfig{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// accept gives each connection that comes, and closes it when the test is over.
func (l *lab) accept(address string) <-chan *net.TCPConn {
	ln := l.listen(address)
	conns := make(chan *net.TCPConn, 64)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			l.t.Cleanup(func() { _ = conn.Close() })
			conns <- conn.(*net.TCPConn)
		}
	}()
	return conns
}

// eventually waits until ok says so.
func (l *lab) eventually(what string, ok func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// overUnix is a client of the admin listener.
func overUnix(path string) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		},
	}}
}
