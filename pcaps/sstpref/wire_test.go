package sstpref

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A wire is one end of a connection in memory that is like one of TCP, unlike one
// of net.Pipe: what is written waits to be read, up to a window, what was written
// before the end can be read after it, and that the other end is closed is not
// known to a writer at once.
type wire struct {
	in, out       *direction
	local, remote net.Addr
}

// tcpWindow is what a wire takes of what is not read yet.
const tcpWindow = 256 << 10

// roundTrip is how long it takes until a writer learns that nobody reads any more.
const roundTrip = 10 * time.Millisecond

// newWire returns the two ends of a connection from an address.
func newWire(window int, from string) (client, server *wire) {
	near := &net.TCPAddr{IP: net.ParseIP(from), Port: 50000}
	far := &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 443}
	up, down := newDirection(window), newDirection(window)
	return &wire{down, up, near, far}, &wire{up, down, far, near}
}

func (w *wire) Read(b []byte) (int, error)         { return w.in.read(b) }
func (w *wire) Write(b []byte) (int, error)        { return w.out.write(b) }
func (w *wire) LocalAddr() net.Addr                { return w.local }
func (w *wire) RemoteAddr() net.Addr               { return w.remote }
func (w *wire) SetReadDeadline(t time.Time) error  { return w.in.setDeadline(&w.in.readBy, t) }
func (w *wire) SetWriteDeadline(t time.Time) error { return w.out.setDeadline(&w.out.writeBy, t) }

func (w *wire) SetDeadline(t time.Time) error {
	_ = w.SetReadDeadline(t) // never fails
	return w.SetWriteDeadline(t)
}

func (w *wire) Close() error {
	w.in.end(&w.in.deaf)
	w.out.end(&w.out.ended)
	return nil // as often as one likes
}

// A direction is what flows one way.
type direction struct {
	mu              sync.Mutex
	changed         sync.Cond
	window          int
	buf             []byte
	ended, deaf     time.Time // since when nothing more is written, or read
	readBy, writeBy deadline
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newDirection(window int) *direction {
	d := &direction{window: window}
	d.changed.L = &d.mu
	return d
}

func (d *direction) setDeadline(which *deadline, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if which.timer != nil {
		which.timer.Stop()
		which.timer = nil
	}
	which.at = t
	if !t.IsZero() {
		which.timer = time.AfterFunc(time.Until(t), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.changed.Broadcast()
		})
	}
	return nil
}

func (d *direction) end(since *time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if since.IsZero() {
		*since = time.Now()
	}
	d.changed.Broadcast()
}

func (d *direction) read(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case !d.deaf.IsZero():
			return 0, net.ErrClosed
		case d.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case len(d.buf) > 0:
			n := copy(b, d.buf)
			d.buf = d.buf[:copy(d.buf, d.buf[n:])]
			d.changed.Broadcast()
			return n, nil
		case !d.ended.IsZero():
			return 0, io.EOF
		}
		d.changed.Wait()
	}
}

func (d *direction) write(b []byte) (written int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case !d.ended.IsZero():
			return written, net.ErrClosed
		case !d.deaf.IsZero() && time.Since(d.deaf) >= roundTrip:
			return written, syscall.EPIPE
		case !d.deaf.IsZero():
			return written + len(b), nil
		case d.writeBy.passed():
			return written, os.ErrDeadlineExceeded
		case len(b) == 0:
			return written, nil
		}
		if n := min(d.window-len(d.buf), len(b)); n > 0 {
			d.buf = append(d.buf, b[:n]...)
			b, written = b[n:], written+n
			d.changed.Broadcast()
			continue
		}
		d.changed.Wait()
	}
}

// ended tells whether the other end is closed.
func (w *wire) ended() bool {
	w.out.mu.Lock()
	defer w.out.mu.Unlock()
	return !w.out.deaf.IsZero()
}

// The wire itself keeps order, stops at its window, and tells of its end.
func TestWire(t *testing.T) {
	a, b := newWire(4, "198.51.100.7")
	_ = a.SetWriteDeadline(time.Now().Add(time.Millisecond))
	if n, err := a.Write([]byte("abcdef")); n != 4 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	a.Close()
	if got, err := io.ReadAll(b); string(got) != "abcd" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := b.Write([]byte("x")); err != nil {
		t.Errorf("after the end: %v", err)
	}
	time.Sleep(roundTrip)
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a while after the end: %v", err)
	}
	if got := addrOf(b).String(); got != "198.51.100.7:50000" {
		t.Errorf("from %s", got)
	}
}
