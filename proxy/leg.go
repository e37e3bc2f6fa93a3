package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A leg is one side of a tunnel: a TCP connection, and what was read of it
// before.
type leg struct {
	conn  *net.TCPConn
	raw   syscall.RawConn
	early []byte
}

func newLeg(conn *net.TCPConn, early []byte) (*leg, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &leg{conn: conn, raw: raw, early: early}, nil
}

// chunkLen is how much is read at once while a tunnel is looked at: two whole
// TLS records.
const chunkLen = 32 << 10

var chunks = sync.Pool{New: func() any { return new([chunkLen]byte) }}

// read waits for bytes, and holds no buffer while it waits. The chunk goes back
// with put. At the stream's end the error is io.EOF.
func (l *leg) read() (c *[chunkLen]byte, n int, err error) {
	if len(l.early) > 0 {
		c = chunks.Get().(*[chunkLen]byte)
		n = copy(c[:], l.early)
		if l.early = l.early[n:]; len(l.early) == 0 {
			l.early = nil
		}
		return c, n, nil
	}
	var failed error
	err = l.raw.Read(func(fd uintptr) bool {
		c = chunks.Get().(*[chunkLen]byte)
		for {
			n, failed = unix.Read(int(fd), c[:])
			if failed != unix.EINTR {
				break
			}
		}
		if failed == unix.EAGAIN {
			chunks.Put(c)
			c = nil
			return false
		}
		return true
	})
	switch {
	case err == nil && failed != nil:
		err = &net.OpError{Op: "read", Net: "tcp", Source: l.conn.LocalAddr(), Addr: l.conn.RemoteAddr(), Err: failed}
	case err == nil && n == 0:
		err = io.EOF
	}
	if err != nil && c != nil {
		chunks.Put(c)
		c, n = nil, 0
	}
	return c, max(n, 0), err
}

func put(c *[chunkLen]byte) { chunks.Put(c) }

// wasReset says that the peer ended a connection by a reset.
func wasReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
