package record

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// A conn is a connection that is recorded.
//
// A Read is recorded when it returns, a Write when it returns or, if that comes
// first, before the next Read that does: the peer may have answered bytes of a
// Write that is still under way, and so may have seen all of it.
type conn struct {
	net.Conn
	capture       *Capture
	ends          ends
	local, remote side
	talk          *talk // the writing goroutine's

	// One Read and one Write at a time, as a connection of TCP has it too: what
	// two of them carried has no order otherwise.
	reading, writing sync.Mutex

	// What follows is guarded by capture.mu.
	pending  []byte        // what a Write under way was given, until it is recorded
	since    time.Duration // when that Write began
	busy     int           // Reads and Writes under way
	finished [2]bool       // which sides sent FIN
	over     bool          // nothing follows: RST, or closed
	abrupt   bool          // Close sends RST
	closed   bool          // Close was called
	lost     [2]int        // of either side, for the next event
}

// Read reads from the connection.
func (k *conn) Read(b []byte) (int, error) {
	k.reading.Lock()
	defer k.reading.Unlock()
	k.begin(nil)
	n, err := k.Conn.Read(b)
	at := k.capture.time()

	k.capture.mu.Lock()
	defer k.capture.mu.Unlock()
	reset := errors.Is(err, syscall.ECONNRESET)
	if n > 0 || reset || errors.Is(err, io.EOF) {
		k.settle(len(k.pending))
	}
	k.sent(k.remote, b[:n], at)
	switch {
	case reset:
		k.abort(k.remote, at)
	case errors.Is(err, io.EOF):
		k.finish(k.remote, at)
	}
	k.leave()
	return n, err
}

// Write writes to the connection, in one Write.
func (k *conn) Write(b []byte) (int, error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.begin(b)
	n, err := k.Conn.Write(b)
	at := k.capture.time()

	k.capture.mu.Lock()
	defer k.capture.mu.Unlock()
	k.settle(n)
	// EPIPE comes after the peer's RST, or after our own FIN.
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) && !k.finished[k.local] {
		k.abort(k.remote, at)
	}
	k.leave()
	return n, err
}

// Close closes the connection.
func (k *conn) Close() error {
	err := k.Conn.Close()
	k.capture.mu.Lock()
	defer k.capture.mu.Unlock()
	k.closed = true
	k.rest()
	return err
}

// NetConn returns the connection that is recorded.
func (k *conn) NetConn() net.Conn { return k.Conn }

// begin begins a Read, or a Write of b.
func (k *conn) begin(b []byte) {
	c := k.capture
	c.mu.Lock()
	defer c.mu.Unlock()
	c.room()
	k.busy++
	if len(b) > 0 {
		k.pending, k.since = b, c.time()
	}
}

// leave ends a Read or Write.
func (k *conn) leave() {
	k.busy--
	k.rest()
}

// rest ends a connection that is closed when nothing is under way any more: until
// then a Read may bring bytes yet.
func (k *conn) rest() {
	if k.closed && k.busy == 0 {
		k.end()
	}
}

// settle records the Write under way, of which n bytes were written.
func (k *conn) settle(n int) {
	if len(k.pending) > 0 {
		k.sent(k.local, k.pending[:min(n, len(k.pending))], k.since)
		k.pending = nil
	}
}

// sent records bytes.
func (k *conn) sent(from side, b []byte, at time.Duration) {
	if len(b) > 0 && !k.over && !k.finished[from] && !k.capture.closed {
		k.capture.add(event{conn: k, at: at, kind: sent, from: from, data: bytes.Clone(b)})
	}
}

// finish records a FIN.
func (k *conn) finish(from side, at time.Duration) {
	if !k.over && !k.finished[from] {
		k.finished[from] = true
		k.capture.add(event{conn: k, at: at, kind: finished, from: from})
	}
}

// abort records a RST.
func (k *conn) abort(from side, at time.Duration) {
	if !k.over {
		k.over = true
		k.capture.add(event{conn: k, at: at, kind: aborted, from: from})
	}
}

// end records how the connection was closed.
func (k *conn) end() {
	at := k.capture.time()
	if k.abrupt {
		k.abort(k.local, at)
	}
	k.finish(k.local, at)
	k.finish(k.remote, at)
	k.over = true
	if _, ok := k.capture.conns[k]; ok {
		delete(k.capture.conns, k)
		delete(k.capture.live, k.ends)
	}
}
