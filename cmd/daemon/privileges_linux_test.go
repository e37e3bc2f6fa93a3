package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

func init() {
	children["drop"] = dropChild
	children["narrow"] = narrowChild
	children["lack"] = lackChild
	children["nofile"] = fileLimitChild
}

// threads has several threads there are before privileges go.
func threads() (release func()) {
	stop := make(chan struct{})
	var began, ended sync.WaitGroup
	for range 4 {
		began.Add(1)
		ended.Go(func() {
			fds := [2]int{}
			_ = unix.Pipe(fds[:])
			go func() { <-stop; _ = unix.Close(fds[1]) }()
			began.Done()
			_, _ = unix.Read(fds[0], make([]byte, 1)) // holds a thread
		})
	}
	began.Wait()
	return func() { close(stop); ended.Wait() }
}

// everyThread gives a line of /proc/self/task/*/status where it is the same in
// all threads.
func everyThread(key string) (string, error) {
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(files) < 5 {
		return "", fmt.Errorf("%d threads: %w", len(files), err)
	}
	same := ""
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		_, rest, _ := strings.Cut(string(text), "\n"+key+":")
		line, _, _ := strings.Cut(rest, "\n")
		line = strings.Join(strings.Fields(line), " ")
		if same != "" && same != line {
			return "", fmt.Errorf("%s differs between threads: %s, %s", key, same, line)
		}
		same = line
	}
	return same, nil
}

func wantThreads(want map[string]string) error {
	var errs []error
	for key, value := range want {
		got, err := everyThread(key)
		if err == nil && got != value {
			err = fmt.Errorf("%s is %q, want %q", key, got, value)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// netAdmin is the one capability, as the kernel writes it.
const netAdmin = "0000000000001000"

// dropChild goes on as nobody, with what marks on sockets need.
func dropChild() error {
	defer threads()()
	if err := DropPrivileges("nobody", []cap.Value{cap.NET_ADMIN}); err != nil {
		return err
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	uid := strings.Join([]string{u.Uid, u.Uid, u.Uid, u.Uid}, " ")
	gid := strings.Join([]string{u.Gid, u.Gid, u.Gid, u.Gid}, " ")
	if err := wantThreads(map[string]string{
		"Uid": uid, "Gid": gid, "Groups": u.Gid, "NoNewPrivs": "1",
		"CapInh": "0000000000000000", "CapPrm": netAdmin, "CapEff": netAdmin, "CapBnd": netAdmin, "CapAmb": "0000000000000000",
	}); err != nil {
		return err
	}
	// What was kept works, and what was not does not.
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, 1); err != nil {
		return fmt.Errorf("setting a mark: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1); err != nil {
		return fmt.Errorf("setting IP_TRANSPARENT: %w", err)
	}
	if _, err := os.Open("/etc/shadow"); !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("reading /etc/shadow: %v", err) //nolint:errorlint // it may be nil
	}
	if err := syscall.Setuid(0); err == nil {
		return errors.New("it is root again")
	}
	return nil
}

// narrowChild stays who it is.
func narrowChild() error {
	defer threads()()
	if err := DropPrivileges("", nil); err != nil {
		return err
	}
	none := "0000000000000000"
	if err := wantThreads(map[string]string{"CapPrm": none, "CapEff": none, "CapBnd": none, "NoNewPrivs": "1"}); err != nil {
		return err
	}
	return DropPrivileges("", nil) // nothing is left to drop
}

// lackChild asks for what it does not have.
func lackChild() error {
	if err := cap.NewSet().SetProc(); err != nil {
		return err
	}
	err := DropPrivileges("", []cap.Value{cap.NET_ADMIN})
	if err == nil || !strings.Contains(err.Error(), "AmbientCapabilities=cap_net_admin") {
		return fmt.Errorf("without the capability: %v", err) //nolint:errorlint // it may be nil
	}
	return nil
}

func fileLimitChild() error {
	const soft, hard = 100, 200
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: soft, Max: hard}); err != nil {
		return err
	}
	for range 2 {
		if n, err := RaiseFileLimit(0); err != nil || n != hard {
			return fmt.Errorf("%d, %w", n, err)
		}
	}
	var files []net.Listener
	for range soft {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		files = append(files, l)
	}
	for _, l := range files {
		_ = l.Close()
	}
	return nil
}

func TestPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		lacking(t, "only root can drop privileges")
	}
	for _, name := range []string{"drop", "narrow", "lack", "nofile"} {
		if out, err := child(t, name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestLookup(t *testing.T) {
	if _, _, _, err := lookup("no such user"); err == nil || !strings.Contains(err.Error(), "make the user") {
		t.Error(err)
	}
	uid, gid, groups, err := lookup("0")
	if err != nil || uid != 0 || gid != 0 || len(groups) == 0 {
		t.Errorf("%d, %d, %v, %v", uid, gid, groups, err)
	}
}
