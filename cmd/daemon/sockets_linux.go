package daemon

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// checkListening refuses a socket that was bound alone: each Accept would fail.
func checkListening(c syscall.RawConn) error {
	var (
		listening int
		failed    error
	)
	err := c.Control(func(fd uintptr) {
		listening, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return os.NewSyscallError("getsockopt", failed)
	case listening == 0:
		return errors.New("nobody called listen on it")
	}
	return nil
}
