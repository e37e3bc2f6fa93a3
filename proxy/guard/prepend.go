package guard

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
)

// Prepend returns conn with b to be read first. It is conn itself if there is
// nothing in b, which must not be changed afterwards. The result is for one
// reader at a time. Copied from with [io.Copy], it leaves the way to the
// connection below, so that the kernel can splice.
func Prepend(conn net.Conn, b []byte) net.Conn {
	if len(b) == 0 {
		return conn
	}
	raw, early := Unwrap(conn)
	if len(early) > 0 {
		b = append(slices.Clip(b), early...)
	}
	return &prepended{Conn: raw, rest: b}
}

// Unwrap takes apart what Prepend made: the connection below and what is still
// to be read before it. For any other connection it returns conn and nil.
func Unwrap(conn net.Conn) (raw net.Conn, unread []byte) {
	if p, ok := conn.(*prepended); ok {
		return p.Conn, p.rest
	}
	return conn, nil
}

type prepended struct {
	net.Conn
	rest []byte
}

func (p *prepended) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		p.rest = nil
		return p.Conn.Read(b)
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// WriteTo implements [io.WriterTo].
func (p *prepended) WriteTo(w io.Writer) (int64, error) {
	n := 0
	if len(p.rest) > 0 {
		var err error
		n, err = w.Write(p.rest)
		p.rest = p.rest[n:]
		if err != nil {
			return int64(n), err
		}
	}
	p.rest = nil
	m, err := io.Copy(w, p.Conn)
	return int64(n) + m, err
}

// CloseWrite closes the sending side, if the connection can do that.
func (p *prepended) CloseWrite() error { return closeWrite(p.Conn) }

// closeWrite closes the sending side of a connection if it has such a method.
func closeWrite(conn net.Conn) error {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errNoHalfClose
}

var errNoHalfClose = errors.New("guard: the connection has no CloseWrite method")

// A connectionStater is a TLS connection.
type connectionStater interface {
	ConnectionState() tls.ConnectionState
}
