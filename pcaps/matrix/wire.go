package matrix

import (
	"bytes"
	"errors"
	"net"
	"time"
)

// A wrapper puts something around a connection.
type wrapper = func(net.Conn) (net.Conn, error)

// A cutter writes what it is given in pieces, until it has cut enough.
type cutter struct {
	net.Conn
	// size returns the length of the next piece, given how many bytes went out
	// before; 0 for all there is.
	size func(before int) int
	// limit is from when on nothing is cut, in bytes.
	limit  int
	pause  time.Duration // between pieces
	before int
}

// Write implements net.Conn.
func (c *cutter) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		n := len(b) - written
		if c.before < c.limit {
			if size := c.size(c.before); size > 0 {
				n = min(n, size)
			}
		}
		n, err := c.Conn.Write(b[written : written+n])
		written += n
		c.before += n
		if err != nil {
			return written, err
		}
		if written < len(b) && c.pause > 0 {
			time.Sleep(c.pause)
		}
	}
	return written, nil
}

// NetConn returns the connection below.
func (c *cutter) NetConn() net.Conn { return below(c.Conn) }

// below is the connection that c stands on, c itself where it says nothing of one.
func below(c net.Conn) net.Conn {
	if n, ok := c.(interface{ NetConn() net.Conn }); ok {
		return n.NetConn()
	}
	return c
}

// each is a cutter's size that is always the same.
func each(size int) func(int) int { return func(int) int { return size } }

// cutting cuts what is written.
func cutting(size func(int) int, limit int, pause time.Duration) func(net.Conn) net.Conn {
	return func(c net.Conn) net.Conn { return &cutter{Conn: c, size: size, limit: limit, pause: pause} }
}

// cuttingInside is cutting within TLS: each piece is a record.
func cuttingInside(size func(int) int, limit int, pause time.Duration) wrapper {
	return func(c net.Conn) (net.Conn, error) {
		return &cutter{Conn: c, size: size, limit: limit, pause: pause}, nil
	}
}

// A writeEditor hands each write to edit with its number, from 0.
type writeEditor struct {
	net.Conn
	edit func(n int, b []byte, write func([]byte) error) error
	n    int
}

// Write implements net.Conn.
func (w *writeEditor) Write(b []byte) (int, error) {
	n := w.n
	w.n++
	if err := w.edit(n, b, func(p []byte) error {
		_, err := w.Conn.Write(p)
		return err
	}); err != nil {
		return 0, err
	}
	return len(b), nil
}

// NetConn returns the connection below.
func (w *writeEditor) NetConn() net.Conn { return below(w.Conn) }

func editing(edit func(n int, b []byte, write func([]byte) error) error) wrapper {
	return func(c net.Conn) (net.Conn, error) { return &writeEditor{Conn: c, edit: edit}, nil }
}

// writeAt writes b in pieces that end at the places in at.
func writeAt(b []byte, at []int, pause time.Duration, write func([]byte) error) error {
	from := 0
	for _, to := range append(at, len(b)) {
		to = min(to, len(b))
		if to <= from {
			continue
		}
		if from > 0 && pause > 0 {
			time.Sleep(pause)
		}
		if err := write(b[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// joinHead sends the first n bytes of the Call Connect Request, which are always the same,
// with the HTTP request, and the rest where the request would be.
func joinHead(n int) wrapper {
	request := []byte{0x10, 0x01, 0x00, 0x0e, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x06, 0x00, 0x01} // MS-SSTP 2.2.9
	return editing(func(number int, b []byte, write func([]byte) error) error {
		switch number {
		case 0:
			return write(append(append([]byte(nil), b...), request[:n]...))
		case 1:
			rest, ok := bytes.CutPrefix(b, request[:n])
			if !ok {
				return errors.New("what follows the HTTP request is no Call Connect Request by itself")
			}
			return write(rest)
		}
		return write(b)
	})
}
