package mitm

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// A wire is what a [Conn] has its records from and sends them to. It can be told
// not to wait, and that more is to come.
type wire struct {
	net.Conn
	raw   syscall.RawConn // nil where it has no socket
	calls *calls

	waitless bool        // for who reads: what has not come yet is errNothingYet
	more     atomic.Bool // of writes: another one follows at once
}

// newWire gives a wire, and the connection to use instead of conn: bytes that were
// read from it before stay in front.
func newWire(conn net.Conn) (*wire, net.Conn) {
	w := &wire{Conn: conn}
	early, _ := conn.(*replayed)
	if early != nil {
		w.Conn = early.Conn
	}
	if s, ok := w.Conn.(syscall.Conn); ok && canDirect {
		if raw, err := s.SyscallConn(); err == nil { // else it is closed, as all that follows finds
			w.raw, w.calls = raw, newCalls()
		}
	}
	if early != nil {
		return w, &replayed{Conn: w, read: early.read}
	}
	return w, w
}

// direct says that the wire can do more than a connection.
func (w *wire) direct() bool { return w.raw != nil }

// NetConn returns the connection itself.
func (w *wire) NetConn() net.Conn { return w.Conn }

// Read implements [net.Conn].
func (w *wire) Read(p []byte) (int, error) {
	if w.waitless && len(p) > 0 {
		return w.readNow(p)
	}
	return w.Conn.Read(p)
}

// Write implements [net.Conn].
func (w *wire) Write(p []byte) (int, error) {
	if w.more.Load() {
		return w.writeMore(p)
	}
	return w.Conn.Write(p)
}

// errNothingYet is a timeout for crypto/tls: reading goes on where it was.
var errNothingYet error = nothingYetError{}

type nothingYetError struct{}

func (nothingYetError) Error() string   { return "nothing has come yet" }
func (nothingYetError) Timeout() bool   { return true }
func (nothingYetError) Temporary() bool { return true }

// failed is an error of the connection, in package net's words.
func (w *wire) failed(op, call string, err error) error {
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // as it comes from the kernel
		err = os.NewSyscallError(call, errno)
	} else if of, ok := err.(*net.OpError); ok { //nolint:errorlint // as it comes from package net
		err = of.Err
	}
	return &net.OpError{Op: op, Net: w.RemoteAddr().Network(), Source: w.LocalAddr(), Addr: w.RemoteAddr(), Err: err}
}
