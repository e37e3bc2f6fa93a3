package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sstpwarden/policies"
)

func init() {
	children["sockets"] = socketsChild
	children["admin"] = adminChild
}

// keepAlive is a control whose effect can be seen.
func keepAlive(_, _ string, c syscall.RawConn) error {
	var err error
	return errors.Join(c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}), err)
}

// socketsChild prints what it listens on: two listeners of systemd, one of its
// own since there is no third, and none of a name that nobody passed.
func socketsChild() error {
	d, err := New(context.Background(), Default(), policies.PointProxy)
	if err != nil {
		return err
	}
	two, err := d.Listeners("proxy", "tcp", []string{"127.0.0.1:0"}, keepAlive)
	if err != nil {
		return err
	}
	third, err := d.Listener("proxy", "tcp", "127.0.0.1:0", keepAlive)
	if err != nil {
		return err
	}
	if len(two) != 2 {
		return fmt.Errorf("%d of systemd's listeners", len(two))
	}
	for _, l := range append(two, third) {
		raw, err := l.(*net.TCPListener).SyscallConn()
		if err != nil {
			return err
		}
		option := 0
		if err := raw.Control(func(fd uintptr) { option, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE) }); err != nil || option == 0 {
			return fmt.Errorf("%v: the control was not called: %w", l.Addr(), err)
		}
		fmt.Println(l.Addr())
		defer l.Close()
	}
	if _, err := d.Listener("file", "tcp", "127.0.0.1:0"); err == nil {
		return errors.New("a file was taken for a socket")
	}
	fmt.Fprintln(os.Stderr, os.Getenv("LISTEN_FDS"))
	return d.Run(context.Background(), func(context.Context) error { return nil })
}

func listenFile(t *testing.T) (addr string, f *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); l.Close() })
	return l.Addr().String(), f
}

func TestSocketActivation(t *testing.T) {
	a, f1 := listenFile(t)
	b, f2 := listenFile(t)
	_, unused := listenFile(t)
	file, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cmd := child(t, "sockets")
	cmd.ExtraFiles = []*os.File{f1, f2, unused, file}
	cmd.Env = append(cmd.Env, "LISTEN_FDS=4", "LISTEN_FDNAMES=proxy:proxy:unused:file")
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	got := strings.Fields(out.String())
	if len(got) != 3 || got[0] != a || got[1] != b || got[2] == a || got[2] == b {
		t.Errorf("listens on %v, was passed %s and %s", got, a, b)
	}
	if !strings.Contains(errs.String(), "listener=unused") || strings.HasPrefix(errs.String(), "4") {
		t.Errorf("told: %s", errs.String())
	}
}

// adminChild opens an admin listener, with a socket of systemd.
func adminChild() error {
	d, err := New(context.Background(), withAdmin("127.0.0.1:0"), policies.PointProxy)
	if err != nil {
		return err
	}
	fmt.Println(d.admin.listener.Addr())
	return d.Close()
}

func TestSocketActivationOfAdmin(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd := child(t, "admin")
		cmd.ExtraFiles = []*os.File{f}
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=admin")
		out, err := cmd.CombinedOutput()
		if local := strings.HasPrefix(addr, "127."); local && (err != nil || !strings.Contains(string(out), l.Addr().String())) {
			t.Errorf("%v: %v: %s", l.Addr(), err, out)
		} else if !local && (err == nil || !strings.Contains(string(out), "bind the socket to loopback")) {
			t.Errorf("%v: %v: %s", l.Addr(), err, out)
		}
	}
}

func TestListenError(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE:    "something listens there already",
		syscall.EACCES:        "CAP_NET_BIND_SERVICE",
		syscall.EADDRNOTAVAIL: "no such address",
		syscall.EMFILE:        "too many open files",
	} {
		err := listenError("proxy", ":80", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", errno)})
		if !strings.Contains(err.Error(), "listening on :80 for proxy: bind: ") || !strings.Contains(err.Error(), want) || !errors.Is(err, errno) {
			t.Error(err)
		}
	}
	for errno, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE: "something listens there already: ss -lxp",
		syscall.EACCES:     "may not write to the folder",
		syscall.ENOENT:     "mkdir /run/some (",
	} {
		err := listenError("admin", "/run/some/admin.sock", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", errno)})
		if !strings.Contains(err.Error(), "listening on /run/some/admin.sock for admin: bind: ") || !strings.Contains(err.Error(), want) || !errors.Is(err, errno) {
			t.Error(err)
		}
	}
	d, _ := open(t, Default())
	defer d.Close()
	if ls, err := d.Listeners("proxy", "tcp", []string{"127.0.0.1:0", "192.0.2.1:1"}); err == nil {
		t.Errorf("%v", ls)
	}
}

// TestSocketsThatDoNotServe passes sockets that no client could be served from.
func TestSocketsThatDoNotServe(t *testing.T) {
	d, _ := open(t, Default())
	defer d.Close()
	pass := func(f *os.File) error {
		d.sockets.free = map[string][]*os.File{"proxy": {f}}
		l, err := d.Listeners("proxy", "tcp", nil)
		for _, l := range l {
			l.Close()
		}
		return err
	}

	local, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	f, err := local.File()
	if err != nil {
		t.Fatal(err)
	}
	if err := pass(f); err == nil || !strings.Contains(err.Error(), "it is of unix and not of tcp") {
		t.Errorf("a socket of files is taken: %v", err)
	}

	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	bound := os.NewFile(uintptr(fd), "bound")
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := pass(bound); err == nil || !strings.Contains(err.Error(), "nobody called listen") {
		t.Errorf("a socket that does not listen is taken: %v", err)
	}
}
