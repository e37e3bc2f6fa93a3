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
type pipe struct{ r, w, size int }

const (
	// pipeLen is what a pipe holds, unless the user has too many: then the
	// kernel grants a page or two, and copying is faster.
	pipeLen = 64 << 10
	// bigPipeLen is what the first ones hold: the more at a time, the less each
	// byte costs. A user without privileges is granted no more for one
	// (/proc/sys/fs/pipe-max-size).
	bigPipeLen = 1 << 20
	// maxBigPipes bounds them: a user without privileges is granted 64 MiB in
	// all (/proc/sys/fs/pipe-user-pages-soft), and they leave room for 64 others.
	maxBigPipes = 60
	// maxPipes bounds the pipes that are kept for reuse.
	maxPipes = 64
)

var pipes struct {
	sync.Mutex
	free    []pipe
	freeBig []pipe
	big     int // how many there are
}

var errSmallPipe = errors.New("the user has too many pipes")

func getPipe() (pipe, error) {
	pipes.Lock()
	for _, free := range []*[]pipe{&pipes.freeBig, &pipes.free} {
		if n := len(*free); n > 0 {
			p := (*free)[n-1]
			*free = (*free)[:n-1]
			pipes.Unlock()
			return p, nil
		}
	}
	big := pipes.big < maxBigPipes
	if big {
		pipes.big++
	}
	pipes.Unlock()
	p, err := newPipe(big)
	if big && (err != nil || p.size < bigPipeLen) {
		pipes.Lock()
		pipes.big--
		pipes.Unlock()
	}
	return p, err
}

func newPipe(big bool) (pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return pipe{}, os.NewSyscallError("pipe2", err)
	}
	p := pipe{r: fds[0], w: fds[1]}
	if big {
		if n, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, bigPipeLen); err == nil {
			p.size = n
			return p, nil
		}
	}
	n, err := unix.FcntlInt(uintptr(p.w), unix.F_GETPIPE_SZ, 0)
	if p.size = n; err != nil || n < pipeLen {
		p.close()
		return pipe{}, errSmallPipe
	}
	return p, nil
}

// free takes back a pipe that is empty.
func (p pipe) free() {
	pipes.Lock()
	free := &pipes.free
	if p.size >= bigPipeLen {
		free = &pipes.freeBig
	}
	if len(pipes.free)+len(pipes.freeBig) < maxPipes {
		*free = append(*free, p)
		pipes.Unlock()
		return
	}
	pipes.Unlock()
	p.discard()
}

// discard closes a pipe that something may be left in.
func (p pipe) discard() {
	if p.size >= bigPipeLen {
		pipes.Lock()
		pipes.big--
		pipes.Unlock()
	}
	p.close()
}

func (p pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

// splice has the kernel carry what comes from src to dst, until src ends: then
// the error is nil. Count is told of each piece before it is written to dst, and
// of 0 whenever a part of it was; taken when all of it is.
//
// io.Copy splices too, but holds a pipe for as long as it lasts and tells how
// much it carried only at the end.
func splice(dst, src *leg, count func(n int), taken func()) error {
	m := &mover{dst: dst, src: src, count: count}
	m.fill, m.drain = m.fillFrom, m.drainTo // bound once, not for each piece
	defer m.release()
	for {
		switch err := m.read(); {
		case errors.Is(err, errNoPipe):
			if err := carryOnce(dst, src, count, taken); err != nil {
				return err
			}
			continue
		case err != nil || m.n == 0:
			return err
		}
		count(m.n)
		if err := m.write(); err != nil {
			return err
		}
		taken()
	}
}

// carryOnce does without a pipe, for one piece: those who have a tunnel are not
// to lose it because there are no descriptors left.
func carryOnce(dst, src *leg, count func(n int), taken func()) error {
	c, n, err := src.read()
	if err != nil {
		return err
	}
	defer put(c)
	count(n)
	_, err = dst.conn.Write(c[:n])
	taken()
	return err
}

// errNoPipe says that there is something to read, and no pipe for it.
var errNoPipe = errors.New("no pipe")

// A mover moves bytes through a pipe, which it holds for as long as they come one
// after another.
type mover struct {
	dst, src    *leg
	count       func(n int)
	fill, drain func(fd uintptr) bool
	p           pipe // the zero one where none is held
	n           int  // bytes in it
	failed      error
}

// release lets go of the pipe.
func (m *mover) release() {
	switch {
	case m.p == pipe{}:
		return
	case m.n == 0:
		m.p.free()
	default:
		m.p.discard()
	}
	m.p = pipe{}
}

// read waits for bytes of src and moves them into the pipe. It holds none while it
// waits; n is 0 at the stream's end, or with an error.
func (m *mover) read() error {
	m.failed = nil
	err := m.src.raw.Read(m.fill)
	if err == nil && m.failed != nil {
		if errors.Is(m.failed, errNoPipe) {
			return errNoPipe
		}
		err = &net.OpError{Op: "read", Net: "tcp", Source: m.src.conn.LocalAddr(), Addr: m.src.conn.RemoteAddr(), Err: m.failed}
	}
	return err
}

func (m *mover) fillFrom(fd uintptr) bool {
	if m.p == (pipe{}) {
		var err error
		if m.p, err = getPipe(); err != nil {
			m.failed = errNoPipe
			return true
		}
	}
	n, err := move(int(fd), m.p.w, m.p.size)
	switch {
	case errors.Is(err, unix.EAGAIN):
		m.release() // no longer ours, however the waiting ends
		return false
	case err != nil:
		m.failed = err
		return true
	}
	m.n = n
	return true
}

// write moves what the pipe holds to dst.
func (m *mover) write() error {
	m.failed = nil
	err := m.dst.raw.Write(m.drain)
	if err == nil && m.failed != nil {
		err = &net.OpError{Op: "write", Net: "tcp", Source: m.dst.conn.LocalAddr(), Addr: m.dst.conn.RemoteAddr(), Err: m.failed}
	}
	return err
}

func (m *mover) drainTo(fd uintptr) bool {
	for m.n > 0 {
		n, err := move(m.p.r, int(fd), m.n)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			m.failed = err
			return true
		}
		m.n -= n
		m.count(0)
	}
	return true
}

// move is splice(2), as far as it goes without waiting.
func move(from, to, n int) (int, error) {
	for {
		m, err := unix.Splice(from, nil, to, nil, n, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if !errors.Is(err, unix.EINTR) {
			return int(m), err
		}
	}
}
