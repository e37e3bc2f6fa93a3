package mitm

import (
	"errors"
	"net"
)

// Replay returns conn with bytes in front that were read from it before, such as
// the ClientHello. They are not copied. One goroutine at a time may read.
func Replay(conn net.Conn, read []byte) net.Conn {
	if len(read) == 0 {
		return conn
	}
	return &replayed{Conn: conn, read: read}
}

type replayed struct {
	net.Conn
	read []byte // what is left of it
}

func (c *replayed) Read(p []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil // it need not live as long as the connection
	}
	return n, nil
}

// NetConn returns the connection itself, from which only what follows can be read.
func (c *replayed) NetConn() net.Conn { return c.Conn }

// CloseWrite closes one half, where the connection can.
func (c *replayed) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
