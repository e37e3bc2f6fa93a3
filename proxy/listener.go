package proxy

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Listener is where clients come in, and how. What it accepts are TCP connections.
type Listener struct {
	net.Listener
	Mode string // event.ModeExplicit, event.ModeRedirect or event.ModeTPROXY
}

// retry is how long one who stops waits for a connection that it was told of: that
// may have gone to another process that has the listener, too.
const retry = 100 * time.Millisecond

// A deadliner is a listener whose Accept can be interrupted without closing it, as that of
// *net.TCPListener can.
type deadliner interface{ SetDeadline(t time.Time) error }

// wake ends Accept. What was accepted by the kernel stays.
func (l Listener) wake() {
	if d, ok := l.Listener.(deadliner); ok {
		_ = d.SetDeadline(past) // fails when closed, and so does Accept
		return
	}
	_ = l.Close()
}

// rest has the next Accept after wake take what is there.
func (l Listener) rest() {
	if d, ok := l.Listener.(deadliner); ok {
		_ = d.SetDeadline(time.Now().Add(retry)) // as in wake
	}
}

// waiting says whether a connection is there that was not taken yet. Accept cannot be
// asked: with a deadline that is over it does not look.
func (l Listener) waiting() (is bool) {
	c, ok := l.Listener.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		for err == unix.EINTR {
			n, err = unix.Poll(fds, 0)
		}
		is = n > 0
	})
	return err == nil && is
}
