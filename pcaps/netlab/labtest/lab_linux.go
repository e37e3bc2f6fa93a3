package labtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstpwarden/pcaps/netlab"
)

// Patience is for what takes a moment, on a machine that is busy.
const Patience = 30 * time.Second

// A Lab is a client, a router and a server, with a hosts file that all programs there
// see.
type Lab struct {
	*netlab.Routed
	T      *testing.T
	Dir    string   // for files, which everybody may read
	mounts *os.File // the namespace that has the hosts file
}

var hosts = strings.Join([]string{
	"127.0.0.1 localhost", "::1 localhost",
	netlab.Server4 + " " + WebName + " " + Web4Name, netlab.Server6 + " " + WebName + " " + Web6Name,
	netlab.Server4b + " " + VPNName, netlab.Server6b + " " + VPNName,
	"",
}, "\n")

// New makes a lab, for which these programs must be there. It ends with the test.
func New(t *testing.T, programs ...string) *Lab {
	t.Helper()
	Need(t, programs...)
	routed, err := netlab.NewRouted()
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{Routed: routed, T: t, Dir: t.TempDir()}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	// Programs that run as nobody look into it, too.
	if err := os.Chmod(filepath.Dir(l.Dir), 0o755); err != nil {
		t.Fatal(err)
	}
	l.File("hosts", hosts)
	if l.mounts, err = newMounts(filepath.Join(l.Dir, "hosts"), "/etc/hosts"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.mounts.Close() })
	return l
}

// In is the lab for a test within the one that it was made for.
func (l *Lab) In(t *testing.T) *Lab {
	in := *l
	in.T = t
	return &in
}

// File writes a file into the lab's folder.
func (l *Lab) File(name, text string) (path string) {
	l.T.Helper()
	path = filepath.Join(l.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		l.T.Fatal(err)
	}
	return path
}

// Try runs a program to its end, and gives what it printed.
func (l *Lab) Try(h *netlab.Host, args ...string) (stdout, stderr string, err error) {
	l.T.Helper()
	ctx, cancel := context.WithTimeout(l.T.Context(), 2*Patience)
	defer cancel()
	cmd := l.Command(ctx, h, args...)
	var out, messages strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &messages
	err = cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return out.String(), messages.String(), err
}

// Run is Try for what must succeed.
func (l *Lab) Run(h *netlab.Host, args ...string) (stdout string) {
	l.T.Helper()
	stdout, stderr, err := l.Try(h, args...)
	if err != nil {
		l.T.Fatalf("%s on %s: %v\n%s%s", strings.Join(args, " "), h.Name, err, Tail(stdout), Tail(stderr))
	}
	return stdout
}

// Status is the exit status of a program that ran.
func Status(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}

// Tail gives the last lines of a text.
func Tail(s string) string {
	const most = 60
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// Dial connects from the client, in time.
func (l *Lab) Dial(address string, d net.Dialer) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(l.T.Context(), Patience)
	defer cancel()
	conn, err := l.Client.Dial(ctx, address, d)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// Connect is Dial for what must succeed. The connection's reads and writes end in time.
func (l *Lab) Connect(address string, d net.Dialer) *net.TCPConn {
	l.T.Helper()
	conn, err := l.Dial(address, d)
	if err != nil {
		l.T.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(Patience))
	l.T.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Listen listens on a host until the test is over.
func (l *Lab) Listen(h *netlab.Host, address string) net.Listener {
	l.T.Helper()
	ln, err := h.Listen(l.T.Context(), address, net.ListenConfig{})
	if err != nil {
		l.T.Fatal(err)
	}
	l.T.Cleanup(func() { _ = ln.Close() })
	return ln
}

// Eventually waits until ok says so.
func (l *Lab) Eventually(what string, ok func() bool) {
	l.T.Helper()
	for deadline := time.Now().Add(Patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.T.Fatalf("not in %v: %s", Patience, what)
		}
	}
}
