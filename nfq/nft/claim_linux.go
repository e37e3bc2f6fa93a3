package nft

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Claim makes a process the one that may set up and remove a table of ours in its network
// namespace. A table without an owner cannot be told from what a crash left, and others would
// replace it while it is used.
//
// It is a unix socket that is bound to a name of the abstract kind: those belong to a network
// namespace as tables do, need no file that both processes can see, and go with the process in
// whatever way it ends. Anybody may bind such a name, though, not only who may change tables; see
// [ClaimTable].
type Claim struct {
	fd      int // -1 for none
	warning error
}

// ClaimTable claims the table of family inet of that name, in the network namespace of the
// calling thread. The error is a *ClaimedError, which is ErrInUse: another process has it that
// runs as root, as our own user, or with the capability to change tables.
//
// Whoever else has bound the name is only in the way. That, and whatever else keeps the name from
// being bound, is told by Warning: nothing then keeps a second process from the table, but no
// user of the machine can keep the first one from it either.
func ClaimTable(name string) (*Claim, error) {
	const tries, pause = 50, 10 * time.Millisecond
	at := &unix.SockaddrUnix{Name: "@sstpwarden/table/" + name}
	for n := 1; ; n++ {
		fd, err := claim(at)
		if err == nil {
			return &Claim{fd: fd}, nil
		}
		holder := &ClaimedError{Table: name}
		if errors.Is(err, unix.EADDRINUSE) {
			err = holder.find(at)
		}
		switch {
		case err == nil && holder.genuine():
			return nil, holder
		case err == nil:
			err = fmt.Errorf("%s is in the way, of user %d, who may not change tables", holder.process(), holder.UID)
		case errors.Is(err, unix.ECONNREFUSED) && n < tries:
			time.Sleep(pause) // it is about to listen, or is gone
			continue
		}
		return &Claim{fd: -1, warning: fmt.Errorf("claiming table inet %s: %w", name, err)}, nil
	}
}

// Warning says why nothing keeps others from the table, if that is so.
func (c *Claim) Warning() error { return c.warning }

// Close gives the table to whoever is next.
func (c *Claim) Close() error {
	if c.fd < 0 {
		return nil
	}
	fd := c.fd
	c.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}

// claim binds the name. Who connects to a socket that listens is told whose it is.
func claim(at *unix.SockaddrUnix) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err = unix.Bind(fd, at); err != nil {
		err = os.NewSyscallError("bind", err)
	} else if err = unix.Listen(fd, unix.SOMAXCONN); err != nil {
		err = os.NewSyscallError("listen", err)
	}
	if err != nil {
		_ = unix.Close(fd) // nothing was done with it
		return -1, err
	}
	return fd, nil
}

// A ClaimedError says which process has a table.
type ClaimedError struct {
	Table string
	PID   int // 0 for one that cannot be seen from here
	UID   int // as which it was started
}

func (e *ClaimedError) Error() string {
	stop := ""
	if e.PID != 0 {
		stop = fmt.Sprintf(" (kill %d)", e.PID)
	}
	return fmt.Sprintf("table inet %s belongs to %s, which is running: stop that one first%s", e.Table, e.process(), stop)
}

// Unwrap gives ErrInUse.
func (e *ClaimedError) Unwrap() error { return ErrInUse }

// process gives it in words: "process 1234 (sstpwarden)".
func (e *ClaimedError) process() string {
	if e.PID == 0 {
		return "a process of another container"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", e.PID))
	if err != nil {
		return fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("process %d (%s)", e.PID, strings.TrimSpace(string(name)))
}

// find fills in who listens.
func (e *ClaimedError) find(at *unix.SockaddrUnix) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was sent
	if err := unix.Connect(fd, at); err != nil {
		return os.NewSyscallError("connect", err)
	}
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	e.PID, e.UID = int(peer.Pid), int(peer.Uid)
	return nil
}

// genuine says that it may change tables, or is one of ours.
func (e *ClaimedError) genuine() bool {
	if e.UID == 0 || e.UID == os.Geteuid() {
		return true
	}
	if e.PID == 0 || !isAdmin(e.PID) {
		return false
	}
	// In a user namespace of their own everybody has all capabilities, and none for
	// the tables of ours.
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", e.PID))
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/user")
	return err == nil && theirs == ours
}

// isAdmin says that a process has CAP_NET_ADMIN.
func isAdmin(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && caps&(1<<unix.CAP_NET_ADMIN) != 0
		}
	}
	return false
}
