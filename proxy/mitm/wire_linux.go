package mitm

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

const canDirect = true

// A transfer is one call of the kernel, or several that make one. Its methods are
// bound once, not for each.
type transfer struct {
	p    []byte
	done int
	err  error
	call func(fd uintptr) bool
}

// calls are a wire's ways to the kernel: one for who reads and one for who writes,
// of whom there is one each.
type calls struct{ in, out transfer }

func newCalls() *calls {
	c := new(calls)
	c.in.call, c.out.call = c.in.read, c.out.write
	return c
}

func (t *transfer) read(fd uintptr) bool {
	for {
		n, err := unix.Read(int(fd), t.p)
		if err != unix.EINTR {
			t.done, t.err = n, err
			return true
		}
	}
}

func (t *transfer) write(fd uintptr) bool {
	for t.done < len(t.p) {
		n, err := unix.SendmsgN(int(fd), t.p[t.done:], nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			t.done += n
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			t.err = err
			return true
		}
	}
	return true
}

// readNow reads what has come, and does not wait for it.
func (w *wire) readNow(p []byte) (int, error) {
	t := &w.calls.in
	t.p, t.done, t.err = p, 0, nil
	err := w.raw.Read(t.call)
	t.p = nil
	switch {
	case err != nil:
		return 0, w.failed("read", "", err)
	case errors.Is(t.err, unix.EAGAIN):
		return 0, errNothingYet
	case t.err != nil:
		return 0, w.failed("read", "read", t.err)
	case t.done == 0:
		return 0, io.EOF
	}
	return t.done, nil
}

// writeMore writes all of p, and has the kernel wait with the last of it for what
// comes next: packets are as large as they can be, and who reads is woken once for
// many records.
func (w *wire) writeMore(p []byte) (int, error) {
	t := &w.calls.out
	t.p, t.done, t.err = p, 0, nil
	err := w.raw.Write(t.call)
	t.p = nil
	switch {
	case err != nil:
		return t.done, w.failed("write", "", err)
	case t.err != nil:
		return t.done, w.failed("write", "sendmsg", t.err)
	}
	return t.done, nil
}
