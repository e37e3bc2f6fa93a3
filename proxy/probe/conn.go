package probe

import (
	"errors"
	"net"
)

// maxReceived is more than any handshake and head have: crypto/tls takes chains of
// up to 256 KiB.
const maxReceived = 512 << 10

var errTooMuch = errors.New("the server sends without end")

// A tapConn keeps the beginnings of both directions, and bounds what it receives.
type tapConn struct {
	net.Conn
	hello []byte // what was sent before anything came: the ClientHello
	first []byte // what came first, up to maxFirst
	left  int
}

const (
	maxHello = 32 << 10
	maxFirst = 64
)

func (c *tapConn) Write(b []byte) (int, error) {
	if len(c.first) == 0 && len(c.hello)+len(b) <= maxHello {
		c.hello = append(c.hello, b...)
	}
	return c.Conn.Write(b)
}

func (c *tapConn) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	c.first = append(c.first, b[:min(n, maxFirst-len(c.first))]...)
	return n, err
}
