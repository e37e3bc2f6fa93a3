package proxy

import (
	"errors"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A pipe is where the kernel keeps what it carries from one socket to another.
// There is one only while bytes are under way: an idle tunnel holds none, which
// spares file descriptors and the pages that the kernel grants a user for pipes.
type pipe struct{ r, w int }

// pipeLen is what a pipe is asked to hold, and what one call moves at most.
const pipeLen = 256 << 10

// maxPipes bounds the pipes that are kept for reuse.
const maxPipes = 64

var pipes struct {
	sync.Mutex
	free []pipe
}

func getPipe() (pipe, error) {
	pipes.Lock()
	if n := len(pipes.free); n > 0 {
		p := pipes.free[n-1]
		pipes.free = pipes.free[:n-1]
		pipes.Unlock()
		return p, nil
	}
	pipes.Unlock()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, os.NewSyscallError("pipe2", err)
	}
	// A user without privileges gets less when there are many.
	_, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_SETPIPE_SZ, pipeLen)
	return pipe{fds[0], fds[1]}, nil
}

// free takes back a pipe that is empty.
func (p pipe) free() {
	pipes.Lock()
	if len(pipes.free) < maxPipes {
		pipes.free = append(pipes.free, p)
		pipes.Unlock()
		return
	}
	pipes.Unlock()
	p.close()
}

func (p pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

// splice has the kernel carry what comes from src to dst, until src ends: then
// the error is nil. Moved is told of each piece before it is written to dst, and
// of 0 when all of it is.
//
// io.Copy splices too, but holds a pipe for as long as it lasts and tells how
// much it carried only at the end.
func splice(dst, src *leg, moved func(n int)) error {
	for {
		p, n, err := fill(src)
		if err != nil || n == 0 {
			return err
		}
		moved(n)
		if err := drain(dst, p, n); err != nil {
			p.close() // something is left in it
			return err
		}
		p.free()
		moved(0)
	}
}

// fill waits for bytes of src and moves them into a pipe. It holds no pipe while
// it waits; n is 0 at the stream's end.
func fill(src *leg) (p pipe, n int, err error) {
	var failed error
	err = src.raw.Read(func(fd uintptr) bool {
		if p, failed = getPipe(); failed != nil {
			return true
		}
		n, failed = moveRetry(int(fd), p.w, pipeLen)
		if errors.Is(failed, unix.EAGAIN) {
			p.free()
			return false
		}
		return true
	})
	if err == nil && failed != nil {
		err = &net.OpError{Op: "read", Net: "tcp", Source: src.conn.LocalAddr(), Addr: src.conn.RemoteAddr(), Err: failed}
	}
	if (err != nil || n <= 0) && p != (pipe{}) {
		p.free()
	}
	return p, max(n, 0), err
}

// drain writes the n bytes that p holds to dst.
func drain(dst *leg, p pipe, n int) error {
	var failed error
	err := dst.raw.Write(func(fd uintptr) bool {
		for n > 0 {
			var m int
			if m, failed = moveRetry(p.r, int(fd), n); errors.Is(failed, unix.EAGAIN) {
				return false
			}
			if failed != nil {
				return true
			}
			n -= m
		}
		return true
	})
	if err == nil && failed != nil {
		err = &net.OpError{Op: "write", Net: "tcp", Source: dst.conn.LocalAddr(), Addr: dst.conn.RemoteAddr(), Err: failed}
	}
	return err
}

func moveRetry(from, to, n int) (int, error) {
	for {
		m, err := unix.Splice(from, nil, to, nil, n, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return int(m), err
		}
	}
}
